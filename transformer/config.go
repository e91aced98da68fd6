package transformer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"netllm/tensor/gguf"
)

// maxPositionsLimit bounds the context length of a file's header: the rotation
// table is made for it.
const maxPositionsLimit = 1 << 20

// configFromGGUF reads the llama.* keys (docs/gguf.md of the ggml project).
func configFromGGUF(f *gguf.File) (Config, error) {
	fail := func(err error) (Config, error) { return Config{}, fmt.Errorf("transformer: %w", err) }
	arch, err := f.String("general.architecture")
	if err != nil {
		return fail(err)
	}
	if arch != "llama" {
		return fail(fmt.Errorf("%s: architecture %q, known: llama", f.Path(), arch))
	}
	var errs []error
	integer := func(key string, missing int) int {
		if missing > 0 && !f.Has("llama."+key) {
			return missing
		}
		v, err := f.Int("llama." + key)
		errs = append(errs, err)
		return v
	}
	float := func(key string, missing float64) float64 {
		if missing > 0 && !f.Has("llama."+key) {
			return missing
		}
		v, err := f.Float("llama." + key)
		errs = append(errs, err)
		return v
	}
	c := Config{
		Layers:       integer("block_count", 0),
		Width:        integer("embedding_length", 0),
		FFN:          integer("feed_forward_length", 0),
		Heads:        integer("attention.head_count", 0),
		MaxPositions: integer("context_length", 0),
		NormEps:      float32(float("attention.layer_norm_rms_epsilon", 0)),
		RopeTheta:    float("rope.freq_base", 10000),
	}
	c.KVHeads = integer("attention.head_count_kv", c.Heads)
	if c.Heads > 0 {
		c.HeadDim = integer("attention.key_length", c.Width/c.Heads)
	}
	c.RopeDim = integer("rope.dimension_count", c.HeadDim)
	for _, key := range []string{"rope.scaling.type", "expert_count", "attention.sliding_window"} {
		if f.Has("llama." + key) {
			errs = append(errs, fmt.Errorf("%s: key %q: models that use it are not supported", f.Path(), "llama."+key))
		}
	}
	if info, ok := f.Info("token_embd.weight"); ok && len(info.Shape) == 2 {
		c.Vocab = info.Shape[0]
	} else {
		errs = append(errs, fmt.Errorf("%s: tensor %q: missing or no matrix", f.Path(), "token_embd.weight"))
	}
	if c.MaxPositions > maxPositionsLimit {
		errs = append(errs, fmt.Errorf("%s: context length %d, at most %d", f.Path(), c.MaxPositions, maxPositionsLimit))
	}
	if err := errors.Join(errs...); err != nil {
		return fail(err)
	}
	return c, nil
}

// hfConfig is the part of a Hugging Face config.json that shapes a Llama.
type hfConfig struct {
	Architectures  []string        `json:"architectures"`
	ModelType      string          `json:"model_type"`
	Hidden         int             `json:"hidden_size"`
	Intermediate   int             `json:"intermediate_size"`
	Layers         int             `json:"num_hidden_layers"`
	Heads          int             `json:"num_attention_heads"`
	KVHeads        int             `json:"num_key_value_heads,omitempty"`
	HeadDim        int             `json:"head_dim,omitempty"`
	Vocab          int             `json:"vocab_size"`
	MaxPositions   int             `json:"max_position_embeddings"`
	NormEps        float64         `json:"rms_norm_eps"`
	RopeTheta      float64         `json:"rope_theta,omitempty"`
	RopeScaling    json.RawMessage `json:"rope_scaling,omitempty"`
	Activation     string          `json:"hidden_act"`
	Tied           bool            `json:"tie_word_embeddings"`
	AttentionBias  bool            `json:"attention_bias"`
	FeedForwardBia bool            `json:"mlp_bias"`
}

func configFromHF(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("transformer: %w", err)
	}
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return Config{}, fmt.Errorf("transformer: %s: %w", path, err)
	}
	refuse := func(format string, args ...any) (Config, error) {
		return Config{}, fmt.Errorf("transformer: %s: %s", path, fmt.Sprintf(format, args...))
	}
	switch {
	case h.ModelType != "llama" && !slices.Contains(h.Architectures, "LlamaForCausalLM"):
		return refuse("architecture %v (%q), known: LlamaForCausalLM", h.Architectures, h.ModelType)
	case h.Activation != "" && h.Activation != "silu":
		return refuse("activation %q, known: silu", h.Activation)
	case len(h.RopeScaling) > 0 && string(h.RopeScaling) != "null":
		return refuse("rope_scaling is not supported")
	case h.AttentionBias || h.FeedForwardBia:
		return refuse("layers with biases are not supported")
	case h.MaxPositions > maxPositionsLimit:
		return refuse("max_position_embeddings %d, at most %d", h.MaxPositions, maxPositionsLimit)
	}
	c := Config{
		Layers: h.Layers, Width: h.Hidden, FFN: h.Intermediate, Heads: h.Heads, KVHeads: h.KVHeads, HeadDim: h.HeadDim,
		Vocab: h.Vocab, MaxPositions: h.MaxPositions, NormEps: float32(h.NormEps), RopeTheta: h.RopeTheta, Tied: h.Tied,
	}
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.HeadDim == 0 && c.Heads > 0 {
		c.HeadDim = c.Width / c.Heads
	}
	if c.RopeTheta == 0 {
		c.RopeTheta = 10000
	}
	c.RopeDim = c.HeadDim
	return c, nil
}
