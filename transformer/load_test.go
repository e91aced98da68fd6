package transformer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
)

// smallConfig has grouped heads and an untied output.
var smallConfig = Config{Arch: "llama", Layers: 2, Width: 32, FFN: 64, Heads: 4, KVHeads: 2, HeadDim: 8, RopeDim: 8, Vocab: 40,
	MaxPositions: 32, NormEps: 1e-5, RopeTheta: 10000}

func small(t testing.TB, b ops.Backend) Model {
	t.Helper()
	m, err := New(b, smallConfig, 3)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// smallFile writes the small model and returns its values and tensors, to be
// harmed and written again.
func smallFile(t *testing.T) (values []gguf.KeyValue, entries []gguf.Entry) {
	t.Helper()
	b := ops.NewCPU(1)
	path := filepath.Join(t.TempDir(), "good.gguf")
	if err := small(t, b).WriteGGUF(b, path, tensor.F32, nil, false); err != nil {
		t.Fatal(err)
	}
	return contents(t, path)
}

// contents returns what is in a GGUF file.
func contents(t *testing.T, path string) (values []gguf.KeyValue, entries []gguf.Entry) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if values, err = f.KeyValues(); err != nil {
		t.Fatal(err)
	}
	for _, info := range f.Tensors() {
		x, err := f.Tensor(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, gguf.EntryOf(info.Name, x))
	}
	return values, entries
}

// withoutKey writes a GGUF file again without one of its keys.
func withoutKey(t *testing.T, path, key string) string {
	t.Helper()
	values, entries := contents(t, path)
	without := path + "-without"
	if err := gguf.Write(without, set(values, key, nil), entries); err != nil {
		t.Fatal(err)
	}
	return without
}

func set(values []gguf.KeyValue, key string, value any) []gguf.KeyValue {
	var out []gguf.KeyValue
	for _, kv := range values {
		if kv.Key != key {
			out = append(out, kv)
		}
	}
	if value == nil {
		return out
	}
	return append(out, gguf.KeyValue{Key: key, Value: value})
}

func TestLoadRefusesGGUF(t *testing.T) {
	values, entries := smallFile(t)
	without := func(name string, more ...gguf.Entry) []gguf.Entry {
		var out []gguf.Entry
		for _, e := range entries {
			if e.Name != name {
				out = append(out, e)
			}
		}
		return append(out, more...)
	}
	matrix := func(name string, shape ...int) gguf.Entry {
		return gguf.EntryOf(name, tensor.New(tensor.F32, shape...))
	}
	for _, test := range []struct {
		name    string
		values  []gguf.KeyValue
		entries []gguf.Entry
		want    string
	}{
		{"another architecture", set(values, "general.architecture", "bert"), entries, `architecture "bert"`},
		{"no architecture", set(values, "general.architecture", nil), entries, "general.architecture"},
		{"key missing", set(values, "llama.block_count", nil), entries, "llama.block_count"},
		{"key of another type", set(values, "llama.block_count", "two"), entries, "llama.block_count"},
		{"absurd layers", set(values, "llama.block_count", uint32(1<<31)), entries, "layers is 2147483648"},
		{"more layers than tensors", set(values, "llama.block_count", uint32(100)), entries, "100 layers but only"},
		{"absurd positions", set(values, "llama.context_length", uint32(1<<31)), entries, "positions is 2147483648"},
		{"heads do not divide", set(values, "llama.attention.head_count_kv", uint32(3)), entries, "no multiple of 3"},
		{"rope scaled by nothing", set(values, "llama.rope.scaling.type", "linear"), entries, "llama.rope.scaling.factor"},
		{"rope scaled otherwise", set(values, "llama.rope.scaling.type", "longrope"), entries, `rope scaling "longrope", known: linear`},
		{"unknown key", set(values, "llama.attention.clamp_kqv", float32(8)), entries, `"llama.attention.clamp_kqv"`},
		{"experts", set(values, "llama.expert_count", uint32(8)), entries, `"llama.expert_count"`},
		{"tensor missing", values, without("blk.1.ffn_up.weight"), `"blk.1.ffn_up.weight"`},
		{"tensor misshapen", values, without("blk.0.attn_q.weight", matrix("blk.0.attn_q.weight", 32, 31)), `"blk.0.attn_q.weight": shape [32 31], want [32 32]`},
		{"tensor of no use", values, without("", matrix("blk.2.attn_q.weight", 32, 32)), `"blk.2.attn_q.weight" belongs to no part`},
		{"embedding missing", values, without("token_embd.weight"), `"token_embd.weight"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.gguf")
			if err := gguf.Write(path, test.values, test.entries); err != nil {
				t.Fatal(err)
			}
			_, err := Load(ops.NewCPU(1), path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the file's name", err, test.want)
			}
		})
	}
	if _, err := Load(ops.NewCPU(1), filepath.Join(t.TempDir(), "none.gguf")); err == nil {
		t.Error("a file that is not there: got no error")
	}
}

func TestLoadRefusesHF(t *testing.T) {
	good := map[string]any{"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
		"num_attention_heads": 4, "vocab_size": 40, "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "hidden_act": "silu"}
	for _, test := range []struct {
		name, key string
		value     any
		want      string
	}{
		{"another architecture", "model_type", "gpt_neo", `"gpt_neo"`},
		{"another activation", "hidden_act", "gelu", `"gelu"`},
		{"rope scaled by nothing", "rope_scaling", map[string]any{"type": "linear"}, "rope scaling is {Type:linear Factor:0"},
		{"rope scaled otherwise", "rope_scaling", map[string]any{"type": "dynamic"}, `rope_scaling "dynamic", known: default, linear`},
		{"no layers", "num_hidden_layers", 0, "layers is 0"},
		{"not a number", "vocab_size", "many", "vocab_size"},
		{"weights missing", "", nil, `"model.embed_tokens.weight"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			config := map[string]any{}
			for k, v := range good {
				config[k] = v
			}
			if test.key != "" {
				config[test.key] = test.value
			}
			text, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o666); err != nil {
				t.Fatal(err)
			}
			x := []safetensors.Entry{safetensors.EntryOf("x", tensor.New(tensor.F32, 1))}
			if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), nil, x); err != nil {
				t.Fatal(err)
			}
			_, err = Load(ops.NewCPU(1), dir)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want an error with %q and the folder's name", err, test.want)
			}
		})
	}
}

func TestGenerateRefuses(t *testing.T) {
	b := ops.NewCPU(1)
	m := small(t, b)
	c := ops.NewContext(b)
	for _, test := range []struct {
		name   string
		prompt []int32
		want   string
	}{
		{"empty", nil, "empty prompt"},
		{"unknown token", []int32{1, 40}, "token 40 at place 1"},
		{"negative token", []int32{-1}, "token -1"},
		{"too long", make([]int32, 33), "room for 32"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache := m.NewCache(b, 1, 32)
			if _, err := Generate(c, m, test.prompt, cache, Greedy(1)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	// The cache bounds how much is generated; a seed repeats a draw.
	draw := func(seed uint64) []int32 {
		out, err := Generate(c, m, []int32{1, 2}, m.NewCache(b, 1, 16), Generation{Tokens: 100, Sampling: Sampling{Temperature: 2, Seed: seed}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first, again, other := draw(1), draw(1), draw(2)
	if len(first) != 15 {
		t.Errorf("tokens until the cache is full: got %d, want 15", len(first))
	}
	same := func(a, b []int32) bool {
		for i := range a {
			if a[i] != b[i] {
				return false
			}
		}
		return true
	}
	if !same(first, again) || same(first, other) {
		t.Errorf("drawn tokens: %v, again %v, with another seed %v", first, again, other)
	}
}
