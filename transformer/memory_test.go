package transformer

import (
	"math"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

func smallModel(t *testing.T, b ops.Backend) Model {
	t.Helper()
	m, err := New(b, Config{Arch: "llama", Layers: 3, Width: 64, FFN: 160, Heads: 4, KVHeads: 2, HeadDim: 16, Vocab: 96,
		MaxPositions: 64, NormEps: 1e-5, RopeTheta: 1e4, RopeDim: 16}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDecodeAllocatesNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		b := ops.NewCPU(threads)
		defer b.Close()
		checkDecodeAllocates(t, b, "larger", smallModel(t, b))
		for name, config := range familyConfigs {
			checkDecodeAllocates(t, b, name, newFamily(t, b, config))
		}
	}
}

func checkDecodeAllocates(t *testing.T, b ops.Backend, name string, m Model) {
	t.Helper()
	for _, l := range linears(m.(*decoder).net) { // as weights from a file are
		w, err := b.Prepare(l.weight)
		if err != nil {
			t.Fatal(err)
		}
		l.weight = w
	}
	positions := m.MaxPositions()
	c, cache := ops.NewContext(b), m.NewCache(b, 1, positions)
	defer cache.Free()
	token, logits := []int32{5}, make([]float32, m.Shape().Vocab)
	step := func() {
		if cache.Len == positions-4 {
			cache.Truncate(0)
		}
		c.Reset()
		x := m.Forward(c, m.EmbedTokens(c, c.Int32s(token, 1, 1)), cache)
		if err := c.Read(logits, m.Logits(c, x).Reshape(len(logits))); err != nil {
			t.Fatal(err)
		}
	}
	for range positions - 3 { // every length once: buffers grow with the sequence
		step()
	}
	if got := testing.AllocsPerRun(50, step); got > 0 {
		t.Errorf("%s: allocations per token: got %v, want 0", name, got)
	}
}

// With checkpoints a step gives the same loss and gradients from less memory.
func TestCheckpointing(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	m := smallModel(t, b)
	lora, err := NewLoRA(b, m, LoRAConfig{Rank: 4, Alpha: 8, Dropout: 0.1, Targets: []string{"q_proj", "down_proj"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range lora.Params() { // B starts at zero, which would hide A's gradient
		values := make([]float32, p.Value.Len())
		for i := range values {
			values[i] = float32(math.Sin(float64(i + len(p.Name))))
		}
		b.Upload(p.Value, floatBytes(values))
	}
	body, err := m.WithLoRA(lora)
	if err != nil {
		t.Fatal(err)
	}
	step := func(checkpointing bool) (values []float32, bytes int) {
		c := ops.NewContext(b)
		defer c.Arena.Free()
		c.Tape, c.Training, c.Checkpointing = ops.NewTape(), true, checkpointing
		c.Tape.Watch(lora.Params()...)
		ops.ZeroGrad(c, lora.Params())
		const batch, seq = 16, 60
		x := make([]float32, batch*seq*m.Width())
		for i := range x {
			x[i] = float32(math.Cos(float64(i)))
		}
		y := body.Forward(c, c.Float32s(x, batch, seq, m.Width()), nil)
		loss := ops.MSE(c, y, c.Float32s(make([]float32, len(x)), batch, seq, m.Width()))
		c.Tape.Backward(c, loss)
		for _, t := range append([]tensor.Tensor{loss}, gradsOf(lora)...) {
			v, err := c.Floats(t)
			if err != nil {
				panic(err)
			}
			values = append(values, v...)
		}
		return values, c.Arena.Bytes()
	}
	want, all := step(false)
	got, fewer := step(true)
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("value %d: got %v, want %v", i, got[i], want[i])
		}
	}
	if fewer >= all {
		t.Errorf("arena: got %d bytes with checkpoints, %d without", fewer, all)
	}
}

func gradsOf(l *LoRA) (grads []tensor.Tensor) {
	for _, p := range l.Params() {
		grads = append(grads, p.Grad)
	}
	return grads
}
