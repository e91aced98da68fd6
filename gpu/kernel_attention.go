// Attention: by blocks of queries and keys, or for few queries by parts of the keys.

package gpu

import (
	"math/bits"

	"netllm/ops"
	"netllm/tensor"
)

const (
	fewQueries  = 4   // up to so many queries always are computed by attention_decode,
	someQueries = 16  // and up to so many where there are more than decodeSpan keys,
	decodeHead  = 256 // if a head has no more elements than this
	decodeSpan  = 256 // keys that a workgroup of it takes at most
	busyGroups  = 256 // workgroups from which on a device is taken to have enough to do
)

// attention is OpAttention.
func (b *Backend) attention(a *ops.Args) {
	if a.T[1].Len() == 0 {
		return
	}
	a = b.unmasked(a, a.T[1])
	if before := a.I[0] + 1 - a.I[1]; a.I[1] > 0 && before > 0 { // keys that no window reaches
		b.windowed = *a
		a = &b.windowed
		a.I[0] -= before
		for i := 2; i <= 3; i++ {
			a.T[i] = a.T[i].Slice(1, int(before), a.T[i].Dim(1))
		}
	}
	b.splitAttention(a, &forwardTensors, func(a *ops.Args) {
		seq := a.T[1].Dim(1)
		few := seq <= fewQueries || seq <= someQueries && int(a.I[0])+seq > decodeSpan
		if !few || a.T[1].Dim(3) > decodeHead || !b.attentionDecode(a) {
			b.attentionForward(a)
		}
	})
}

// attentionForward computes blocks of queries.
func (b *Backend) attentionForward(a *ops.Args) {
	s := attentionSizesOf(a.T[1], a.T[2], a)
	x := b.attentionBlocks(s.rows, s)
	d := b.dispatch("attention_forward", x.side*x.side, x.side, x.pairs)
	d.write(a.T[0])
	d.read(a.T[1])
	d.read(a.T[2])
	d.read(a.T[3])
	d.writeStats(a.T[4])
	d.steps(a.T[0], a.T[1], a.T[2], a.T[3])
	d.steps(a.T[4])
	d.int(s.rows, s.group, s.past, s.causal, s.window, s.keys, s.d, x.slices)
	d.flag(!a.T[4].IsZero())
	d.float(a.F[0])
	d.run(x.count, s.kvHeads, s.batch*x.slices)
}

// attentionDecode computes few queries, the keys in parts if there are many. It reports
// whether the device binds the intermediate results.
func (b *Backend) attentionDecode(a *ops.Args) bool {
	s := attentionSizesOf(a.T[1], a.T[2], a)
	rows := min(1<<bits.Len(uint(s.rows-1)), 8)
	if b.limits.SharedMemory < 32<<10 {
		rows = min(rows, 4)
	}
	blocks := s.kvHeads * ((s.rows + rows - 1) / rows)
	span, parts := decodeParts(s.keys, blocks*s.batch)
	out, lines := a.T[0], s.batch*s.kvHeads*s.rows
	if parts > 1 {
		n := parts * lines * (s.d + 2)
		out = b.scratch(scratchAttention, n).Slice(0, 0, n)
		if !b.binds(out) {
			return false
		}
	}
	d := b.dispatch("attention_decode", 128, uint32(rows), 0)
	d.write(out)
	d.read(a.T[1])
	d.read(a.T[2])
	d.read(a.T[3])
	d.writeStats(a.T[4])
	if d.aligned(2, a.T[2]) && d.aligned(3, a.T[3]) {
		d.spec[2] = 1
	}
	d.steps(a.T[0], a.T[1], a.T[2], a.T[3])
	d.steps(a.T[4])
	d.int(s.rows, s.group, s.past, s.causal, s.window, s.keys, s.d)
	d.flag(!a.T[4].IsZero())
	d.int(s.batch, s.kvHeads, parts, span)
	d.float(a.F[0])
	d.run(parts, blocks, s.batch)
	if parts == 1 {
		return true
	}
	d = b.dispatch("attention_merge", 64)
	d.write(a.T[0])
	d.read(out)
	d.writeStats(a.T[4])
	d.steps(a.T[0])
	d.steps(a.T[4])
	d.int(lines, s.rows, s.group, s.kvHeads, s.d, parts)
	d.flag(!a.T[4].IsZero())
	d.run(b.groups(lines, 1), 1, 1)
	return true
}

// decodeParts returns how many keys a workgroup takes, and in how many parts that
// divides them, for so many workgroups per part. The parts change only when the keys
// pass a power of two, since what is recorded for a token serves for the next.
func decodeParts(keys, groups int) (span, parts int) {
	n := 1 << bits.Len(uint(keys-1))
	if n <= decodeSpan/2 {
		return decodeSpan / 2, 1
	}
	span = decodeSpan
	for span > 64 && groups*(n/span) < busyGroups {
		span /= 2
	}
	return span, max(n/span, 1)
}

// attentionSizes are the numbers of one call. The query heads that share a key head
// are rows of one matrix, see shaders/attention_blocks.glsl.
type attentionSizes struct {
	batch, kvHeads, group, rows, d int
	past, keys, allKeys            int // keys are those up to the last that a query sees
	window                         int // keys that a query sees at most
	causal                         int // keys that a query sees more than the one before it: 1, or 0 without a mask
}

// unmasked returns a call without a mask as the kernels here take it: I1 is less than zero by
// the number of keys, which all queries see, whatever part of them a call is for.
func (b *Backend) unmasked(a *ops.Args, queries tensor.Tensor) *ops.Args {
	if a.I[1] >= 0 {
		return a
	}
	b.windowed = *a
	b.windowed.I[1] = -(a.I[0] + int64(queries.Dim(1)))
	return &b.windowed
}

// attentionSizesOf takes I0 and I1 of a call with these queries and keys.
func attentionSizesOf(q, k tensor.Tensor, a *ops.Args) attentionSizes {
	group := q.Dim(2) / k.Dim(2)
	s := attentionSizes{batch: q.Dim(0), kvHeads: k.Dim(2), group: group, rows: q.Dim(1) * group, d: q.Dim(3),
		past: int(a.I[0]), keys: int(a.I[0]) + q.Dim(1), allKeys: k.Dim(1)}
	s.causal = 1
	if a.I[1] < 0 { // the kernels' past is that of the first query if it stood where the last does
		s.keys, s.causal = int(-a.I[1]), 0
		s.past = s.keys - 1
	}
	s.window = s.keys
	if a.I[1] > 0 {
		s.window = int(min(a.I[1], int64(s.keys)))
	}
	return s
}

// attentionBlocks are the sizes of workgroups that compute blocks.
type attentionBlocks struct {
	side, pairs uint32 // constants of the shaders
	slices      int    // of the columns of the result
	count       int    // blocks
}

// attentionBlocks divides n rows or keys of each key head into blocks of 64 by 256
// invocations, or of 32 by 64, which have twice as much to do each: where there are
// no more, or where the device does not allow the others.
func (b *Backend) attentionBlocks(n int, s attentionSizes) attentionBlocks {
	x := attentionBlocks{side: 16, slices: attentionSlices(s.d)}
	ceil := func(n, by int) int { return (n + by - 1) / by }
	if b.limits.SharedMemory < 32<<10 || b.limits.WorkgroupInvocations < 256 || n <= 32 {
		x.side = 8
	}
	x.count = ceil(n, 4*int(x.side))
	// 64, 96 or 128 columns, so that there are few pipelines.
	x.pairs = uint32(max(ceil(ceil(s.d, x.slices), 32), 2) * 32 / 2 / int(x.side))
	return x
}

// attentionSlices returns into how many slices the columns of a result are divided,
// each of which computes the weights again.
func attentionSlices(d int) int { return (d + 127) / 128 }

// steps gives the steps from one sequence, token and head to the next of
// [batch, seq, heads, d] tensors, or from one sequence, head and token to the next of
// [batch, heads, seq] tensors; zeros if there is no tensor.
func (d *dispatch) steps(tensors ...tensor.Tensor) {
	for _, t := range tensors {
		if t.IsZero() {
			d.int(0, 0, 0)
			continue
		}
		d.int(t.Stride(0), t.Stride(1), t.Stride(2))
	}
}

// writeStats binds an output that may not be wanted.
func (d *dispatch) writeStats(t tensor.Tensor) {
	if t.IsZero() {
		d.none()
		return
	}
	d.write(t)
}

// aligned reports whether every head of t, bound as i, begins at a multiple of 4
// elements and has a multiple of 4.
func (d *dispatch) aligned(i int, t tensor.Tensor) bool {
	return (int(d.offset[i])|t.Stride(0)|t.Stride(1)|t.Stride(2)|t.Dim(3))%4 == 0
}
