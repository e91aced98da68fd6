package transformer

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
)

// Body is a model between its embedding and its output layer: token vectors
// in, features of the same width out.
type Body interface {
	// Width is the size of a token vector.
	Width() int

	// MaxPositions is the longest sequence, cached positions included.
	MaxPositions() int

	// Forward returns the features [batch, seq, width] of the token vectors
	// x of the same shape. With a cache, x continues the sequences in it at
	// position cache.Len and is added to it; without one, x starts at
	// position 0. Token t sees the tokens up to t.
	Forward(c *ops.Context, x tensor.Tensor, cache *Cache) tensor.Tensor

	// NewCache returns an empty cache in b's memory for batch sequences of
	// at most positions tokens.
	NewCache(b ops.Backend, batch, positions int) *Cache
}

// Adaptable is a Body whose linear layers can be given low-rank matrices.
type Adaptable interface {
	Body

	// Linears describes all linear layers, in order.
	Linears() []LinearInfo

	// WithLoRA returns the body with l beside its layers. Both share the
	// frozen weights. It fails if l names a layer that the body lacks, or of
	// another shape.
	WithLoRA(l *LoRA) (Adaptable, error)

	// Hash identifies the frozen weights, without any LoRA: the SHA-256 of
	// their names, types, shapes and bytes.
	Hash(b ops.Backend) (string, error)
}

// LinearInfo describes a linear layer: y = x · Wᵀ, W [Out, In].
type LinearInfo struct {
	Name    string // such as "model.layers.0.self_attn.q_proj"
	GGUF    string // such as "blk.0.attn_q"
	Out, In int

	// RowHeads is the number of heads if the rows of W stand in the order of
	// ops.RoPEInterleaved, else 0; the first RopeDim rows of each head do.
	// Files of adapters have the order of ops.RoPEHalves.
	RowHeads, RopeDim int
}

// Cache holds the keys and values that a body computed for the tokens it has
// seen, so that the next tokens need not compute them again.
type Cache struct {
	Len int // tokens in the cache

	backend ops.Backend
	keys    []tensor.Tensor // per layer [batch, positions, kvHeads, headDim]
	values  []tensor.Tensor
	limit   int
}

// NewKVCache returns a cache for layers of the given shape. It is what
// implementations of [Body] call.
func NewKVCache(b ops.Backend, layers, batch, positions, kvHeads, headDim int) *Cache {
	cache := &Cache{backend: b, limit: positions}
	size := 4 * batch * positions * kvHeads * headDim
	for range layers {
		cache.keys = append(cache.keys, tensor.Of(b.Alloc(size), tensor.F32, batch, positions, kvHeads, headDim))
		cache.values = append(cache.values, tensor.Of(b.Alloc(size), tensor.F32, batch, positions, kvHeads, headDim))
	}
	return cache
}

// past is the number of tokens before the next one, 0 without a cache.
func (k *Cache) past() int {
	if k == nil {
		return 0
	}
	return k.Len
}

// Positions is the largest number of tokens.
func (k *Cache) Positions() int { return k.limit }

// Truncate forgets all but the first n tokens.
func (k *Cache) Truncate(n int) {
	if n < 0 || n > k.Len {
		panic(fmt.Sprintf("transformer: Truncate: %d of %d tokens", n, k.Len))
	}
	k.Len = n
}

// Free gives the memory back. The cache cannot be used any more; to free it again does nothing.
func (k *Cache) Free() {
	for i := range k.keys {
		k.backend.Free(k.keys[i].Storage())
		k.backend.Free(k.values[i].Storage())
	}
	k.keys, k.values = nil, nil
}

// Extend stores the keys and values of new tokens of a layer and returns views
// of all up to and including them. The caller adds to Len after the last layer.
func (k *Cache) Extend(c *ops.Context, layer int, key, value tensor.Tensor) (keys, values tensor.Tensor) {
	end := k.Len + key.Dim(1)
	ops.CopyInto(c, k.keys[layer].Slice(1, k.Len, end), key)
	ops.CopyInto(c, k.values[layer].Slice(1, k.Len, end), value)
	return k.keys[layer].Slice(1, 0, end), k.values[layer].Slice(1, 0, end)
}

// check panics unless x can be the next tokens of the cache's sequences.
func (k *Cache) check(x tensor.Tensor) {
	if k.Len+x.Dim(1) > k.limit || len(k.keys) > 0 && k.keys[0].Dim(0) != x.Dim(0) {
		panic(fmt.Sprintf("transformer: cache of %d sequences with %d of %d tokens cannot take %v", k.keys[0].Dim(0), k.Len, k.limit, x))
	}
}
