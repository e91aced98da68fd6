package transformer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/measure"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
)

// configTexts are config.json files of all families.
func configTexts(t testing.TB) map[string]string {
	t.Helper()
	texts := map[string]string{
		"defaults of llama":   `{"model_type":"llama"}`,
		"defaults of mistral": `{"model_type":"mistral"}`,
		"defaults of qwen2":   `{"model_type":"qwen2"}`,
		"defaults of gpt2":    `{"model_type":"gpt2"}`,
		"defaults of opt":     `{"model_type":"opt"}`,
		"mistral, no window":  `{"architectures":["MistralForCausalLM"],"sliding_window":null}`,
		"gpt2, inner width":   `{"model_type":"gpt2","n_inner":32,"activation_function":"gelu_pytorch_tanh"}`,
		"opt, 350m":           `{"model_type":"opt","hidden_size":1024,"num_attention_heads":16,"ffn_dim":4096,"word_embed_proj_dim":512,"do_layer_norm_before":false}`,
		"opt, galactica":      `{"model_type":"opt","enable_bias":false,"_remove_final_layer_norm":true}`,
		"llava, first layout": `{"model_type":"llava_llama","architectures":["LlavaLlamaForCausalLM"],"hidden_size":32,"num_attention_heads":4,"num_key_value_heads":2}`,
		"llava with mistral":  `{"model_type":"llava_next","text_config":{"model_type":"mistral","sliding_window":null}}`,
		"newer rope":          `{"model_type":"llama","rope_parameters":{"rope_type":"linear","factor":2,"rope_theta":1000}}`,
		"default rope":        `{"model_type":"llama","rope_scaling":{"rope_type":"default"}}`,
		"yarn, as few as can": `{"model_type":"qwen2","rope_scaling":{"type":"yarn","factor":4}}`,
	}
	for _, name := range oracleModels {
		text, err := os.ReadFile(filepath.Join("testdata", name, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

// A shape read from config.json is the same after a way through config.json and
// through GGUF.
func TestConfigRoundTrips(t *testing.T) {
	for name, text := range configTexts(t) {
		t.Run(name, func(t *testing.T) {
			want, err := configFromHF([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := want.Validate(); err != nil {
				t.Fatal(err)
			}
			want.Vision = false // what is written is the language part
			dir := t.TempDir()
			text, err := want.HF(tensor.F16)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o666); err != nil {
				t.Fatal(err)
			}
			got, err := ConfigFromHF(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("through config.json (-want +got):\n%s", diff)
			}
			for _, field := range []string{`"architectures"`, `"model_type"`, `"torch_dtype": "float16"`} {
				if !strings.Contains(string(text), field) {
					t.Errorf("config.json without %s:\n%s", field, text)
				}
			}
			want = shrunk(want)
			backend := ops.NewCPU(1)
			defer backend.Close()
			m, err := New(backend, want, 1)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "model.gguf")
			if err := m.WriteGGUF(backend, path, tensor.F32, nil, false); err != nil {
				t.Fatal(err)
			}
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got, err = ConfigFromGGUF(f); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("through GGUF (-want +got):\n%s", diff)
			}
		})
	}
}

// shrunk returns the shape of a tiny model that is otherwise like f.
func shrunk(f Config) Config {
	f.Layers, f.Heads, f.KVHeads, f.HeadDim, f.Width, f.FFN, f.Vocab = 1, 2, min(f.KVHeads, 2), 8, 16, 8, 8
	if f.PositionRows > 0 {
		f.PositionRows += 16 - f.MaxPositions
	}
	f.MaxPositions = 16
	if f.RopeDim > 0 {
		f.RopeDim = f.HeadDim
	}
	if f.EmbedWidth > 0 {
		f.EmbedWidth = 8
	}
	return f
}

func TestConfigRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"no object", `[]`, "cannot unmarshal array"},
		{"nothing", `{}`, `model_type ""`},
		{"GPT-Neo", `{"model_type":"gpt_neo"}`, `"gpt_neo"), known: llama, mistral, llava, llava_llama, llava_next, qwen2, gpt2, opt`},
		{"GPTQ", `{"model_type":"llama","quantization_config":{"quant_method":"gptq"}}`, `quantised by "gptq"`},
		{"AWQ", `{"model_type":"llama","quantization_config":{"quant_method":"awq"}}`, `quantised by "awq"`},
		{"llava of another family", `{"model_type":"llava","text_config":{"model_type":"qwen2"}}`, `text_config: model_type "qwen2"`},
		{"layers", `{"model_type":"llama","num_hidden_layers":2000000000}`, "layers is 2000000000"},
		{"width", `{"model_type":"llama","hidden_size":2000000000}`, "width is 2000000000"},
		{"positions", `{"model_type":"llama","max_position_embeddings":1000000000000}`, "positions is 1000000000000"},
		{"negative", `{"model_type":"gpt2","n_head":-1}`, "heads is -1"},
		{"heads", `{"model_type":"gpt2","n_head":7}`, "7 heads"},
		{"huge heads", `{"model_type":"llama","num_attention_heads":4096,"head_dim":4096}`, "4096 heads of 4096"},
		{"number too large", `{"model_type":"llama","hidden_size":1e400}`, "hidden_size"},
		{"epsilon", `{"model_type":"llama","rms_norm_eps":0}`, "norm epsilon is 0"},
		{"rope base", `{"model_type":"llama","rope_theta":1}`, "rope base is 1"},
		{"longrope", `{"model_type":"llama","rope_scaling":{"type":"longrope","long_factor":[1]}}`, `"longrope"`},
		{"yarn's variants", `{"model_type":"llama","rope_scaling":{"type":"yarn","factor":4,"mscale":1}}`, "mscale"},
		{"yarn that shortens", `{"model_type":"llama","rope_scaling":{"type":"yarn","factor":0.5}}`, "by 0.5"},
		{"llama3 without numbers", `{"model_type":"llama","rope_scaling":{"rope_type":"llama3"}}`, "rope_scaling"},
		{"llama3 turned around", `{"model_type":"llama","rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1,"original_max_position_embeddings":8192}}`, "rope scaling is"},
		{"no window", `{"model_type":"mistral","sliding_window":0}`, "sliding_window is 0"},
		{"window of text", `{"model_type":"mistral","sliding_window":"x"}`, "sliding_window is"},
		{"qwen2 with a window", `{"model_type":"qwen2","use_sliding_window":true}`, "use_sliding_window"},
		{"activation of llama", `{"model_type":"llama","hidden_act":"gelu"}`, `activation "gelu", known: silu`},
		{"activation of gpt2", `{"model_type":"gpt2","activation_function":"relu"}`, `activation "relu", known: gelu_new`},
		{"activation of opt", `{"model_type":"opt","activation_function":"gelu"}`, `activation "gelu", known: relu`},
		{"scaled attention", `{"model_type":"gpt2","scale_attn_by_inverse_layer_idx":true}`, "attention"},
		{"cross attention", `{"model_type":"gpt2","add_cross_attention":true}`, "add_cross_attention"},
		{"bare norms", `{"model_type":"opt","layer_norm_elementwise_affine":false}`, "layer_norm_elementwise_affine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := configFromHF([]byte(test.text))
			if err == nil {
				err = f.Validate()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// What a shape cannot say in config.json is refused, not dropped.
func TestConfigHFRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(f *Config)
	}{
		{"window", func(f *Config) { f.Window = 4 }},
		{"half of the biases", func(f *Config) { f.QKVBias = true }},
		{"part of a head rotated", func(f *Config) { f.RopeDim = 4 }},
		{"scaling without numbers", func(f *Config) { f.Scaling.Type = ScalingLlama3 }},
		{"invalid", func(f *Config) { f.Layers = 0 }},
		{"unknown", func(f *Config) { f.Arch = "bert" }},
	} {
		f := smallConfig
		test.change(&f)
		if text, err := f.HF(tensor.F32); err == nil {
			t.Errorf("%s: got %s, want an error", test.name, text)
		}
	}
	if _, err := smallConfig.HF(tensor.Q4_0); err == nil || !strings.Contains(err.Error(), "Q4_0") {
		t.Errorf("weights of a block type: got %v", err)
	}
}

func TestHFName(t *testing.T) {
	for _, test := range []struct {
		config     Config
		file, want string // want "": left
	}{
		{Config{Arch: "llama"}, "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.q_proj.weight"},
		{Config{Arch: "llama"}, "model.layers.0.self_attn.rotary_emb.inv_freq", ""},
		{Config{Arch: "llama"}, "vision_tower.x", "vision_tower.x"},
		{Config{Arch: "llama", Vision: true}, "vision_tower.x", ""},
		{Config{Arch: "llama", Vision: true}, "model.mm_projector.0.weight", ""},
		{Config{Arch: "llama", Vision: true}, "model.norm.weight", "model.norm.weight"},
		{Config{Arch: "llama", Vision: true}, "language_model.model.norm.weight", "model.norm.weight"},
		{Config{Arch: "llama", Vision: true}, "language_model.lm_head.weight", "lm_head.weight"},
		{Config{Arch: "llama", Vision: true}, "model.language_model.norm.weight", "model.norm.weight"},
		{Config{Arch: "llama", Vision: true}, "model.multi_modal_projector.linear_1.bias", ""},
		{Config{Arch: "gpt2"}, "wte.weight", "transformer.wte.weight"},
		{Config{Arch: "gpt2"}, "transformer.h.0.attn.c_attn.bias", "transformer.h.0.attn.c_attn.bias"},
		{Config{Arch: "gpt2"}, "h.0.attn.bias", ""},
		{Config{Arch: "gpt2"}, "transformer.h.0.attn.masked_bias", ""},
		{Config{Arch: "gpt2"}, "lm_head.weight", "lm_head.weight"},
		{Config{Arch: "opt"}, "decoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"},
		{Config{Arch: "opt"}, "model.decoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"},
	} {
		got, used := test.config.HFName(test.file)
		if got != test.want || used != (test.want != "") {
			t.Errorf("%s %q: got %q, %v, want %q", test.config.Arch, test.file, got, used, test.want)
		}
	}
}

// A config.json of many bytes makes no larger allocations than it justifies.
func TestConfigAllocation(t *testing.T) {
	long := strings.Repeat("\xff", 1<<20)
	for _, text := range []string{
		`{"model_type":"` + long + `"}`,
		`{"architectures":["` + long + `"]}`,
		`{"architectures":[` + strings.Repeat(`"",`, 1<<18) + `""]}`,
		`{"model_type":"llama","hidden_act":"` + long + `"}`,
		`{"model_type":"llama","rope_scaling":{"type":"` + long + `"}}`,
		`{"model_type":"mistral","sliding_window":"` + long + `"}`,
		`{"model_type":"llama","hidden_size":` + strings.Repeat("1", 1<<20) + `}`,
		`{"model_type":"llama","quantization_config":{"quant_method":"` + long + `"}}`,
		`{"model_type":"llava","text_config":{"model_type":"` + long + `"}}`,
		`{"x":` + strings.Repeat("[", 1<<20),
	} {
		if config, n := allocatedConfig([]byte(text)); n > 1<<20+16*uint64(len(text)) {
			t.Errorf("%.60q: got %d bytes allocated for a file of %d, and %+v", text, n, len(text), config)
		}
	}
}

// allocatedConfig reads a config.json and returns how many bytes that allocated.
func allocatedConfig(data []byte) (f Config, n uint64) {
	var err error
	n = measure.Allocated(func() {
		if f, err = configFromHF(data); err == nil {
			err = f.Validate()
		}
	})
	if err != nil {
		f = Config{}
	}
	return f, n
}

// FuzzConfig looks for config.json files that panic, that allocate more than
// they justify, or that are read otherwise after they are written again.
func FuzzConfig(f *testing.F) {
	for _, text := range configTexts(f) {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"model_type":"llama","num_hidden_layers":4096,"architectures":["","",""]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, n := allocatedConfig(data)
		if n > 1<<20+16*uint64(len(data)) {
			t.Errorf("got %d bytes allocated for a file of %d", n, len(data))
		}
		if config == (Config{}) {
			return
		}
		text, err := config.HF(tensor.F32)
		if err != nil {
			return
		}
		config.Vision = false
		again, err := configFromHF(text)
		if err != nil || again != config {
			t.Errorf("written again: got %+v, %v, want %+v:\n%s", again, err, config, text)
		}
	})
}
