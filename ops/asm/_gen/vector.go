// Loops over whole vectors: dot product and scaled addition.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func vectorFile(g *gen) {
	for _, i := range isas {
		dot(g, i)
		axpy(g, i)
	}
}

const accs = 8 // independent sums: FMA latency times ports

func dot(g *gen, i isa) {
	name := "dot" + i.name
	g.text(name, "func(a, b *float32, n int) float32",
		name+" returns the sum over i < n of a[i]*b[i]:",
		"",
		fmt.Sprintf("\tvar s [%d]float32", accs*i.lanes),
		"\tfor i := range n {",
		fmt.Sprintf("\t\ts[i %% %d] = fma(a[i], b[i], s[i %% %d])", accs*i.lanes, accs*i.lanes),
		"\t}",
		"",
		"the sums then added in a tree. The vectors after the last whole round go to sum 0, 1, ...")
	a, b, n := reg.RSI, reg.RDI, reg.RCX
	g.MOVQ(g.arg("a"), a)
	g.MOVQ(g.arg("b"), b)
	g.MOVQ(g.arg("n"), n)
	for v := range accs {
		g.zero(i, i.v(v))
	}
	g.SUBQ(imm(accs*i.lanes), n)
	g.JLT(label("vectors"))
	g.Label("round")
	for v := range accs {
		g.VMOVUPS(mem(a, v*i.bytes()), i.v(8+v%8))
		g.VFMADD231PS(mem(b, v*i.bytes()), i.v(8+v%8), i.v(v))
	}
	g.ADDQ(imm(accs*i.bytes()), a)
	g.ADDQ(imm(accs*i.bytes()), b)
	g.SUBQ(imm(accs*i.lanes), n)
	g.JGE(label("round"))

	g.Label("vectors")
	g.ADDQ(imm(accs*i.lanes), n)
	for v := range accs {
		g.SUBQ(imm(i.lanes), n)
		g.JLT(label("tail"))
		g.VMOVUPS(mem(a, 0), i.v(8))
		g.VFMADD231PS(mem(b, 0), i.v(8), i.v(v))
		g.ADDQ(imm(i.bytes()), a)
		g.ADDQ(imm(i.bytes()), b)
	}
	g.Label("tail")
	g.ADDQ(imm(i.lanes), n)
	g.JZ(label("reduce"))
	g.maskedPair(i, n, reg.RAX, a, b, i.v(8), i.v(9))
	g.VFMADD231PS(i.v(9), i.v(8), i.v(0))

	g.Label("reduce")
	for half := accs / 2; half >= 1; half /= 2 {
		for v := range half {
			g.VADDPS(i.v(v+half), i.v(v), i.v(v))
		}
	}
	g.horizontalAdd(i, 0, 1)
	g.VMOVSS(reg.X0, g.result())
	g.ret()
}

func axpy(g *gen, i isa) {
	name := "axpy" + i.name
	g.text(name, "func(alpha float32, x, y *float32, n int)",
		name+" adds alpha*x to y:",
		"",
		"\tfor i := range n {",
		"\t\ty[i] = fma(alpha, x[i], y[i])",
		"\t}")
	x, y, n := reg.RSI, reg.RDI, reg.RCX
	const unroll = 4
	g.VBROADCASTSS(g.arg("alpha"), i.v(0))
	g.MOVQ(g.arg("x"), x)
	g.MOVQ(g.arg("y"), y)
	g.MOVQ(g.arg("n"), n)
	step := func(v int) {
		g.VMOVUPS(mem(y, v*i.bytes()), i.v(1+v))
		g.VFMADD231PS(mem(x, v*i.bytes()), i.v(0), i.v(1+v))
	}
	g.SUBQ(imm(unroll*i.lanes), n)
	g.JLT(label("vectors"))
	g.Label("round")
	for v := range unroll {
		step(v)
	}
	for v := range unroll {
		g.VMOVUPS(i.v(1+v), mem(y, v*i.bytes()))
	}
	g.ADDQ(imm(unroll*i.bytes()), x)
	g.ADDQ(imm(unroll*i.bytes()), y)
	g.SUBQ(imm(unroll*i.lanes), n)
	g.JGE(label("round"))
	g.Label("vectors")
	g.ADDQ(imm((unroll-1)*i.lanes), n)
	g.JLT(label("tail"))
	g.Label("vector")
	step(0)
	g.VMOVUPS(i.v(1), mem(y, 0))
	g.ADDQ(imm(i.bytes()), x)
	g.ADDQ(imm(i.bytes()), y)
	g.SUBQ(imm(i.lanes), n)
	g.JGE(label("vector"))
	g.Label("tail")
	g.ADDQ(imm(i.lanes), n)
	g.JZ(label("done"))
	g.maskedPair(i, n, reg.RAX, x, y, i.v(1), i.v(2))
	g.VFMADD231PS(i.v(1), i.v(0), i.v(2))
	g.maskedStore(i, i.v(2), y)
	g.Label("done")
	g.ret()
}

// setMask makes a mask of the low n lanes, 0 < n < lanes: K1, or vector register 15. It destroys tmp and CX.
func (g *gen) setMask(i isa, n, tmp reg.GPPhysical) {
	if n != reg.RCX {
		panic("setMask: the count must be in CX")
	}
	if i.wide() {
		g.MOVL(operand.U32(1), tmp.As32())
		g.SHLL(reg.CL, tmp.As32())
		g.DECL(tmp.As32())
		g.KMOVW(tmp.As32(), reg.K1)
		return
	}
	g.LEAQ(g.maskTable(), tmp)
	g.NEGQ(n)
	g.VMOVUPS(memx(tmp, n, 4, lowMask), reg.Y15)
}

func (g *gen) maskedLoad(i isa, from reg.GPPhysical, to reg.VecPhysical) {
	if i.wide() {
		g.VMOVUPS_Z(mem(from, 0), reg.K1, to)
		return
	}
	g.VMASKMOVPS(mem(from, 0), reg.Y15, to)
}

func (g *gen) maskedStore(i isa, from reg.VecPhysical, to reg.GPPhysical) {
	if i.wide() {
		g.VMOVUPS(from, reg.K1, mem(to, 0))
		return
	}
	g.VMASKMOVPS(from, reg.Y15, mem(to, 0))
}

func (g *gen) maskedPair(i isa, n, tmp, a, b reg.GPPhysical, va, vb reg.VecPhysical) {
	g.setMask(i, n, tmp)
	g.maskedLoad(i, a, va)
	g.maskedLoad(i, b, vb)
}

// horizontalAdd leaves in lane 0 of vector n the sum of its lanes; t is scratch.
func (g *gen) horizontalAdd(i isa, n, t int) {
	if i.wide() {
		g.VEXTRACTF64X4(imm(1), zmm[n], ymm[t])
		g.VADDPS(ymm[t], ymm[n], ymm[n])
	}
	g.VEXTRACTF128(imm(1), ymm[n], xmm[t])
	g.VADDPS(xmm[t], xmm[n], xmm[n])
	g.VMOVHLPS(xmm[n], xmm[n], xmm[t])
	g.VADDPS(xmm[t], xmm[n], xmm[n])
	g.VMOVSHDUP(xmm[n], xmm[t])
	g.VADDSS(xmm[t], xmm[n], xmm[n])
}
