package transformer

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/measure"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
)

// edit changes the adapter_config.json in dir.
func edit(t *testing.T, dir, from, to string) {
	t.Helper()
	path := filepath.Join(dir, peftConfigName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), from, to, 1)
	if changed == string(text) {
		t.Fatalf("%q is not in the file", from)
	}
	if err := os.WriteFile(path, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
}

// peft writes a folder with matrices for the layers, of ranks by layer, whose
// tensors are called as name says.
func peft(t testing.TB, dir, config string, layers []LinearInfo, rank func(LinearInfo) int, dtype tensor.DType, name func(layer, part string) string) {
	t.Helper()
	var entries []safetensors.Entry
	for i, l := range layers {
		r := rank(l)
		if r == 0 {
			continue
		}
		for part, shape := range map[string][]int{"A": {r, l.In}, "B": {l.Out, r}} {
			x := tensor.New(dtype, shape...)
			values := make([]float32, x.Len())
			for j := range values {
				values[j] = float32(math.Sin(float64(i+j*j+len(part)))) * 0.2
			}
			tensor.Quantize(dtype, x.Bytes(), values)
			entries = append(entries, safetensors.EntryOf(name(l.Name, part), x))
		}
	}
	if err := safetensors.Write(filepath.Join(dir, peftWeightsName), nil, entries); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, peftConfigName), []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
}

func usualName(layer, part string) string { return peftPrefix + layer + ".lora_" + part + ".weight" }

// What PEFT's fields mean: which layers they choose, of which rank and scale.
func TestPEFTConfig(t *testing.T) {
	layers := smallConfig.Linears() // 2 blocks
	for _, test := range []struct{ name, fields, want string }{
		{"list", `"target_modules": ["q_proj", "mlp.up_proj"]`, "0.q 4 2, 0.up 4 2, 1.q 4 2, 1.up 4 2"},
		{"rank-stabilised", `"target_modules": ["q_proj"], "use_rslora": true`, "0.q 4 4, 1.q 4 4"},
		{"pattern", `"target_modules": ".*\\.0\\..*(q|k)_proj"`, "0.q 4 2, 0.k 4 2"},
		{"all", `"target_modules": "all-linear", "layers_to_transform": null, "task_type": "CAUSAL_LM"`,
			"0.q 4 2, 0.k 4 2, 0.v 4 2, 0.o 4 2, 0.gate 4 2, 0.up 4 2, 0.down 4 2, 1.q 4 2, 1.k 4 2, 1.v 4 2, 1.o 4 2, 1.gate 4 2, 1.up 4 2, 1.down 4 2"},
		{"one layer", `"target_modules": ["q_proj"], "layers_to_transform": 1`, "1.q 4 2"},
		{"layers", `"target_modules": ["q_proj"], "layers_to_transform": [0, 7], "layers_pattern": "layers"`, "0.q 4 2"},
		{"excluded", `"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["layers.0.self_attn.q_proj"]`, "0.k 4 2, 1.q 4 2, 1.k 4 2"},
		{"excluded by a pattern", `"target_modules": ["q_proj", "k_proj"], "exclude_modules": ".*0.*"`, "1.q 4 2, 1.k 4 2"},
		{"ranks", `"target_modules": ["q_proj", "k_proj"], "rank_pattern": {"k_proj": 2}`, "0.q 4 2, 0.k 2 4, 1.q 4 2, 1.k 2 4"},
		{"first rank counts", `"target_modules": ["q_proj"], "rank_pattern": {"layers\\.0\\..*": 1, "q_proj": 2, "layers.1.self_attn.q_proj": 8}`, "0.q 1 8, 1.q 2 4"},
		{"alphas", `"target_modules": ["q_proj", "k_proj"], "alpha_pattern": {"1.*q_proj": 2}, "rank_pattern": {}`, "0.q 4 2, 0.k 4 2, 1.q 4 0.5, 1.k 4 2"},
		{"ranks, stabilised", `"target_modules": ["q_proj"], "use_rslora": true, "rank_pattern": {"layers.1.self_attn.q_proj": 16}`, "0.q 4 4, 1.q 16 2"},
		{"GPT-2's flag", `"target_modules": ["v_proj"], "fan_in_fan_out": true, "bias": "none", "modules_to_save": [ ], "init_lora_weights": true`, "0.v 4 2, 1.v 4 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := parsePEFTConfig([]byte(`{"peft_type": "LORA", "r": 4, "lora_alpha": 8, ` + test.fields + `}`))
			if err != nil {
				t.Fatal(err)
			}
			chosen, err := c.choose(layers)
			if err != nil {
				t.Fatal(err)
			}
			f := c.summary(chosen)
			if err := f.Validate(); err != nil {
				t.Error(err)
			}
			var got []string
			for _, ch := range chosen {
				parts := strings.Split(ch.layer.Name, ".")
				got = append(got, fmt.Sprintf("%s.%s %d %v", parts[2], strings.TrimSuffix(parts[4], "_proj"), ch.rank, ch.scale))
				if rank, scale := f.sizes(ch.layer.Name); rank != ch.rank || scale != ch.scale || !MatchesTarget(ch.layer.Name, f.Targets) {
					t.Errorf("%s: as names: got %d %v of %v, want %d %v", ch.layer.Name, rank, scale, f.Targets, ch.rank, ch.scale)
				}
			}
			if g := strings.Join(got, ", "); g != test.want {
				t.Errorf("got  %s\nwant %s", g, test.want)
			}
		})
	}
}

// files returns the content of a folder.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]byte{}
	for _, e := range list {
		if m[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// A PEFT folder goes to GGUF and back: the same files. Read from either, the
// adapter does the same to models of either row order.
func TestAdapterRoundTrip(t *testing.T) {
	named := func(layer, part string) string { return peftPrefix + layer + ".lora_" + part + ".default.weight" }
	same := func(r int) func(LinearInfo) int { return func(LinearInfo) int { return r } }
	for _, test := range []struct {
		name, fields string
		rank         func(LinearInfo) int
		dtype        tensor.DType
		tensors      func(layer, part string) string
	}{
		{"plain", ``, same(3), tensor.F32, usualName},
		{"half", ``, same(3), tensor.F16, usualName},
		{"bfloat", ``, same(3), tensor.BF16, named},
		{"rank-stabilised", `, "use_rslora": true`, same(3), tensor.F32, usualName},
		{"ranks", `, "rank_pattern": {".*\\.0\\..*": 5}`, func(l LinearInfo) int { return 3 + 2*strings.Count(l.Name, ".0.") }, tensor.F32, usualName},
	} {
		t.Run(test.name, func(t *testing.T) {
			for family, config := range familyConfigs {
				b := ops.NewCPU(1)
				defer b.Close()
				m := newFamily(t, b, config)
				dir, back := t.TempDir(), t.TempDir()
				peft(t, dir, `{"peft_type": "LORA", "base_model_name_or_path": "some/base", "r": 3, "lora_alpha": 7, "target_modules": "all-linear"`+test.fields+`}`,
					config.Linears(), test.rank, test.dtype, test.tensors)
				a, err := OpenAdapter(dir, config)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "a.gguf")
				if err := a.WriteGGUF(path, false); err != nil {
					t.Fatal(err)
				}
				a.Close()
				g, err := OpenAdapter(path, config)
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				if g.Base != "some/base" {
					t.Errorf("base: got %q", g.Base)
				}
				if err := g.WritePEFT(back); err != nil {
					t.Fatal(err)
				}
				for name, want := range files(t, dir) {
					if got := files(t, back)[name]; name == peftConfigName && !bytes.Equal(got, want) {
						t.Errorf("%s: got %s, want %s", name, got, want)
					}
				}
				sameTensors(t, filepath.Join(back, peftWeightsName), filepath.Join(dir, peftWeightsName))

				file := filepath.Join(t.TempDir(), "m.gguf")
				if err := m.WriteGGUF(b, file, tensor.F32, nil, false); err != nil {
					t.Fatal(err)
				}
				loaded, err := Load(b, file)
				if err != nil {
					t.Fatal(err)
				}
				defer loaded.Close()
				var want []float32
				for i, model := range []Model{m, loaded} {
					for j, from := range []string{dir, path} {
						l, err := ReadLoRA(b, model, from)
						if err != nil {
							t.Fatal(err)
						}
						got := adaptedFeatures(t, b, model, l)
						if want == nil {
							want = got
							if d := largest(got, features(t, b, m)); d < 0.01 {
								t.Errorf("%s: the adapter changes the features by %g only", family, d)
							}
						}
						if d := largest(got, want); !(d <= 2e-5) {
							t.Errorf("%s: model %d, file %d: features differ by %g", family, i, j, d)
						}
						out := filepath.Join(t.TempDir(), "again.gguf")
						if err := l.WriteGGUF(b, out, "some/base", false); err != nil {
							t.Fatal(err)
						}
						again, err := ReadLoRA(b, m, out)
						if err != nil {
							t.Fatal(err)
						}
						if d := largest(adaptedFeatures(t, b, m, again), want); !(d <= 2e-5) {
							t.Errorf("%s: model %d, file %d, written again: features differ by %g", family, i, j, d)
						}
					}
				}
			}
		})
	}
}

// sameTensors compares two safetensors files: names, types, shapes, bytes.
func sameTensors(t *testing.T, got, want string) {
	t.Helper()
	read := func(path string) map[string]string {
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		m := map[string]string{}
		for _, info := range f.Tensors() {
			data, err := f.Bytes(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			m[info.Name] = fmt.Sprint(info.Type, info.Shape, data)
		}
		return m
	}
	g, w := read(got), read(want)
	if len(w) == 0 || !maps.Equal(g, w) {
		t.Errorf("tensors: got %v, want %v, or others of these names", slices.Sorted(maps.Keys(g)), slices.Sorted(maps.Keys(w)))
	}
}

// Alphas that differ from layer to layer go into B; a file of another program has
// no config of PEFT; alpha 0 is a scale of 1.
func TestAdapterGGUF(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	m := small(t, b)
	dir := t.TempDir()
	config := `{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": true, "target_modules": ["q_proj", "down_proj"], "alpha_pattern": {"q_proj": 3}, "rank_pattern": {"1.mlp.down_proj": 2}}`
	var layers []LinearInfo
	for _, l := range smallConfig.Linears() {
		if MatchesTarget(l.Name, []string{"q_proj", "down_proj"}) {
			layers = append(layers, l)
		}
	}
	peft(t, dir, config, layers, func(l LinearInfo) int {
		if strings.HasSuffix(l.Name, "1.mlp.down_proj") {
			return 2
		}
		return 4
	}, tensor.F32, usualName)
	a, err := OpenAdapter(dir, smallConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if n := a.Uneven(); n != 3 {
		t.Errorf("uneven layers: got %d, want 3", n)
	}
	path := filepath.Join(t.TempDir(), "a.gguf")
	if err := a.WriteGGUF(path, false); err != nil {
		t.Fatal(err)
	}
	folder, err := ReadLoRA(b, m, dir)
	if err != nil {
		t.Fatal(err)
	}
	want := adaptedFeatures(t, b, m, folder)
	file, err := ReadLoRA(b, m, path)
	if err != nil {
		t.Fatal(err)
	}
	if d := largest(adaptedFeatures(t, b, m, file), want); d > 1e-5 {
		t.Errorf("features differ by %g", d)
	}
	back := t.TempDir()
	if err := file.Write(b, back, "small"); err != nil { // and from there to PEFT
		t.Fatal(err)
	}
	again, err := ReadLoRA(b, m, back)
	if err != nil {
		t.Fatal(err)
	}
	if d := largest(adaptedFeatures(t, b, m, again), want); d > 1e-5 {
		t.Errorf("features of the folder made of it differ by %g", d)
	}

	values := []gguf.KeyValue{{Key: keyArchitecture, Value: "llama"}, {Key: keyGeneralType, Value: "adapter"}, {Key: keyAdapterType, Value: "lora"}}
	tensors := func(rank, width int, names ...string) []gguf.Entry {
		var list []gguf.Entry
		for _, name := range names {
			list = append(list, gguf.EntryOf(name+ggufA, tensor.New(tensor.F32, rank, width)), gguf.EntryOf(name+ggufB, tensor.New(tensor.F32, 32, rank)))
		}
		return list
	}
	write := func(values []gguf.KeyValue, list []gguf.Entry) string {
		path := filepath.Join(t.TempDir(), "b.gguf")
		if err := gguf.Write(path, values, list); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bare := write(values, append(tensors(2, 32, "blk.0.attn_q.weight"), tensors(5, 32, "blk.1.attn_q.weight")...))
	x, err := OpenAdapter(bare, smallConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if got, want := fmt.Sprint(x.Config), "{2 2 0 [q_proj] false map[model.layers.1.self_attn.q_proj:5] map[model.layers.1.self_attn.q_proj:5]}"; got != want ||
		x.Pairs[0].Scale != 1 || x.Pairs[1].Scale != 1 {
		t.Errorf("without alpha: got %s, scales %v %v, want %s and 1", got, x.Pairs[0].Scale, x.Pairs[1].Scale, want)
	}
	with := func(key string, value any) []gguf.KeyValue {
		list := slices.DeleteFunc(slices.Clone(values), func(kv gguf.KeyValue) bool { return kv.Key == key })
		return append(list, gguf.KeyValue{Key: key, Value: value})
	}
	q := "blk.0.attn_q.weight"
	for _, test := range []struct {
		name   string
		values []gguf.KeyValue
		list   []gguf.Entry
		want   string
	}{
		{"model", with(keyGeneralType, "model"), tensors(2, 32, q), `general.type is "model"`},
		{"kind", with(keyAdapterType, "mora"), tensors(2, 32, q), `adapter.type is "mora"`},
		{"architecture", with(keyArchitecture, "qwen2"), tensors(2, 32, q), `general.architecture is "qwen2", want "llama"`},
		{"alpha", with(keyAlpha, float32(math.NaN())), tensors(2, 32, q), keyAlpha},
		{"activated", with(keyInvocation, []uint32{1}), tensors(2, 32, q), "activated"},
		{"width", values, tensors(2, 31, q), `"blk.0.attn_q.weight.lora_a" is [2 31], want [rank 32]`},
		{"half a pair", values, tensors(2, 32, q)[:1], `1 of 2 tensors missing: "blk.0.attn_q.weight.lora_b" [32 rank]`},
		{"the other half", values, tensors(2, 32, q)[1:], `"blk.0.attn_q.weight.lora_a" [rank 32]`},
		{"embedding", values, tensors(2, 32, q, "token_embd.weight"), "embeddings and of the output matrix"},
		{"output", values, tensors(2, 32, q, "output.weight"), "embeddings and of the output matrix"},
		{"layer", values, tensors(2, 32, q, "blk.7.attn_q.weight"), `2 tensors that belong to no adapted layer: "blk.7`},
		{"ranks", values, []gguf.Entry{tensors(2, 32, q)[0], tensors(3, 32, q)[1]}, `want [32 2]`},
		{"integers", values, []gguf.Entry{tensors(2, 32, q)[0], gguf.EntryOf(q+ggufB, tensor.New(tensor.I32, 32, 2))}, "no weight's"},
		{"nothing", values, nil, "no tensors"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(test.values, test.list)
			if _, err := OpenAdapter(path, smallConfig); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the file", err, test.want)
			}
		})
	}
}

// allocatedPEFT reads an adapter as openPEFT does and returns what it allocated.
func allocatedPEFT(text, data []byte, layers []LinearInfo) (a *Adapter, n uint64) {
	n = measure.Allocated(func() { a, _ = parsePEFT(text, data, layers) })
	return a, n
}

func parsePEFT(text, data []byte, layers []LinearInfo) (*Adapter, error) {
	config, err := parsePEFTConfig(text)
	if err != nil {
		return nil, err
	}
	chosen, err := config.choose(layers)
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Parse("fuzz", data)
	if err != nil {
		return nil, err
	}
	a := &Adapter{Config: config.summary(chosen)}
	if err := a.place(file, chosen, nil); err != nil {
		return nil, err
	}
	return a, nil
}

// Long files of the kinds that multiply: what they allocate is bounded.
func TestPEFTAllocation(t *testing.T) {
	layers := smallConfig.Linears()
	head := `{"peft_type":"LORA","r":4,"lora_alpha":8,`
	for name, text := range map[string]string{
		"targets":     head + `"target_modules":[` + strings.Repeat(`"",`, 30000) + `""]}`,
		"sizes":       head + `"target_modules":"all-linear","rank_pattern":{` + strings.Repeat(`"a":1,`, 10000) + `"b":1}}`,
		"layers":      head + `"target_modules":["q_proj"],"layers_to_transform":[` + strings.Repeat(`1,`, 50000) + `1]}`,
		"patterns":    head + `"target_modules":"all-linear","rank_pattern":{` + strings.Repeat(`"a*":1,`, 30) + `"b":1}}`,
		"repetitions": head + `"target_modules":"((((((((x{9}){9}){9}){9}){9}){9}){9}){9})"}`,
		"classes":     head + `"target_modules":"` + strings.Repeat(`[^a]`, 250) + `"}`,
		"nested":      head + `"target_modules":"` + strings.Repeat(`(`, 300) + strings.Repeat(`)`, 300) + `"}`,
		"alternation": head + `"target_modules":"` + strings.Repeat(`a|b?`, 200) + `"}`,
		"refused":     head + `"target_modules":["q_proj"],"target_parameters":[` + strings.Repeat(`[],`, 100000) + `1]}`,
	} {
		if _, n := allocatedPEFT([]byte(text), nil, layers); n > 1<<20+16*uint64(len(text)) {
			t.Errorf("%s: got %d bytes allocated for a file of %d", name, n, len(text))
		}
	}
}

// FuzzPEFT looks for adapters that panic, that allocate more than they justify, or
// whose pairs do not fit the layers.
func FuzzPEFT(f *testing.F) {
	layers := smallConfig.Linears()
	dir := f.TempDir()
	config := `{"peft_type":"LORA","r":2,"lora_alpha":8,"target_modules":["q_proj"],"use_rslora":true}`
	var some []LinearInfo
	for _, l := range layers {
		if strings.HasSuffix(l.Name, "q_proj") {
			some = append(some, l)
		}
	}
	peft(f, dir, config, some, func(LinearInfo) int { return 2 }, tensor.F16, usualName)
	data, err := os.ReadFile(filepath.Join(dir, peftWeightsName))
	if err != nil {
		f.Fatal(err)
	}
	if a, err := parsePEFT([]byte(config), data, layers); err != nil || len(a.Pairs) != 2 {
		f.Fatalf("the seed: got %v", err)
	}
	f.Add([]byte(config), data)
	f.Add([]byte(`{"peft_type":"LORA","r":2,"lora_alpha":8,"target_modules":".*[qk]_proj","rank_pattern":{"q.*":1},"alpha_pattern":{"k_proj":1.5}}`), data)
	f.Add([]byte(`{"peft_type":"LORA","r":2,"lora_alpha":8,"target_modules":["q_proj"],"layers_to_transform":[0],"layers_pattern":"layers","exclude_modules":"x"}`), data)
	f.Fuzz(func(t *testing.T, text, data []byte) {
		a, n := allocatedPEFT(text, data, layers)
		if n > 2<<20+16*uint64(len(text)+len(data)) { // a megabyte for each of the two files
			t.Errorf("got %d bytes allocated for files of %d and %d", n, len(text), len(data))
		}
		if a == nil {
			return
		}
		for _, p := range a.Pairs {
			if rank, _ := a.Config.sizes(p.Layer.Name); rank < 1 || !MatchesTarget(p.Layer.Name, a.Config.Targets) {
				t.Errorf("%s: rank %d, targets %q", p.Layer.Name, rank, a.Config.Targets)
			}
		}
	})
}
