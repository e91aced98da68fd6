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

// styleOf returns the row order of a model's rotated matrices.
func styleOf(m Model) ops.RoPEStyle { return m.(*decoder).net.base().style }

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
	for _, layer := range linears(m.(*decoder).net) { // now change the weights themselves
		for _, p := range l.pairs {
			if p.layer.Name == layer.name {
				merge(layer.weight, p)
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
	if styleOf(halves) == styleOf(interleaved) {
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
	for _, m := range []Model{halves, interleaved} {
		read, err := ReadLoRA(b, m, dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := largest(adaptedFeatures(t, b, m, read), want); d > 1e-5 {
			t.Errorf("adapter read into rows of style %d: features differ by %g", styleOf(m), d)
		}
		again := t.TempDir()
		if err := read.Write(b, again, "small"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{peftWeightsName, peftConfigName} {
			x, err1 := os.ReadFile(filepath.Join(dir, name))
			y, err2 := os.ReadFile(filepath.Join(again, name))
			if err1 != nil || err2 != nil || string(x) != string(y) {
				t.Errorf("%s written again by style %d differs (%v, %v)", name, styleOf(m), err1, err2)
			}
		}
	}
}

func adaptedFeatures(t *testing.T, b ops.Backend, m Model, l *LoRA) []float32 {
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
		{"another kind", `"LORA"`, `"IA3"`, `peft_type "IA3"`},
		{"another rank", `"r": 4`, `"r": 5`, "q_proj.lora_A.weight\" is [4 32], want [5 32]"},
		{"huge rank", `"r": 4`, `"r": 4000000`, "rank is 4000000"},
		{"another target", `"q_proj"`, `"v_proj"`, `4 of 4 tensors missing: "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight" [4 32]`},
		{"more targets", `"q_proj"`, `"q_proj", "o_proj", "v_proj"`, "8 of 12 tensors missing"},
		{"and 3 more", `"q_proj"`, `"q_proj", "o_proj", "v_proj"`, "and 3 more"},
		{"unknown target", `"q_proj"`, `"x_proj"`, `"x_proj"`},
		{"output matrix", `"q_proj"`, `"q_proj", "lm_head"`, "output matrix are not supported"},
		{"no targets", `"q_proj"`, ``, "target_modules"},
		{"fewer layers", `"q_proj"`, `"model.layers.0.self_attn.q_proj"`, "2 tensors that belong to no adapted layer"},
		{"layers_to_transform", `"use_dora"`, `"layers_to_transform": [1], "use_dora"`, "2 tensors that belong to no adapted layer"},
		{"layers and a pattern", "[\n    \"q_proj\"\n  ]", `".*q_proj", "layers_to_transform": 1`, "layers_to_transform beside"},
		{"layers_pattern", `"use_dora"`, `"layers_pattern": "l.*", "use_dora"`, "layers_pattern"},
		{"biases", `"none"`, `"all"`, `bias "all"`},
		{"DoRA", `"use_dora": false`, `"use_dora": true`, "use_dora"},
		{"modules", `"use_dora"`, `"modules_to_save": ["lm_head"], "use_dora"`, "modules_to_save"},
		{"tokens", `"use_dora"`, `"trainable_token_indices": [1], "use_dora"`, "trainable_token_indices"},
		{"parameters", `"use_dora"`, `"target_parameters": ["x"], "use_dora"`, "target_parameters"},
		{"replication", `"use_dora"`, `"layer_replication": [[0, 1]], "use_dora"`, "layer_replication"},
		{"bias of B", `"use_dora"`, `"lora_bias": true, "use_dora"`, "lora_bias"},
		{"activated", `"use_dora"`, `"alora_invocation_tokens": [1], "use_dora"`, "alora_invocation_tokens"},
		{"QALoRA", `"use_dora"`, `"use_qalora": true, "use_dora"`, "use_qalora"},
		{"Arrow", `"use_dora"`, `"arrow_config": {"a": 1}, "use_dora"`, "arrow_config"},
		{"PiSSA", `"use_dora"`, `"init_lora_weights": "pissa_niter_16", "use_dora"`, "init_lora_weights"},
		{"pattern of ranks", `"use_dora"`, `"rank_pattern": {"q_proj": 1.5}, "use_dora"`, "rank_pattern"},
		{"alphas below zero", `"use_dora"`, `"alpha_pattern": {"q_proj": -1}, "use_dora"`, "alpha_pattern"},
		{"alphas in a list", `"use_dora"`, `"alpha_pattern": [1], "use_dora"`, "alpha_pattern"},
		{"look-ahead", "[\n    \"q_proj\"\n  ]", `"(?=q).*"`, "look-around"},
		{"huge pattern", "[\n    \"q_proj\"\n  ]", `"((q{30}){30}){30}"`, "regular expression"},
		{"pattern of nothing", "[\n    \"q_proj\"\n  ]", `"q_proj"`, "names no layer"},
		{"broken", `{`, `[`, peftConfigName},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := l.Write(b, dir, "small"); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, test.from, test.to)
			_, err := ReadLoRA(b, m, dir)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want an error with %q and the file", err, test.want)
			}
		})
	}
	dir := t.TempDir()
	if err := l.Write(b, dir, "small"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, peftWeightsName), filepath.Join(dir, "adapter_model.bin")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLoRA(b, m, dir); err == nil || !strings.Contains(err.Error(), "pickled") {
		t.Errorf("pickled: got %v", err)
	}
	if _, err := NewLoRA(b, m, LoRAConfig{Rank: 0, Alpha: -1, Dropout: 1}, 1); err == nil || strings.Count(err.Error(), "lora:") != 4 {
		t.Errorf("a configuration with four faults: got %v", err)
	}
}
