// Products of F32 matrices.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

// product is y (+)= factor * x · w, of [m, k] and [k, n] or of batches of them.
type product struct {
	y, x, w tensor.Tensor
	factor  float32
	add     bool
}

func (p *product) m() int { return p.y.Dim(-2) }
func (p *product) n() int { return p.y.Dim(-1) }
func (p *product) k() int { return p.x.Dim(-1) }

func (p *product) batch() int {
	if p.y.Rank() == 3 {
		return p.y.Dim(0)
	}
	return 1
}

// productShape is what the product's plan depends on.
func (p *product) shape() productShape {
	return productShape{
		batch: p.batch(), m: p.m(), n: p.n(), k: p.k(),
		xAlongK: p.x.Stride(-1) <= p.x.Stride(-2), wAlongK: p.w.Stride(-2) <= p.w.Stride(-1),
	}
}

func (b *Backend) matMul(a *ops.Args) {
	if a.T[2].DType() != tensor.F32 {
		b.weightMatMul(a)
		return
	}
	p := product{y: a.T[0], x: a.T[1], w: a.T[2], factor: a.F[0], add: a.Accumulates(0)}
	if rank := p.w.Rank(); a.I[0] == 1 {
		p.w = p.w.Transpose(rank-2, rank-1)
	}
	b.product(p)
}

// product computes a product, in parts where it is too large for one call.
func (b *Backend) product(p product) {
	if p.y.Len() == 0 || p.add && p.k() == 0 {
		return
	}
	if axis, size := b.productCut(&p); axis != wholeProduct {
		half := (size + 1) / 2
		if half >= 64 {
			half = half / 64 * 64
		}
		b.product(p.part(axis, 0, half))
		rest := p.part(axis, half, size)
		rest.add = p.add || axis == alongK
		b.product(rest)
		return
	}
	b.multiply(&p, planProduct(p.shape(), b.units(), b.elementsAtOnce()))
}

// productAxis is one of the dimensions of a product.
type productAxis uint8

const (
	wholeProduct productAxis = iota
	alongM
	alongN
	alongK
	alongBatch
)

// productCut says along which axis a product is cut so that its operands can be
// bound and its workgroups counted, and how long that is. What cannot be cut is whole.
func (b *Backend) productCut(p *product) (productAxis, int) {
	for _, o := range [...]struct {
		t           tensor.Tensor
		row, column productAxis
	}{{p.y, alongM, alongN}, {p.x, alongM, alongK}, {p.w, alongK, alongN}} {
		if b.binds(o.t) {
			continue
		}
		switch rank := o.t.Rank(); widest(o.t, rank) {
		case rank - 1:
			return o.column, o.t.Dim(-1)
		case rank - 2:
			return o.row, o.t.Dim(-2)
		case 0:
			return alongBatch, p.batch()
		}
	}
	count := b.limits.WorkgroupCount // a group does at least 8 columns, or a tile of 32
	switch {
	case p.n() > 8*count[0]:
		return alongN, p.n()
	case p.m() > 8*min(count[0], count[1]):
		return alongM, p.m()
	case p.batch() > count[2]:
		return alongBatch, p.batch()
	}
	return wholeProduct, 0
}

// part returns the piece from one place to another along an axis.
func (p product) part(axis productAxis, from, to int) product {
	row, column := p.y.Rank()-2, p.y.Rank()-1
	switch axis {
	case alongM:
		p.y, p.x = p.y.Slice(row, from, to), p.x.Slice(row, from, to)
	case alongN:
		p.y, p.w = p.y.Slice(column, from, to), p.w.Slice(column, from, to)
	case alongK:
		p.x, p.w = p.x.Slice(column, from, to), p.w.Slice(row, from, to)
	case alongBatch:
		p.y, p.x, p.w = p.y.Slice(0, from, to), p.x.Slice(0, from, to), p.w.Slice(0, from, to)
	}
	return p
}

// multiply computes a product by a route.
func (b *Backend) multiply(p *product, r productRoute) {
	y, x, w := p.y, p.x, p.w
	row, column := y.Rank()-2, y.Rank()-1
	if r.swap {
		y, x, w = y.Transpose(row, column), w.Transpose(row, column), x.Transpose(row, column)
	}
	m, n, k, batch := y.Dim(row), y.Dim(column), p.k(), p.batch()
	strides := [3]int{y.Stride(row), y.Stride(column), batchStride(y)}
	out, factor, add := y, p.factor, p.add
	if r.parts > 1 {
		out, factor, add = b.scratch(scratchMatMul, r.parts*batch*m*n).Slice(0, 0, r.parts*batch*m*n), 1, false
		strides = [3]int{n, 1, m * n}
	}

	d := b.dispatch("") // which one depends on what is bound, see use
	d.output(out, add)
	for _, t := range []tensor.Tensor{x, w} {
		if k > 0 {
			d.read(t)
		} else {
			d.none()
		}
	}
	// Four elements at a time along the axis of stride 1, if all rows of it begin at
	// a multiple of four.
	quads := func(binding, unit, other, batch int) bool {
		return unit == 1 && other%4 == 0 && batch%4 == 0 && d.offset[binding]%4 == 0 && d.bind[binding].offset%16 == 0
	}
	xQuads := quads(1, x.Stride(column), x.Stride(row), batchStride(x))
	var groups [2]int
	switch r.way {
	case byTiles:
		name, size := tileShader(r.tile)
		wQuads := quads(2, w.Stride(row), w.Stride(column), batchStride(w))
		xAlongK, wAlongK := x.Stride(column) <= x.Stride(row), w.Stride(row) <= w.Stride(column)
		d.use(name, size, constantBit(xAlongK), constantBit(wAlongK), constantBit(xQuads), constantBit(wQuads))
		groups = [2]int{(n + r.tile - 1) / r.tile, (m + r.tile - 1) / r.tile}
	case byDots:
		name, each := "matvec_dots", 2 // columns at once, for less reading of x
		if r.lanes == matvecSize {
			each = 1
		}
		if xQuads && k%4 == 0 && quads(2, w.Stride(row), w.Stride(column), batchStride(w)) {
			name = "matvec_dots_4"
		}
		d.use(name, matvecSize, rowsConstant(m), uint32(each), uint32(r.lanes))
		each *= matvecSize / r.lanes
		groups = [2]int{(n + each - 1) / each, 1}
	case byColumns:
		name, each := "matvec_columns", 32
		if n%4 == 0 && quads(2, w.Stride(column), w.Stride(row), batchStride(w)) {
			name, each = "matvec_columns_4", 128
		}
		d.use(name, matvecSize, rowsConstant(m))
		groups = [2]int{(n + each - 1) / each, 1}
	}
	d.int(m, n, k, batch, r.chunk)
	d.int(strides[:]...)
	d.int(x.Stride(row), x.Stride(column), batchStride(x), w.Stride(column), w.Stride(row), batchStride(w))
	d.float(factor)
	d.flag(add)
	d.run(groups[0], groups[1], batch*r.parts)

	if r.parts > 1 {
		const size = 256
		d := b.dispatch("matmul_parts", size)
		d.output(y, p.add)
		d.read(out)
		d.int(batch*m*n, r.parts, m, n, y.Stride(row), y.Stride(column), batchStride(y))
		d.float(p.factor)
		d.flag(p.add)
		d.run(b.groups(batch*m*n, size), 1, 1)
	}
}

const matvecSize = 128 // invocations of the matvec shaders

// use chooses the shader and its constants where that depends on what is bound.
func (d *dispatch) use(shader string, constants ...uint32) {
	d.shader, d.nspec = shader, copy(d.spec[:], constants)
}

// tileShader returns the shader for tiles of a size, and its invocations.
func tileShader(tile int) (name string, invocations uint32) {
	switch tile {
	case 128:
		return "matmul_128", 256
	case 64:
		return "matmul_64", 128
	default:
		return "matmul_32", 64
	}
}

// rowsConstant is how many rows the matvec shaders are compiled for.
func rowsConstant(m int) uint32 {
	rows := uint32(1)
	for int(rows) < m {
		rows *= 2
	}
	return rows
}

// batchStride is the distance of two matrices.
func batchStride(t tensor.Tensor) int {
	if t.Rank() == 3 {
		return t.Stride(0)
	}
	return 0
}

func constantBit(value bool) uint32 {
	if value {
		return 1
	}
	return 0
}
