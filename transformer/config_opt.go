// The shapes of OPT in files. llama.cpp knows no OPT: the GGUF keys are this
// package's own, in llama.cpp's style.

package transformer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// optEps is PyTorch's, which OPT takes.
const optEps = 1e-5

func optFromGGUF(r *ggufReader, f *Config) {
	f.NormEps = float32(r.float("attention.layer_norm_epsilon", 0))
	f.PositionRows, _ = r.matrix("position_embd.weight")
	if r.tensor("project_in.weight") {
		_, f.EmbedWidth = r.matrix("project_in.weight")
	}
	if r.has("post_norm") {
		f.PostNorm = ggufValue(r, "post_norm", false, r.file.Bool)
	}
	f.NoFinalNorm = !r.tensor("output_norm.weight")
}

func optToGGUF(f *Config, put func(key string, value any)) {
	put("attention.head_count", f.Heads)
	put("attention.head_count_kv", f.KVHeads)
	put("attention.layer_norm_epsilon", f.NormEps)
	put("post_norm", f.PostNorm)
}

// hfOPT is the part of a config.json that shapes an OPT.
type hfOPT struct {
	hfHead
	Hidden       int    `json:"hidden_size"`
	FFN          int    `json:"ffn_dim"`
	Layers       int    `json:"num_hidden_layers"`
	Heads        int    `json:"num_attention_heads"`
	Vocab        int    `json:"vocab_size"`
	MaxPositions int    `json:"max_position_embeddings"`
	EmbedWidth   *int   `json:"word_embed_proj_dim"`
	Activation   string `json:"activation_function"`
	NormBefore   bool   `json:"do_layer_norm_before"`
	NoFinalNorm  bool   `json:"_remove_final_layer_norm"`
	Bias         bool   `json:"enable_bias"`
	NormAffine   bool   `json:"layer_norm_elementwise_affine"`
	Tied         bool   `json:"tie_word_embeddings"`
}

// optOffset is how many rows Hugging Face's position table has before that of
// position 0.
const optOffset = 2

func optFromHF(data []byte, f *Config) error {
	h := hfOPT{ // what Hugging Face's class takes for what a file does not say
		Hidden: 768, FFN: 3072, Layers: 12, Heads: 12, Vocab: 50272, MaxPositions: 2048, Activation: "relu",
		NormBefore: true, Bias: true, NormAffine: true, Tied: true,
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return err
	}
	if h.Activation != "relu" {
		return fmt.Errorf("activation %.60q, known: relu", h.Activation)
	}
	if !h.NormAffine {
		return errors.New("layer_norm_elementwise_affine: norms without weights are not supported")
	}
	f.Layers, f.Width, f.FFN, f.Heads, f.KVHeads = h.Layers, h.Hidden, h.FFN, h.Heads, h.Heads
	f.Vocab, f.MaxPositions, f.PositionRows, f.NormEps, f.Tied = h.Vocab, h.MaxPositions, h.MaxPositions+optOffset, optEps, h.Tied
	if h.Heads > 0 {
		f.HeadDim = h.Hidden / h.Heads
	}
	f.QKVBias, f.OutBias, f.FFNBias = h.Bias, h.Bias, h.Bias
	f.PostNorm = !h.NormBefore
	f.NoFinalNorm = f.PostNorm || h.NoFinalNorm
	if h.EmbedWidth != nil && *h.EmbedWidth != h.Hidden {
		f.EmbedWidth = *h.EmbedWidth
	}
	return nil
}

func optToHF(f *Config, head hfHead) (any, error) {
	if f.QKVBias != f.OutBias || f.OutBias != f.FFNBias {
		return nil, errors.New("an OPT has biases everywhere or nowhere")
	}
	if f.PositionRows != f.MaxPositions+optOffset || f.NormEps != optEps || f.PostNorm && !f.NoFinalNorm {
		return nil, fmt.Errorf("%d rows for %d positions, norm epsilon %v, or a final norm after norms have no place in an OPT's config.json",
			f.PositionRows, f.MaxPositions, f.NormEps)
	}
	embed := f.vectorWidth()
	return hfOPT{
		hfHead: head, Hidden: f.Width, FFN: f.FFN, Layers: f.Layers, Heads: f.Heads, Vocab: f.Vocab, MaxPositions: f.MaxPositions,
		EmbedWidth: &embed, Activation: "relu", NormBefore: !f.PostNorm, NoFinalNorm: f.NoFinalNorm && !f.PostNorm, Bias: f.QKVBias,
		NormAffine: true, Tied: f.Tied,
	}, nil
}
