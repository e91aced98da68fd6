// Products by frozen weights with rounded operands, where the device has
// instructions for them: which there are, and when they are used.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

var (
	_ ops.ActivationRounder = (*Backend)(nil)
	_ ops.HalfRounder       = (*Backend)(nil)
)

// RoundsActivations implements [ops.ActivationRounder]: with packed 8-bit dot products,
// where they are in hardware or asked for and there are no cooperative matrices.
func (b *Backend) RoundsActivations(dtype tensor.DType) bool {
	_, half := b.coopShape()
	return b.caps.fastIntegerDot && !half && b.limits.WorkgroupInvocations >= dotGroup && dotShaders[dtype] != ""
}

// RoundsToHalf implements [ops.HalfRounder]: with cooperative matrices.
func (b *Backend) RoundsToHalf(dtype tensor.DType) bool {
	_, ok := b.coopShape()
	return ok && coopShaders[dtype] != ""
}

// fastMatMul multiplies T1 by a transposed prepared weight with rounded operands. It
// reports whether it could: there must be such a kernel for the type, more rows
// than one reading of the weight serves (for those, memory is the limit and not
// arithmetic), and operands that the device binds whole.
func (b *Backend) fastMatMul(a *ops.Args) bool {
	p := weightProduct{a.T[0], a.T[1], a.T[2], a.I[0] == 1, a.Accumulates(0), a.F[0]}
	m, n, k := p.y.Dim(0), p.y.Dim(1), p.x.Dim(1)
	if !p.transposed || m <= vecRows || n == 0 || k == 0 || k%32 != 0 || !wholeChunks(p.w) {
		return false
	}
	var product func(p weightProduct)
	switch dtype := p.w.DType(); {
	case b.RoundsToHalf(dtype):
		product = b.coopMatMul
	case b.RoundsActivations(dtype):
		product = b.dotMatMul
	default:
		return false
	}
	if !b.binds(p.y) || !b.binds(p.x) || b.weightRows(p.w) < n || uint64(8*m*k)+b.limits.StorageAlignment > b.limits.StorageBufferRange {
		return false
	}
	product(p)
	return true
}

// fastDispatch begins a product whose rounded activations are in r, with what follows
// them from word rest on.
func (b *Backend) fastDispatch(p weightProduct, r tensor.Tensor, rest int, shader string, constants ...uint32) *dispatch {
	d := b.dispatch(shader, constants...)
	d.output(p.y, p.accumulate)
	d.read(r)
	d.weight(p.w)
	k := p.x.Dim(1)
	d.int(p.x.Dim(0), p.y.Dim(1), k, k, k/layouts[p.w.DType()].length, p.y.Stride(0), 0, 0)
	d.flag(p.accumulate)
	d.float(p.scale)
	d.int(rest, 0)
	return d
}

// round records the shader that rounds the activations to r, which has so many words.
func (b *Backend) round(p weightProduct, shader string, words, groups int) tensor.Tensor {
	r := b.scratch(scratchFast, words).Slice(0, 0, words)
	d := b.dispatch(shader, roundGroup)
	d.write(r)
	d.read(p.x)
	d.int(p.x.Dim(0), p.x.Dim(1), p.x.Stride(0), p.x.Stride(1))
	d.run(b.groups(groups, 1), 1, 1)
	return r
}

const roundGroup = 128 // invocations of a workgroup that rounds
