// Primitives that compute each element of contiguous tensors from those at the same
// place of others.

package gpu

import (
	"math"

	"netllm/ops"
	"netllm/tensor"
)

const (
	elementwiseGroup = 256 // invocations of a workgroup
	elementwiseQuad  = 4   // elements of one invocation
)

// operand is a tensor of a kernel whose parameters are those that [Backend.each]
// gives.
type operand struct {
	tensor.Tensor
	reads, writes bool
	single        bool // one element for all, which is not split
}

func in(t tensor.Tensor) operand     { return operand{Tensor: t, reads: true} }
func single(t tensor.Tensor) operand { return operand{Tensor: t, reads: true, single: true} }
func update(t tensor.Tensor) operand { return operand{Tensor: t, reads: true, writes: true} }

// out is output i.
func out(a *ops.Args, i int) operand {
	return operand{Tensor: a.T[i], reads: a.Accumulates(i), writes: true}
}

// each runs a shader that ends in each.glsl over contiguous operands of n elements. Its
// parameters are how many elements there are, which of all is the first, the
// accumulate flags, and the values.
func (b *Backend) each(shader string, a *ops.Args, n int, operands []operand, values ...uint32) {
	var flat [maxBindings]tensor.Tensor
	split := flat[:0]
	for i, o := range operands {
		if !o.IsZero() && !o.single {
			operands[i].Tensor = o.Reshape(n)
			split = append(split, operands[i].Tensor)
		}
	}
	b.split(1, split, func(part box) {
		d := b.dispatch(shader, elementwiseGroup)
		for _, o := range operands {
			switch {
			case o.IsZero():
				d.none()
			case o.single:
				d.tensor(o.Tensor, o.reads, o.writes)
			default:
				d.tensor(part.of(o.Tensor), o.reads, o.writes)
			}
		}
		d.int(part.high[0]-part.low[0], part.low[0])
		d.uint(uint32(a.Acc))
		d.uint(values...)
		d.run(b.quads(part.high[0]-part.low[0]), 1, 1)
	})
}

// quads returns how many workgroups do n elements, four in an invocation.
func (b *Backend) quads(n int) int {
	return b.groups((n+elementwiseQuad-1)/elementwiseQuad, elementwiseGroup)
}

func (b *Backend) mul(a *ops.Args) {
	b.each("mul", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1]), in(a.T[2])})
}

func (b *Backend) swiGLU(a *ops.Args) {
	b.each("swiglu", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1]), in(a.T[2])})
}

func (b *Backend) swiGLUBackward(a *ops.Args) {
	var wanted uint32
	for i := range 2 {
		if !a.T[i].IsZero() {
			wanted |= 1 << i
		}
	}
	b.each("swiglu_backward", a, a.T[2].Len(),
		[]operand{out(a, 0), out(a, 1), in(a.T[2]), in(a.T[3]), in(a.T[4])}, wanted)
}

func (b *Backend) leakyReLU(a *ops.Args) {
	b.each("leaky_relu", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1])}, math.Float32bits(a.F[0]))
}

func (b *Backend) leakyReLUBackward(a *ops.Args) {
	b.each("leaky_relu_backward", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1]), in(a.T[2])}, math.Float32bits(a.F[0]))
}

func (b *Backend) gelu(a *ops.Args) {
	b.each("gelu", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1])}, byErf(a))
}

func (b *Backend) geluBackward(a *ops.Args) {
	b.each("gelu_backward", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1]), in(a.T[2])}, byErf(a))
}

// byErf returns what gelu.glsl calls erf.
func byErf(a *ops.Args) uint32 {
	if ops.GELUForm(a.I[0]) == ops.GELUErf {
		return 1
	}
	return 0
}

func (b *Backend) tanh(a *ops.Args) {
	b.each("tanh", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1])})
}

func (b *Backend) tanhBackward(a *ops.Args) {
	b.each("tanh_backward", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1]), in(a.T[2])})
}

// dropout drops the elements that [ops.DropoutKeeps] does not keep.
func (b *Backend) dropout(a *ops.Args) {
	p, seed, step, call := a.F[0], uint64(a.I[0]), uint64(a.I[1]), uint32(a.I[2])
	threshold := uint32(min(math.Floor(float64(p)*0x1p32), 0x1p32-1))
	b.each("dropout", a, a.T[0].Len(), []operand{out(a, 0), in(a.T[1])}, threshold, math.Float32bits(1/(1-p)),
		call, uint32(step), uint32(step>>32), uint32(seed), uint32(seed>>32))
}

func (b *Backend) scale(a *ops.Args) {
	b.each("scale", a, a.T[0].Len(), []operand{update(a.T[0]), single(a.T[1])})
}

func (b *Backend) mseBackward(a *ops.Args) {
	n := a.T[0].Len()
	scale := float32(float64(a.F[0]) * 2 / float64(n))
	b.each("mse_backward", a, n, []operand{out(a, 0), single(a.T[1]), in(a.T[2]), in(a.T[3])}, math.Float32bits(scale))
}

func (b *Backend) maeBackward(a *ops.Args) {
	n := a.T[0].Len()
	b.each("mae_backward", a, n, []operand{out(a, 0), single(a.T[1]), in(a.T[2]), in(a.T[3])}, math.Float32bits(a.F[0]/float32(n)), math.Float32bits(a.F[1]))
}

func (b *Backend) adamW(a *ops.Args) {
	rate, beta1, beta2, eps, decay := a.F[0], a.F[1], a.F[2], a.F[3], a.F[4]
	values := [...]float32{beta1, 1 - beta1, beta2, 1 - beta2, 1 - rate*decay, rate / a.F[5],
		float32(1 / math.Sqrt(float64(a.F[6]))), eps}
	var bits [len(values)]uint32
	for i, v := range values {
		bits[i] = math.Float32bits(v)
	}
	b.each("adamw", a, a.T[0].Len(), []operand{update(a.T[0]), update(a.T[1]), update(a.T[2]), in(a.T[3])}, bits[:]...)
}

func (b *Backend) clipFactor(a *ops.Args) {
	d := b.dispatch("clip_factor", 1)
	d.write(a.T[0])
	d.read(a.T[1])
	d.float(a.F[0])
	d.run(1, 1, 1)
}
