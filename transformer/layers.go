// The layers that the families are made of.

package transformer

import (
	"netllm/ops"
	"netllm/tensor"
)

// linear is a layer y = x · Wᵀ + b of a frozen or trained matrix, with low-rank
// matrices beside it if the model was adapted.
type linear struct {
	name   string        // such as "model.layers.0.self_attn.q_proj"
	gguf   string        // such as "blk.0.attn_q"
	weight tensor.Tensor // [out, in]
	bias   tensor.Tensor // [out], or none
	heads  int           // LinearInfo.RowHeads

	lora *loraPair
}

// forward returns x · Wᵀ, x [..., in], plus the low-rank update and the bias if
// there are any.
func (l *linear) forward(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	c.Label(l.name)
	y := ops.Linear(c, x, l.weight)
	if l.lora != nil {
		l.lora.add(c, y, x)
	}
	if !l.bias.IsZero() {
		y = ops.AddRow(c, y, l.bias)
	}
	return y
}

// rmsNorm divides by the root mean square (Zhang and Sennrich 2019).
type rmsNorm struct{ weight tensor.Tensor }

func (n *rmsNorm) forward(c *ops.Context, x tensor.Tensor, eps float32) tensor.Tensor {
	return ops.RMSNorm(c, x, n.weight, eps)
}

// layerNorm subtracts the mean and divides by the deviation (Ba et al. 2016).
type layerNorm struct{ weight, bias tensor.Tensor }

func (n *layerNorm) forward(c *ops.Context, x tensor.Tensor, eps float32) tensor.Tensor {
	return ops.LayerNorm(c, x, n.weight, n.bias, eps)
}

// place says where a pass through a block stands.
type place struct {
	layer int
	pos   int    // of the first token
	cache *Cache // or nil
}

// core is what the networks of all families have beside their weights.
type core struct {
	Config
	style ops.RoPEStyle // the row order of Q and K, if they are rotated
	rope  *rotations    // or nil
	index []int32       // 0, 1, 2 ...: rows of learned positions
}

func (m *core) base() *core { return m }

// attend is causal attention of the new tokens to themselves and to what is in
// the cache: q [batch, seq, heads*headDim], k and v [batch, seq,
// kvHeads*headDim] give [batch, seq, heads*headDim].
func (m *core) attend(c *ops.Context, q, k, v tensor.Tensor, at place) tensor.Tensor {
	batch, seq := q.Dim(0), q.Dim(1)
	q = ops.Contiguous(c, q).Reshape(batch, seq, m.Heads, m.HeadDim)
	k = ops.Contiguous(c, k).Reshape(batch, seq, m.KVHeads, m.HeadDim)
	v = ops.Contiguous(c, v).Reshape(batch, seq, m.KVHeads, m.HeadDim)
	if m.rope != nil {
		table := m.rope.upTo(c.Backend, at.pos+seq)
		q = ops.RoPE(c, q, table, at.pos, m.style)
		k = ops.RoPE(c, k, table, at.pos, m.style)
	}
	if at.cache != nil {
		k, v = at.cache.Extend(c, at.layer, k, v)
	}
	a := ops.AttentionWindow(c, q, k, v, at.pos, m.Window)
	return a.Reshape(batch, seq, m.Heads*m.HeadDim)
}

// addPositions returns x [batch, seq, width] plus the rows of table [rows, width]
// for its positions: the last MaxPositions rows are those of positions 0 on.
func (m *core) addPositions(c *ops.Context, x, table tensor.Tensor, pos int) tensor.Tensor {
	batch, seq, width := x.Dim(0), x.Dim(1), x.Dim(2)
	first := m.PositionRows - m.MaxPositions + pos
	c.Label("positions")
	rows := ops.Gather(c, table, c.Int32s(m.index[first:first+seq], seq))
	x = ops.AddRow(c, ops.Contiguous(c, x).Reshape(batch, seq*width), rows.Reshape(seq*width))
	return x.Reshape(batch, seq, width)
}

// eachBlock passes x through all blocks of a network. pos is the position of its
// first token.
func eachBlock(c *ops.Context, m network, x tensor.Tensor, pos int, cache *Cache) tensor.Tensor {
	for i := range m.base().Layers {
		at := place{i, pos, cache}
		switch {
		case c.Tape == nil: // nothing but the result stays, so memory does not grow with the depth
			x = ops.KeepResult(c, x, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return m.block(c, x, at) })
		case c.Checkpointing:
			x = ops.Checkpoint(c, x, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return m.block(c, x, at) })
		default:
			x = m.block(c, x, at)
		}
	}
	return x
}
