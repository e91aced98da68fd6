// Products with rounded operands, which a backend may compute if it says so: how
// far their results may be from the reference.

package opstest

import (
	"encoding/binary"
	"fmt"
	"math"

	"netllm/ops"
	"netllm/tensor"
)

// activationBlock is how many activations share a scale.
const activationBlock = 32

// rounding is the error that rounding the activations of a product may cause in
// each element. Element i of a row of T1 is wrong by at most half a step of its
// block, d = max|x|/127, and its error has at most the variance d²/12 of an even
// distribution. So an element of the product is wrong by at most
//
//	worst = sum over i of |w[i]|*d[i]/2
//
// and the deviation of its error is at most
//
//	sigma = sqrt(sum over i of w[i]²*d[i]²/12).
//
// A sum of independent even errors exceeds z*sigma with a probability under
// 2*exp(-z²/2), for any number of terms: with 7, once in 2e10 elements.
type rounding struct {
	worst, sigma []float64 // NaN where an operand is not finite
	bias         []float64 // nil, or what errors that all have one sign make of a result
	independent  int       // errors, about: what a mean over all elements averages
}

// sigmas is how many deviations an element's error may have.
const sigmas = 7

// roundable reports whether a backend may round T1.
func roundable(op ops.Op, a *ops.Args) bool {
	return op == ops.OpMatMul && a.I[0] == 1 && a.T[2].DType().IsBlock()
}

// roundingOf computes the bounds for a product that the reference has done.
func roundingOf(c *call) *rounding {
	x, w := &c.t[1], &c.t[2]
	m, n, k := x.dim[2], w.dim[2], x.dim[3]
	r := &rounding{worst: make([]float64, m*n), sigma: make([]float64, m*n), independent: m * min(n, k)}
	steps := make([]float64, k)
	scale := math.Abs(c.f(0))
	for i := range m {
		for from := 0; from < k; from += activationBlock {
			block := steps[from:min(from+activationBlock, k)]
			var top float64
			for j := range block {
				top = max(top, math.Abs(*x.el(0, 0, i, from+j))) // NaN stays
			}
			for j := range block {
				block[j] = top / 127
			}
		}
		for j := range n {
			var sum, squares float64
			for l, d := range steps {
				e := math.Abs(*w.el(0, 0, j, l)) * d
				sum += e
				squares += e * e
			}
			if math.IsInf(sum, 0) || math.IsNaN(sum) {
				sum, squares = math.NaN(), math.NaN()
			}
			r.worst[i*n+j], r.sigma[i*n+j] = scale*sum/2, scale*math.Sqrt(squares/12)
		}
	}
	return r
}

// Errors of rounding to f16, of numbers in its normal range and below it. Activations
// go to the nearest; weights of block types may go to either side.
const (
	halfError     = 0x1p-11
	halfUnit      = 0x1p-10
	halfTiny      = 0x1p-24
	halfTinyInRow = halfTiny / 0x1p9 // of a row's largest number, which becomes 2^9 or more
)

// halvable reports whether a backend may round T1 and T2 to f16.
func halvable(op ops.Op, a *ops.Args) bool {
	return op == ops.OpMatMul && a.I[0] == 1 && a.T[2].DType() != tensor.F32
}

// halfRoundingOf computes the bounds for a product with both operands rounded to f16.
// Where both factors are rounded, their errors add up; errors of rounding to one side
// have the mean square of e²/3, and a mean that is nearly the same part of each term, by
// which the result is smaller.
func halfRoundingOf(c *call) *rounding {
	x, w := &c.t[1], &c.t[2]
	m, n, k := x.dim[2], w.dim[2], x.dim[3]
	r := &rounding{worst: make([]float64, m*n), sigma: make([]float64, m*n), bias: make([]float64, m*n), independent: min(m*min(n, k), n*min(m, k))}
	unit, tiny := halfUnit, halfTiny
	if c.T[2].DType() == tensor.F16 {
		unit, tiny = 0, 0
	}
	scale := math.Abs(c.f(0))
	for i := range m {
		var top float64
		for l := range k {
			top = max(top, math.Abs(*x.el(0, 0, i, l))) // NaN stays
		}
		for j := range n {
			var sum, squares, product float64
			for l := range k {
				a, b := math.Abs(*x.el(0, 0, i, l)), math.Abs(*w.el(0, 0, j, l))
				ea, eb := max(halfError*a, halfTinyInRow*top), max(unit*b, tiny)
				sum += ea*b + eb*a + ea*eb
				squares += ea*b*ea*b + eb*a*eb*a
				product += *x.el(0, 0, i, l) * *w.el(0, 0, j, l)
			}
			if math.IsInf(top, 0) || math.IsInf(sum, 0) || math.IsNaN(sum) {
				sum, squares = math.NaN(), math.NaN()
			}
			at := i*n + j
			r.worst[at], r.sigma[at], r.bias[at] = scale*sum, scale*math.Sqrt(squares/3), scale*unit*math.Abs(product)
		}
	}
	return r
}

// compareRounded checks the product of a backend that may round operands:
// each element within its own bound, and the root mean square of all errors
// within what even rounding gives, which finds small faults that are in every
// element, such as a wrong step.
func (c *opCase) compareRounded(offs []int, after []byte, want values, r *rounding) error {
	tol := tolerances[c.op]
	wrong, first := 0, ""
	var errors2, sigma2, float2, count float64
	for k, off := range offs {
		got, w := float64(math.Float32frombits(binary.LittleEndian.Uint32(after[4*off:]))), want.elements[k]
		if math.IsNaN(r.worst[k]) || math.IsNaN(w) || math.IsInf(w, 0) {
			if math.IsNaN(got) || math.IsInf(got, 0) {
				continue
			}
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("element %d: got %v, want no finite number", k, got)
			}
			continue
		}
		float := tol.rel*math.Abs(w) + tol.abs*want.largest + 0x1p-126
		if r.bias != nil {
			float += r.bias[k]
		}
		bound := min(r.worst[k], sigmas*r.sigma[k]) + float
		if e := math.Abs(got - w); !(e <= bound) {
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("element %d: got %v, want %v, off by %.3g, at most %.3g by rounding", k, got, w, got-w, bound)
			}
		}
		errors2 += (got - w) * (got - w)
		sigma2 += r.sigma[k] * r.sigma[k]
		float2 += float * float
		count++
	}
	if wrong > 0 {
		return fmt.Errorf("output T0 (%v): %d of %d elements are wrong, first %s", c.t[0].tensor, wrong, len(offs), first)
	}
	if count == 0 {
		return nil
	}
	// The mean square of n normal errors has the relative deviation
	// sqrt(2/n), its root half of that.
	most := math.Sqrt(sigma2/count)*(1+sigmas/math.Sqrt(2*float64(r.independent))) + math.Sqrt(float2/count)
	if rms := math.Sqrt(errors2 / count); !(rms <= most) {
		return fmt.Errorf("output T0 (%v): root mean square error %.3g, at most %.3g by rounding", c.t[0].tensor, rms, most)
	}
	return nil
}

// roundActivations returns x with its rows rounded as [ops.ActivationRounder]
// says.
func roundActivations(x tensor.Tensor) tensor.Tensor {
	m, k := x.Dim(0), x.Dim(1)
	y := tensor.New(tensor.F32, m, k)
	in, out := x.Float32s(), y.Float32s()
	for i := range m {
		for from := 0; from < k; from += activationBlock {
			to := min(from+activationBlock, k)
			var top float32
			for j := from; j < to; j++ {
				top = max(top, float32(math.Abs(float64(in[i*x.Stride(0)+j*x.Stride(1)]))))
			}
			d := top / 127
			for j := from; j < to && top != 0; j++ {
				out[i*k+j] = d * float32(math.Round(float64(in[i*x.Stride(0)+j*x.Stride(1)])/float64(d)))
			}
		}
	}
	return y
}
