// GELU in both forms.

package main

import (
	"math"

	"github.com/mmcloughlin/avo/reg"
)

// Constants of GELU behind those of the exponential. normalBelow(x), the probability that
// a normal number is below x, is half of the complementary error function: exp(-x²/2)
// times a polynomial in 1/(1+p*|x|/sqrt 2), after Abramowitz & Stegun, 7.1.26.
const (
	cFar         = constants + iota // from here on GELU is x, or 0
	cMinus                          // the same below zero
	cSlope                          // 2*sqrt(2/pi)
	cCubic                          // that times 0.044715
	cMinHalf                        // -1/2
	cErfP                           // p/sqrt 2
	cErfA                           // five coefficients, halved, the highest first
	allConstants = cErfA + 5
)

func geluConstant(c int) float32 {
	switch c {
	case cFar:
		return 14
	case cMinus:
		return -14
	case cSlope:
		return float32(2 * math.Sqrt(2/math.Pi))
	case cCubic:
		return float32(2 * math.Sqrt(2/math.Pi) * 0.044715)
	case cMinHalf:
		return -0.5
	case cErfP:
		return float32(0.3275911 / math.Sqrt2)
	}
	return float32([]float64{1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592}[c-cErfA] / 2)
}

// clamped loads x and leaves it, at least -14 and with no upper bound, in v(0), and between
// both bounds in v(1). NaN stays: VMAXPS and VMINPS return their last operand, here x.
func (e exper) clamped(l *loop) {
	l.load(1, e.v(0))
	e.set(cMinus, e.v(1))
	e.VMAXPS(e.v(0), e.v(1), e.v(0))
	e.set(cFar, e.v(1))
	e.VMINPS(e.v(0), e.v(1), e.v(1))
}

func (e exper) geluTanh() {
	name := "geluTanh" + e.name
	e.text(name, "func(dst, x *float32, n int)",
		name+" computes GELU by its approximation:", "",
		"\tfor i := range n {",
		"\t\tv := max(x[i], -14)",
		"\t\tu := min(v, 14)",
		"\t\tdst[i] = v / (1 + exp(-2*sqrt(2/pi)*(u + 0.044715*u*u*u)))",
		"\t}")
	l := e.newLoop(e.isa, 1, "dst", "x")
	l.each(func(int) {
		x, u, g := e.v(0), e.v(1), e.v(2)
		e.clamped(l)
		e.VMULPS(u, u, g)
		e.set(cCubic, e.v(3))
		e.VMULPS(e.v(3), g, g)
		e.set(cSlope, e.v(3))
		e.VADDPS(e.v(3), g, g)
		e.VMULPS(u, g, g)
		e.sigmoid(g, e.v(5), e.v(3), e.v(4), e.v(6))
		e.VMULPS(x, e.v(5), e.v(5))
		l.store(e.v(5), 0)
	})
	e.ret()
}

func (e exper) geluErf() {
	name := "geluErf" + e.name
	e.text(name, "func(dst, x *float32, n int)",
		name+" computes GELU:", "",
		"\tfor i := range n {",
		"\t\tv := max(x[i], -14)",
		"\t\tu := min(v, 14)",
		"\t\tt := 1 / (1 + p*abs(u))",
		"\t\tbelow := exp(-u*u/2) * t*(a[0]+t*(a[1]+t*(a[2]+t*(a[3]+t*a[4])))) // -abs(u)",
		"\t\tif u >= 0 {",
		"\t\t\tbelow = 1 - below",
		"\t\t}",
		"\t\tdst[i] = v * below",
		"\t}")
	l := e.newLoop(e.isa, 1, "dst", "x")
	l.each(func(int) {
		x, u, t, below, s := e.v(0), e.v(1), e.v(2), e.v(3), e.v(4)
		e.clamped(l)
		e.VMULPS(u, u, t)
		e.set(cMinHalf, s)
		e.VMULPS(s, t, t)
		e.emit(t, below, s, e.v(5))
		e.Comment("t = 1/(1 + p*abs(u))")
		e.set(cSign, s)
		e.VANDNPS(u, s, t)
		e.set(cErfP, s)
		e.VMULPS(s, t, t)
		e.set(cOne, s)
		e.VADDPS(s, t, t)
		e.VDIVPS(t, s, t)
		e.set(cErfA, e.v(5))
		for c := cErfA + 1; c < cErfA+5; c++ {
			e.with(c, t, e.v(5), e.VFMADD213PS, e.VFMADD213PS_BCST)
		}
		e.VMULPS(t, e.v(5), e.v(5))
		e.VMULPS(e.v(5), below, below)
		e.VSUBPS(below, s, s) // 1 - below
		if e.wide() {
			e.VPMOVD2M(u, reg.K2)
			e.VBLENDMPS(below, s, reg.K2, below)
		} else {
			e.VBLENDVPS(u, below, s, below)
		}
		e.VMULPS(x, below, below)
		l.store(below, 0)
	})
	e.ret()
}
