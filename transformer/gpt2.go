package transformer

import (
	"netllm/ops"
	"netllm/tensor"
)

// gpt2 is the decoder of "Language Models are Unsupervised Multitask Learners"
// (Radford et al. 2019): learned positions, LayerNorm before each half of a
// block, query, key and value from one matrix, GELU.
type gpt2 struct {
	core
	Embed     tensor.Tensor `gguf:"token_embd" hf:"transformer.wte" shape:"vocab vector"`
	Positions tensor.Tensor `gguf:"position_embd" hf:"transformer.wpe" shape:"positions width"`
	Blocks    []gpt2Block   `gguf:"blk" hf:"transformer.h"`
	Norm      layerNorm     `gguf:"output_norm" hf:"transformer.ln_f" shape:"width"`
	Output    tensor.Tensor `gguf:"output" hf:"lm_head" shape:"vocab vector" tied:""`
}

// gpt2Block is one layer: attention, then feed-forward.
type gpt2Block struct {
	AttnNorm layerNorm `gguf:"attn_norm" hf:"ln_1" shape:"width"`
	QKV      linear    `gguf:"attn_qkv" hf:"attn.c_attn" shape:"qkv width" bias:"qkv" transposed:""`
	O        linear    `gguf:"attn_output" hf:"attn.c_proj" shape:"width heads" bias:"out" transposed:"" residual:""`
	FFNNorm  layerNorm `gguf:"ffn_norm" hf:"ln_2" shape:"width"`
	Up       linear    `gguf:"ffn_up" hf:"mlp.c_fc" shape:"ffn width" bias:"ffn" transposed:""`
	Down     linear    `gguf:"ffn_down" hf:"mlp.c_proj" shape:"width ffn" bias:"ffn" transposed:"" residual:""`
}

func (m *gpt2) forward(c *ops.Context, x tensor.Tensor, pos int, cache *Cache) tensor.Tensor {
	x = m.addPositions(c, x, m.Positions, pos)
	x = eachBlock(c, m, x, pos, cache)
	c.Label("norm")
	return m.Norm.forward(c, x, m.NormEps)
}

func (m *gpt2) block(c *ops.Context, x tensor.Tensor, at place) tensor.Tensor {
	b, w := &m.Blocks[at.layer], m.Width

	h := b.AttnNorm.forward(c, x, m.NormEps)
	h = b.QKV.forward(c, h)
	h = m.attend(c, h.Slice(2, 0, w), h.Slice(2, w, 2*w), h.Slice(2, 2*w, 3*w), at)
	x = ops.Add(c, x, b.O.forward(c, h))

	h = b.FFNNorm.forward(c, x, m.NormEps)
	h = ops.GELU(c, b.Up.forward(c, h), ops.GELUTanh)
	return ops.Add(c, x, b.Down.forward(c, h))
}

func (m *gpt2) tokens() (embed, output tensor.Tensor) { return m.Embed, m.Output }
