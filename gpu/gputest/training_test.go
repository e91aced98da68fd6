package gputest

import (
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"netllm/gpu"
	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// step is a training step of a small frozen model with low-rank matrices, dropout,
// a convolution, a layer norm and a classifier: what adapting a model is made of.
type step struct {
	trainer *netllm.Trainer
	body    transformer.Body
	conv    *netllm.Conv1D
	norm    *netllm.LayerNorm
	head    *netllm.Dense
	input   []float32
	targets []int32
	seq     int
}

func newStep(t testing.TB, b ops.Backend, layers, width, seq int) *step {
	t.Helper()
	m, err := transformer.New(b, transformer.Config{
		Arch: "llama", Vocab: 64, Width: width, Layers: layers, Heads: 4, KVHeads: 2, HeadDim: width / 4, FFN: 3 * width,
		RopeDim: width / 4, RopeTheta: 10000, NormEps: 1e-5, MaxPositions: 64,
	}, 7)
	if err != nil {
		t.Fatal(err)
	}
	lora, err := transformer.NewLoRA(b, m, transformer.LoRAConfig{Rank: 4, Alpha: 8, Targets: []string{"q_proj", "v_proj"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	body, err := m.WithLoRA(lora)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	s := &step{
		body: body, seq: seq,
		conv: netllm.NewConv1D(b, "conv", width, 3, rng),
		norm: netllm.NewLayerNorm(b, "norm", width),
		head: netllm.NewDense(b, "head", 10, width, rng),
	}
	params := append(lora.Params(), s.conv.Params()...)
	params = append(append(params, s.norm.Params()...), s.head.Params()...)
	s.trainer = netllm.NewTrainer(b, params, 1e-3, 3)
	s.trainer.MaxNorm = 1
	for range seq + 2 {
		s.input = append(s.input, rng.Float32()-0.5)
	}
	for range seq {
		s.targets = append(s.targets, int32(rng.IntN(10)))
	}
	return s
}

// do takes one step and returns the loss before it.
func (s *step) do() (float64, error) {
	loss, err := s.trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
		x := s.norm.Forward(c, s.conv.Forward(c, c.Float32s(s.input, 1, len(s.input))))
		x = ops.Dropout(c, x.Reshape(1, s.seq, s.body.Width()), 0.1)
		y := s.head.Forward(c, s.body.Forward(c, x, nil))
		return ops.CrossEntropy(c, y.Reshape(s.seq, 10), c.Int32s(s.targets, s.seq))
	})
	if err != nil {
		return 0, err
	}
	return loss, s.trainer.Step(1)
}

// Ten steps on the GPU have the losses that they have on the CPU, all of it
// computed on the device: nothing crosses but inputs, targets, losses and the norm of
// the gradients, which a step is checked by.
func TestTraining(t *testing.T) {
	dev, cpu := Open(t), ops.NewCPU(1)
	defer dev.Close()
	defer cpu.Close()
	g, c := newStep(t, dev, 2, 32, 17), newStep(t, cpu, 2, 32, 17)
	for i := range 10 {
		before := dev.Counters().BytesTransferred
		got, err := g.do()
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.do()
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(got-want) <= 1e-4) {
			t.Errorf("loss before step %d: got %v, on the CPU %v", i+1, got, want)
		}
		if moved, limit := dev.Counters().BytesTransferred-before, int64(4*(len(g.input)+len(g.targets)+2)); moved > limit {
			t.Errorf("step %d: %d bytes were transferred, want %d: inputs, targets, the loss and the norm of the gradients", i+1, moved, limit)
		}
	}
	if n := dev.Counters().HostFallbacks; n != 0 {
		t.Errorf("host fallbacks: got %d, want 0", n)
	}
}

var steps = flag.Int("steps", 1000, "training steps over which memory is watched")

// Neither the device's memory nor the process's grows with the number of steps.
func TestTrainingMemory(t *testing.T) {
	steps := *steps
	b, err := gpu.Open() // without the validation layer, which keeps records of its own
	if err != nil {
		Missing(t, err)
	}
	defer b.Close()
	s := newStep(t, b, 1, 8, 5)
	var device int64
	var process, early int
	for i := range steps {
		if _, err := s.do(); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		if i == steps/5 {
			runtime.GC()
			device, early = b.Memory(), resident(t)
		}
	}
	runtime.GC()
	process = resident(t)
	if got := b.Memory(); got != device {
		t.Errorf("device memory: %d bytes after %d steps, %d after %d", got, steps, device, steps/5)
	}
	if grown := process - early; grown > 4<<20 {
		t.Errorf("memory of the process grew by %d bytes from step %d to %d", grown, steps/5, steps)
	}
	all, replayed := b.Submissions()
	t.Logf("%d steps: %d MiB of the device, %d MiB of the process, %d of %d submissions recorded before", steps, device>>20, process>>20, replayed, all)
}

// resident returns the process's memory in bytes, or 0 where the system does not tell.
func resident(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Log("the process's memory is not measured:", err)
		return 0
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
