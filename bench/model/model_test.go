package model

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// tiny has rows that are whole blocks of every type.
var tiny = Shape{"tiny", 2, 256, 4, 2, 512, 300, 32}

// TestTypes reads models of every type back and runs them.
func TestTypes(t *testing.T) {
	for _, typ := range Types() {
		t.Run(typ, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.gguf")
			if err := Write(path, tiny, typ, 1); err != nil {
				t.Fatal(err)
			}
			backend := ops.NewCPU(1)
			defer backend.Close()
			m, err := transformer.Load(backend, path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			c := ops.NewContext(backend)
			y, err := transformer.TokenLogits(c, m, []int32{1, 5, 299})
			if err != nil {
				t.Fatal(err)
			}
			logits, err := c.Floats(y)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, x := range logits {
				sum += float64(x) * float64(x)
			}
			if rms := math.Sqrt(sum / float64(len(logits))); !(rms > 0.5 && rms < 5) {
				t.Errorf("logits: got root mean square %v, want about 1.5", rms)
			}
		})
	}
}

// TestDeviation checks mean and deviation of the elements of every type.
func TestDeviation(t *testing.T) {
	const n, std = 1 << 16, 0.02
	for _, typ := range Types() {
		dtype, err := typeOf(strings.ToLower(typ))
		if err != nil {
			t.Fatal(err)
		}
		b, x := make([]byte, dtype.Bytes(n)), make([]float32, n)
		src := newSource(1, "x")
		if err := src.fill(dtype, b, std); err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		tensor.Dequantize(dtype, x, b)
		sum, squares := 0.0, 0.0
		for _, v := range x {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		if got := math.Sqrt(squares / n); math.Abs(got/std-1) > 0.05 {
			t.Errorf("%s: got deviation %v, want %v", typ, got, std)
		}
		if got := sum / n; math.Abs(got) > 0.15*std {
			t.Errorf("%s: got mean %v, want about 0", typ, got)
		}
	}
}

func TestCached(t *testing.T) {
	dir := t.TempDir()
	path, err := Cached(dir, "LoRA", "F32")
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Cached(dir, "lora", "f32"); err != nil || again != path {
		t.Errorf("asked again: got %q, %v, want %q", again, err, path)
	}
	other := filepath.Join(dir, "other.gguf")
	shape, err := ShapeOf("lora")
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(other, shape, "F32", 1); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(other); err != nil || string(first) != string(second) {
		t.Errorf("the same model twice: %v, equal %v", err, string(first) == string(second))
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tokens, err := f.Strings("tokenizer.ggml.tokens")
	seen := map[string]bool{}
	for _, token := range tokens {
		seen[token] = true
	}
	if err != nil || len(tokens) != shape.Vocab || len(seen) != shape.Vocab {
		t.Errorf("vocabulary: got %d pieces, %d of them different, %v, want %d", len(tokens), len(seen), err, shape.Vocab)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name       string
		shape, typ string
		want       string
	}{
		{"shape", "2b", "F32", "known: 15m, 110m"},
		{"type", "15m", "Q9", "known: F32, F16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Cached(t.TempDir(), c.shape, c.typ); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
	odd := tiny
	odd.Width = 40
	if err := Write(filepath.Join(t.TempDir(), "m.gguf"), odd, "Q8_0", 1); err == nil || !strings.Contains(err.Error(), "no whole blocks of 32") {
		t.Errorf("rows of 40 as Q8_0: got error %v", err)
	}
}
