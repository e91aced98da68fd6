// Rows by the numbers of their segments: sums, maxima, softmax.

package ops

import (
	"math"

	"netllm/ops/asm"
)

// segmentShare is what one thread does of results [segments, d] that rows are brought together
// in: some columns of all of them, or some of them. It does all rows of these, in their order.
type segmentShare struct {
	segments, low, high int // of the results
	from, to            int // of the columns
}

// segments returns this worker's share: columns where they are many or segments few, since then
// no thread has more to do than another, else segments.
func (w *worker) segments(segments, d int) segmentShare {
	s := segmentShare{segments: segments, high: segments, to: d}
	if d >= 32*w.count || segments < 4*w.count {
		s.from, s.to = w.span(d, 16)
	} else {
		s.low, s.high = w.span(segments, 1)
	}
	return s
}

// skips reports whether a segment is another's; one that there is not is somebody's, who fails.
func (s *segmentShare) skips(id int) bool {
	return id < s.low && s.low > 0 || id >= s.high && s.high < s.segments
}

func cpuScatterAdd(_ *CPU, a *Args, w *worker) {
	scatterAdd(a.T[0].Float32s(), a.T[1].Float32s(), a.T[2].Int32s(), a.T[1].Dim(1), w.segments(a.T[0].Dim(0), a.T[1].Dim(1)))
}

func scatterAdd(dst, src []float32, ids []int32, d int, s segmentShare) {
	for i, id := range ids {
		if s.skips(int(id)) {
			continue
		}
		row := int(id) * d
		asm.Axpy(1, src[i*d+s.from:i*d+s.to], dst[row+s.from:row+s.to])
	}
}

func cpuSegmentMax(_ *CPU, a *Args, w *worker) {
	dst, src, ids, rows := a.T[0].Float32s(), a.T[1].Float32s(), a.T[2].Int32s(), a.T[3].Int32s()
	d := a.T[0].Dim(1)
	s := w.segments(a.T[0].Dim(0), d)
	for r := s.low; r < s.high; r++ {
		clear(dst[r*d+s.from : r*d+s.to])
		for j := r*d + s.from; j < r*d+s.to; j++ {
			rows[j] = -1
		}
	}
	for i, id := range ids {
		if s.skips(int(id)) {
			continue
		}
		row := int(id) * d
		most, at := dst[row+s.from:row+s.to], rows[row+s.from:row+s.to]
		for j, v := range src[i*d+s.from : i*d+s.to] {
			if at[j] < 0 || v > most[j] || v != v && most[j] == most[j] {
				most[j], at[j] = v, int32(i)
			}
		}
	}
}

// piece returns in which row of d elements element i is, at which column, and where its row, or
// what is to be done of it, ends.
func piece(i, to, d int) (row, column, end int) {
	row = i / d
	return row, i - row*d, min(to, row*d+d)
}

func cpuSegmentMaxBackward(_ *CPU, a *Args, w *worker) {
	dst, dout, ids, rows := a.T[0].Float32s(), a.T[1].Float32s(), a.T[2].Int32s(), a.T[3].Int32s()
	d := a.T[0].Dim(1)
	from, to := w.span(len(dst), 16)
	for from < to {
		r, column, end := piece(from, to, d)
		place := int(ids[r])*d + column
		for j := range dst[from:end] {
			var g float32
			if rows[place+j] == int32(r) {
				g = dout[place+j]
			}
			dst[from+j] = g + keep(a, dst[from+j])
		}
		from = end
	}
}

// segmentSoftmax runs the parts of the softmax: maxima and sums, each of all rows of a segment
// by one thread, and what is done to the elements between and after them.
func (c *CPU) segmentSoftmax(a *Args) {
	n := a.T[0].Len()
	c.sharedScratch(int(a.I[0]) * a.T[0].Dim(1))
	c.split(cpuSegmentTops, a, n)
	c.split(cpuSegmentExp, a, 8*n)
	c.split(cpuSegmentSums, a, n)
	c.split(cpuSegmentQuotients, a, n)
}

// perSegment returns the scratch memory of a softmax, [segments, d].
func (c *CPU) perSegment(a *Args) []float32 {
	n := int(a.I[0]) * a.T[0].Dim(1)
	return c.shared[:n:n]
}

// cpuSegmentTops leaves the maxima [segments, d]. A NaN is none: its own exponential brings it into the sum.
func cpuSegmentTops(c *CPU, a *Args, w *worker) {
	all, src, ids := c.perSegment(a), a.T[1].Float32s(), a.T[2].Int32s()
	d := a.T[0].Dim(1)
	s := w.segments(int(a.I[0]), d)
	for r := s.low; r < s.high; r++ {
		fillRow(all[r*d+s.from:], 1, s.to-s.from, float32(math.Inf(-1)))
	}
	for i, id := range ids {
		if s.skips(int(id)) {
			continue
		}
		row := int(id) * d
		tops := all[row+s.from : row+s.to]
		for j, v := range src[i*d+s.from : i*d+s.to] {
			if v > tops[j] {
				tops[j] = v
			}
		}
	}
}

func cpuSegmentExp(c *CPU, a *Args, w *worker) {
	const block = 1024 // lies in the cache
	all, dst, src, ids := c.perSegment(a), a.T[0].Float32s(), a.T[1].Float32s(), a.T[2].Int32s()
	d := a.T[0].Dim(1)
	from, to := w.span(len(dst), 16)
	for ; from < to; from += block {
		part := dst[from:min(from+block, to)]
		for i := from; i < from+len(part); {
			r, column, end := piece(i, from+len(part), d)
			tops := all[int(ids[r])*d+column:]
			for j, v := range src[i:end] {
				dst[i+j] = v - tops[j]
			}
			i = end
		}
		asm.Exp(part, part)
	}
}

// cpuSegmentSums leaves the sums of the exponentials.
func cpuSegmentSums(c *CPU, a *Args, w *worker) {
	sums, d := c.perSegment(a), a.T[0].Dim(1)
	s := w.segments(int(a.I[0]), d)
	for r := s.low; r < s.high; r++ {
		clear(sums[r*d+s.from : r*d+s.to])
	}
	scatterAdd(sums, a.T[0].Float32s(), a.T[2].Int32s(), d, s)
}

func cpuSegmentQuotients(c *CPU, a *Args, w *worker) {
	all, dst, ids := c.perSegment(a), a.T[0].Float32s(), a.T[2].Int32s()
	d := a.T[0].Dim(1)
	from, to := w.span(len(dst), 16)
	for from < to {
		r, column, end := piece(from, to, d)
		sums := all[int(ids[r])*d+column:]
		for j := range dst[from:end] {
			dst[from+j] /= sums[j]
		}
		from = end
	}
}
