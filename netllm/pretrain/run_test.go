package pretrain

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"netllm/ops"
	"netllm/transformer"
)

// small trains in a second.
func small() Config {
	f := Default()
	f.Model.Layers, f.Model.Width, f.Model.FFN, f.Model.Heads, f.Model.KVHeads = 1, 32, 64, 2, 1
	f.Steps, f.Batch, f.Length, f.WarmUp = 20, 4, 64, 5
	return f
}

func goroot(t *testing.T) string {
	t.Helper()
	dir, err := Goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestGoDocs(t *testing.T) {
	c, err := GoDocs(goroot(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Train) < 1<<20 || len(c.HeldOut) < 1<<14 {
		t.Errorf("got %d bytes to train on and %d held out, want megabytes", len(c.Train), len(c.HeldOut))
	}
	again, err := GoDocs(goroot(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Hash() != again.Hash() {
		t.Error("two readings differ")
	}
	if bits := Order2BitsPerByte(c); bits < 1 || bits > 5 {
		t.Errorf("order-2 model: got %v bits per byte", bits)
	}
}

func TestOrder2(t *testing.T) {
	// In a text of one repeated triple two bytes tell the third.
	text := []byte{}
	for range 2000 {
		text = append(text, "abc"...)
	}
	if bits := Order2BitsPerByte(&Corpus{Train: text, HeldOut: text[:300]}); bits > 0.1 {
		t.Errorf("repeated triple: got %v bits per byte, want nearly none", bits)
	}
	// Probabilities of all bytes sum to one, in contexts seen and not seen.
	m := newOrder2(text)
	for _, context := range [][2]byte{{'a', 'b'}, {'x', 'c'}, {0, 0}} {
		sum := 0.0
		for b := range 256 {
			sum += m.probability(context, byte(b))
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("context %q: probabilities sum to %v", context, sum)
		}
	}
}

// TestRunRepeats trains twice, with different numbers of threads, and compares
// every loss and the files.
func TestRunRepeats(t *testing.T) {
	corpus, err := GoDocs(goroot(t))
	if err != nil {
		t.Fatal(err)
	}
	var first []float64
	var hashes []string
	for _, threads := range []int{1, 2} {
		b := ops.NewCPU(threads)
		defer b.Close()
		var losses []float64
		m, err := Run(t.Context(), b, corpus, small(), func(_ int, loss float64) { losses = append(losses, loss) })
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = losses
		}
		if !slices.Equal(losses, first) {
			t.Errorf("losses with %d threads: got %v, want %v", threads, losses, first)
		}
		if losses[len(losses)-1] >= losses[0] {
			t.Errorf("loss: got %v at the end, %v at the start", losses[len(losses)-1], losses[0])
		}
		hash, err := m.Hash(b)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, hash)
	}
	if hashes[0] != hashes[1] {
		t.Error("weights differ between 1 and 2 threads")
	}
}

// TestWrite compares logits of a trained model with those of its file, whose
// rows of Q and K stand in another order.
func TestWrite(t *testing.T) {
	b := ops.NewCPU(1)
	corpus := &Corpus{Train: []byte("the quick brown fox jumps over the lazy dog, and again and again: the quick brown fox jumps over it")}
	m, err := Run(t.Context(), b, corpus, small(), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := Write(b, path, m, false); err != nil {
		t.Fatal(err)
	}
	loaded, err := transformer.Load(b, path)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	logits := func(m transformer.Model) []float32 {
		c := ops.NewContext(b)
		all, err := transformer.TokenLogits(c, m, Encode("quick fox"))
		if err != nil {
			t.Fatal(err)
		}
		values, err := c.Floats(all)
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	want, got := logits(m), logits(loaded)
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); d > 5e-3 { // F16 matrices
			t.Fatalf("logit %d: got %v, want %v", i, got[i], want[i])
		}
	}
	if got := string(Decode(Encode("quick fox"))); got != "quick fox" {
		t.Errorf("decoded: got %q", got)
	}
}

func TestRunRefuses(t *testing.T) {
	b := ops.NewCPU(1)
	f := small()
	f.Length = f.Model.MaxPositions + 1
	if _, err := Run(t.Context(), b, &Corpus{Train: make([]byte, 1000)}, f, nil); err == nil {
		t.Error("sequences longer than the model takes: got no error")
	}
	if _, err := Run(t.Context(), b, &Corpus{Train: make([]byte, 10)}, small(), nil); err == nil {
		t.Error("a text shorter than a sequence: got no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, b, &Corpus{Train: make([]byte, 1000)}, small(), nil); err == nil {
		t.Error("a cancelled run: got no error")
	}
	if _, err := TextDir(t.TempDir()); err == nil {
		t.Error("an empty folder: got no error")
	}
	if _, err := GoDocs(t.TempDir()); err == nil {
		t.Error("a folder without Go: got no error")
	}
}
