// The gradients of attention.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

// attentionBackward is OpAttentionBackward.
func (b *Backend) attentionBackward(a *ops.Args) {
	if a.T[5].Len() == 0 {
		return // without queries, there still are keys that no query sees
	}
	b.splitAttention(b.unmasked(a, a.T[4]), &backwardTensors, b.attentionGradients)
}

// attentionGradients computes those that are wanted.
func (b *Backend) attentionGradients(a *ops.Args) {
	s := attentionSizesOf(a.T[4], a.T[5], a)
	var delta tensor.Tensor
	if s.rows > 0 && (!a.T[0].IsZero() || !a.T[1].IsZero()) {
		delta = b.attentionDelta(a)
	}
	if s.rows > 0 && !a.T[0].IsZero() {
		x := b.attentionBlocks(s.rows, s)
		d := b.dispatch("attention_queries", x.side*x.side, x.side, x.pairs)
		d.output(a.T[0], a.Accumulates(0))
		for _, t := range [...]tensor.Tensor{a.T[4], a.T[5], a.T[6], a.T[3], a.T[8], delta} {
			d.read(t)
		}
		d.steps(a.T[0], a.T[4], a.T[5], a.T[6], a.T[3])
		d.steps(a.T[8], delta)
		d.int(s.rows, s.group, s.past, s.causal, s.window, s.keys, s.d, x.slices)
		d.flag(a.Accumulates(0))
		d.float(a.F[0])
		d.run(x.count, s.kvHeads, s.batch*x.slices)
	}
	if a.T[1].IsZero() && a.T[2].IsZero() {
		return
	}
	x := b.attentionBlocks(s.allKeys, s)
	d := b.dispatch("attention_keys", x.side*x.side, x.side, x.pairs)
	for i := 1; i <= 2; i++ {
		if a.T[i].IsZero() {
			d.none()
		} else {
			d.output(a.T[i], a.Accumulates(i))
		}
	}
	for _, t := range [...]tensor.Tensor{a.T[4], a.T[5], a.T[6], a.T[3], a.T[8]} {
		d.read(t)
	}
	if delta.IsZero() {
		d.none()
	} else {
		d.read(delta)
	}
	d.steps(a.T[1], a.T[2], a.T[4], a.T[5], a.T[6], a.T[3])
	d.steps(a.T[8], delta)
	d.int(s.rows, s.group, s.past, s.causal, s.window, s.keys, s.d, x.slices, s.allKeys)
	for i := 1; i <= 2; i++ {
		d.flag(!a.T[i].IsZero())
		d.flag(a.Accumulates(i))
	}
	d.float(a.F[0])
	d.run(x.count, s.kvHeads, s.batch*x.slices)
}

// attentionDelta returns the sums over heads' elements of gradient times result,
// [batch, heads, seq].
func (b *Backend) attentionDelta(a *ops.Args) tensor.Tensor {
	g := a.T[3]
	batch, seq, heads := g.Dim(0), g.Dim(1), g.Dim(2)
	n := batch * heads * seq
	delta := b.scratch(scratchAttention, n).Slice(0, 0, n).Reshape(batch, heads, seq)
	d := b.dispatch("attention_delta", 128)
	d.write(delta)
	d.read(g)
	d.read(a.T[7])
	d.steps(g, a.T[7])
	d.int(n, heads, seq, g.Dim(3))
	d.run(b.groups(n, 128/16), 1, 1)
	return delta
}
