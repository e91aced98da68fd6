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
	case s.dtype.IsBlock():
		c.blockMatMul(cpuStripColumns, a, cost)
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
	b := *a
	b.T[2] = tensor.Tensor{} // its memory is opaque
	return stripProduct{productOf(&b), stripsOf(a.T[2])}
}

// vectors rounds the rows of x for this worker, if they are few and the weights of
// a block type; more rows are rounded before, by all workers.
func (p *stripProduct) vectors(w *worker) {
	if p.weight.dtype.IsBlock() && p.m <= vectorRows {
		asm.QuantizeActivations(&w.vectors, p.a, p.m, p.k, p.ars)
	}
}

func cpuStripRows(c *CPU, a *Args, w *worker) {
	p := stripProductOf(a)
	p.rows(w.span(p.m, 12))
	p.columns(c, w, p.weight.from(0), 0, p.n)
}

func cpuStripColumns(c *CPU, a *Args, w *worker) {
	p := stripProductOf(a)
	if from, to := w.span(p.n, asm.StripRows); from < to {
		p.vectors(w)
		p.columns(c, w, p.weight.from(from), from, to)
	}
}

// columns computes columns from to to-1 of x·Wᵀ, whose strips are given.
func (p *stripProduct) columns(c *CPU, w *worker, strips []byte, from, to int) {
	n, dtype := to-from, p.weight.dtype
	strips = strips[:asm.Strips(n)*stripBytes(dtype, p.k)]
	switch {
	case p.m == 0:
	case dtype == tensor.F32:
		asm.GemmStrips(&w.gemm, p.m, n, p.k, p.scale, p.a, p.ars, p.acs, as[float32](strips), p.beta, p.c[from:], p.ldc)
	case !dtype.IsBlock():
		asm.GemmStripsHalf(&w.gemm, half(dtype), p.m, n, p.k, p.scale, p.a, p.ars, p.acs, as[uint16](strips), p.beta, p.c[from:], p.ldc)
	case p.m > vectorRows:
		asm.GemmBlocks(&w.gemm, blockFormats[dtype], &c.activations, 0, p.m, strips, n, p.k, p.scale, p.beta, p.c[from:], p.ldc)
	default:
		asm.GemvBlocks(blockFormats[dtype], p.c[from:], p.ldc, strips, n, p.k, &w.vectors, p.scale, p.beta)
	}
}

// cpuMatMulUnpacked computes x·Wᵀ for a W that stayed in host memory, of a type
// that is not F32: each thread makes strips of a few of its rows at a time, but for
// the formats that can be multiplied with few rows as they are.
func cpuMatMulUnpacked(c *CPU, a *Args, w *worker) {
	weight := a.T[2]
	b := *a
	b.T[2] = tensor.Tensor{}
	p := stripProduct{productOf(&b), &stripWeight{dtype: weight.DType()}}
	from, to := w.span(p.n, asm.StripRows)
	if from >= to || p.m == 0 {
		return
	}
	p.vectors(w)
	if f := blockFormats[weight.DType()]; weight.DType().IsBlock() && p.m <= vectorRows && f.FileFormat() {
		w.vectors.PrepareFile(f)
		asm.GemvFileBlocks(f, p.c[from:], p.ldc, weight.Slice(0, from, to).Bytes(), to-from, p.k, &w.vectors, p.scale, p.beta)
		return
	}
	strip := stripBytes(weight.DType(), p.k)
	count := max(1, unpackedBytes/max(1, strip))
	for ; from < to; from += count * asm.StripRows {
		end := min(to, from+count*asm.StripRows)
		strips := w.bytes(asm.Strips(end-from) * strip)
		packStrips(weight.DType(), strips, weight.Slice(0, from, end).Bytes(), end-from, p.k)
		p.columns(c, w, strips, from, end)
	}
}

// unpackedBytes is the size of the strips made at a time, which stay in the cache.
const unpackedBytes = 256 << 10

// cpuStripBackward computes dy·W, a thread some of its columns.
func cpuStripBackward(_ *CPU, a *Args, w *worker) {
	p := stripProductOf(a)
	s := p.weight
	unit := asm.StripRows
	if s.dtype.IsBlock() {
		unit = blockFormats[s.dtype].UnitLen()
	}
	from, to := w.span(p.n, unit)
	if p.m == 0 || from >= to {
		return
	}
	switch s.dtype {
	case tensor.F32:
		asm.GemmStripsBackward(&w.gemm, p.m, s.n, s.k, from, to, p.scale, p.a, p.ars, p.acs, elements[float32](s, 0), p.beta, p.c, p.ldc)
	case tensor.F16, tensor.BF16:
		asm.GemmStripsHalfBackward(&w.gemm, half(s.dtype), p.m, s.n, s.k, from, to, p.scale, p.a, p.ars, p.acs, elements[uint16](s, 0), p.beta, p.c, p.ldc)
	default:
		p.blockBackward(w, from, to)
	}
}

func half(dtype tensor.DType) asm.HalfFormat {
	if dtype == tensor.BF16 {
		return asm.BF16
	}
	return asm.F16
}
