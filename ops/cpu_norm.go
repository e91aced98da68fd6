package ops

import (
	"math"

	"netllm/ops/asm"
	"netllm/tensor"
)

func cpuRMSNorm(_ *CPU, a *Args, w *worker) {
	g := a.T[2].Float32s()
	n := len(g)
	from, to := w.span(a.T[0].Rows(), 1)
	for r := from; r < to; r++ {
		x, dst := part(a.T[1], r*n, r*n+n), part(a.T[0], r*n, r*n+n)
		asm.ScaleMul(dst, inverseRMS(x, a.F[0]), x, g)
	}
}

func inverseRMS(x []float32, eps float32) float32 {
	return float32(1 / math.Sqrt(asm.SumSquares(x)/float64(len(x))+float64(eps)))
}

// normBackward runs the two parts of a normalisation's backward pass: the
// gradient of x, split over rows, and those of weight and bias, split over
// columns. The first part leaves two numbers per row for the second one.
func (c *CPU) normBackward(a *Args, rows, columns cpuKernel, g, b, x tensor.Tensor) {
	c.sharedScratch(2 * x.Rows())
	c.split(rows, a, 2*x.Len())
	if !g.IsZero() || !b.IsZero() {
		c.split(columns, a, 2*x.Len())
	}
}

// cpuRMSNormBackwardX: with u = x*inv the normalised row and h = g*dy,
// dx = inv * (h - u*mean(h*u)).
func cpuRMSNormBackwardX(c *CPU, a *Args, w *worker) {
	g := a.T[4].Float32s()
	n := len(g)
	h := w.scratch(n)
	from, to := w.span(a.T[3].Rows(), 1)
	for r := from; r < to; r++ {
		dy, x := part(a.T[2], r*n, r*n+n), part(a.T[3], r*n, r*n+n)
		inv := inverseRMS(x, a.F[0])
		c.shared[2*r] = inv
		if a.T[0].IsZero() {
			continue
		}
		asm.Mul(h, g, dy)
		mean := asm.Dot(h, x) * inv / float32(n)
		writeGradient(a, a.T[0], r, h, x, inv, -inv*inv*mean, 0)
	}
}

// writeGradient sets or adds to row r of output 0: s*h + t*x + u.
func writeGradient(a *Args, out tensor.Tensor, r int, h, x []float32, s, t, u float32) {
	n := len(h)
	asm.Combine(part(out, r*n, r*n+n), h, x, s, t, u, a.Accumulates(0))
}

func cpuRMSNormBackwardG(c *CPU, a *Args, w *worker) {
	n := a.T[4].Len()
	from, to := w.span(n, 16)
	dst := part(a.T[1], from, to)
	if !a.Accumulates(1) {
		clear(dst)
	}
	for r := range a.T[3].Rows() {
		dy, x, inv := part(a.T[2], r*n+from, r*n+to), part(a.T[3], r*n+from, r*n+to), c.shared[2*r]
		for i, v := range x {
			dst[i] += float32(dy[i] * v * inv)
		}
	}
}

func cpuLayerNorm(_ *CPU, a *Args, w *worker) {
	g, b := a.T[2].Float32s(), a.T[3].Float32s()
	n := len(g)
	from, to := w.span(a.T[0].Rows(), 1)
	for r := from; r < to; r++ {
		x, dst := part(a.T[1], r*n, r*n+n), part(a.T[0], r*n, r*n+n)
		mean, inv := moments(x, a.F[0])
		for i, v := range x {
			dst[i] = float32((v-mean)*inv*g[i]) + b[i]
		}
	}
}

// moments returns a row's mean and the inverse of its standard deviation.
func moments(x []float32, eps float32) (mean, inv float32) {
	m := asm.Sum(x) / float64(len(x))
	var s float64
	for _, v := range x {
		d := float64(v) - m
		s += float64(d * d)
	}
	return float32(m), float32(1 / math.Sqrt(s/float64(len(x))+float64(eps)))
}

// cpuLayerNormBackwardX: with u the normalised row and h = g*dy,
// dx = inv * (h - mean(h) - u*mean(h*u)).
func cpuLayerNormBackwardX(c *CPU, a *Args, w *worker) {
	g := a.T[5].Float32s()
	n := len(g)
	h := w.scratch(n)
	from, to := w.span(a.T[4].Rows(), 1)
	for r := from; r < to; r++ {
		dy, x := part(a.T[3], r*n, r*n+n), part(a.T[4], r*n, r*n+n)
		mean, inv := moments(x, a.F[0])
		c.shared[2*r], c.shared[2*r+1] = mean, inv
		if a.T[0].IsZero() {
			continue
		}
		asm.Mul(h, g, dy)
		sum := float32(asm.Sum(h))
		// sum(h*u) with u = (x-mean)*inv
		hu := (asm.Dot(h, x) - mean*sum) * inv
		t := -inv * inv * hu / float32(n)
		writeGradient(a, a.T[0], r, h, x, inv, t, -inv*sum/float32(n)-t*mean)
	}
}

func cpuLayerNormBackwardG(c *CPU, a *Args, w *worker) {
	n := a.T[5].Len()
	from, to := w.span(n, 16)
	output := func(i int) []float32 {
		if a.T[i].IsZero() {
			return nil
		}
		dst := part(a.T[i], from, to)
		if !a.Accumulates(i) {
			clear(dst)
		}
		return dst
	}
	dg, db := output(1), output(2)
	for r := range a.T[4].Rows() {
		dy, x := part(a.T[3], r*n+from, r*n+to), part(a.T[4], r*n+from, r*n+to)
		mean, inv := c.shared[2*r], c.shared[2*r+1]
		if dg != nil {
			for i, v := range x {
				dg[i] += float32(dy[i] * (v - mean) * inv)
			}
		}
		if db != nil {
			asm.Axpy(1, dy, db)
		}
	}
}
