package transformer

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// vitGolden is testdata/vit/golden.safetensors, by name.
func vitGolden(t *testing.T) func(name string) tensor.Tensor {
	t.Helper()
	f, err := safetensors.Open("testdata/vit/golden.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return func(name string) tensor.Tensor {
		t.Helper()
		v, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// vitDistance is the largest distance of got from want, in units of the largest number wanted or 1.
func vitDistance(got, want []float32) float64 {
	largest, distance := 1.0, 0.0
	for i, w := range want {
		largest, distance = max(largest, math.Abs(float64(w))), max(distance, math.Abs(float64(got[i]-w)))
	}
	return distance / largest
}

// Features and gradients of a tiny encoder are those of PyTorch.
func TestViTOracle(t *testing.T) {
	want := vitGolden(t)
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		m, err := LoadViT(b, "testdata/vit")
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		pixels := want("pixels").Float32s()
		c := ops.NewContext(b)
		y := m.Forward(c, pixels)
		features, err := c.Floats(y)
		if err != nil {
			t.Fatal(err)
		}
		if d := vitDistance(features, want("features").Float32s()); d > 1e-5 {
			t.Errorf("features: %g away", d)
		}
		class, err := c.Floats(m.Features(c, pixels))
		if err != nil {
			t.Fatal(err)
		}
		width, row := m.Config.Width, (1+m.Config.Patches())*m.Config.Width
		if d := vitDistance(class, append(slices.Clone(features[:width]), features[row:row+width]...)); d > 1e-6 {
			t.Errorf("the class token's features are not the first of all: %g away", d)
		}
		hash, err := m.Hash(b)
		if err != nil {
			t.Fatal(err)
		}

		// The same weights in a model that can be trained.
		trained, err := NewViT(b, m.Config, 1)
		if err != nil {
			t.Fatal(err)
		}
		file, err := safetensors.Open("testdata/vit/model.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, w := range trained.weights() {
			v, err := file.Tensor(w.name)
			if err != nil {
				t.Fatal(err)
			}
			b.Upload(*w.tensor, v.Bytes())
		}
		if again, err := trained.Hash(b); err != nil || again != hash {
			t.Errorf("the same weights have hash %s, %v, want %s", again, err, hash)
		}
		params, err := trained.Trainable(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Trainable(b); err == nil {
			t.Error("an encoder in a file can be trained")
		}
		c.Tape = ops.NewTape()
		c.Tape.Watch(params...)
		y = trained.Forward(c, pixels)
		n := y.Len()
		loss := ops.MatMul(c, y.Reshape(1, n), c.Float32s(want("weigh").Float32s(), n, 1))
		c.Tape.Backward(c, loss.Reshape(1))
		for _, p := range params {
			got, err := c.Floats(p.Grad)
			if err != nil {
				t.Fatal(err)
			}
			if d := vitDistance(got, want("gradient."+p.Name).Float32s()); d > 1e-4 {
				t.Errorf("gradient of %s: %g away", p.Name, d)
			}
		}
		golden.Cases(t, 1+len(params))
	})
}

// publishedViT lists the names and shapes of google/vit-base-patch16-224-in21k.
func publishedViT() map[string][]int {
	list := map[string][]int{
		"embeddings.cls_token": {1, 1, 768}, "embeddings.position_embeddings": {1, 197, 768},
		"embeddings.patch_embeddings.projection.weight": {768, 3, 16, 16}, "embeddings.patch_embeddings.projection.bias": {768},
		"layernorm.weight": {768}, "layernorm.bias": {768}, "pooler.dense.weight": {768, 768}, "pooler.dense.bias": {768},
	}
	for _, layer := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"} {
		for part, shape := range map[string][]int{
			"attention.attention.query": {768, 768}, "attention.attention.key": {768, 768}, "attention.attention.value": {768, 768},
			"attention.output.dense": {768, 768}, "intermediate.dense": {3072, 768}, "output.dense": {768, 3072},
			"layernorm_before": {768}, "layernorm_after": {768},
		} {
			name := "encoder.layer." + layer + "." + part
			list[name+".weight"], list[name+".bias"] = shape, shape[:1]
		}
	}
	return list
}

// Every published tensor is used once, but for the pooler's.
func TestViTB16Names(t *testing.T) {
	want := publishedViT()
	if len(want) != 200 {
		t.Fatalf("got %d names", len(want))
	}
	m := &ViT{Config: ViTB16(), blocks: make([]vitBlock, 12)}
	numbers, fields := 0, map[*tensor.Tensor]bool{}
	for _, w := range m.weights() {
		if !slices.Equal(want[w.name], w.file) || fields[w.tensor] || count(w.file) != count(w.shape) {
			t.Errorf("%s: got shape %v, want %v", w.name, w.file, want[w.name])
		}
		numbers, fields[w.tensor] = numbers+count(w.file), true
		delete(want, w.name)
	}
	for name := range want {
		if !unusedByViT(name) {
			t.Errorf("%s is not used", name)
		}
	}
	if numbers != 85_798_656 {
		t.Errorf("got %d numbers", numbers)
	}
}

// Files that are not what they should be are refused by the name of what is wrong.
func TestViTErrors(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	src, err := safetensors.Open("testdata/vit/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	config, err := os.ReadFile("testdata/vit/config.json")
	if err != nil {
		t.Fatal(err)
	}
	folder := func(t *testing.T, config string, change func(name string, v tensor.Tensor) (string, tensor.Tensor), more ...safetensors.Entry) string {
		t.Helper()
		dir := t.TempDir()
		for _, name := range src.Names() {
			v, err := src.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			if name, v = change(name, v); name != "" {
				more = append(more, safetensors.EntryOf(name, v))
			}
		}
		if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), nil, more); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o666); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	same := func(name string, v tensor.Tensor) (string, tensor.Tensor) { return name, v }
	prefixed := folder(t, string(config), func(name string, v tensor.Tensor) (string, tensor.Tensor) { return "vit." + name, v },
		safetensors.EntryOf("classifier.weight", tensor.New(tensor.F32, 2, 16)))
	m, err := LoadViT(b, prefixed)
	if err != nil {
		t.Fatalf("with the prefix of a classifier's file: %v", err)
	}
	m.Close()

	with := func(key string, value any) string {
		var fields map[string]any
		if err := json.Unmarshal(config, &fields); err != nil {
			t.Fatal(err)
		}
		fields[key] = value
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct {
		name, config, want string
		change             func(name string, v tensor.Tensor) (string, tensor.Tensor)
		more               []safetensors.Entry
	}{
		{"missing", string(config), `no tensor "layernorm.bias"`, func(name string, v tensor.Tensor) (string, tensor.Tensor) {
			return strings.TrimPrefix(name, "layernorm.bias"), v
		}, nil},
		{"extra", string(config), `"mask_token" belongs to no part of a ViT`, same, []safetensors.Entry{safetensors.EntryOf("mask_token", tensor.New(tensor.F32, 1))}},
		{"twice", string(config), `are the same weight`, same, []safetensors.Entry{safetensors.EntryOf("vit.layernorm.bias", tensor.New(tensor.F32, 16))}},
		{"shape", string(config), `"embeddings.cls_token"`, func(name string, v tensor.Tensor) (string, tensor.Tensor) {
			if name == "embeddings.cls_token" {
				v = tensor.New(tensor.F32, 1, 1, 17)
			}
			return name, v
		}, nil},
		{"family", with("model_type", "deit"), `model_type "deit"`, same, nil},
		{"activation", with("hidden_act", "relu"), `hidden_act "relu"`, same, nil},
		{"heads", with("num_attention_heads", 3), "no multiple of 3 heads", same, nil},
		{"squares", with("patch_size", 7), "no whole number of squares of 7", same, nil},
		{"layers", with("num_hidden_layers", 4000), "4000 layers but only", same, nil},
		{"epsilon", with("layer_norm_eps", 0), "layer_norm_eps is 0", same, nil},
		{"JSON", "{", "config.json: unexpected end", same, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := LoadViT(b, folder(t, c.config, c.change, c.more...)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ... %s", err, c.want)
			}
		})
	}
	if _, err := LoadViT(b, t.TempDir()); err == nil {
		t.Error("an empty folder was read")
	}
}
