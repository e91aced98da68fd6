package transformer

import (
	"netllm/ops"
	"netllm/tensor"
)

// opt is the decoder of "OPT: Open Pre-trained Transformer Language Models"
// (Zhang et al. 2022): learned positions, LayerNorm before (in the 350M model
// after) each half of a block, ReLU. The 350M model's token vectors are narrower
// than its blocks.
type opt struct {
	core
	Embed      tensor.Tensor `gguf:"token_embd" hf:"model.decoder.embed_tokens" shape:"vocab vector"`
	Positions  tensor.Tensor `gguf:"position_embd" hf:"model.decoder.embed_positions" shape:"positions width"`
	ProjectIn  linear        `gguf:"project_in" hf:"model.decoder.project_in" shape:"width vector" if:"projection"`
	Blocks     []optBlock    `gguf:"blk" hf:"model.decoder.layers"`
	Norm       layerNorm     `gguf:"output_norm" hf:"model.decoder.final_layer_norm" shape:"width" if:"finalnorm"`
	ProjectOut linear        `gguf:"project_out" hf:"model.decoder.project_out" shape:"vector width" if:"projection"`
	Output     tensor.Tensor `gguf:"output" hf:"lm_head" shape:"vocab vector" tied:""`
}

// optBlock is one layer: attention, then feed-forward.
type optBlock struct {
	AttnNorm layerNorm `gguf:"attn_norm" hf:"self_attn_layer_norm" shape:"width"`
	Q        linear    `gguf:"attn_q" hf:"self_attn.q_proj" shape:"heads width" bias:"qkv"`
	K        linear    `gguf:"attn_k" hf:"self_attn.k_proj" shape:"heads width" bias:"qkv"`
	V        linear    `gguf:"attn_v" hf:"self_attn.v_proj" shape:"heads width" bias:"qkv"`
	O        linear    `gguf:"attn_output" hf:"self_attn.out_proj" shape:"width heads" bias:"out" residual:""`
	FFNNorm  layerNorm `gguf:"ffn_norm" hf:"final_layer_norm" shape:"width"`
	Up       linear    `gguf:"ffn_up" hf:"fc1" shape:"ffn width" bias:"ffn"`
	Down     linear    `gguf:"ffn_down" hf:"fc2" shape:"width ffn" bias:"ffn" residual:""`
}

func (m *opt) forward(c *ops.Context, x tensor.Tensor, pos int, cache *Cache) tensor.Tensor {
	if m.EmbedWidth > 0 {
		x = m.ProjectIn.forward(c, x)
	}
	x = m.addPositions(c, x, m.Positions, pos)
	x = eachBlock(c, m, x, pos, cache)
	if !m.NoFinalNorm {
		c.Label("norm")
		x = m.Norm.forward(c, x, m.NormEps)
	}
	if m.EmbedWidth > 0 {
		x = m.ProjectOut.forward(c, x)
	}
	return x
}

func (m *opt) block(c *ops.Context, x tensor.Tensor, at place) tensor.Tensor {
	b := &m.Blocks[at.layer]

	h := m.before(c, &b.AttnNorm, x)
	h = m.attend(c, b.Q.forward(c, h), b.K.forward(c, h), b.V.forward(c, h), at)
	x = m.after(c, &b.AttnNorm, ops.Add(c, x, b.O.forward(c, h)))

	h = m.before(c, &b.FFNNorm, x)
	h = ops.LeakyReLU(c, b.Up.forward(c, h), 0)
	return m.after(c, &b.FFNNorm, ops.Add(c, x, b.Down.forward(c, h)))
}

// before and after are a norm at the two places that it can stand at.
func (m *opt) before(c *ops.Context, n *layerNorm, x tensor.Tensor) tensor.Tensor {
	if m.PostNorm {
		return x
	}
	return n.forward(c, x, m.NormEps)
}

func (m *opt) after(c *ops.Context, n *layerNorm, x tensor.Tensor) tensor.Tensor {
	if !m.PostNorm {
		return x
	}
	return n.forward(c, x, m.NormEps)
}

func (m *opt) tokens() (embed, output tensor.Tensor) { return m.Embed, m.Output }
