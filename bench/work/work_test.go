package work

import (
	"math"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
)

// TestWorks does every work twice.
func TestWorks(t *testing.T) {
	backend := ops.NewCPU(2)
	defer backend.Close()
	path, err := TrainingModel(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(backend, path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, c := range []struct {
		name  string
		start func() (*Work, error)
		flop  float64
	}{
		{"product", Product{M: 3, K: 5, N: 7, Weights: tensor.F32}.of(backend), 210},
		{"prepared", Product{M: 3, K: 64, N: 7, Transposed: true, Weights: tensor.F32, Prepared: true}.of(backend), 2688},
		{"quantised", Product{M: 3, K: 64, N: 7, Transposed: true, Weights: tensor.Q4_0}.of(backend), 2688},
		// 2 heads of 8, queries seeing 2 and 3 keys: 10 pairs, 4*8 each.
		{"attention", func() (*Work, error) {
			return Attention{Batch: 1, Seq: 2, Past: 1, Heads: 2, KVHeads: 1, HeadDim: 8}.New(backend)
		}, 320},
		{"attention backward", func() (*Work, error) {
			return Attention{Batch: 1, Seq: 2, Heads: 2, KVHeads: 1, HeadDim: 8, Backward: true}.New(backend)
		}, 672},
		{"prefill", func() (*Work, error) { return m.Prefill(backend, 1) }, 2*(8*(4*512*512+3*512*1376)+320*512) + 4*8*512},
		{"decode", func() (*Work, error) { return m.Decode(backend, 2, 1) }, 2 * (8*(4*512*512+3*512*1376) + 320*512)},
		{"training step", func() (*Work, error) { return LoRAStep{Batch: 1, Seq: 2, Rank: 4}.New(backend, m) },
			2*(4*8*(4*512*512+3*512*1376)+6*8*2*4*1024) + 12*8*8*4*64},
		{"decision", func() (*Work, error) { return Decision(backend) }, 0},
		{"simulator", func() (*Work, error) {
			sessions, video, err := Sessions("")
			if err != nil {
				return nil, err
			}
			return Simulator(sessions, video, 1)
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := c.start()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for range 2 {
				if err := w.Do(); err != nil {
					t.Fatal(err)
				}
			}
			if math.Abs(w.FLOP-c.flop) > 1e-9*c.flop {
				t.Errorf("operations: got %v, want %v", w.FLOP, c.flop)
			}
		})
	}
}

func (p Product) of(b ops.Backend) func() (*Work, error) {
	return func() (*Work, error) { return p.New(b) }
}

// TestSessions checks that the published traces are found where they lie.
func TestSessions(t *testing.T) {
	sessions, video, err := Sessions(golden.Data(t, "."))
	if err != nil || len(sessions) != 235 || video.Name != "video1" {
		t.Errorf("got %d sessions, %v, want 235", len(sessions), err)
	}
}

func TestDecodeBytes(t *testing.T) {
	path, err := TrainingModel(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeBytes(path)
	if want := 4. * (8*(4*512*512+3*512*1376) + 320*512); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestPeakMemory(t *testing.T) {
	ResetPeakMemory()
	before := PeakMemory()
	if before == 0 {
		t.Skip("skip: this system does not tell")
	}
	b := make([]byte, 64<<20)
	for i := range b {
		b[i] = 1
	}
	if got := PeakMemory() - before; got < 32<<20 {
		t.Errorf("after writing 64 MiB: got %d bytes more, with %d", got, b[len(b)-1])
	}
}
