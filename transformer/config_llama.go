// The shapes of the Llama family in files: Llama, Mistral, Qwen2, and the
// language part of LLaVA.

package transformer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// What the method's paper takes, and files that do not say.
const (
	yarnSlow = 1
	yarnFast = 32
)

func llamaFromGGUF(r *ggufReader, f *Config) {
	f.NormEps = float32(r.float("attention.layer_norm_rms_epsilon", 0))
	f.HeadDim = r.integer("attention.key_length", f.HeadDim)
	if n := r.integer("attention.value_length", f.HeadDim); n != f.HeadDim {
		r.fail("values of %d beside keys of %d", n, f.HeadDim)
	}
	f.RopeTheta = r.float("rope.freq_base", 10000)
	f.RopeDim = r.integer("rope.dimension_count", f.HeadDim)
	if r.has("attention.sliding_window") {
		f.Window = r.integer("attention.sliding_window", 0)
	}
	if r.has("rope.scale_linear") { // as old files say it
		f.Scaling = RopeScaling{Type: ScalingLinear, Factor: r.float("rope.scale_linear", 0)}
	}
	missing := "none"
	if r.has("rope.scaling.factor") {
		missing = ScalingLinear
	}
	switch typ := r.text("rope.scaling.type", missing); typ {
	case "none":
	case ScalingLinear:
		f.Scaling = RopeScaling{Type: typ, Factor: r.float("rope.scaling.factor", 0)}
	case ScalingYaRN:
		f.Scaling = RopeScaling{
			Type: typ, Factor: r.float("rope.scaling.factor", 0), Original: r.integer("rope.scaling.original_context_length", f.MaxPositions),
			Slow: r.float("rope.scaling.yarn_beta_slow", yarnSlow), Fast: r.float("rope.scaling.yarn_beta_fast", yarnFast),
		}
		for _, key := range []string{"attn_factor", "yarn_attn_factor", "yarn_ext_factor"} {
			if v := r.float("rope.scaling."+key, 1); v != 1 {
				r.fail("key %q is %v, known: 1", r.prefix+"rope.scaling."+key, v)
			}
		}
	default:
		r.fail("rope scaling %.60q, known: %s, and the tensor rope_freqs.weight", typ, ScalingLinear+", "+ScalingYaRN)
	}
	r.has("rope.scaling.original_context_length") // says nothing but of yarn
	if r.tensor("rope_freqs.weight") {
		if f.Scaling.Type != "" {
			r.fail("rope scaling %.60q beside rope_freqs.weight", f.Scaling.Type)
		}
		f.Scaling.Type = ScalingLlama3
	}
	r.readOwn(f)
	if f.Window > 0 && f.ModelType == "" {
		f.ModelType = "mistral" // no other model of the family has one
	}
}

func llamaToGGUF(f *Config, put func(key string, value any)) {
	put("rope.dimension_count", f.RopeDim)
	put("rope.freq_base", float32(f.RopeTheta))
	put("attention.head_count", f.Heads)
	put("attention.head_count_kv", f.KVHeads)
	put("attention.key_length", f.HeadDim)
	put("attention.value_length", f.HeadDim)
	put("attention.layer_norm_rms_epsilon", f.NormEps)
	if f.Window > 0 {
		put("attention.sliding_window", f.Window)
	}
	switch s := f.Scaling; s.Type {
	case ScalingLinear:
		put("rope.scaling.type", s.Type)
		put("rope.scaling.factor", float32(s.Factor))
	case ScalingYaRN:
		put("rope.scaling.type", s.Type)
		put("rope.scaling.factor", float32(s.Factor))
		put("rope.scaling.original_context_length", s.Original)
		put("rope.scaling.yarn_beta_slow", float32(s.Slow))
		put("rope.scaling.yarn_beta_fast", float32(s.Fast))
	}
}

// hfLlama is the part of a config.json that shapes a model of the family.
type hfLlama struct {
	hfHead
	Hidden        int        `json:"hidden_size"`
	Intermediate  int        `json:"intermediate_size"`
	Layers        int        `json:"num_hidden_layers"`
	Heads         int        `json:"num_attention_heads"`
	KVHeads       *int       `json:"num_key_value_heads"`
	HeadDim       *int       `json:"head_dim,omitempty"`
	Vocab         int        `json:"vocab_size"`
	MaxPositions  int        `json:"max_position_embeddings"`
	NormEps       float64    `json:"rms_norm_eps"`
	RopeTheta     float64    `json:"rope_theta"`
	RopeScaling   *hfScaling `json:"rope_scaling"`
	RopeParams    *hfScaling `json:"rope_parameters,omitempty"` // of newer files: base and scaling
	Activation    string     `json:"hidden_act"`
	Tied          bool       `json:"tie_word_embeddings"`
	AttentionBias bool       `json:"attention_bias"`
	FFNBias       bool       `json:"mlp_bias"`
	UseWindow     *bool      `json:"use_sliding_window,omitempty"`

	Window json.RawMessage `json:"sliding_window,omitempty"` // a number or null
}

// hfScaling is rope_scaling. Older files say type, newer ones rope_type.
type hfScaling struct {
	Type     string  `json:"rope_type,omitempty"`
	OldType  string  `json:"type,omitempty"`
	Theta    float64 `json:"rope_theta,omitempty"`
	Factor   float64 `json:"factor,omitempty"`
	Low      float64 `json:"low_freq_factor,omitempty"`
	High     float64 `json:"high_freq_factor,omitempty"`
	BetaSlow float64 `json:"beta_slow,omitempty"`
	BetaFast float64 `json:"beta_fast,omitempty"`
	Original int     `json:"original_max_position_embeddings,omitempty"`

	// Variants of yarn, all refused.
	AttentionFactor *float64 `json:"attention_factor,omitempty"`
	MScale          *float64 `json:"mscale,omitempty"`
	MScaleAllDim    *float64 `json:"mscale_all_dim,omitempty"`
	Truncate        *bool    `json:"truncate,omitempty"`
}

func llamaFromHF(data []byte, f *Config) (err error) {
	h := hfLlama{ // what Hugging Face's classes take for what a file does not say
		Hidden: 4096, Intermediate: 11008, Layers: 32, Heads: 32, Vocab: 32000, MaxPositions: 2048,
		NormEps: 1e-6, RopeTheta: 10000, Activation: "silu",
	}
	switch {
	case f.ModelType == "mistral":
		h.Intermediate, h.MaxPositions, h.Window = 14336, 4096*32, []byte("4096")
		kv := 8
		h.KVHeads = &kv
	case f.Arch == "qwen2":
		h.Vocab, h.Intermediate, h.MaxPositions = 151936, 22016, 32768
		kv := 32
		h.KVHeads = &kv
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return err
	}
	if h.Activation != "silu" {
		return fmt.Errorf("activation %.60q, known: silu", h.Activation)
	}
	f.Layers, f.Width, f.FFN, f.Heads, f.KVHeads = h.Layers, h.Hidden, h.Intermediate, h.Heads, h.Heads
	f.Vocab, f.MaxPositions, f.NormEps, f.Tied = h.Vocab, h.MaxPositions, float32(h.NormEps), h.Tied
	if h.KVHeads != nil {
		f.KVHeads = *h.KVHeads
	}
	switch {
	case h.HeadDim != nil:
		f.HeadDim = *h.HeadDim
	case h.Heads > 0:
		f.HeadDim = h.Hidden / h.Heads
	}
	f.RopeDim, f.RopeTheta = f.HeadDim, h.RopeTheta
	f.QKVBias, f.OutBias, f.FFNBias = h.AttentionBias, h.AttentionBias, h.FFNBias
	if f.Arch == "qwen2" {
		f.QKVBias, f.OutBias, f.FFNBias = true, false, false
		if h.UseWindow != nil && *h.UseWindow {
			return errors.New("use_sliding_window is not supported")
		}
	}
	if f.ModelType == "mistral" && string(h.Window) != "null" {
		if err := json.Unmarshal(h.Window, &f.Window); err != nil || f.Window <= 0 {
			return fmt.Errorf("sliding_window is %.40s", h.Window)
		}
	}
	if p := h.RopeParams; p != nil {
		if p.Theta != 0 {
			f.RopeTheta = p.Theta
		}
		h.RopeScaling = p
	}
	if h.RopeScaling == nil {
		return nil
	}
	f.Scaling, err = h.RopeScaling.scaling(f.MaxPositions)
	return err
}

func (h *hfScaling) scaling(positions int) (RopeScaling, error) {
	typ := h.Type
	if typ == "" {
		typ = h.OldType
	}
	s := RopeScaling{Type: typ, Factor: h.Factor}
	switch typ {
	case "default":
		return RopeScaling{}, nil
	case ScalingLinear:
	case ScalingLlama3:
		s.Original, s.Slow, s.Fast = h.Original, h.Low, h.High
		if !s.known() {
			return s, fmt.Errorf("rope_scaling %.60q without its numbers", typ)
		}
	case ScalingYaRN:
		s.Original, s.Slow, s.Fast = h.Original, h.BetaSlow, h.BetaFast
		if s.Original == 0 {
			s.Original = positions
		}
		if s.Slow == 0 {
			s.Slow = yarnSlow
		}
		if s.Fast == 0 {
			s.Fast = yarnFast
		}
		if h.AttentionFactor != nil || h.MScale != nil || h.MScaleAllDim != nil || h.Truncate != nil && !*h.Truncate {
			return s, fmt.Errorf("rope_scaling %.60q with attention_factor, mscale or without truncation is not supported", typ)
		}
	default:
		return s, fmt.Errorf("rope_scaling %.60q, known: default, %s", typ, knownScalings)
	}
	return s, nil
}

// hf returns s as rope_scaling has it, nil for none.
func (s RopeScaling) hf() (*hfScaling, error) {
	h := &hfScaling{Type: s.Type, Factor: s.Factor, Original: s.Original}
	switch {
	case s.Type == "":
		return nil, nil
	case !s.known():
		return nil, fmt.Errorf("the numbers of rope scaling %s are not known", s.Type)
	case s.Type == ScalingLlama3:
		h.Low, h.High = s.Slow, s.Fast
	case s.Type == ScalingYaRN:
		h.BetaSlow, h.BetaFast = s.Slow, s.Fast
	}
	return h, nil
}

func llamaToHF(f *Config, head hfHead) (_ any, err error) {
	h := hfLlama{
		hfHead: head, Hidden: f.Width, Intermediate: f.FFN, Layers: f.Layers, Heads: f.Heads, KVHeads: &f.KVHeads,
		Vocab: f.Vocab, MaxPositions: f.MaxPositions, NormEps: decimal(f.NormEps), RopeTheta: f.RopeTheta, Activation: "silu",
		Tied: f.Tied, AttentionBias: f.OutBias, FFNBias: f.FFNBias,
	}
	if f.RopeDim != f.HeadDim {
		return nil, fmt.Errorf("%d rotated elements of heads of %d have no place in a config.json", f.RopeDim, f.HeadDim)
	}
	if f.HeadDim*f.Heads != f.Width {
		h.HeadDim = &f.HeadDim
	}
	switch {
	case f.Arch == "qwen2":
		if !f.QKVBias || f.OutBias || f.FFNBias || f.Window > 0 {
			return nil, errors.New("a Qwen2 has biases of queries, keys and values, no others, and no window")
		}
		off := false
		h.UseWindow = &off
	case f.QKVBias != f.OutBias:
		return nil, errors.New("a Llama has biases of all of attention or of none of it")
	case f.ModelType == "mistral":
		h.Window = []byte("null")
		if f.Window > 0 {
			h.Window = strconv.AppendInt(nil, int64(f.Window), 10)
		}
	case f.Window > 0:
		return nil, errors.New("a Llama has no window")
	}
	h.RopeScaling, err = f.Scaling.hf()
	return h, err
}
