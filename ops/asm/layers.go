// What is between a model's matrix products: normalisation, rotation, the optimiser.
// Every operation is rounded by itself, so that all levels give the same bits.

package asm

import (
	"fmt"
	"math"
)

// ScaleMul stores a[i]*alpha*b[i] in dst[i]. dst may be a or b. It panics if the lengths
// differ.
func ScaleMul(dst []float32, alpha float32, a, b []float32) {
	sameLen3("ScaleMul", len(dst), len(a), len(b))
	raceRead(a)
	raceRead(b)
	raceWrite(dst)
	scaleMul(dst, alpha, a, b)
}

func scaleMulGeneric(dst []float32, alpha float32, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = float32(a[i]*alpha) * b[i]
	}
}

// Combine stores s*a[i] + t*b[i] + u in dst[i], or adds it if acc. dst may be a or b.
// It panics if the lengths differ.
func Combine(dst, a, b []float32, s, t, u float32, acc bool) {
	sameLen3("Combine", len(dst), len(a), len(b))
	raceRead(a)
	raceRead(b)
	raceWrite(dst)
	combine(dst, a, b, s, t, u, acc)
}

func combineGeneric(dst, a, b []float32, s, t, u float32, acc bool) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		v := float32(s*a[i]) + float32(t*b[i]) + u
		if acc {
			v += dst[i]
		}
		dst[i] = v
	}
}

// Subtract takes v from every element of x.
func Subtract(x []float32, v float32) {
	raceWrite(x)
	subtract(x, v)
}

func subtractGeneric(x []float32, v float32) {
	for i := range x {
		x[i] -= v
	}
}

// SoftmaxGrad turns the gradient dst of a row of softmax(scale*x) = p into that of x:
// dst = scale * p * (dst - delta), where delta is the sum of p*dst over the row. It
// panics if the lengths differ.
func SoftmaxGrad(dst, p []float32, scale, delta float32) {
	sameLen3("SoftmaxGrad", len(dst), len(p), len(p))
	raceRead(p)
	raceWrite(dst)
	softmaxGrad(dst, p, scale, delta)
}

func softmaxGradGeneric(dst, p []float32, scale, delta float32) {
	p = p[:len(dst)]
	for i := range dst {
		dst[i] = float32(scale*p[i]) * (dst[i] - delta)
	}
}

// AdamWStep holds what all elements of one step of AdamW share, see [AdamW].
type AdamWStep struct {
	Beta1, Rest1 float32 // Rest1 = 1 - Beta1
	Beta2, Rest2 float32
	Decay        float32 // 1 - learning rate * weight decay
	Rate         float32 // learning rate / (1 - Beta1^t)
	Unbias       float32 // 1 / sqrt(1 - Beta2^t)
	Eps          float32
}

// AdamW does one step of decoupled Adam (Loshchilov & Hutter 2019) on parameters p
// with moments m and v and gradient grad:
//
//	m = Beta1*m + Rest1*grad
//	v = Beta2*v + Rest2*grad*grad
//	p = Decay*p - Rate*m/(sqrt(v)*Unbias+Eps)
//
// It panics if the lengths differ.
func AdamW(c *AdamWStep, p, m, v, grad []float32) {
	sameLen3("AdamW", len(p), len(m), len(v))
	sameLen3("AdamW", len(p), len(m), len(grad))
	raceWrite(p)
	raceWrite(m)
	raceWrite(v)
	raceRead(grad)
	adamW(c, p, m, v, grad)
}

func adamWGeneric(c *AdamWStep, p, m, v, grad []float32) {
	m, v, p = m[:len(grad)], v[:len(grad)], p[:len(grad)]
	for i, g := range grad {
		mi := float32(c.Beta1*m[i]) + float32(c.Rest1*g)
		vi := float32(c.Beta2*v[i]) + float32(c.Rest2*float32(g*g))
		m[i], v[i] = mi, vi
		root := float32(math.Sqrt(float64(vi)))
		p[i] = float32(c.Decay*p[i]) - float32(c.Rate*mi)/(float32(root*c.Unbias)+c.Eps)
	}
}

// RotatePairs turns neighbours (2j, 2j+1) of src by the angles whose cosine and sine
// are table[2j] and sign*table[2j+1], into dst or, if acc, added to it (Su et al.
// 2021, eq. 34). dst may be src unless acc. It panics if the lengths differ or are odd.
func RotatePairs(dst, src, table []float32, sign float32, acc bool) {
	checkRotate("RotatePairs", dst, src, table)
	rotatePairs(dst, src, table, sign, acc)
}

func rotatePairsGeneric(dst, src, table []float32, sign float32, acc bool) {
	for j := 0; j < len(dst); j += 2 {
		rotate(&dst[j], &dst[j+1], src[j], src[j+1], table[j], table[j+1]*sign, acc)
	}
}

// RotateHalves is [RotatePairs] for elements j and j+len(src)/2.
func RotateHalves(dst, src, table []float32, sign float32, acc bool) {
	checkRotate("RotateHalves", dst, src, table)
	rotateHalves(dst, src, table, sign, acc)
}

func rotateHalvesGeneric(dst, src, table []float32, sign float32, acc bool) {
	half := len(dst) / 2
	for j := range half {
		rotate(&dst[j], &dst[j+half], src[j], src[j+half], table[2*j], table[2*j+1]*sign, acc)
	}
}

func rotate(dst0, dst1 *float32, x, y, cos, sin float32, acc bool) {
	a, b := float32(x*cos)-float32(y*sin), float32(x*sin)+float32(y*cos)
	if acc {
		a, b = a+*dst0, b+*dst1
	}
	*dst0, *dst1 = a, b
}

func checkRotate(op string, dst, src, table []float32) {
	sameLen3(op, len(dst), len(src), len(table))
	if len(dst)%2 != 0 {
		panic(fmt.Sprintf("asm: %s: %d elements make no pairs", op, len(dst)))
	}
	raceRead(src)
	raceRead(table)
	raceWrite(dst)
}
