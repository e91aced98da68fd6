package transformer

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// randomB fills the B matrices, which begin as zero, so that the adapter does
// something.
func randomB(l *LoRA) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, p := range l.pairs {
		for i := range p.b.Value.Float32s() {
			p.b.Value.Float32s()[i] = float32(rng.NormFloat64()) * 0.1
		}
	}
}

func features(t testing.TB, b ops.Backend, body Body) []float32 {
	t.Helper()
	c := ops.NewContext(b)
	rng := rand.New(rand.NewPCG(6, 6))
	x := make([]float32, 2*10*body.Width())
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	out, err := c.Floats(body.Forward(c, c.Float32s(x, 2, 10, body.Width()), nil))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func largest(got, want []float32) float64 {
	var d float64
	for i := range want {
		d = max(d, math.Abs(float64(got[i])-float64(want[i])))
	}
	return d
}

var allLinears = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

// TestLoRAEqualsMerged: an adapted model is the model with the weights
// W + (alpha/rank) B·A, and the model itself is not changed by the adapter.
func TestLoRAEqualsMerged(t *testing.T) {
	b := ops.NewCPU(1)
	m := small(t, b)
	plain := features(t, b, m)
	l, err := NewLoRA(b, m, LoRAConfig{Rank: 3, Alpha: 6, Targets: allLinears}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.Params()); n != 2*7*smallConfig.Layers {
		t.Fatalf("parameters: got %d, want %d", n, 2*7*smallConfig.Layers)
	}
	adapted, err := m.WithLoRA(l)
	if err != nil {
		t.Fatal(err)
	}
	if d := largest(features(t, b, adapted), plain); d != 0 {
		t.Errorf("with B zero the output changes by %g", d)
	}
	randomB(l)
	got := features(t, b, adapted)
	if d := largest(got, plain); d < 0.1 {
		t.Errorf("the adapter changes the output by %g only", d)
	}
	if d := largest(features(t, b, m), plain); d != 0 {
		t.Errorf("the unadapted model changed by %g", d)
	}
	for i := range m.Blocks { // now change the weights themselves
		for _, layer := range m.Blocks[i].linears() {
			for _, p := range l.pairs {
				if p.layer.Name == layer.Name {
					merge(layer.Weight, p)
				}
			}
		}
	}
	if d := largest(features(t, b, m), got); d > 2e-5 {
		t.Errorf("merged weights differ from the adapter by %g", d)
	}
}

func merge(w tensor.Tensor, p *loraPair) {
	rows, columns, rank := w.Dim(0), w.Dim(1), p.a.Value.Dim(0)
	for i := range rows {
		for j := range columns {
			var sum float32
			for r := range rank {
				sum += p.b.Value.At(i, r) * p.a.Value.At(r, j)
			}
			w.Float32s()[i*columns+j] += p.scale * sum
		}
	}
}

// TestLoRAFiles writes an adapter of one row order and reads it into a model
// of the other: both must give the same features.
func TestLoRAFiles(t *testing.T) {
	b := ops.NewCPU(1)
	halves := small(t, b)
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := halves.WriteGGUF(b, path, tensor.F32, nil, false); err != nil {
		t.Fatal(err)
	}
	interleaved, err := Load(b, path)
	if err != nil {
		t.Fatal(err)
	}
	defer interleaved.Close()
	if halves.Style == interleaved.Style {
		t.Fatal("both models have one row order")
	}
	l, err := NewLoRA(b, halves, LoRAConfig{Rank: 4, Alpha: 8, Targets: allLinears}, 1)
	if err != nil {
		t.Fatal(err)
	}
	randomB(l)
	want := adaptedFeatures(t, b, halves, l)

	dir := t.TempDir()
	if err := l.Write(b, dir, "small"); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Llama{halves, interleaved} {
		read, err := ReadLoRA(b, m, dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := largest(adaptedFeatures(t, b, m, read), want); d > 1e-5 {
			t.Errorf("adapter read into rows of style %d: features differ by %g", m.Style, d)
		}
		again := t.TempDir()
		if err := read.Write(b, again, "small"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{peftWeightsName, peftConfigName} {
			x, err1 := os.ReadFile(filepath.Join(dir, name))
			y, err2 := os.ReadFile(filepath.Join(again, name))
			if err1 != nil || err2 != nil || string(x) != string(y) {
				t.Errorf("%s written again by style %d differs (%v, %v)", name, m.Style, err1, err2)
			}
		}
	}
}

func adaptedFeatures(t *testing.T, b ops.Backend, m *Llama, l *LoRA) []float32 {
	t.Helper()
	adapted, err := m.WithLoRA(l)
	if err != nil {
		t.Fatal(err)
	}
	return features(t, b, adapted)
}

func TestReadLoRARefuses(t *testing.T) {
	b := ops.NewCPU(1)
	m := small(t, b)
	l, err := NewLoRA(b, m, LoRAConfig{Rank: 4, Alpha: 8, Targets: []string{"q_proj"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, from, to, want string }{
		{"another kind", `"LORA"`, `"IA3"`, `"IA3"`},
		{"another rank", `"r": 4`, `"r": 5`, "want F32[5x32]"},
		{"another target", `"q_proj"`, `"v_proj"`, "v_proj"},
		{"unknown target", `"q_proj"`, `"x_proj"`, `"x_proj"`},
		{"fewer layers", `"q_proj"`, `"model.layers.0.self_attn.q_proj"`, "4 tensors"},
		{"biases", `"none"`, `"all"`, "biases"},
		{"rank-stabilised", `"use_rslora": false`, `"use_rslora": true`, "rank-stabilised"},
		{"broken", `{`, `[`, peftConfigName},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := l.Write(b, dir, "small"); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, peftConfigName)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			harmed := strings.Replace(string(text), test.from, test.to, 1)
			if harmed == string(text) {
				t.Fatalf("%q is not in the file", test.from)
			}
			if err := os.WriteFile(path, []byte(harmed), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadLoRA(b, m, dir); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if _, err := NewLoRA(b, m, LoRAConfig{Rank: 0, Alpha: -1, Dropout: 1}, 1); err == nil || strings.Count(err.Error(), "lora:") != 4 {
		t.Errorf("a configuration with four faults: got %v", err)
	}
}
