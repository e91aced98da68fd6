// The exponential, and the loops fused round it: softmax of a row and SiLU gating.

package asm

import "math"

// Exp stores e**x[i] in dst[i]. dst may be x. It panics if the lengths differ.
//
// The relative error is below 2e-7. Results that would be denormal (x < -87.3365) are
// flushed to 0, those above the largest float32 (x > 88.72283) are +Inf; NaN gives NaN.
func Exp(dst, x []float32) {
	sameLen2("Exp", len(dst), len(x))
	raceRead(x)
	raceWrite(dst)
	exp(dst, x)
}

// SoftmaxRow stores exp(x[i] - lse) in dst[i] and returns lse, the logarithm of the
// sum of exp(x[j]) over the row. The maximum is subtracted first, so no finite row
// overflows. dst may be x. It panics if the lengths differ.
//
// Elements of -Inf (masked) become 0. A row that is empty or all -Inf has no
// softmax: dst is set to 0 and lse is -Inf. A NaN or +Inf in x makes all of dst NaN.
func SoftmaxRow(dst, x []float32) (lse float32) {
	sameLen2("SoftmaxRow", len(dst), len(x))
	raceRead(x)
	raceWrite(dst)
	return softmaxRow(dst, x)
}

// SiLUMul stores silu(gate[i])*up[i] in dst[i], silu(g) = g/(1+exp(-g)). dst may
// be gate or up. It panics if the lengths differ.
func SiLUMul(dst, gate, up []float32) {
	sameLen3("SiLUMul", len(dst), len(gate), len(up))
	raceRead(gate)
	raceRead(up)
	raceWrite(dst)
	siluMul(dst, gate, up)
}

// SiLUMulBackward adds the gradients of [SiLUMul] to dgate and dup: with
// s = 1/(1+exp(-gate[i])),
//
//	dup[i]   += dout[i] * gate[i]*s
//	dgate[i] += dout[i] * up[i]*s*(1 + gate[i]*(1-s))
//
// No two of the five may overlap except that gate, up and dout are only read. It
// panics if the lengths differ.
func SiLUMulBackward(dgate, dup, dout, gate, up []float32) {
	sameLen3("SiLUMulBackward", len(dgate), len(dup), len(dout))
	sameLen3("SiLUMulBackward", len(dgate), len(gate), len(up))
	raceRead(dout)
	raceRead(gate)
	raceRead(up)
	raceWrite(dgate)
	raceWrite(dup)
	siluMulBackward(dgate, dup, dout, gate, up)
}

// expLow is a little above ln(2**-126): below it Exp is 0.
const expLow = -87.3365

func expGeneric(dst, x []float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = exp1(v)
	}
}

func exp1(v float32) float32 {
	if v < expLow {
		return 0
	}
	return float32(math.Exp(float64(v)))
}

func softmaxRowGeneric(dst, x []float32) float32 {
	m := maxGeneric(x)
	if math.IsInf(float64(m), -1) {
		clear(dst)
		return m
	}
	var s float64
	for i, v := range x {
		e := exp1(v - m)
		dst[i] = e
		s += float64(e)
	}
	scaleGeneric(dst, float32(1/s))
	return float32(float64(m) + math.Log(s))
}

func siluMulGeneric(dst, gate, up []float32) {
	gate, up = gate[:len(dst)], up[:len(dst)]
	for i := range dst {
		g := float64(gate[i])
		dst[i] = float32(g/(1+math.Exp(-g))) * up[i]
	}
}

func siluMulBackwardGeneric(dgate, dup, dout, gate, up []float32) {
	for i, d := range dout {
		g := float64(gate[i])
		s := 1 / (1 + math.Exp(-g))
		dup[i] += d * float32(g*s)
		dgate[i] += d * up[i] * float32(s*(1+g*(1-s)))
	}
}
