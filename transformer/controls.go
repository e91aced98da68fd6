// Bodies that are no language model, to compare one with.

package transformer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/ops"
	"netllm/tensor"
)

// NoBody is a Body that computes nothing: features are the token vectors.
type NoBody struct{ Size, Positions int }

// Width implements [Body].
func (n NoBody) Width() int { return n.Size }

// MaxPositions implements [Body].
func (n NoBody) MaxPositions() int { return n.Positions }

// Forward implements [Body].
func (n NoBody) Forward(_ *ops.Context, x tensor.Tensor, cache *Cache) tensor.Tensor {
	checkVectors("NoBody", x, n.Size, n.Positions, cache)
	if cache != nil {
		cache.Len += x.Dim(1)
	}
	return x
}

// NewCache implements [Body].
func (n NoBody) NewCache(b ops.Backend, batch, positions int) *Cache {
	return NewKVCache(b, 0, batch, min(positions, n.Positions), 1, n.Size)
}

// Linears implements [Adaptable].
func (n NoBody) Linears() []LinearInfo { return nil }

// WithLoRA implements [Adaptable].
func (n NoBody) WithLoRA(l *LoRA) (Adaptable, error) { return n, noLinear(l) }

// Hash implements [Adaptable].
func (n NoBody) Hash(ops.Backend) (string, error) {
	return shapeHash("no body", n.Size, n.Positions), nil
}

// checkVectors panics unless x can be the next tokens of a body.
func checkVectors(body string, x tensor.Tensor, width, positions int, cache *Cache) {
	if x.Rank() != 3 || x.Dim(2) != width || cache.past()+x.Dim(1) > positions {
		panic(fmt.Sprintf("transformer: %s: token vectors %v after %d, for width %d and %d positions", body, x, cache.past(), width, positions))
	}
}

// noLinear is the error for low-rank matrices beside layers that are not there.
func noLinear(l *LoRA) error {
	if len(l.pairs) > 0 {
		return unknownTarget(l.pairs[0].layer.Name)
	}
	return nil
}

// shapeHash identifies what has a shape but no frozen weights.
func shapeHash(kind string, sizes ...int) string {
	sum := sha256.Sum256(fmt.Append(nil, kind, sizes))
	return hex.EncodeToString(sum[:])
}

// OneAttention is a Body of one trained attention layer, x + O·attention(norm(x)), with
// rotary positions and no feed-forward part.
type OneAttention struct {
	heads, positions int
	norm, q, k, v, o *ops.Param
	rope             *rotations
}

// oneAttentionTheta is the base of the rotations, as Llama 2 has it.
const oneAttentionTheta = 10000

// NewOneAttention returns such a body with weights drawn from seed, uniform in
// +-1/sqrt(width). width is a multiple of twice heads.
func NewOneAttention(b ops.Backend, width, heads, positions int, seed uint64) (*OneAttention, error) {
	if heads < 1 || positions < 1 || width < 1 || width%(2*heads) != 0 {
		return nil, fmt.Errorf("transformer: one attention layer of width %d with %d heads and %d positions", width, heads, positions)
	}
	rng := rand.New(rand.NewPCG(seed, 0x6f6e65)) // the stream is this body's own
	matrix := func(name string) *ops.Param {
		p := ops.NewParam(b, "body."+name+".weight", width, width)
		values := make([]float32, width*width)
		for i := range values {
			values[i] = float32((2*rng.Float64() - 1) / math.Sqrt(float64(width)))
		}
		b.Upload(p.Value, floatBytes(values))
		return p
	}
	m := &OneAttention{heads: heads, positions: positions, norm: ops.NewParam(b, "body.norm.weight", width),
		q: matrix("q_proj"), k: matrix("k_proj"), v: matrix("v_proj"), o: matrix("o_proj"),
		rope: &rotations{config: &Config{MaxPositions: positions, RopeDim: width / heads, RopeTheta: oneAttentionTheta}}}
	ones := make([]float32, width)
	for i := range ones {
		ones[i] = 1
	}
	b.Upload(m.norm.Value, floatBytes(ones))
	return m, nil
}

// Params returns the trained weights.
func (m *OneAttention) Params() []*ops.Param { return []*ops.Param{m.norm, m.q, m.k, m.v, m.o} }

// Width implements [Body].
func (m *OneAttention) Width() int { return m.norm.Value.Len() }

// MaxPositions implements [Body].
func (m *OneAttention) MaxPositions() int { return m.positions }

// Forward implements [Body].
func (m *OneAttention) Forward(c *ops.Context, x tensor.Tensor, cache *Cache) tensor.Tensor {
	checkVectors("OneAttention", x, m.Width(), m.positions, cache)
	past, batch, seq := cache.past(), x.Dim(0), x.Dim(1)
	table := m.rope.upTo(c.Backend, past+seq)
	c.Label("body")
	h := ops.RMSNorm(c, x, m.norm.Value, layerNormEps)
	heads := func(p *ops.Param) tensor.Tensor {
		return ops.Linear(c, h, p.Value).Reshape(batch, seq, m.heads, m.Width()/m.heads)
	}
	q := ops.RoPE(c, heads(m.q), table, past, ops.RoPEHalves)
	k := ops.RoPE(c, heads(m.k), table, past, ops.RoPEHalves)
	v := heads(m.v)
	if cache != nil {
		k, v = cache.Extend(c, 0, k, v)
		cache.Len += seq
	}
	y := ops.Attention(c, q, k, v, past).Reshape(batch, seq, m.Width())
	return ops.Add(c, x, ops.Linear(c, y, m.o.Value))
}

// layerNormEps keeps the norm's root away from zero.
const layerNormEps = 1e-5

// NewCache implements [Body].
func (m *OneAttention) NewCache(b ops.Backend, batch, positions int) *Cache {
	positions = min(positions, m.positions)
	m.rope.upTo(b, positions) // not while a step runs
	return NewKVCache(b, 1, batch, positions, m.heads, m.Width()/m.heads)
}

// Linears implements [Adaptable]: all layers are trained as they are.
func (m *OneAttention) Linears() []LinearInfo { return nil }

// WithLoRA implements [Adaptable].
func (m *OneAttention) WithLoRA(l *LoRA) (Adaptable, error) { return m, noLinear(l) }

// Hash implements [Adaptable]: no weight is frozen.
func (m *OneAttention) Hash(ops.Backend) (string, error) {
	return shapeHash("one attention layer", m.Width(), m.heads, m.positions), nil
}
