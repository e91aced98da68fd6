// GELU in both forms. Its gradient takes one exponential per element.

package ops

import "netllm/ops/asm"

// geluBlock is how many elements are computed at a time: their exponentials lie in the
// cache.
const geluBlock = 1024

const (
	sqrt2OverPi = 0.7978845608028654
	geluCubic   = 0.044715
	sqrtHalf    = 0.7071067811865476
	sqrt2Pi     = 2.5066282746310002
)

// geluFar is from where on GELU is x, or 0, to the last bit of a float32. Powers of what is
// larger would overflow.
const geluFar = 14

// atEnds returns y, or what takes its place where x is far below or above zero.
func atEnds(x, y, low, high float32) float32 {
	switch {
	case x >= geluFar:
		return high
	case x <= -geluFar:
		return low
	}
	return y
}

// largestExp bounds the argument of exponentials that are divided by: beyond it, the
// quotient is 0 and the exponential infinite.
const largestExp = 87

func cpuGELU(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	gelu := asm.GELUTanh
	if GELUForm(a.I[0]) == GELUErf {
		gelu = asm.GELUErf
	}
	gelu(part(a.T[0], from, to), part(a.T[1], from, to))
}

func cpuGELUBackward(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	buf := w.scratch(geluBlock)
	for ; from < to; from += geluBlock {
		end := min(from+geluBlock, to)
		dst, dout, x, e := part(a.T[0], from, end), part(a.T[1], from, end), part(a.T[2], from, end), buf[:end-from]
		if GELUForm(a.I[0]) == GELUTanh {
			geluTanhExp(e, x)
			for i, v := range x {
				s := 1 / (1 + e[i])
				slope := 2 * sqrt2OverPi * (1 + 3*geluCubic*v*v)
				dst[i] = dout[i]*atEnds(v, s+v*s*(e[i]*s)*slope, 0, 1) + keep(a, dst[i])
			}
			continue
		}
		geluErfExp(e, x)
		for i, v := range x {
			dst[i] = dout[i]*atEnds(v, normalBelow(v, e[i])+v*e[i]*(1/sqrt2Pi), 0, 1) + keep(a, dst[i])
		}
	}
}

// geluTanhExp sets e to exp(-2u) with u = sqrt(2/pi) (x + 0.044715 x³), since
// (1+tanh u)/2 = 1/(1+exp(-2u)).
func geluTanhExp(e, x []float32) {
	for i, v := range x {
		u := -2 * sqrt2OverPi * (v + geluCubic*v*v*v)
		if u > largestExp {
			u = largestExp
		}
		e[i] = u
	}
	asm.Exp(e, e)
}

// geluErfExp sets e to exp(-x²/2).
func geluErfExp(e, x []float32) {
	for i, v := range x {
		e[i] = -0.5 * v * v
	}
	asm.Exp(e, e)
}

// normalBelow is the probability that a normal number is below x, given e =
// exp(-x²/2). The polynomial is that of Abramowitz & Stegun, 7.1.26, for 1-erf, wrong by
// at most 1.5e-7.
func normalBelow(x, e float32) float32 {
	z := x * sqrtHalf
	if z < 0 {
		z = -z
	}
	t := 1 / (1 + 0.3275911*z)
	tail := 0.5 * e * t * (0.254829592 + t*(-0.284496736+t*(1.421413741+t*(-1.453152027+t*1.061405429))))
	if x < 0 {
		return tail
	}
	return 1 - tail
}
