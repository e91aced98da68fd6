package transformer

import (
	"netllm/ops"
	"netllm/tensor"
)

// llama is the decoder of "Llama 2: Open Foundation and Fine-Tuned Chat Models"
// (Touvron et al. 2023): RMSNorm before each half of a block, rotary positions,
// grouped-query attention, SwiGLU. Llama 3 scales the rotations, Mistral (Jiang
// et al. 2023) has a window, Qwen2 (Yang et al. 2024) has biases.
type llama struct {
	core
	Embed   tensor.Tensor `gguf:"token_embd" hf:"model.embed_tokens" shape:"vocab vector"`
	Blocks  []llamaBlock  `gguf:"blk" hf:"model.layers"`
	Norm    rmsNorm       `gguf:"output_norm" hf:"model.norm" shape:"width"`
	Output  tensor.Tensor `gguf:"output" hf:"lm_head" shape:"vocab vector" tied:""`
	Divisor tensor.Tensor `gguf:"rope_freqs" shape:"rope/2" if:"llama3"` // of the frequencies
}

// llamaBlock is one layer: attention, then feed-forward.
type llamaBlock struct {
	AttnNorm rmsNorm `gguf:"attn_norm" hf:"input_layernorm" shape:"width"`
	Q        linear  `gguf:"attn_q" hf:"self_attn.q_proj" shape:"heads width" bias:"qkv" rotated:""`
	K        linear  `gguf:"attn_k" hf:"self_attn.k_proj" shape:"kvheads width" bias:"qkv" rotated:""`
	V        linear  `gguf:"attn_v" hf:"self_attn.v_proj" shape:"kvheads width" bias:"qkv"`
	O        linear  `gguf:"attn_output" hf:"self_attn.o_proj" shape:"width heads" bias:"out" residual:""`
	FFNNorm  rmsNorm `gguf:"ffn_norm" hf:"post_attention_layernorm" shape:"width"`
	Gate     linear  `gguf:"ffn_gate" hf:"mlp.gate_proj" shape:"ffn width" bias:"ffn"`
	Up       linear  `gguf:"ffn_up" hf:"mlp.up_proj" shape:"ffn width" bias:"ffn"`
	Down     linear  `gguf:"ffn_down" hf:"mlp.down_proj" shape:"width ffn" bias:"ffn" residual:""`
}

func (m *llama) forward(c *ops.Context, x tensor.Tensor, pos int, cache *Cache) tensor.Tensor {
	x = eachBlock(c, m, x, pos, cache)
	c.Label("norm")
	return m.Norm.forward(c, x, m.NormEps)
}

func (m *llama) block(c *ops.Context, x tensor.Tensor, at place) tensor.Tensor {
	b := &m.Blocks[at.layer]

	h := b.AttnNorm.forward(c, x, m.NormEps)
	h = m.attend(c, b.Q.forward(c, h), b.K.forward(c, h), b.V.forward(c, h), at)
	x = ops.Add(c, x, b.O.forward(c, h))

	h = b.FFNNorm.forward(c, x, m.NormEps)
	h = ops.SwiGLU(c, b.Gate.forward(c, h), b.Up.forward(c, h))
	return ops.Add(c, x, b.Down.forward(c, h))
}

func (m *llama) tokens() (embed, output tensor.Tensor) { return m.Embed, m.Output }
