// The shapes of GPT-2 in files.

package transformer

import (
	"encoding/json"
	"errors"
	"fmt"
)

func gpt2FromGGUF(r *ggufReader, f *Config) {
	f.NormEps = float32(r.float("attention.layer_norm_epsilon", 0))
	f.PositionRows, _ = r.matrix("position_embd.weight")
}

func gpt2ToGGUF(f *Config, put func(key string, value any)) {
	put("attention.head_count", f.Heads)
	put("attention.head_count_kv", f.KVHeads)
	put("attention.layer_norm_epsilon", f.NormEps)
}

// hfGPT2 is the part of a config.json that shapes a GPT-2.
type hfGPT2 struct {
	hfHead
	Width        int     `json:"n_embd"`
	FFN          *int    `json:"n_inner"`
	Layers       int     `json:"n_layer"`
	Heads        int     `json:"n_head"`
	Vocab        int     `json:"vocab_size"`
	MaxPositions int     `json:"n_positions"`
	NormEps      float64 `json:"layer_norm_epsilon"`
	Activation   string  `json:"activation_function"`
	Tied         bool    `json:"tie_word_embeddings"`
	Scale        bool    `json:"scale_attn_weights"`
	ScaleByLayer bool    `json:"scale_attn_by_inverse_layer_idx"`
	Cross        bool    `json:"add_cross_attention"`
}

func gpt2FromHF(data []byte, f *Config) error {
	h := hfGPT2{ // what Hugging Face's class takes for what a file does not say
		Width: 768, Layers: 12, Heads: 12, Vocab: 50257, MaxPositions: 1024, NormEps: 1e-5, Activation: "gelu_new",
		Tied: true, Scale: true,
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return err
	}
	switch {
	case h.Activation != "gelu_new" && h.Activation != "gelu_pytorch_tanh": // two names of one function
		return fmt.Errorf("activation %.60q, known: gelu_new", h.Activation)
	case !h.Scale || h.ScaleByLayer:
		return errors.New("attention that is not divided by the root of the head size alone is not supported")
	case h.Cross:
		return errors.New("add_cross_attention is not supported")
	}
	f.Layers, f.Width, f.FFN, f.Heads, f.KVHeads = h.Layers, h.Width, 4*h.Width, h.Heads, h.Heads
	f.Vocab, f.MaxPositions, f.PositionRows, f.NormEps, f.Tied = h.Vocab, h.MaxPositions, h.MaxPositions, float32(h.NormEps), h.Tied
	if h.FFN != nil {
		f.FFN = *h.FFN
	}
	if h.Heads > 0 {
		f.HeadDim = h.Width / h.Heads
	}
	f.QKVBias, f.OutBias, f.FFNBias = true, true, true
	return nil
}

func gpt2ToHF(f *Config, head hfHead) (any, error) {
	if !f.QKVBias || !f.OutBias || !f.FFNBias || f.PositionRows != f.MaxPositions || f.EmbedWidth != 0 || f.PostNorm || f.NoFinalNorm {
		return nil, errors.New("a GPT-2 has biases everywhere, a row for each position, and a norm before each half of a block and at the end")
	}
	return hfGPT2{
		hfHead: head, Width: f.Width, FFN: &f.FFN, Layers: f.Layers, Heads: f.Heads, Vocab: f.Vocab, MaxPositions: f.MaxPositions,
		NormEps: decimal(f.NormEps), Activation: "gelu_new", Tied: f.Tied, Scale: true,
	}, nil
}
