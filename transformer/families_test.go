package transformer

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/internal/deferred"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// familyConfigs are tiny shapes of all families.
var familyConfigs = map[string]Config{
	"llama": smallConfig,
	"llama with biases": {Arch: "llama", Layers: 2, Width: 16, FFN: 24, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 6, Vocab: 30,
		MaxPositions: 32, NormEps: 1e-5, RopeTheta: 10000, QKVBias: true, OutBias: true, FFNBias: true},
	"mistral": {Arch: "llama", ModelType: "mistral", Layers: 2, Width: 16, FFN: 24, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8, Vocab: 30,
		MaxPositions: 32, NormEps: 1e-5, RopeTheta: 10000, Window: 5},
	"qwen2": {Arch: "qwen2", Layers: 2, Width: 16, FFN: 24, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8, Vocab: 30,
		MaxPositions: 32, NormEps: 1e-5, RopeTheta: 10000, QKVBias: true, Tied: true},
	"gpt2": {Arch: "gpt2", Layers: 2, Width: 16, FFN: 24, Heads: 2, KVHeads: 2, HeadDim: 8, Vocab: 30,
		MaxPositions: 32, PositionRows: 32, NormEps: 1e-5, QKVBias: true, OutBias: true, FFNBias: true, Tied: true},
	"opt": {Arch: "opt", Layers: 2, Width: 16, FFN: 24, Heads: 2, KVHeads: 2, HeadDim: 8, Vocab: 30,
		MaxPositions: 32, PositionRows: 34, NormEps: 1e-5, QKVBias: true, OutBias: true, FFNBias: true, Tied: true},
	"opt, post-norm": {Arch: "opt", Layers: 2, Width: 16, FFN: 24, Heads: 2, KVHeads: 2, HeadDim: 8, Vocab: 30, EmbedWidth: 8, PostNorm: true,
		NoFinalNorm: true, MaxPositions: 32, PositionRows: 34, NormEps: 1e-5, QKVBias: true, OutBias: true, FFNBias: true},
}

// newFamily returns a random model whose vectors are random too: New's are ones
// and zeros, which would hide a bias or a norm that is left out.
func newFamily(t testing.TB, b ops.Backend, config Config) Model {
	t.Helper()
	m, err := New(b, config, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range m.(*decoder).weights() {
		values := make([]float32, s.tensor.Len())
		for j := range values {
			values[j] = float32(math.Sin(float64(i + j*j)))
			if len(s.Shape) == 2 {
				values[j] *= 0.4
			} else if !strings.HasSuffix(s.GGUF, ".bias") {
				values[j] = 1 + 0.3*values[j]
			}
		}
		b.Upload(*s.tensor, floatBytes(values))
	}
	return m
}

// Decoding with a cache, in pieces, gives what one pass does; so does the model
// that is written to a file and read again.
func TestDecode(t *testing.T) {
	for _, open := range []func() ops.Backend{func() ops.Backend { return ops.NewCPU(2) }, func() ops.Backend { return deferred.New() }} {
		for name, config := range familyConfigs {
			t.Run(name, func(t *testing.T) {
				b := open()
				defer b.Close()
				m := newFamily(t, b, config)
				const batch, seq = 2, 20
				c := ops.NewContext(b)
				x := make([]float32, batch*seq*m.Width())
				for i := range x {
					x[i] = float32(math.Cos(float64(i * i)))
				}
				run := func(m Body, from, to int, cache *Cache) []float32 {
					c.Reset()
					piece := ops.Contiguous(c, c.Float32s(x, batch, seq, m.Width()).Slice(1, from, to))
					y, err := c.Floats(m.Forward(c, piece, cache))
					if err != nil {
						t.Fatal(err)
					}
					return y
				}
				want := run(m, 0, seq, nil)
				cache := m.NewCache(b, batch, seq)
				defer cache.Free()
				for from, to := 0, 0; from < seq; from = to {
					to = min(from+1+from/3, seq)
					got := run(m, from, to, cache)
					for i := range batch {
						n := (to - from) * m.Width()
						part := want[(i*seq+from)*m.Width():][:n]
						if d := largest(got[i*n:(i+1)*n], part); d > 1e-5 {
							t.Errorf("sequence %d, positions %d to %d: differ by %g from one pass", i, from, to, d)
						}
					}
				}
				path := filepath.Join(t.TempDir(), "m.gguf")
				if err := m.WriteGGUF(b, path, tensor.F32, nil, false); err != nil {
					t.Fatal(err)
				}
				read, err := Load(b, path)
				if err != nil {
					t.Fatal(err)
				}
				defer read.Close()
				if got, want := read.Shape(), m.Shape(); got != want {
					t.Errorf("read again: got shape %+v, want %+v", got, want)
				}
				if d := largest(run(read, 0, seq, nil), want); d > 1e-5 {
					t.Errorf("read again: differs by %g", d)
				}
			})
		}
	}
}

// The gradients of LoRA matrices are what small changes of them do to a loss.
func TestLoRAGradients(t *testing.T) {
	targets := map[string][]string{
		"gpt2": {"c_attn", "c_proj", "c_fc"}, "opt": {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"},
		"opt, post-norm": {"q_proj", "v_proj", "fc2", "project_in", "project_out"}, "qwen2": {"q_proj", "k_proj", "down_proj"},
		"mistral": {"q_proj", "k_proj", "v_proj", "o_proj"},
	}
	for name, targets := range targets {
		t.Run(name, func(t *testing.T) {
			b := ops.NewCPU(1)
			defer b.Close()
			m := newFamily(t, b, familyConfigs[name])
			lora, err := NewLoRA(b, m, LoRAConfig{Rank: 2, Alpha: 4, Targets: targets}, 1)
			if err != nil {
				t.Fatal(err)
			}
			randomB(lora)
			body, err := m.WithLoRA(lora)
			if err != nil {
				t.Fatal(err)
			}
			const seq = 9
			x, zero := make([]float32, seq*m.Width()), make([]float32, seq*m.Width())
			for i := range x {
				x[i] = float32(math.Cos(float64(i * i)))
			}
			c := ops.NewContext(b)
			loss := func() float64 {
				c.Reset()
				if c.Tape != nil {
					c.Tape.Watch(lora.Params()...)
				}
				y := body.Forward(c, c.Float32s(x, 1, seq, m.Width()), nil)
				l := ops.MSE(c, y, c.Float32s(zero, 1, seq, m.Width()))
				if c.Tape != nil {
					c.Tape.Backward(c, l)
				}
				v, err := c.ReadScalar(l)
				if err != nil {
					t.Fatal(err)
				}
				return float64(v)
			}
			c.Tape = ops.NewTape()
			loss()
			c.Tape = nil
			for _, p := range lora.Params() {
				values, got := p.Value.Float32s(), p.Grad.Float32s()
				for _, i := range []int{0, len(values) / 2, len(values) - 1} {
					const h = 4e-3
					v := values[i]
					values[i] = v + h
					above := loss()
					values[i] = v - h
					want := (above - loss()) / (2 * h)
					values[i] = v
					if d := math.Abs(float64(got[i]) - want); !(d <= 2e-3+0.01*math.Abs(want)) {
						t.Errorf("%s: element %d: got gradient %.5g, small changes give %.5g", p.Name, i, got[i], want)
					}
				}
			}
		})
	}
}

// A model that is trained whole: every weight has the gradient that small changes
// of it show, a tied output the sum of both uses.
func TestTrainableGradients(t *testing.T) {
	for name, config := range familyConfigs {
		t.Run(name, func(t *testing.T) {
			b := ops.NewCPU(1)
			defer b.Close()
			m := newFamily(t, b, config)
			params, err := m.Trainable(b)
			if err != nil {
				t.Fatal(err)
			}
			inputs, targets := []int32{1, 7, 3, 3, 9, 2, 11}, []int32{7, 3, 3, 9, 2, 11, 5}
			c := ops.NewContext(b)
			loss := func(tape *ops.Tape) float64 {
				c.Tape = tape
				c.Reset()
				if tape != nil {
					tape.Watch(params...)
				}
				y := m.Forward(c, m.EmbedTokens(c, c.Int32s(inputs, 1, len(inputs))), nil)
				l := ops.CrossEntropy(c, m.Logits(c, y), c.Int32s(targets, len(targets)))
				if tape != nil {
					tape.Backward(c, l)
				}
				v, err := c.ReadScalar(l)
				if err != nil {
					t.Fatal(err)
				}
				return float64(v)
			}
			loss(ops.NewTape())
			for _, p := range params {
				values, got := p.Value.Float32s(), p.Grad.Float32s()
				i := len(values) / 3
				const h = 4e-3
				v := values[i]
				values[i] = v + h
				above := loss(nil)
				values[i] = v - h
				want := (above - loss(nil)) / (2 * h)
				values[i] = v
				if d := math.Abs(float64(got[i]) - want); !(d <= 2e-3+0.02*math.Abs(want)) {
					t.Errorf("%s: element %d: got gradient %.5g, small changes give %.5g", p.Name, i, got[i], want)
				}
			}
		})
	}
}

// rename writes an oracle's folder with other names of tensors; "" drops one.
func rename(t *testing.T, from string, change func(config string) string, name func(string) string) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(change(string(text))), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var entries []safetensors.Entry
	for _, old := range f.Names() {
		x, err := f.Tensor(old)
		if err != nil {
			t.Fatal(err)
		}
		if n := name(old); n != "" {
			entries = append(entries, safetensors.EntryOf(n, x))
		}
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), nil, entries); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The prefixes that checkpoints of one model differ by.
func TestPrefixes(t *testing.T) {
	same := func(s string) string { return s }
	for _, test := range []struct {
		name, model string
		config      func(string) string
		rename      func(string) string
	}{
		{"opt without model.", "opt", same, func(s string) string { return strings.TrimPrefix(s, "model.") }},
		{"tied, stored as lm_head", "qwen2", same, func(s string) string { return strings.Replace(s, "model.embed_tokens", "lm_head", 1) }},
		{"llava, newer", "llava", same, func(s string) string {
			switch rest, ok := strings.CutPrefix(s, "language_model."); {
			case !ok:
				return "model." + s
			case strings.HasPrefix(rest, "model."):
				return "model.language_model." + strings.TrimPrefix(rest, "model.")
			default:
				return rest
			}
		}},
		{"llava, first", "llava", func(s string) string {
			_, s, _ = strings.Cut(s, `"text_config": `)
			s, _, _ = strings.Cut(s, ` "vision_config"`)
			s = strings.TrimSuffix(strings.TrimSpace(s), ",")
			return strings.Replace(s, `"model_type": "llama"`, `"model_type": "llava_llama"`, 1)
		}, func(s string) string {
			s = strings.TrimPrefix(s, "language_model.")
			s = strings.Replace(s, "multi_modal_projector.linear_1", "model.mm_projector.0", 1)
			return strings.Replace(s, "vision_tower", "model.vision_tower", 1)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := rename(t, filepath.Join("testdata", test.model), test.config, test.rename)
			b := ops.NewCPU(1)
			defer b.Close()
			m, err := Load(b, dir)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var want oracleGolden
			readJSON(t, filepath.Join("testdata", test.model, "golden.json"), &want)
			compareOracle(t, b, m, &want)
		})
	}
}

func TestLoadRefusesNames(t *testing.T) {
	same := func(s string) string { return s }
	for _, test := range []struct {
		name, model string
		rename      func(string) string
		want        string
	}{
		{"vision beside a plain Llama", "llama3", func(s string) string { return strings.Replace(s, "lm_head", "vision_tower.x", 1) }, `no tensor "lm_head.weight"`},
		{"another part beside LLaVA", "llava", func(s string) string { return strings.Replace(s, "vision_tower", "audio_tower", 1) }, `"audio_tower.vision_model.embeddings.class_embedding" belongs to no part`},
		{"output missing", "llama3", func(s string) string {
			if s == "lm_head.weight" {
				return ""
			}
			return s
		}, `no tensor "lm_head.weight"`},
		{"embedding missing", "opt", func(s string) string {
			if strings.Contains(s, "embed_tokens") {
				return ""
			}
			return s
		}, `no tensor "model.decoder.embed_tokens.weight"`},
		{"bias missing", "qwen2", func(s string) string { return strings.Replace(s, "layers.1.self_attn.q_proj.bias", "x", 1) }, `no tensor "model.layers.1.self_attn.q_proj.bias"`},
		{"bias too many", "llama3", func(s string) string {
			return strings.Replace(s, "model.norm.weight", "model.layers.0.self_attn.q_proj.bias", 1)
		}, `no tensor "model.norm.weight"`},
		{"two names of one weight", "opt", func(s string) string {
			return strings.Replace(s, "model.decoder.layers.1.fc1.bias", "decoder.layers.0.fc1.bias", 1)
		}, "are the same weight"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(ops.NewCPU(1), rename(t, filepath.Join("testdata", test.model), same, test.rename))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %s", err, test.want)
			}
		})
	}
}

// A file of Llama 3.1 without this package's keys: the numbers are found from the
// divisors, or, if it is another model's, are not needed until they are asked for.
func TestLlama3Divisors(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	for i, want := range append(llama3Scalings, RopeScaling{Type: ScalingLlama3}) {
		f := smallConfig
		f.HeadDim, f.RopeDim, f.RopeTheta, f.Scaling = 64, 64, 500000, want
		if !want.known() {
			f.Scaling = RopeScaling{Type: ScalingLlama3, Factor: 5, Slow: 1, Fast: 3, Original: 100}
		}
		m := newFamily(t, b, f)
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := m.WriteGGUF(b, path, tensor.F32, nil, false); err != nil {
			t.Fatal(err)
		}
		read, err := Load(b, withoutKey(t, path, keyLlama3))
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		if got := read.Shape().Scaling; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if d := largest(features(t, b, read), features(t, b, m)); d > 1e-5 {
			t.Errorf("%+v: read again: features differ by %g", want, d)
		}
		if _, err := read.Shape().HF(tensor.F32); (err == nil) != want.known() {
			t.Errorf("%+v: config.json: got %v", want, err)
		}
	}
}

// The table of rotations grows with what is asked for, up to the model's length,
// and its numbers stay.
func TestRotationsGrow(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	f := smallConfig
	f.MaxPositions = 1500
	r := &rotations{config: &f}
	for _, step := range []struct{ positions, want int }{{1, 512}, {512, 512}, {513, 1024}, {600, 1024}, {1025, 1500}, {1500, 1500}} {
		table := r.upTo(b, step.positions)
		if got := table.Dim(0); got != step.want {
			t.Errorf("table for %d positions: got %d, want %d", step.positions, got, step.want)
		}
		if d := largest(r.tables[0].Float32s(), table.Float32s()[:r.tables[0].Len()]); d != 0 {
			t.Errorf("table for %d positions: differs by %g from the first", step.positions, d)
		}
	}
	at := r.upTo(b, 1500)
	for _, p := range []int{0, 1, 1499} {
		for j := range f.RopeDim / 2 {
			sin, cos := math.Sincos(float64(p) * math.Pow(f.RopeTheta, -2*float64(j)/float64(f.RopeDim)))
			if at.At(p, j, 0) != float32(cos) || at.At(p, j, 1) != float32(sin) {
				t.Errorf("position %d, pair %d: got %v, %v, want %v, %v", p, j, at.At(p, j, 0), at.At(p, j, 1), cos, sin)
			}
		}
	}
}
