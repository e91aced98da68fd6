// The registry: which file holds which family.

package transformer

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"netllm/ops"
	"netllm/tensor"
)

// network is what a model file adds to the shared parts: the weights of a
// family, as tagged fields, and what is computed with them.
type network interface {
	base() *core

	// forward returns the features of the token vectors x [batch, seq, vector],
	// which begin at position pos.
	forward(c *ops.Context, x tensor.Tensor, pos int, cache *Cache) tensor.Tensor

	// block is one layer on x [batch, seq, width].
	block(c *ops.Context, x tensor.Tensor, at place) tensor.Tensor

	// tokens returns the embedding and the output matrix.
	tokens() (embed, output tensor.Tensor)
}

// family is one kind of model.
type family struct {
	arch    string       // in GGUF files
	network reflect.Type // its struct
	rotates bool         // rotary positions

	// hf are the model_types of Hugging Face, and classes the architectures in
	// the same order.
	hf, classes []string

	fromGGUF func(r *ggufReader, f *Config)
	toGGUF   func(f *Config, put func(key string, value any))
	fromHF   func(data []byte, f *Config) error
	toHF     func(f *Config, head hfHead) (any, error)

	// prefix, where a folder's names lack it, is put before them.
	prefix string
}

var families []*family

func init() { // a literal would refer to itself through Validate
	families = []*family{
		{
			arch: "llama", network: reflect.TypeFor[llama](), rotates: true,
			hf: []string{"llama", "mistral", "llava", "llava_llama", "llava_next"},
			classes: []string{"LlamaForCausalLM", "MistralForCausalLM", "LlavaForConditionalGeneration", "LlavaLlamaForCausalLM",
				"LlavaNextForConditionalGeneration"},
			fromGGUF: llamaFromGGUF, toGGUF: llamaToGGUF, fromHF: llamaFromHF, toHF: llamaToHF,
		},
		{
			arch: "qwen2", network: reflect.TypeFor[llama](), rotates: true,
			hf: []string{"qwen2"}, classes: []string{"Qwen2ForCausalLM"},
			fromGGUF: llamaFromGGUF, toGGUF: llamaToGGUF, fromHF: llamaFromHF, toHF: llamaToHF,
		},
		{
			arch: "gpt2", network: reflect.TypeFor[gpt2](),
			hf: []string{"gpt2"}, classes: []string{"GPT2LMHeadModel"}, prefix: "transformer.",
			fromGGUF: gpt2FromGGUF, toGGUF: gpt2ToGGUF, fromHF: gpt2FromHF, toHF: gpt2ToHF,
		},
		{
			arch: "opt", network: reflect.TypeFor[opt](),
			hf: []string{"opt"}, classes: []string{"OPTForCausalLM"}, prefix: "model.",
			fromGGUF: optFromGGUF, toGGUF: optToGGUF, fromHF: optFromHF, toHF: optToHF,
		},
	}
}

func familyOf(arch string) (*family, error) {
	i := slices.IndexFunc(families, func(f *family) bool { return f.arch == arch })
	if i < 0 {
		return nil, fmt.Errorf("architecture %.60q, known: %s", arch, known(func(f *family) []string { return []string{f.arch} }))
	}
	return families[i], nil
}

// familyOfHF finds a family by model_type, or, where a file has none, by class.
// It also returns the model_type.
func familyOfHF(modelType string, classes []string) (*family, string, error) {
	for _, f := range families {
		for i, name := range f.hf {
			if name == modelType || modelType == "" && slices.Contains(classes, f.classes[i]) {
				return f, name, nil
			}
		}
	}
	return nil, "", fmt.Errorf("architecture %v (model_type %.60q), known: %s", classes, modelType, known(func(f *family) []string { return f.hf }))
}

func known(names func(*family) []string) string {
	var all []string
	for _, f := range families {
		all = append(all, names(f)...)
	}
	return strings.Join(all, ", ")
}

// newNetwork returns a network of f's shape without weights.
func newNetwork(f Config) network {
	fam, err := familyOf(f.Arch)
	if err != nil {
		panic("transformer: " + err.Error())
	}
	v := reflect.New(fam.network)
	blocks := v.Elem().FieldByName("Blocks")
	blocks.Set(reflect.MakeSlice(blocks.Type(), f.Layers, f.Layers))
	m := v.Interface().(network)
	m.base().Config = f
	return m
}

// permutes reports whether GGUF files of the family hold the rows of rotated
// matrices in another order than Hugging Face's.
func (f *Config) permutes() bool { return f.Arch == "llama" }

// Tensors that a folder may hold and that no model uses: all of them.
var (
	// computed, or masks, kept in old checkpoints
	bufferSuffixes = map[string][]string{
		"llama": {".rotary_emb.inv_freq"}, "qwen2": {".rotary_emb.inv_freq"},
		"gpt2": {".attn.bias", ".attn.masked_bias"},
	}
	// the part of LLaVA that sees
	visionPrefixes = []string{
		"vision_tower.", "multi_modal_projector.", "image_newline",
		"model.vision_tower.", "model.multi_modal_projector.", "model.image_newline", "model.mm_projector.",
	}
)

// HFName returns the name, as in [Weight].HF, of a tensor that a Hugging Face
// folder calls file: prefixes differ from one to the next. used is false for
// tensors that belong to no weight and may be left: buffers that are computed,
// and, beside the language part of a model that sees, the parts that do.
func (f Config) HFName(file string) (name string, used bool) {
	for _, suffix := range bufferSuffixes[f.Arch] {
		if strings.HasSuffix(file, suffix) {
			return "", false
		}
	}
	if f.Vision {
		for _, prefix := range visionPrefixes {
			if strings.HasPrefix(file, prefix) {
				return "", false
			}
		}
		if rest, ok := strings.CutPrefix(file, "language_model."); ok {
			return rest, true
		}
		if rest, ok := strings.CutPrefix(file, "model.language_model."); ok {
			return "model." + rest, true
		}
	}
	fam, err := familyOf(f.Arch)
	if err == nil && file != "lm_head.weight" && !strings.HasPrefix(file, fam.prefix) {
		return fam.prefix + file, true
	}
	return file, true
}
