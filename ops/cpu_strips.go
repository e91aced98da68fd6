// Products with prepared weights.

package ops

import (
	"fmt"

	"netllm/ops/asm"
	"netllm/tensor"
)

// stripMatMul is a product with a prepared weight: of x with its transpose, as in
// a layer, or with the weight itself, as in the layer's backward pass. Threads
// share the strips, or the columns of the gradient, so that each reads its own
// part of the weight; where there are few strips they share the rows of x.
func (c *CPU) stripMatMul(a *Args, cost int) {
	s := stripsOf(a.T[2])
	if from, to := s.rowRange(a.T[2]); from != 0 || to != s.n {
		panic(fmt.Sprintf("ops: CPU: MatMul: rows %d to %d of a prepared weight of %d: not the whole", from, to-1, s.n))
	}
	switch {
	case a.I[0] == 0:
		c.split(cpuStripBackward, a, cost)
	case asm.Strips(s.n) >= 2*c.Threads() || a.T[0].Dim(0) < 2*c.Threads():
		c.split(cpuStripColumns, a, cost)
	default:
		c.split(cpuStripRows, a, cost)
	}
}

// stripProduct is a product with a prepared weight in terms of slices and strides.
type stripProduct struct {
	product
	weight *stripWeight
}

func stripProductOf(a *Args) stripProduct {
	y := a.T[2]
	b := *a
	b.T[2] = tensor.Tensor{} // its memory is opaque
	p := stripProduct{productOf(&b), stripsOf(y)}
	return p
}

func cpuStripRows(_ *CPU, a *Args, w *worker) {
	p := stripProductOf(a)
	p.rows(w.span(p.m, 12))
	p.columns(w, 0, p.n)
}

func cpuStripColumns(_ *CPU, a *Args, w *worker) {
	p := stripProductOf(a)
	from, to := w.span(p.n, asm.StripRows)
	p.columns(w, from, to)
}

// columns computes columns from to to-1 of x·Wᵀ.
func (p *stripProduct) columns(w *worker, from, to int) {
	if p.m == 0 || from >= to {
		return
	}
	n, s := to-from, p.weight
	switch s.dtype {
	case tensor.F32:
		asm.GemmStrips(&w.gemm, p.m, n, p.k, p.scale, p.a, p.ars, p.acs, elements[float32](s, from), p.beta, p.c[from:], p.ldc)
	default:
		asm.GemmStripsHalf(&w.gemm, half(s.dtype), p.m, n, p.k, p.scale, p.a, p.ars, p.acs, elements[uint16](s, from), p.beta, p.c[from:], p.ldc)
	}
}

// cpuStripBackward computes dy·W, a thread some of its columns.
func cpuStripBackward(_ *CPU, a *Args, w *worker) {
	p := stripProductOf(a)
	s := p.weight
	from, to := w.span(p.n, asm.StripRows)
	if p.m == 0 || from >= to {
		return
	}
	switch s.dtype {
	case tensor.F32:
		asm.GemmStripsBackward(&w.gemm, p.m, s.n, s.k, from, to, p.scale, p.a, p.ars, p.acs, elements[float32](s, 0), p.beta, p.c, p.ldc)
	default:
		asm.GemmStripsHalfBackward(&w.gemm, half(s.dtype), p.m, s.n, s.k, from, to, p.scale, p.a, p.ars, p.acs, elements[uint16](s, 0), p.beta, p.c, p.ldc)
	}
}

func half(dtype tensor.DType) asm.HalfFormat {
	if dtype == tensor.BF16 {
		return asm.BF16
	}
	return asm.F16
}
