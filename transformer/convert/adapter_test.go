package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
	"netllm/transformer"
)

// peft writes an adapter of rank 3 for every linear layer of a model, in a type.
func peft(t *testing.T, config transformer.Config, fields string, dtype tensor.DType) string {
	t.Helper()
	dir := t.TempDir()
	var list []safetensors.Entry
	for i, l := range config.Linears() {
		for part, shape := range map[string][]int{"A": {3, l.In}, "B": {l.Out, 3}} {
			x := tensor.New(dtype, shape...)
			v := make([]float32, x.Len())
			for j := range v {
				v[j] = float32(math.Sin(float64(i+j*j+len(part)+int(part[0])))) * 0.3
			}
			tensor.Quantize(dtype, x.Bytes(), v)
			list = append(list, safetensors.EntryOf("base_model.model."+l.Name+".lora_"+part+".weight", x))
		}
	}
	if err := safetensors.Write(filepath.Join(dir, "adapter_model.safetensors"), nil, list); err != nil {
		t.Fatal(err)
	}
	text := `{"peft_type": "LORA", "r": 3, "lora_alpha": 6, "target_modules": "all-linear"` + fields + `}`
	if err := os.WriteFile(filepath.Join(dir, "adapter_config.json"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// logits returns what the model at path says of a few tokens, with the adapter
// attached unless that is "".
func logits(t *testing.T, path, adapter string) []float32 {
	t.Helper()
	b := ops.NewCPU(1)
	defer b.Close()
	m, err := transformer.Load(b, path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var body transformer.Body = m
	if adapter != "" {
		l, err := transformer.ReadLoRA(b, m, adapter)
		if err != nil {
			t.Fatal(err)
		}
		if body, err = m.WithLoRA(l); err != nil {
			t.Fatal(err)
		}
	}
	c := ops.NewContext(b)
	ids := []int32{1, 17, 5, 5, 30, 2, 8, 11}
	x := m.EmbedTokens(c, c.Int32s(ids, 1, len(ids)))
	v, err := c.Floats(m.Logits(c, body.Forward(c, x, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// relative is the largest difference over the largest value.
func relative(got, want []float32) float64 {
	var d, top float64
	for i := range want {
		d = max(d, math.Abs(float64(got[i])-float64(want[i])))
		top = max(top, math.Abs(float64(want[i])))
	}
	if len(got) != len(want) || math.IsNaN(d) {
		return math.Inf(1)
	}
	return d / top
}

func mustMerge(t *testing.T, base, adapter, out string, scale float64, o Options) *Result {
	t.Helper()
	r, err := MergeLoRA(t.Context(), base, adapter, out, scale, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mergeRounding is how far logits of merged weights, which are rounded once more, may be from
// those of attached ones.
const mergeRounding = 3e-5

// Merged is what attached computes: every family, from GGUF and from a folder, with
// the adapter in either format. The merged file does not depend on which.
func TestMergeEqualsAttached(t *testing.T) {
	for name, config := range families() {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			base, folder, adapter := filepath.Join(tmp, "base.gguf"), filepath.Join(tmp, "hf"), filepath.Join(tmp, "adapter.gguf")
			random(t, base, config, tensor.F32)
			mustRun(t, base, folder, Options{})
			dir := peft(t, config, `, "use_rslora": true`, tensor.F32)
			if _, err := Adapter(dir, adapter, folder, Options{}); err != nil {
				t.Fatal(err)
			}
			want := logits(t, base, dir)
			if d := relative(logits(t, base, ""), want); d < 0.01 {
				t.Fatalf("the adapter changes the logits by %g only", d)
			}
			var first map[string]content
			for i, pair := range [][2]string{{base, dir}, {base, adapter}, {folder, dir}, {folder, adapter}} {
				if d := relative(logits(t, pair[0], pair[1]), want); !(d <= 1e-5) {
					t.Errorf("%d attached: differs by %g", i, d)
				}
				out := filepath.Join(t.TempDir(), "merged.gguf")
				mustMerge(t, pair[0], pair[1], out, 1, Options{Threads: i})
				if d := relative(logits(t, out, ""), want); !(d <= mergeRounding) {
					t.Errorf("%d merged: differs by %g", i, d)
				}
				tensors := read(t, out)
				if first == nil {
					first = tensors
				}
				for name := range tensors { // alpha as float32 gives the scale another last bit
					if x, y := floats(tensors[name]), floats(first[name]); relative(x, y) > 1e-6 {
						t.Errorf("%d: %s differs by %g", i, name, relative(x, y))
					}
				}
			}
		})
	}
}

func floats(c content) []float32 {
	n := 1
	for _, d := range c.Shape {
		n *= d
	}
	v := make([]float32, n)
	tensor.Dequantize(c.DType, v, c.Bytes)
	return v
}

// The golden adapter's model, with its matrices after three steps.
func TestMergeGolden(t *testing.T) {
	dir := golden.Spec(t, "lora_golden")
	base := filepath.Join(dir, "base")
	f, err := safetensors.Open(filepath.Join(dir, "params_after_step3.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	adapter := t.TempDir()
	var list []safetensors.Entry
	rank := 0
	for _, name := range f.Names() {
		if strings.Contains(name, ".lora_") {
			x, err := f.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, ".lora_A") {
				rank = x.Dim(0)
			}
			list = append(list, safetensors.EntryOf(name, x))
		}
	}
	if err := safetensors.Write(filepath.Join(adapter, "adapter_model.safetensors"), nil, list); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"peft_type": "LORA", "r": %d, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]}`, rank)
	if err := os.WriteFile(filepath.Join(adapter, "adapter_config.json"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	want := logits(t, base, adapter)
	out := filepath.Join(t.TempDir(), "m.gguf")
	mustMerge(t, base, adapter, out, 1, Options{})
	if d := relative(logits(t, out, ""), want); !(d <= 1e-5) {
		t.Errorf("merged: differs by %g", d)
	}
	golden.Cases(t, 1)
}

// What the adapter does not touch is copied; what it does is W + s·B·A in the
// base's type; threads change nothing; a scale of 0 changes nothing.
func TestMergeTypes(t *testing.T) {
	config := families()["llama"]
	config.FFN = 64 // whole blocks everywhere
	for _, dtype := range []tensor.DType{tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0} {
		t.Run(dtype.String(), func(t *testing.T) {
			tmp := t.TempDir()
			base, out, none := filepath.Join(tmp, "base.gguf"), filepath.Join(tmp, "out.gguf"), filepath.Join(tmp, "none.gguf")
			random(t, base, config, dtype)
			dir := peft(t, config, `, "exclude_modules": "nothing"`, tensor.F16)
			r := mustMerge(t, base, dir, out, 0.5, Options{Threads: 1})
			a, err := transformer.OpenAdapter(dir, config)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			pairs := map[string]*transformer.AdapterPair{}
			for i := range a.Pairs {
				pairs[a.Pairs[i].Layer.GGUF+".weight"] = &a.Pairs[i]
			}
			before, after := read(t, base), read(t, out)
			if len(r.Tensors) != len(before) || len(after) != len(before) {
				t.Errorf("tensors: got %d in the file and %d in the result, want %d", len(after), len(r.Tensors), len(before))
			}
			for name, w := range before {
				g, p := after[name], pairs[name]
				if g.DType != w.DType {
					t.Errorf("%s: got %v, want %v", name, g.DType, w.DType)
				}
				if p == nil {
					if !bytes.Equal(g.Bytes, w.Bytes) {
						t.Errorf("%s: changed", name)
					}
					continue
				}
				want := floats(w)
				addSlowly(want, p)
				c := content{w.DType, w.Shape, make([]byte, len(w.Bytes))}
				tensor.Quantize(w.DType, c.Bytes, want)
				limit := map[tensor.DType]float64{tensor.F32: 1e-6, tensor.F16: 1e-3, tensor.BF16: 8e-3, tensor.Q8_0: 0.01, tensor.Q4_0: 0.15}[dtype] // a step of the type
				if d := relative(floats(g), floats(c)); !(d <= limit) {
					t.Errorf("%s: differs by %g", name, d)
				}
			}
			again := filepath.Join(tmp, "again.gguf")
			mustMerge(t, base, dir, again, 0.5, Options{Threads: 3})
			x, y := file(t, out), file(t, again)
			if !bytes.Equal(x, y) {
				t.Error("threads change the file")
			}
			if !dtype.IsBlock() {
				mustMerge(t, base, dir, none, 0, Options{})
				same(t, read(t, none), before)
			}
		})
	}
}

func file(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// addSlowly adds half of a PEFT pair's update to a matrix of a GGUF file.
func addSlowly(w []float32, p *transformer.AdapterPair) {
	a, b := float32s(p.A), float32s(p.B)
	rank, width := p.Rank(), p.Layer.In
	for i := range p.Layer.Out {
		row := i
		if heads := p.Layer.RowHeads; heads > 0 {
			size := p.Layer.Out / heads
			if j := i % size; j < p.Layer.RopeDim {
				row = i - j + j/2 + j%2*(p.Layer.RopeDim/2)
			}
		}
		for j := range width {
			var sum float64
			for r := range rank {
				sum += float64(b[row*rank+r]) * float64(a[r*width+j])
			}
			w[i*width+j] += float32(0.5 * p.Scale * sum)
		}
	}
}

// A merged model can be of another type, and pieces smaller than a matrix give the
// same bytes.
func TestMergeType(t *testing.T) {
	config := families()["gpt2"]
	tmp := t.TempDir()
	base, folder := filepath.Join(tmp, "base.gguf"), filepath.Join(tmp, "hf")
	random(t, base, config, tensor.F32)
	mustRun(t, base, folder, Options{})
	dir := peft(t, config, `, "fan_in_fan_out": true`, tensor.BF16)
	merged, q8, direct := filepath.Join(tmp, "m.gguf"), filepath.Join(tmp, "q8.gguf"), filepath.Join(tmp, "direct.gguf")
	mustMerge(t, folder, dir, merged, 1, Options{})
	mustRun(t, merged, q8, Options{Type: "q8_0"})
	r := mustMerge(t, folder, dir, direct, 1, Options{Type: "q8_0"})
	same(t, read(t, direct), read(t, q8))
	if r.Type != "q8_0" || r.Arch != "gpt2" {
		t.Errorf("result: got %s %s", r.Type, r.Arch)
	}
	dry := filepath.Join(tmp, "dry.gguf")
	mustMerge(t, folder, dir, dry, 1, Options{DryRun: true})
	if _, err := os.Stat(dry); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dry run wrote a file: %v", err)
	}

	l := config.Linears()[0]
	a, err := transformer.OpenAdapter(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	src := numbers(l.Out * l.In)
	for _, transposed := range []bool{false, true} {
		x := rows{src: tensor.FromFloat32(src, len(src)).Bytes(), from: tensor.F32, to: tensor.F16, discard: func([]byte) {}, count: l.Out, width: l.In, transposed: transposed}
		u := newUpdate(&x, &a.Pairs[0], false, 2)
		var want []byte
		for _, piece := range []int{1 << 20, 1000, 64, 1} {
			c := newConverter(t.Context(), 2, nil)
			c.piece = piece
			var out bytes.Buffer
			if _, err := c.writeUpdated(&out, &x, u); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = out.Bytes()
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("pieces of %d elements, transposed %v: other bytes", piece, transposed)
			}
		}
	}
}

// Adapters go to GGUF and back as they were, and what cannot be done says so.
func TestAdapterFiles(t *testing.T) {
	config := families()["llama"]
	tmp := t.TempDir()
	base := filepath.Join(tmp, "base.gguf")
	random(t, base, config, tensor.F32)
	dir := peft(t, config, ``, tensor.F16)
	path, back := filepath.Join(tmp, "a.gguf"), filepath.Join(tmp, "back")
	r, err := Adapter(dir, path, base, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := 2 * len(config.Linears()); len(r.Tensors) != n || r.Tensors[0].Name != "blk.0.attn_q.weight.lora_a" || r.Bytes != r.BytesIn || r.Bytes != 2*r.Elements {
		t.Errorf("got %d tensors, first %+v, %d bytes of %d for %d elements", len(r.Tensors), r.Tensors[0], r.Bytes, r.BytesIn, r.Elements)
	}
	if _, err := Adapter(path, back, base, Options{}); err != nil {
		t.Fatal(err)
	}
	same(t, read(t, filepath.Join(back, "adapter_model.safetensors")), read(t, filepath.Join(dir, "adapter_model.safetensors")))
	if x, y := file(t, filepath.Join(back, "adapter_config.json")), file(t, filepath.Join(dir, "adapter_config.json")); !bytes.Equal(x, y) {
		t.Errorf("adapter_config.json: got %s, want %s", x, y)
	}
	if _, err := Adapter(path, back, base, Options{Replace: true}); err != nil {
		t.Errorf("replaced: got %v", err)
	}
	r, err = Adapter(peft(t, config, `, "alpha_pattern": {"q_proj": 1}`, tensor.F32), filepath.Join(tmp, "u.gguf"), base, Options{})
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "2 of 14 layers") {
		t.Errorf("alphas that differ: got %v, %v", r, err)
	}

	folder, other := filepath.Join(tmp, "hf"), filepath.Join(tmp, "other.gguf")
	mustRun(t, base, folder, Options{})
	wide := config
	wide.FFN = 128
	random(t, other, wide, tensor.F32)
	odd := filepath.Join(tmp, "odd.gguf") // a model without a matrix that the adapter is for
	var list []gguf.Entry
	for name, c := range read(t, base) {
		if name != "blk.1.ffn_up.weight" {
			x := tensor.New(c.DType, c.Shape...)
			copy(x.Bytes(), c.Bytes)
			list = append(list, gguf.EntryOf(name, x))
		}
	}
	if err := gguf.Write(odd, config.KeyValues(), list); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(tmp, "out.gguf")
	merge := func(base, adapter, out string, scale float64, o Options) error {
		_, err := MergeLoRA(t.Context(), base, adapter, out, scale, o)
		return err
	}
	convert := func(in, out, base string, o Options) error {
		_, err := Adapter(in, out, base, o)
		return err
	}
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"exists", merge(base, dir, path, 1, Options{}), "file already exists"},
		{"folder", merge(base, dir, filepath.Join(tmp, "x"), 1, Options{}), "ends in .gguf"},
		{"scale", merge(base, dir, out, math.NaN(), Options{}), "scale NaN"},
		{"type", merge(base, dir, out, 1, Options{Type: "q9"}), `type "q9", known`},
		{"adapter first", merge(dir, dir, out, 1, Options{}), "the model comes first"},
		{"no adapter", merge(base, folder, out, 1, Options{}), "is no adapter"},
		{"other model", merge(other, dir, out, 1, Options{}), "want [128 3]"},
		{"missing matrix", merge(odd, dir, out, 1, Options{}), `no tensor "blk.1.ffn_up.weight"`},
		{"convert: exists", convert(dir, path, base, Options{}), "file already exists"},
		{"convert: same format", convert(dir, filepath.Join(tmp, "y"), base, Options{}), "of that format already"},
		{"convert: other model", convert(dir, out, other, Options{}), "want [128 3]"},
		{"convert: no model", convert(dir, out, filepath.Join(tmp, "none"), Options{}), "none"},
		{"convert: an adapter as a model", convert(path, filepath.Join(tmp, "z"), path, Options{}), "llama.block_count"},
		{"convert: type", convert(dir, out, base, Options{Type: "f16"}), "keep their types"},
		{"convert: a model's folder", convert(path, folder, base, Options{Replace: true}), "holds no adapter"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, test.err, test.want)
		}
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a failure left a file: %v", err)
	}
	for path, want := range map[string]bool{dir: true, path: true, base: false, folder: false} {
		if got, err := IsAdapter(path); got != want || err != nil {
			t.Errorf("IsAdapter(%s): got %v, %v", path, got, err)
		}
	}
}
