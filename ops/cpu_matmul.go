package ops

import (
	"netllm/ops/asm"
	"netllm/tensor"
)

// matMul chooses how a product is split: over the independent products of a
// batch, over rows of the result, or over its columns.
func (c *CPU) matMul(a *Args) {
	if a.T[0].Len() == 0 {
		return
	}
	m, n, k := a.T[0].Dim(-2), a.T[0].Dim(-1), a.T[1].Dim(-1)
	batch := 1
	if a.T[0].Rank() == 3 {
		batch = a.T[0].Dim(0)
	}
	cost := batch * m * n * k / 8 // multiplications are cheap: the unit is an element operation
	switch {
	case stripsOf(a.T[2]) != nil:
		c.stripMatMul(a, cost)
	case a.T[2].DType() != tensor.F32 && a.I[0] == 0:
		c.split(cpuMatMulPacked, a, cost)
	case a.T[2].DType().IsBlock():
		c.blockMatMul(cpuMatMulUnpacked, a, cost)
	case a.T[2].DType() != tensor.F32:
		c.split(cpuMatMulUnpacked, a, cost)
	case batch > 1:
		c.split(cpuMatMulBatch, a, cost)
	case m >= n:
		c.split(cpuMatMulRows, a, cost)
	default:
		c.split(cpuMatMulColumns, a, cost)
	}
}

// product is a matrix product in terms of slices and strides.
type product struct {
	m, n, k    int
	scale      float32
	a          []float32
	ars, acs   int
	b          []float32
	brs, bcs   int
	beta       float32
	c          []float32
	ldc        int
	sa, sb, sc int // distance between products of a batch
}

func productOf(a *Args) product {
	out, x, y := a.T[0], a.T[1], a.T[2]
	p := product{
		m: out.Dim(-2), n: out.Dim(-1), k: x.Dim(-1), scale: a.F[0],
		a: x.Float32s(), ars: x.Stride(-2), acs: x.Stride(-1),
		c: out.Float32s(), ldc: out.Stride(-2),
	}
	if a.Accumulates(0) {
		p.beta = 1
	}
	if y.DType() == tensor.F32 {
		p.b, p.brs, p.bcs = y.Float32s(), y.Stride(-2), y.Stride(-1)
		if a.I[0] == 1 {
			p.brs, p.bcs = p.bcs, p.brs
		}
	}
	if out.Rank() == 3 {
		p.sa, p.sb, p.sc = x.Stride(0), y.Stride(0), out.Stride(0)
	}
	return p
}

func (p *product) run(w *worker) {
	if p.m > 0 && p.n > 0 {
		asm.Gemm(&w.gemm, p.m, p.n, p.k, p.scale, p.a, p.ars, p.acs, p.b, p.brs, p.bcs, p.beta, p.c, p.ldc)
	}
}

func cpuMatMulRows(_ *CPU, a *Args, w *worker) {
	p := productOf(a)
	from, to := w.span(p.m, 12)
	p.rows(from, to)
	p.run(w)
}

// rows narrows the product to rows from to to-1 of the result.
func (p *product) rows(from, to int) {
	p.m = to - from
	if p.m > 0 {
		p.a, p.c = p.a[from*p.ars:], p.c[from*p.ldc:]
	}
}

func cpuMatMulColumns(_ *CPU, a *Args, w *worker) {
	p := productOf(a)
	from, to := w.span(p.n, 32)
	p.n = to - from
	if p.n > 0 {
		p.b, p.c = p.b[from*p.bcs:], p.c[from:]
		p.run(w)
	}
}

func cpuMatMulBatch(_ *CPU, a *Args, w *worker) {
	all := productOf(a)
	from, to := w.span(a.T[0].Dim(0), 1)
	for i := from; i < to; i++ {
		p := all
		p.a, p.b, p.c = all.a[i*all.sa:], all.b[i*all.sb:], all.c[i*all.sc:]
		p.run(w)
	}
}

// packedRows is how many rows of a weight that is not F32 are converted at a
// time: few enough to stay in the cache until they are used.
const packedRows = 64

// cpuMatMulPacked computes x · w for a weight w [k, n] of another type, as the
// backward pass of a frozen layer needs it: threads share the rows of x, and
// the sum over k is built up from a few rows of w at a time.
func cpuMatMulPacked(_ *CPU, a *Args, w *worker) {
	all, weight := productOf(a), a.T[2]
	from, to := w.span(all.m, 12)
	all.rows(from, to)
	if all.m == 0 {
		return
	}
	for r := 0; r == 0 || r < all.k; r += packedRows { // once at least: a sum of nothing is 0
		p := all
		p.k = min(packedRows, all.k-r)
		p.b, p.brs, p.bcs = w.scratch(p.k*p.n), p.n, 1
		dequantizeRows(p.b, weight, r, p.k)
		p.a = all.a[r*all.acs:]
		if r > 0 {
			p.beta = 1
		}
		p.run(w)
	}
}

// dequantizeRows converts rows r to r+n-1 of a contiguous weight in host memory
// to float32.
func dequantizeRows(dst []float32, weight tensor.Tensor, r, n int) {
	dequantize(weight.DType(), dst, weight.Slice(0, r, r+n).Bytes())
}

// dequantize converts whole rows to float32.
func dequantize(dtype tensor.DType, dst []float32, src []byte) {
	switch dtype {
	case tensor.F32:
		copy(dst, as[float32](src))
	case tensor.F16:
		asm.F16ToF32(dst, as[uint16](src))
	case tensor.BF16:
		asm.BF16ToF32(dst, as[uint16](src))
	default:
		tensor.Dequantize(dtype, dst, src)
	}
}

func cpuGather(_ *CPU, a *Args, w *worker) {
	dst, ids := a.T[0].Float32s(), a.T[2].Int32s()
	d := a.T[0].Dim(1)
	strips, first := stripsOf(a.T[1]), 0
	if strips != nil {
		first, _ = strips.rowRange(a.T[1])
	}
	var table []float32 // if it is one, as where rows of results are gathered
	if strips == nil && a.T[1].DType() == tensor.F32 {
		table = a.T[1].Float32s()
	}
	from, to := w.span(len(ids), 1)
	for i := from; i < to; i++ {
		switch row, id := dst[i*d:i*d+d], int(ids[i]); {
		case strips != nil:
			strips.row(row, w, first+id)
		case table != nil:
			copy(row, table[id*d:id*d+d])
		default:
			dequantizeRows(row, a.T[1], id, 1)
		}
	}
}
