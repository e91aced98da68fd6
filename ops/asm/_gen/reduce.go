// Reductions: dot product, sums in float64, maximum.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func reduceFile(g *gen) {
	for _, i := range isas {
		dot(g, i)
		sums(g, i, "sum", "s += float64(x[i])", false)
		sums(g, i, "sumSquares", "s += float64(x[i]) * float64(x[i])", true)
		maximum(g, i)
	}
}

func dot(g *gen, i isa) {
	const accs = 8 // independent sums: latency of the FMA times its ports
	name := "dot" + i.name
	g.text(name, "func(a, b *float32, n int) float32",
		name+" returns the sum over i < n of a[i]*b[i]:", "",
		fmt.Sprintf("\tvar s [%d]float32", accs*i.lanes),
		"\tfor i := range n {",
		"\t\ts[i%len(s)] = fma(a[i], b[i], s[i%len(s)])",
		"\t}", "",
		"and adds up s in a tree. The vectors after the last whole round all go to the first sums.")
	l := g.newLoop(i, accs, "a", "b")
	for v := range accs {
		g.zero(i, i.v(v))
	}
	l.each(func(v int) {
		l.load(0, i.v(8))
		l.load(1, i.v(9))
		g.VFMADD231PS(i.v(9), i.v(8), i.v(v))
	})
	for half := accs / 2; half >= 1; half /= 2 {
		for v := range half {
			g.VADDPS(i.v(v+half), i.v(v), i.v(v))
		}
	}
	g.fold(i, 0, 1, g.VADDPS)
	g.VMOVSS(reg.X0, g.result())
	g.ret()
}

// fold combines the lanes of vector n into lane 0; t is scratch.
func (g *gen) fold(i isa, n, t int, op func(...operand.Op)) {
	if i.wide() {
		g.VEXTRACTF64X4(imm(1), zmm[n], ymm[t])
		op(ymm[t], ymm[n], ymm[n])
	}
	g.VEXTRACTF128(imm(1), ymm[n], xmm[t])
	op(xmm[t], xmm[n], xmm[n])
	g.VMOVHLPS(xmm[n], xmm[n], xmm[t])
	op(xmm[t], xmm[n], xmm[n])
	g.VMOVSHDUP(xmm[n], xmm[t])
	op(xmm[t], xmm[n], xmm[n])
}

// widen splits vector x into two of float64, lo and hi.
func (g *gen) widen(i isa, x, lo, hi int) {
	if i.wide() {
		g.VEXTRACTF64X4(imm(1), zmm[x], ymm[hi])
		g.VCVTPS2PD(ymm[hi], zmm[hi])
		g.VCVTPS2PD(ymm[x], zmm[lo])
		return
	}
	g.VEXTRACTF128(imm(1), ymm[x], xmm[hi])
	g.VCVTPS2PD(xmm[hi], ymm[hi])
	g.VCVTPS2PD(xmm[x], ymm[lo])
}

// foldPD adds the float64 lanes of vector n up in lane 0; t is scratch.
func (g *gen) foldPD(i isa, n, t int) {
	if i.wide() {
		g.VEXTRACTF64X4(imm(1), zmm[n], ymm[t])
		g.VADDPD(ymm[t], ymm[n], ymm[n])
	}
	g.VEXTRACTF128(imm(1), ymm[n], xmm[t])
	g.VADDPD(xmm[t], xmm[n], xmm[n])
	g.VUNPCKHPD(xmm[n], xmm[n], xmm[t])
	g.VADDSD(xmm[t], xmm[n], xmm[n])
}

func sums(g *gen, i isa, op, formula string, square bool) {
	name := op + i.name
	g.text(name, "func(x *float32, n int) float64",
		fmt.Sprintf("%s returns s, in %d partial sums:", name, 4*i.lanes), "",
		"\tfor i := range n {", "\t\t"+formula, "\t}")
	const unroll = 4
	l := g.newLoop(i, unroll, "x")
	for v := range 2 * unroll {
		g.zero(i, i.v(v))
	}
	l.each(func(v int) {
		l.load(0, i.v(8))
		g.widen(i, 8, 9, 10)
		for h := range 2 {
			if square {
				g.VFMADD231PD(i.v(9+h), i.v(9+h), i.v(2*v+h))
			} else {
				g.VADDPD(i.v(9+h), i.v(2*v+h), i.v(2*v+h))
			}
		}
	})
	for half := unroll; half >= 1; half /= 2 {
		for v := range half {
			g.VADDPD(i.v(v+half), i.v(v), i.v(v))
		}
	}
	g.foldPD(i, 0, 1)
	g.VMOVSD(reg.X0, g.result())
	g.ret()
}

func maximum(g *gen, i isa) {
	name := "max" + i.name
	g.text(name, "func(x *float32, n int) float32",
		name+" returns the maximum of x, n >= 1; NaN if any is NaN:", "",
		"\tm := x[0]", "\tfor i := range n {", "\t\tm = max(m, x[i])", "\t}")
	g.MOVQ(g.arg("x"), reg.RAX)
	const unroll = 4
	for v := range unroll {
		g.VBROADCASTSS(mem(reg.RAX, 0), i.v(v))
	}
	nan := i.v(8)
	g.zero(i, nan)
	l := g.newLoop(i, unroll, "x")
	l.each(func(v int) {
		x := i.v(9)
		switch {
		case l.masked && i.wide():
			g.VMOVUPS(i.v(0), x)
			g.VMOVUPS(mem(l.ptrs[0], l.at), reg.K1, x)
		case l.masked:
			l.load(0, x)
			g.VBLENDVPS(reg.Y15, x, i.v(0), x)
		default:
			l.load(0, x)
		}
		g.VMAXPS(x, i.v(v), i.v(v))
		g.Comment("VMAXPS loses NaNs: collect them.")
		if i.wide() {
			g.VCMPPS(operand.U8(3), x, x, reg.K2)
			g.VMOVAPS(x, reg.K2, nan)
		} else {
			g.VCMPPS(operand.U8(3), x, x, i.v(10))
			g.VORPS(i.v(10), nan, nan)
		}
	})
	g.VMAXPS(i.v(1), i.v(0), i.v(0))
	g.VMAXPS(i.v(3), i.v(2), i.v(2))
	g.VMAXPS(i.v(2), i.v(0), i.v(0))
	g.fold(i, 0, 1, g.VMAXPS)
	g.Comment("The collected lanes are 0 or NaN; so is their sum.")
	g.fold(i, 8, 1, g.VADDPS)
	g.VUCOMISS(reg.X8, reg.X8)
	g.JNP(label("ordered"))
	g.VMOVAPS(reg.X8, reg.X0)
	g.Label("ordered")
	g.VMOVSS(reg.X0, g.result())
	g.ret()
}
