package transformer

import (
	"errors"
	"fmt"

	"netllm/ops"
	"netllm/tensor"
)

// Config is the shape of a Llama.
type Config struct {
	Layers       int
	Width        int // of a token vector
	FFN          int // width inside the feed-forward block
	Heads        int
	KVHeads      int // Heads is a multiple of it
	HeadDim      int
	Vocab        int
	MaxPositions int
	NormEps      float32
	RopeTheta    float64
	RopeDim      int // how many elements of a head vector are rotated
	Tied         bool
}

// Validate reports every field that makes no model.
func (f Config) Validate() error {
	var errs []error
	positive := func(name string, v int) {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("%s is %d", name, v))
		}
	}
	positive("layers", f.Layers)
	positive("width", f.Width)
	positive("feed-forward width", f.FFN)
	positive("heads", f.Heads)
	positive("key/value heads", f.KVHeads)
	positive("head size", f.HeadDim)
	positive("vocabulary", f.Vocab)
	positive("positions", f.MaxPositions)
	if f.KVHeads > 0 && f.Heads%f.KVHeads != 0 {
		errs = append(errs, fmt.Errorf("%d heads are no multiple of %d key/value heads", f.Heads, f.KVHeads))
	}
	if f.RopeDim <= 0 || f.RopeDim%2 != 0 || f.RopeDim > f.HeadDim {
		errs = append(errs, fmt.Errorf("%d rotated elements of heads of %d", f.RopeDim, f.HeadDim))
	}
	if !(f.NormEps > 0) || !(f.RopeTheta > 0) {
		errs = append(errs, fmt.Errorf("norm epsilon is %v, rope base %v", f.NormEps, f.RopeTheta))
	}
	return errors.Join(errs...)
}

// Llama is the decoder of "Llama 2: Open Foundation and Fine-Tuned Chat
// Models" (Touvron et al. 2023): RMSNorm before each half of a block, rotary
// positions, grouped-query attention, SwiGLU. It implements [Adaptable].
//
// The tags name each tensor in GGUF files and in Hugging Face folders.
type Llama struct {
	Config Config
	Style  ops.RoPEStyle // the row order of Q and K

	Embed  tensor.Tensor `gguf:"token_embd" hf:"model.embed_tokens"` // [vocab, width]
	Blocks []LlamaBlock  `gguf:"blk" hf:"model.layers"`
	Norm   tensor.Tensor `gguf:"output_norm" hf:"model.norm"`      // [width]
	Output tensor.Tensor `gguf:"output" hf:"lm_head" tied:"Embed"` // [vocab, width]

	rope  tensor.Tensor // [positions, ropeDim/2, 2]
	close func() error
}

// LlamaBlock is one layer: attention, then feed-forward.
type LlamaBlock struct {
	AttnNorm tensor.Tensor `gguf:"attn_norm" hf:"input_layernorm"`         // [width]
	Q        Linear        `gguf:"attn_q" hf:"self_attn.q_proj"`           // [heads*headDim, width]
	K        Linear        `gguf:"attn_k" hf:"self_attn.k_proj"`           // [kvHeads*headDim, width]
	V        Linear        `gguf:"attn_v" hf:"self_attn.v_proj"`           // [kvHeads*headDim, width]
	O        Linear        `gguf:"attn_output" hf:"self_attn.o_proj"`      // [width, heads*headDim]
	FFNNorm  tensor.Tensor `gguf:"ffn_norm" hf:"post_attention_layernorm"` // [width]
	Gate     Linear        `gguf:"ffn_gate" hf:"mlp.gate_proj"`            // [ffn, width]
	Up       Linear        `gguf:"ffn_up" hf:"mlp.up_proj"`                // [ffn, width]
	Down     Linear        `gguf:"ffn_down" hf:"mlp.down_proj"`            // [width, ffn]
}

// Forward implements [Body].
func (m *Llama) Forward(c *ops.Context, x tensor.Tensor, cache *Cache) tensor.Tensor {
	m.check(x, cache)
	pos := cache.past()
	for i := range m.Blocks {
		switch {
		case c.Tape == nil: // nothing but the result stays, so memory does not grow with the depth
			x = ops.KeepResult(c, x, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return m.block(c, i, x, pos, cache) })
		case c.Checkpointing:
			x = ops.Checkpoint(c, x, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return m.block(c, i, x, pos, cache) })
		default:
			x = m.block(c, i, x, pos, cache)
		}
	}
	if cache != nil {
		cache.Len += x.Dim(1)
	}
	c.Label("norm")
	return ops.RMSNorm(c, x, m.Norm, m.Config.NormEps)
}

// block is layer i on x [batch, seq, width], the tokens at position pos on.
func (m *Llama) block(c *ops.Context, i int, x tensor.Tensor, pos int, cache *Cache) tensor.Tensor {
	b, f := &m.Blocks[i], &m.Config
	batch, seq := x.Dim(0), x.Dim(1)

	h := ops.RMSNorm(c, x, b.AttnNorm, f.NormEps)
	q := b.Q.Forward(c, h).Reshape(batch, seq, f.Heads, f.HeadDim)
	k := b.K.Forward(c, h).Reshape(batch, seq, f.KVHeads, f.HeadDim)
	v := b.V.Forward(c, h).Reshape(batch, seq, f.KVHeads, f.HeadDim)
	q = ops.RoPE(c, q, m.rope, pos, m.Style)
	k = ops.RoPE(c, k, m.rope, pos, m.Style)
	if cache != nil {
		k, v = cache.Extend(c, i, k, v)
	}
	a := ops.Attention(c, q, k, v, pos)
	x = ops.Add(c, x, b.O.Forward(c, a.Reshape(batch, seq, f.Heads*f.HeadDim)))

	h = ops.RMSNorm(c, x, b.FFNNorm, f.NormEps)
	h = ops.SwiGLU(c, b.Gate.Forward(c, h), b.Up.Forward(c, h))
	return ops.Add(c, x, b.Down.Forward(c, h))
}

func (m *Llama) check(x tensor.Tensor, cache *Cache) {
	if x.Rank() != 3 || x.Dim(2) != m.Config.Width {
		panic(fmt.Sprintf("transformer: Forward: token vectors %v for a model of width %d", x, m.Config.Width))
	}
	if cache != nil {
		cache.check(x)
	} else if x.Dim(1) > m.Config.MaxPositions {
		panic(fmt.Sprintf("transformer: Forward: %d tokens, at most %d", x.Dim(1), m.Config.MaxPositions))
	}
}

// EmbedTokens returns the token vectors [batch, seq, width] of ids, I32
// [batch, seq].
func (m *Llama) EmbedTokens(c *ops.Context, ids tensor.Tensor) tensor.Tensor {
	c.Label("embed_tokens")
	return ops.Gather(c, m.Embed, ids)
}

// Logits returns the scores of the next token [..., vocab] for features
// [..., width].
func (m *Llama) Logits(c *ops.Context, features tensor.Tensor) tensor.Tensor {
	c.Label("lm_head")
	return ops.Linear(c, features, m.Output)
}

// Width implements [Body].
func (m *Llama) Width() int { return m.Config.Width }

// MaxPositions implements [Body].
func (m *Llama) MaxPositions() int { return m.Config.MaxPositions }

// NewCache implements [Body].
func (m *Llama) NewCache(b ops.Backend, batch, positions int) *Cache {
	f := &m.Config
	return NewKVCache(b, f.Layers, batch, min(positions, f.MaxPositions), f.KVHeads, f.HeadDim)
}

// Close gives back the mapped file and the prepared weights. Neither the model
// nor its adapted forms can be used any more.
func (m *Llama) Close() error {
	if m.close == nil {
		return nil
	}
	return m.close()
}
