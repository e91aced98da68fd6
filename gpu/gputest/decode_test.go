package gputest

import (
	"math"
	"testing"

	"netllm/gpu"
	"netllm/ops"
	"netllm/transformer"
)

func newModel(t *testing.T, b ops.Backend) transformer.Model {
	t.Helper()
	m, err := transformer.New(b, transformer.Config{
		Arch: "llama", Vocab: 96, Width: 48, Layers: 3, Heads: 4, KVHeads: 2, HeadDim: 12, FFN: 112,
		RopeDim: 12, RopeTheta: 10000, NormEps: 1e-5, MaxPositions: 128,
	}, 11)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// generator decodes token after token.
type generator struct {
	c      *ops.Context
	m      transformer.Model
	cache  *transformer.Cache
	logits []float32
}

func newGenerator(t *testing.T, b ops.Backend) *generator {
	m := newModel(t, b)
	return &generator{ops.NewContext(b), m, m.NewCache(b, 1, 128), make([]float32, m.Shape().Vocab)}
}

// next computes the logits after the last of ids.
func (g *generator) next(ids []int32) error {
	g.c.Reset()
	x := g.m.Forward(g.c, g.m.EmbedTokens(g.c, g.c.Int32s(ids, 1, len(ids))), g.cache)
	last := ops.Contiguous(g.c, x.Slice(1, len(ids)-1, len(ids))).Reshape(1, g.m.Width())
	return g.c.Read(g.logits, g.m.Logits(g.c, last).Reshape(len(g.logits)))
}

// In a prompt and in decoding nothing crosses but token numbers and logits, all is
// computed on the device, and the same commands are submitted again and again.
func TestDecode(t *testing.T) {
	dev, cpu := Open(t), ops.NewCPU(1)
	defer dev.Close()
	defer cpu.Close()
	g, c := newGenerator(t, dev), newGenerator(t, cpu)
	var all, replayed uint64
	for i := range 60 {
		ids := []int32{int32(3 + i)}
		if i == 0 {
			ids = []int32{1, 17, 4, 50, 9, 33, 80, 2, 5, 6}
		}
		if i == 40 {
			all, replayed = dev.Submissions()
		}
		before := dev.Counters().BytesTransferred
		if err := g.next(ids); err != nil {
			t.Fatal(err)
		}
		if got, want := dev.Counters().BytesTransferred-before, int64(4*(len(ids)+len(g.logits))); got != want {
			t.Errorf("step %d: %d bytes were transferred, want %d: token numbers and logits", i, got, want)
		}
		if err := c.next(ids); err != nil {
			t.Fatal(err)
		}
		for j, want := range c.logits {
			if !(math.Abs(float64(g.logits[j]-want)) <= 1e-5) {
				t.Fatalf("step %d: logit %d: got %v, on the CPU %v", i, j, g.logits[j], want)
			}
		}
	}
	if n := dev.Counters().HostFallbacks; n != 0 {
		t.Errorf("host fallbacks: got %d, want 0", n)
	}
	nowAll, nowReplayed := dev.Submissions()
	if nowReplayed-replayed != nowAll-all {
		t.Errorf("the last 20 tokens: %d of %d submissions were recorded before, want all", nowReplayed-replayed, nowAll-all)
	}
}

// A token costs no memory of the Go heap, but for what the driver without cgo takes
// for its calls.
func TestDecodeAllocations(t *testing.T) {
	b, err := gpu.Open()
	if err != nil {
		Missing(t, err)
	}
	defer b.Close()
	g := newGenerator(t, b)
	ids := []int32{7}
	step := func() {
		g.cache.Truncate(40)
		if err := g.next(ids); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.next(make([]int32, 41)); err != nil {
		t.Fatal(err)
	}
	step()
	all, _ := b.Submissions()
	const runs = 20
	allocs := testing.AllocsPerRun(runs, step)
	now, _ := b.Submissions()
	perToken := float64(now-all) / (runs + 1)
	if limit := 8 * perToken; allocs > limit {
		t.Errorf("a token: %v allocations in %v submissions, want at most %v", allocs, perToken, limit)
	}
	t.Logf("a token: %v allocations, %v submissions", allocs, perToken)
}
