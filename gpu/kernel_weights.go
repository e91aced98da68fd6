// Products by frozen weights of the types that are not F32.

package gpu

import (
	"strings"

	"netllm/ops"
	"netllm/tensor"
)

const (
	vecRows    = 8       // of T1, at most, for which a weight is read once, without tiles
	tilesWant  = 128     // workgroups that keep a device busy
	threadWant = 1 << 16 // invocations that keep its memory busy
)

// weightMatMul multiplies T1 by a prepared weight.
func (b *Backend) weightMatMul(a *ops.Args) {
	if !b.fastMatMul(a) {
		b.weightParts(weightProduct{a.T[0], a.T[1], a.T[2], a.I[0] == 1, a.Accumulates(0), a.F[0]})
	}
}

// weightProduct is y = scale * x · w, or x · wᵀ.
type weightProduct struct {
	y, x, w    tensor.Tensor
	transposed bool
	accumulate bool
	scale      float32
}

// weightParts cuts a product where an operand is larger than what the device binds:
// by rows of x and y, and by rows of w, which are columns of y, or terms of its sums.
func (b *Backend) weightParts(p weightProduct) {
	m, rows := p.y.Dim(0), p.w.Dim(0)
	switch {
	case p.y.Len() == 0 || p.x.Dim(1) == 0 && p.accumulate:
	case p.x.Dim(1) == 0:
		b.fill(&ops.Args{T: [9]tensor.Tensor{p.y}})
	case m > 1 && !(b.binds(p.y) && b.binds(p.x)):
		first, rest := p, p
		first.y, first.x = p.y.Slice(0, 0, m/2), p.x.Slice(0, 0, m/2)
		rest.y, rest.x = p.y.Slice(0, m/2, m), p.x.Slice(0, m/2, m)
		b.weightParts(first)
		b.weightParts(rest)
	case rows > 1 && (b.weightRows(p.w) < rows || !b.binds(p.y) || !b.binds(p.x)):
		first, rest := p, p
		first.w, rest.w = p.w.Slice(0, 0, rows/2), p.w.Slice(0, rows/2, rows)
		if p.transposed {
			first.y, rest.y = p.y.Slice(1, 0, rows/2), p.y.Slice(1, rows/2, rows)
		} else {
			first.x, rest.x = p.x.Slice(1, 0, rows/2), p.x.Slice(1, rows/2, rows)
			rest.accumulate = true
		}
		b.weightParts(first)
		b.weightParts(rest)
	case p.transposed && m <= vecRows && wholeChunks(p.w):
		b.weightVectors(p)
	default:
		b.weightTiles(p)
	}
}

// wholeChunks reports whether each row of a weight begins where a shader can load 16
// bytes at a time.
func wholeChunks(w tensor.Tensor) bool {
	return layouts[w.DType()].length > 1 || w.Dim(1)%8 == 0 && w.Offset()%8 == 0
}

// weightVectors multiplies a few rows by the transposed weight, which it reads once.
func (b *Backend) weightVectors(p weightProduct) {
	n, columns := 1, p.y.Dim(0) // of T1 that a pipeline is made for
	for n < columns {
		n *= 2
	}
	rows := 2 // of the weight, for each workgroup
	if p.w.Dim(0) >= 8192 {
		rows = 4
	}
	groups := (p.w.Dim(0) + rows - 1) / rows
	chunk := 8 // elements that an invocation loads at a time, see weight.glsl
	if l := layouts[p.w.DType()]; l.length == 256 || l.units[0] == 32 {
		chunk = 16
	}
	size := 32
	if b.caps.subgroup == 64 {
		size = 64
	}
	for size < b.weightGroup() && 2*size <= p.w.Dim(1)/chunk && groups*size < threadWant {
		size *= 2
	}
	name := "weight_vec_"
	if b.caps.subgroupArithmetic && b.caps.subgroup >= 8 {
		name = "weight_vec_subgroup_"
	}
	d := b.weightDispatch(p, name, uint32(size), uint32(rows), uint32(n), 0)
	d.int(0, 0)
	d.run(b.groups(groups, 1), 1, 1)
}

// weightGroup returns the most invocations that a workgroup has here.
func (b *Backend) weightGroup() int {
	if b.limits.WorkgroupInvocations < 256 {
		return 128
	}
	return 256
}

// weightTiles multiplies in tiles, whose size is the largest of three that gives
// enough workgroups. Where even the smallest does not, sums are computed in parts.
func (b *Backend) weightTiles(p weightProduct) {
	m, n, k := p.y.Dim(0), p.y.Dim(1), p.x.Dim(1)
	group := b.weightGroup()
	var tm, tn, down, across, tiles int // results of an invocation, tiles
	for _, t := range [][2]int{{8, 4}, {4, 4}, {2, 2}} {
		tm, tn = t[0], t[1]
		high, wide := group/16*tm, 16*tn
		down, across = (m+high-1)/high, (n+wide-1)/wide
		if tiles = down * across; tiles >= tilesWant {
			break
		}
	}
	parts := min((tilesWant+tiles-1)/tiles, k/256)
	if parts < 2 || uint64(4*m*n*parts)+b.limits.StorageAlignment > b.limits.StorageBufferRange {
		parts = 1
	}
	depth := (k + 16*parts - 1) / (16 * parts) * 16 // of whole steps
	sum := p
	if parts > 1 {
		p.y = b.scratch(scratchWeights, m*n*parts).Slice(0, 0, m*n*parts).Reshape(parts*m, n)
		p.accumulate, p.scale = false, 1
	}
	whole := uint32(1)
	if !wholeChunks(p.w) {
		whole = 0
	}
	name := "weight_mat_back_"
	if p.transposed {
		name = "weight_mat_"
	}
	d := b.weightDispatch(p, name, uint32(group), uint32(tm), uint32(tn), 0, whole)
	d.int(depth, m*n)
	d.run(across, down, parts)
	if parts == 1 {
		return
	}
	d = b.dispatch("weight_sum", uint32(group))
	d.output(sum.y, sum.accumulate)
	d.read(p.y)
	d.int(m, n, parts, sum.y.Stride(0))
	d.flag(sum.accumulate)
	d.float(sum.scale)
	d.run(b.groups(m*n, group), 1, 1)
}

// weightDispatch begins a product with what weight.glsl says. Constant 3 becomes 1
// where x can be loaded in vectors of four.
func (b *Backend) weightDispatch(p weightProduct, name string, constants ...uint32) *dispatch {
	d := b.dispatch(weightShaders[name][p.w.DType()], constants...)
	d.output(p.y, p.accumulate)
	d.read(p.x)
	d.weight(p.w)
	xr, xc := p.x.Stride(0), p.x.Stride(1)
	if xc == 1 && (xr%4 == 0 || p.x.Dim(0) == 1) && d.offset[1]%4 == 0 && d.bind[1].offset%16 == 0 {
		d.spec[3] = 1
	}
	n := p.w.Dim(1)
	d.int(p.x.Dim(0), p.y.Dim(1), p.x.Dim(1), n, n/layouts[p.w.DType()].length, p.y.Stride(0), xr, xc)
	d.flag(p.accumulate)
	d.float(p.scale)
	return d
}

// weightShaders are the names of the shaders of each kind for each type.
var weightShaders = func() map[string][len(layouts)]string {
	all := map[string][len(layouts)]string{}
	for _, kind := range []string{"weight_vec_", "weight_vec_subgroup_", "weight_mat_", "weight_mat_back_"} {
		var names [len(layouts)]string
		for dtype := range names {
			names[dtype] = kind + strings.ToLower(tensor.DType(dtype).String())
		}
		all[kind] = names
	}
	return all
}()
