// Rows by the numbers of their segments: maxima and softmax. Their sums are those of
// [Backend.scatterAdd].

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

func (b *Backend) segmentMax(a *ops.Args) { b.largestRows(a.T[0], a.T[3], a.T[1], a.T[2]) }

// largestRows sets y [segments, d] to the maxima of the rows of x [n, d] and at to where they are. Each
// segment's workgroup looks through all ids: they are read n*segments times, many at once.
func (b *Backend) largestRows(y, at, x, ids tensor.Tensor) {
	segments, n, columns := y.Dim(0), x.Dim(0), y.Dim(1)
	if y.Len() == 0 {
		return
	}
	step, tableStep := b.rowsAtOnce(n, columns), b.rowsAtOnce(segments, columns)
	for first := 0; first < segments; first += tableStep {
		last := min(first+tableStep, segments)
		for from := 0; from == 0 || from < n; from += step {
			to := min(from+step, n)
			d := b.dispatch("segment_max", shortGroup)
			d.output(y.Slice(0, first, last), from > 0)
			d.output(at.Slice(0, first, last), from > 0)
			if n > 0 {
				d.read(x.Slice(0, from, to))
				d.read(ids.Slice(0, from, to))
			} else {
				d.none()
				d.none()
			}
			d.int(to-from, columns, first, from)
			d.flag(from > 0)
			d.run(last-first, (columns+shortGroup-1)/shortGroup, 1)
		}
	}
}

func (b *Backend) segmentMaxBackward(a *ops.Args) {
	b.segmentRows("segment_max_backward", a.T[0], a.T[1], a.T[2], tensor.Tensor{}, a.T[3], a.Accumulates(0))
}

// segmentSoftmax keeps the maxima, and then the sums, of each segment in scratch memory.
func (b *Backend) segmentSoftmax(a *ops.Args) {
	y, x, ids := a.T[0], a.T[1], a.T[2]
	segments, columns := int(a.I[0]), y.Dim(1)
	if y.Len() == 0 {
		return
	}
	n := segments * columns
	n4 := (n + 3) &^ 3
	scratch := b.scratch(scratchSegments, n4+n)
	part := func(from int) tensor.Tensor { return scratch.Slice(0, from, from+n).Reshape(segments, columns) }
	tops, sums := part(0), part(n4)
	b.largestRows(tops, sums, x, ids) // where they are is not needed
	b.segmentRows("segment_exp", y, tops, ids, x, tensor.Tensor{}, false)
	b.set(sums, 0)
	b.addRows(sums, y, ids)
	b.segmentRows("segment_quotient", y, sums, ids, tensor.Tensor{}, tensor.Tensor{}, true)
}

// segmentRows runs a variant of segment_rows.comp for all rows of y, in parts: x is as large as y, and
// at as large as table.
func (b *Backend) segmentRows(shader string, y, table, ids, x, at tensor.Tensor, reads bool) {
	n, columns, segments := y.Dim(0), y.Dim(1), table.Dim(0)
	if y.Len() == 0 {
		return
	}
	step, tableStep := b.rowsAtOnce(n, columns), b.rowsAtOnce(segments, columns)
	for from := 0; from < n; from += step {
		to := min(from+step, n)
		for first := 0; first < segments; first += tableStep {
			last := min(first+tableStep, segments)
			d := b.dispatch(shader, elementwiseGroup)
			d.output(y.Slice(0, from, to), reads || segments > tableStep)
			d.read(table.Slice(0, first, last))
			d.read(ids.Slice(0, from, to))
			if !x.IsZero() {
				d.read(x.Slice(0, from, to))
			}
			if !at.IsZero() {
				d.read(at.Slice(0, first, last))
			}
			d.int(to-from, columns, first, last-first, from)
			d.flag(reads)
			d.run(b.groups((to-from)*columns, elementwiseGroup), 1, 1)
		}
	}
}
