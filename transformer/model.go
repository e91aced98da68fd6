package transformer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
)

// Model is a language model: a body with its embedding and its output layer.
type Model interface {
	Adaptable

	// Shape describes the model.
	Shape() Config

	// EmbedTokens returns the token vectors [batch, seq, Width] of ids, I32
	// [batch, seq].
	EmbedTokens(c *ops.Context, ids tensor.Tensor) tensor.Tensor

	// Logits returns the scores of the next token [..., vocab] for features
	// [..., Width].
	Logits(c *ops.Context, features tensor.Tensor) tensor.Tensor

	// Trainable turns every weight into a parameter with a gradient and returns
	// them, to train the whole model. The weights must be F32 and the model's
	// own, as [New] makes them; a tied output is one parameter with the
	// embedding.
	Trainable(b ops.Backend) ([]*ops.Param, error)

	// TrainableBody is Trainable without the tables of tokens, which a body between
	// an encoder and a head does not read.
	TrainableBody(b ops.Backend) ([]*ops.Param, error)

	// Copy returns a model with the same weights, without any LoRA, as F32 of its own
	// in b's memory: one that can be trained whole.
	Copy(b ops.Backend) (Model, error)

	// WriteGGUF writes the model to a GGUF file: matrices as dtype, vectors as
	// F32, the shape as [Config.KeyValues], and values, such as a vocabulary,
	// beside them. An old file is replaced only if replace is set. The same model
	// gives the same bytes.
	WriteGGUF(b ops.Backend, path string, dtype tensor.DType, values []gguf.KeyValue, replace bool) error

	// Close gives back the mapped file and the prepared weights. Neither the
	// model nor its adapted forms can be used any more.
	Close() error
}

// decoder is the Model that every family's network makes.
type decoder struct {
	net   network
	close func() error
}

// Forward implements [Body].
func (m *decoder) Forward(c *ops.Context, x tensor.Tensor, cache *Cache) tensor.Tensor {
	f := &m.net.base().Config
	if x.Rank() != 3 || x.Dim(2) != f.vectorWidth() {
		panic(fmt.Sprintf("transformer: Forward: token vectors %v for a model of width %d", x, f.vectorWidth()))
	}
	if cache != nil {
		cache.check(x)
	} else if x.Dim(1) > f.MaxPositions {
		panic(fmt.Sprintf("transformer: Forward: %d tokens, at most %d", x.Dim(1), f.MaxPositions))
	}
	y := m.net.forward(c, x, cache.past(), cache)
	if cache != nil {
		cache.Len += x.Dim(1)
	}
	return y
}

// EmbedTokens implements [Model].
func (m *decoder) EmbedTokens(c *ops.Context, ids tensor.Tensor) tensor.Tensor {
	c.Label("embed_tokens")
	embed, _ := m.net.tokens()
	return ops.Gather(c, embed, ids)
}

// Logits implements [Model].
func (m *decoder) Logits(c *ops.Context, features tensor.Tensor) tensor.Tensor {
	c.Label("lm_head")
	_, output := m.net.tokens()
	return ops.Linear(c, features, output)
}

// Shape implements [Model].
func (m *decoder) Shape() Config { return m.net.base().Config }

// Width implements [Body].
func (m *decoder) Width() int { return m.net.base().vectorWidth() }

// MaxPositions implements [Body].
func (m *decoder) MaxPositions() int { return m.net.base().Config.MaxPositions }

// NewCache implements [Body].
func (m *decoder) NewCache(b ops.Backend, batch, positions int) *Cache {
	net := m.net.base()
	positions = min(positions, net.Config.MaxPositions)
	if net.rope != nil {
		net.rope.upTo(b, positions) // now, and not between two tokens
	}
	return NewKVCache(b, net.Layers, batch, positions, net.KVHeads, net.HeadDim)
}

// Hash implements [Adaptable].
func (m *decoder) Hash(b ops.Backend) (string, error) {
	h := sha256.New()
	for _, s := range m.weights() {
		buf := make([]byte, s.tensor.DType().Bytes(s.tensor.Len()))
		if err := b.Download(buf, *s.tensor); err != nil {
			return "", fmt.Errorf("transformer: hash %s: %w", s.name(), err)
		}
		fmt.Fprintf(h, "%s %v\n", s.name(), *s.tensor)
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Trainable implements [Model].
func (m *decoder) Trainable(b ops.Backend) ([]*ops.Param, error) {
	return m.trainable(b, func(slot) bool { return true })
}

// weights lists what the model was trained to: all slots but a tied output and
// what is computed from the shape.
func (m *decoder) weights() []slot {
	var list []slot
	for _, s := range slots(m.net) {
		if !s.Tied && !s.host {
			list = append(list, s)
		}
	}
	return list
}

// Close implements [Model].
func (m *decoder) Close() error {
	if m.close == nil {
		return nil
	}
	return m.close()
}
