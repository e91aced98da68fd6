// Attention over tensors larger than what the device binds.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

// attentionTensors say which arguments are [batch, seq, heads, d] as the queries are,
// which are [batch, keys, kvHeads, d] as the keys are, gradients and others, and which
// is [batch, heads, seq]. The first of queries and of keys is always there.
type attentionTensors struct {
	queries, keys, gradients []int
	stats                    []int
}

var (
	forwardTensors  = attentionTensors{queries: []int{1, 0}, keys: []int{2, 3}, stats: []int{4}}
	backwardTensors = attentionTensors{queries: []int{4, 0, 3, 7}, keys: []int{5, 6}, gradients: []int{1, 2}, stats: []int{8}}
)

// splitAttention calls f for all of a, or for parts of it one after the other where a
// tensor is larger than what the device binds or there are more sequences than
// workgroups: sequences, then key heads, then queries, of which later parts add to the
// gradients of the keys that earlier parts gave. The keys of one head that lie too far
// apart are copied together. What still is too large is an error when f runs it.
func (b *Backend) splitAttention(a *ops.Args, of *attentionTensors, f func(*ops.Args)) {
	q := a.T[of.queries[0]]
	manyKeys := b.anyLarge(a, of.keys) || b.anyLarge(a, of.gradients)
	manyQueries := b.anyLarge(a, of.queries) || b.anyLarge(a, of.stats)
	manyGroups := q.Dim(0) > 1 && q.Dim(0)*attentionSlices(q.Dim(3)) > b.limits.WorkgroupCount[2]
	if manyKeys || manyQueries || manyGroups {
		b.cutAttention(a, of, f, manyKeys, manyQueries)
		return
	}
	f(a)
}

// anyLarge reports whether one of the tensors cannot be bound.
func (b *Backend) anyLarge(a *ops.Args, list []int) bool {
	for _, i := range list {
		if t := a.T[i]; !t.IsZero() && !b.binds(t) {
			return true
		}
	}
	return false
}

// cutAttention is splitAttention where something must be cut.
func (b *Backend) cutAttention(a *ops.Args, of *attentionTensors, f func(*ops.Args), manyKeys, manyQueries bool) {
	q, k := a.T[of.queries[0]], a.T[of.keys[0]]
	batch, seq, kvHeads := q.Dim(0), q.Dim(1), k.Dim(2)
	var first, second ops.Args
	cut := func(list []int, dim, n, unit int) { // n times unit elements of a dimension
		for _, i := range list {
			if t := a.T[i]; !t.IsZero() {
				half := n / 2 * unit
				first.T[i], second.T[i] = t.Slice(dim, 0, half), t.Slice(dim, half, n*unit)
			}
		}
	}
	first, second = *a, *a
	switch {
	case batch > 1:
		cut(of.queries, 0, batch, 1)
		cut(of.keys, 0, batch, 1)
		cut(of.gradients, 0, batch, 1)
		cut(of.stats, 0, batch, 1)
	case kvHeads > 1 && (manyKeys || manyQueries && seq <= 1):
		group := q.Dim(2) / kvHeads
		cut(of.queries, 2, kvHeads, group)
		cut(of.keys, 2, kvHeads, 1)
		cut(of.gradients, 2, kvHeads, 1)
		cut(of.stats, 1, kvHeads, group)
	case manyKeys && b.packKeys(a, of, f):
		return
	case manyQueries && seq > 1:
		cut(of.queries, 1, seq, 1)
		cut(of.stats, 2, seq, 1)
		second.I[0] += int64(seq / 2)
		for _, i := range of.gradients {
			second.Acc |= 1 << i
		}
	default:
		f(a)
		return
	}
	b.splitAttention(&first, of, f)
	b.splitAttention(&second, of, f)
}

// packKeys is splitAttention with the keys of the only head copied together, and their
// gradients copied back. It reports false if there are more heads or too many keys.
func (b *Backend) packKeys(a *ops.Args, of *attentionTensors, f func(*ops.Args)) bool {
	shape := a.T[of.keys[0]].Shape()
	n := shape[1] * shape[3]
	if shape[0]*shape[2] != 1 || uint64(4*n)+b.limits.StorageAlignment > b.limits.StorageBufferRange {
		return false
	}
	room := b.scratch(scratchAttention2, 4*n)
	packed, at := *a, 0
	move := func(to, from tensor.Tensor) { b.copy(&ops.Args{T: [9]tensor.Tensor{to, from}, F: [8]float32{1}}) }
	place := func(i int, filled bool) {
		if a.T[i].IsZero() {
			return
		}
		packed.T[i] = room.Slice(0, at, at+n).Reshape(shape...)
		at += n
		if filled {
			move(packed.T[i], a.T[i])
		}
	}
	for _, i := range of.keys {
		place(i, true)
	}
	for _, i := range of.gradients {
		place(i, a.Accumulates(i))
	}
	b.splitAttention(&packed, of, f)
	for _, i := range of.gradients {
		if !a.T[i].IsZero() {
			move(a.T[i], packed.T[i])
		}
	}
	return true
}
