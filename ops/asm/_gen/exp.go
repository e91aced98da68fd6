// The exponential and the loops fused round it.

package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Constants of the exponential, each repeated over a 256-bit vector.
//
// exp(x) = 2**n * exp(r), n = round(x/ln 2), |r| <= ln(2)/2; exp(r) = 1 + r + r*r*q(r).
// q minimises the largest relative error of exp(r), 3.1e-9 (Remez).
const (
	cMagic = iota // 1.5 * 2**23: adding it rounds to an integer, in the low bits
	cLog2e        // 1/ln 2
	cLn2Hi        // ln 2
	cLn2Lo        // what the float32 above lacks
	cOne
	cQ0
	cQ1
	cQ2
	cQ3
	cQ4
	cLow  // a little above ln(2**-126): below, 0
	cHigh // the largest float32 whose exponential is finite
	cHuge // x > cHigh times this is +Inf
	cSign // -0
	constants
)

func expConstant(c int) float32 {
	ln2Hi := float32(math.Ln2)
	return [constants]float32{
		cMagic: 0x1.8p23,
		cLog2e: math.Log2E,
		cLn2Hi: ln2Hi,
		cLn2Lo: float32(math.Ln2 - float64(ln2Hi)),
		cOne:   1,
		cQ0:    0.49999993447796487,
		cQ1:    0.16666520631709497,
		cQ2:    0.041668388045313996,
		cQ3:    0.00836871687972814,
		cQ4:    0.0013814598646664034,
		cLow:   -87.3365,
		cHigh:  0x1.62e42ep6, // 88.72283
		cHuge:  math.MaxFloat32,
		cSign:  float32(math.Copysign(0, -1)),
	}[c]
}

type exper struct {
	*gen
	isa
	table operand.Mem
}

func expFile(g *gen) {
	table := g.StaticGlobal("expConstants")
	g.DataAttributes(attr.RODATA | attr.NOPTR)
	for c := range allConstants {
		v := float32(0)
		if c < constants {
			v = expConstant(c)
		} else {
			v = geluConstant(c)
		}
		for i := range 8 {
			g.AddDatum(32*c+4*i, operand.U32(math.Float32bits(v)))
		}
	}
	for _, i := range isas {
		e := exper{g, i, table}
		e.exp()
		e.expSum()
		e.siluMul()
		e.siluMulBackward()
		e.geluTanh()
		e.geluErf()
	}
}

// constant is the address of constant c as a vector (AVX2) or to be broadcast.
func (e exper) constant(c int) operand.Mem { return e.table.Offset(32 * c) }

// set loads constant c into all lanes of r.
func (e exper) set(c int, r reg.VecPhysical) { e.VBROADCASTSS(e.constant(c), r) }

// with applies an instruction, in its form for whole vectors or for a broadcast, to
// constant c in memory.
func (e exper) with(c int, a, dst reg.VecPhysical, whole, broadcast func(...operand.Op)) {
	if e.wide() {
		broadcast(e.constant(c), a, dst)
		return
	}
	whole(e.constant(c), a, dst)
}

// emit leaves exp(x) in p. It keeps x; t and r are scratch.
func (e exper) emit(x, p, t, r reg.VecPhysical) {
	e.Comment("t = n + magic, r = n")
	e.set(cMagic, t)
	e.with(cLog2e, x, t, e.VFMADD231PS, e.VFMADD231PS_BCST)
	e.with(cMagic, t, r, e.VSUBPS, e.VSUBPS_BCST)
	e.Comment("p = r, then r = x - n*ln 2 in two steps")
	e.VMOVAPS(r, p)
	e.VMOVAPS(x, r)
	e.with(cLn2Hi, p, r, e.VFNMADD231PS, e.VFNMADD231PS_BCST)
	e.with(cLn2Lo, p, r, e.VFNMADD231PS, e.VFNMADD231PS_BCST)
	e.Comment("p = 1 + r*(1 + r*q(r))")
	e.set(cQ4, p)
	for _, c := range []int{cQ3, cQ2, cQ1, cQ0, cOne, cOne} {
		e.with(c, r, p, e.VFMADD213PS, e.VFMADD213PS_BCST)
	}
	e.Comment("Add n to the exponent; 0 below, +Inf above the range, NaN as it came.")
	e.VPSLLD(operand.U8(23), t, t)
	const notLess, notLessEqual = operand.U8(5), operand.U8(6)
	if e.wide() {
		e.VCMPPS_BCST(notLess, e.constant(cLow), x, reg.K2)
		e.VPADDD_Z(t, p, reg.K2, p)
		e.VCMPPS_BCST(notLessEqual, e.constant(cHigh), x, reg.K3)
		e.VMULPS_BCST(e.constant(cHuge), x, reg.K3, p)
		return
	}
	e.VPADDD(t, p, p)
	e.VCMPPS(notLess, e.constant(cLow), x, t)
	e.VANDPS(t, p, p)
	e.VCMPPS(notLessEqual, e.constant(cHigh), x, t)
	e.VMULPS(e.constant(cHuge), x, r)
	e.VBLENDVPS(t, r, p, p)
}

func (e exper) exp() {
	name := "exp" + e.name
	e.text(name, "func(dst, x *float32, n int)",
		name+" computes exponentials:", "",
		"\tfor i := range n {", "\t\tdst[i] = exp(x[i])", "\t}")
	l := e.newLoop(e.isa, 1, "dst", "x")
	l.each(func(int) {
		l.load(1, e.v(0))
		e.emit(e.v(0), e.v(1), e.v(2), e.v(3))
		l.store(e.v(1), 0)
	})
	e.ret()
}

func (e exper) expSum() {
	name := "expSum" + e.name
	e.text(name, "func(dst, x *float32, shift float32, n int) float64",
		name+" computes exponentials and returns their sum s:", "",
		"\tfor i := range n {", "\t\tdst[i] = exp(x[i] - shift)", "\t\ts += float64(dst[i])", "\t}")
	e.VBROADCASTSS(e.arg("shift"), e.v(7))
	e.zero(e.isa, e.v(5))
	e.zero(e.isa, e.v(6))
	l := e.newLoop(e.isa, 1, "dst", "x")
	l.each(func(int) {
		l.load(1, e.v(0))
		e.VSUBPS(e.v(7), e.v(0), e.v(0))
		e.emit(e.v(0), e.v(1), e.v(2), e.v(3))
		l.store(e.v(1), 0)
		if l.masked {
			e.Comment("Lanes beyond the end do not count.")
			if e.wide() {
				e.VMOVAPS_Z(e.v(1), reg.K1, e.v(1))
			} else {
				e.VANDPS(reg.Y15, e.v(1), e.v(1))
			}
		}
		e.widen(e.isa, 1, 2, 3)
		e.VADDPD(e.v(2), e.v(5), e.v(5))
		e.VADDPD(e.v(3), e.v(6), e.v(6))
	})
	e.VADDPD(e.v(6), e.v(5), e.v(5))
	e.foldPD(e.isa, 5, 6)
	e.VMOVSD(reg.X5, e.result())
	e.ret()
}

// sigmoid leaves 1/(1+exp(-g)) in s; a, b and c are scratch.
func (e exper) sigmoid(g, s, a, b, c reg.VecPhysical) {
	e.set(cSign, a)
	e.VXORPS(g, a, a)
	e.emit(a, s, b, c)
	e.set(cOne, a)
	e.VADDPS(a, s, s)
	e.VDIVPS(s, a, s)
}

func (e exper) siluMul() {
	name := "siluMul" + e.name
	e.text(name, "func(dst, gate, up *float32, n int)",
		name+" gates up by SiLU:", "",
		"\tfor i := range n {", "\t\tdst[i] = gate[i] * (1 / (1 + exp(-gate[i]))) * up[i]", "\t}")
	l := e.newLoop(e.isa, 1, "dst", "gate", "up")
	l.each(func(int) {
		gate, s := e.v(0), e.v(1)
		l.load(1, gate)
		e.sigmoid(gate, s, e.v(2), e.v(3), e.v(4))
		l.load(2, e.v(2))
		e.VMULPS(gate, s, s)
		e.VMULPS(e.v(2), s, s)
		l.store(s, 0)
	})
	e.ret()
}

func (e exper) siluMulBackward() {
	name := "siluMulBackward" + e.name
	e.text(name, "func(dgate, dup, dout, gate, up *float32, n int)",
		name+" adds the gradients of siluMul:", "",
		"\tfor i := range n {",
		"\t\ts := 1 / (1 + exp(-gate[i]))",
		"\t\tdup[i] += dout[i] * (gate[i] * s)",
		"\t\tdgate[i] += dout[i] * up[i] * (s * (1 + gate[i]*(1-s)))",
		"\t}")
	l := e.newLoop(e.isa, 1, "dgate", "dup", "dout", "gate", "up")
	l.each(func(int) {
		gate, s, t, d, acc := e.v(0), e.v(1), e.v(2), e.v(3), e.v(4)
		l.load(3, gate)
		e.sigmoid(gate, s, t, d, acc)
		l.load(2, d)
		l.load(1, acc)
		e.VMULPS(gate, s, t)
		e.VFMADD231PS(t, d, acc)
		l.store(acc, 1)
		e.Comment("t = s*(1 + gate*(1-s))")
		e.set(cOne, acc)
		e.VSUBPS(s, acc, t)
		e.VFMADD213PS(acc, gate, t)
		e.VMULPS(s, t, t)
		l.load(4, acc)
		e.VMULPS(acc, d, d)
		l.load(0, acc)
		e.VFMADD231PS(t, d, acc)
		l.store(acc, 0)
	})
	e.ret()
}
