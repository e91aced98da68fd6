// What is between a model's matrix products: normalisation, rotation, the optimiser.

package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func layersFile(g *gen) {
	for _, i := range isas {
		scaleMul(g, i)
		subtract(g, i)
		softmaxGrad(g, i)
		combine(g, i, false)
		combine(g, i, true)
		adamW(g, i)
	}
	rotatePairs(g)
	rotateHalves(g)
}

func scaleMul(g *gen, i isa) {
	name := "scaleMul" + i.name
	g.text(name, "func(alpha float32, dst, a, b *float32, n int)",
		name+" multiplies three:", "",
		"\tfor i := range n {", "\t\tdst[i] = a[i] * alpha * b[i]", "\t}")
	g.VBROADCASTSS(g.arg("alpha"), i.v(0))
	l := g.newLoop(i, 4, "dst", "a", "b")
	l.each(func(int) {
		l.load(1, i.v(1))
		l.load(2, i.v(2))
		g.VMULPS(i.v(0), i.v(1), i.v(1))
		g.VMULPS(i.v(2), i.v(1), i.v(1))
		l.store(i.v(1), 0)
	})
	g.ret()
}

func subtract(g *gen, i isa) {
	name := "subtract" + i.name
	g.text(name, "func(x *float32, v float32, n int)",
		name+" subtracts a number:", "",
		"\tfor i := range n {", "\t\tx[i] -= v", "\t}")
	g.VBROADCASTSS(g.arg("v"), i.v(0))
	l := g.newLoop(i, 4, "x")
	l.each(func(int) {
		l.load(0, i.v(1))
		g.VSUBPS(i.v(0), i.v(1), i.v(1))
		l.store(i.v(1), 0)
	})
	g.ret()
}

func softmaxGrad(g *gen, i isa) {
	name := "softmaxGrad" + i.name
	g.text(name, "func(dst, p *float32, scale, delta float32, n int)",
		name+" is the gradient of a softmax, every operation rounded:", "",
		"\tfor i := range n {", "\t\tdst[i] = scale * p[i] * (dst[i] - delta)", "\t}")
	g.VBROADCASTSS(g.arg("scale"), i.v(0))
	g.VBROADCASTSS(g.arg("delta"), i.v(1))
	l := g.newLoop(i, 4, "dst", "p")
	l.each(func(int) {
		l.load(0, i.v(2))
		l.load(1, i.v(3))
		g.VSUBPS(i.v(1), i.v(2), i.v(2))
		g.VMULPS(i.v(0), i.v(3), i.v(3))
		g.VMULPS(i.v(2), i.v(3), i.v(3))
		l.store(i.v(3), 0)
	})
	g.ret()
}

// combine has no fused multiply-add: every level rounds the same.
func combine(g *gen, i isa, acc bool) {
	name, formula := "combine", "dst[i] = s*a[i] + t*b[i] + u"
	if acc {
		name, formula = "combineAdd", "dst[i] += s*a[i] + t*b[i] + u"
	}
	name += i.name
	g.text(name, "func(dst, a, b *float32, s, t, u float32, n int)",
		name+" forms a linear combination, every operation rounded:", "",
		"\tfor i := range n {", "\t\t"+formula, "\t}")
	for k, p := range []string{"s", "t", "u"} {
		g.VBROADCASTSS(g.arg(p), i.v(4+k))
	}
	l := g.newLoop(i, 4, "dst", "a", "b")
	l.each(func(int) {
		l.load(1, i.v(1))
		l.load(2, i.v(2))
		g.VMULPS(i.v(4), i.v(1), i.v(1))
		g.VMULPS(i.v(5), i.v(2), i.v(2))
		g.VADDPS(i.v(2), i.v(1), i.v(1))
		g.VADDPS(i.v(6), i.v(1), i.v(1))
		if acc {
			l.load(0, i.v(0))
			g.VADDPS(i.v(1), i.v(0), i.v(1))
		}
		l.store(i.v(1), 0)
	})
	g.ret()
}

func adamW(g *gen, i isa) {
	name := "adamW" + i.name
	g.text(name, "func(p, m, v, grad, step *float32, n int)",
		name+" does one step of the optimiser, every operation rounded:", "",
		"\tfor i := range n {",
		"\t\tm[i] = Beta1*m[i] + Rest1*grad[i]",
		"\t\tv[i] = Beta2*v[i] + Rest2*(grad[i]*grad[i])",
		"\t\tp[i] = Decay*p[i] - Rate*m[i]/(sqrt(v[i])*Unbias+Eps)",
		"\t}", "",
		"step is an AdamWStep, in the order of its fields.")
	const beta1, rest1, beta2, rest2, decay, rate, unbias, eps = 0, 1, 2, 3, 4, 5, 6, 7
	g.MOVQ(g.arg("step"), reg.RAX)
	for k := range 8 {
		g.VBROADCASTSS(mem(reg.RAX, 4*k), i.v(k))
	}
	l := g.newLoop(i, 1, "p", "m", "v", "grad")
	p, m, v, grad, t := i.v(8), i.v(9), i.v(10), i.v(11), i.v(12)
	l.each(func(int) {
		for k, r := range []reg.VecPhysical{p, m, v, grad} {
			l.load(k, r)
		}
		g.VMULPS(i.v(beta1), m, m)
		g.VMULPS(i.v(rest1), grad, t)
		g.VADDPS(t, m, m)
		l.store(m, 1)
		g.VMULPS(grad, grad, t)
		g.VMULPS(i.v(rest2), t, t)
		g.VMULPS(i.v(beta2), v, v)
		g.VADDPS(t, v, v)
		l.store(v, 2)
		g.VSQRTPS(v, v)
		g.VMULPS(i.v(unbias), v, v)
		g.VADDPS(i.v(eps), v, v)
		g.VMULPS(i.v(rate), m, m)
		g.VDIVPS(v, m, m)
		g.VMULPS(i.v(decay), p, p)
		g.VSUBPS(m, p, p)
		l.store(p, 0)
	})
	g.ret()
}

// The rotations use 256-bit vectors at every level: VADDSUBPS has no wider form, and
// a head is a few vectors long.

const rotateSignature = "func(dst, src, table *float32, n int, sign float32, acc int)"

func rotatePairs(g *gen) {
	g.text("rotatePairsAVX2", rotateSignature,
		"rotatePairsAVX2 turns neighbours, each operation rounded:", "",
		"\tfor j := 0; j < n; j += 2 {",
		"\t\tcos, sin := table[j], sign*table[j+1]",
		"\t\tdst[j], dst[j+1] = src[j]*cos-src[j+1]*sin, src[j]*sin+src[j+1]*cos // acc != 0: added to dst",
		"\t}", "",
		"n is a positive multiple of 8.")
	dst, src, table, n := reg.RDI, reg.RSI, reg.RDX, reg.RCX
	g.rotateHead(dst, src, table, n)
	cos, sin, x, swapped := ymm[1], ymm[2], ymm[3], ymm[4]
	g.Label("loop")
	g.VMOVSLDUP(mem(table, 0), cos)
	g.VMOVSHDUP(mem(table, 0), sin)
	g.VMULPS(ymm[0], sin, sin)
	g.VMOVUPS(mem(src, 0), x)
	g.VPERMILPS(operand.U8(0xb1), x, swapped)
	g.VMULPS(cos, x, x)
	g.VMULPS(sin, swapped, swapped)
	g.VADDSUBPS(swapped, x, x)
	g.TESTQ(reg.RAX, reg.RAX)
	g.JZ(label("store"))
	g.VADDPS(mem(dst, 0), x, x)
	g.Label("store")
	g.VMOVUPS(x, mem(dst, 0))
	g.ADDQ(imm(32), src)
	g.ADDQ(imm(32), table)
	g.ADDQ(imm(32), dst)
	g.SUBQ(imm(8), n)
	g.JNZ(label("loop"))
	g.ret()
}

// rotateHead loads the parameters: pointers, count, Y0 = sign, RAX = acc.
func (g *gen) rotateHead(dst, src, table, n reg.GPPhysical) {
	g.MOVQ(g.arg("dst"), dst)
	g.MOVQ(g.arg("src"), src)
	g.MOVQ(g.arg("table"), table)
	g.MOVQ(g.arg("n"), n)
	g.VBROADCASTSS(g.arg("sign"), ymm[0])
	g.MOVQ(g.arg("acc"), reg.RAX)
}

func rotateHalves(g *gen) {
	g.text("rotateHalvesAVX2", rotateSignature,
		"rotateHalvesAVX2 turns elements that lie half a vector apart, each operation rounded:", "",
		"\tfor j := range n / 2 {",
		"\t\tcos, sin := table[2*j], sign*table[2*j+1]",
		"\t\tx, y := src[j], src[j+n/2]",
		"\t\tdst[j], dst[j+n/2] = x*cos-y*sin, x*sin+y*cos // acc != 0: added to dst",
		"\t}", "",
		"n is a positive multiple of 16.")
	dst, src, table, n, half := reg.RDI, reg.RSI, reg.RDX, reg.RCX, reg.R8
	g.rotateHead(dst, src, table, n)
	g.MOVQ(n, half)
	g.SHLQ(imm(1), half) // n/2 elements in bytes
	low, high := ymm[1], ymm[2]
	cos, sin, x, y, a, b := ymm[3], ymm[4], ymm[5], ymm[6], ymm[7], ymm[8]
	g.Label("loop")
	g.VMOVUPS(mem(table, 0), low)
	g.VMOVUPS(mem(table, 32), high)
	g.Comment("Even elements are cosines, odd ones sines; the quarters come out as 0 2 1 3.")
	g.VSHUFPS(operand.U8(0x88), high, low, cos)
	g.VSHUFPS(operand.U8(0xdd), high, low, sin)
	g.VPERMPD(operand.U8(0xd8), cos, cos)
	g.VPERMPD(operand.U8(0xd8), sin, sin)
	g.VMULPS(ymm[0], sin, sin)
	g.VMOVUPS(mem(src, 0), x)
	g.VMOVUPS(memx(src, half, 1, 0), y)
	g.VMULPS(cos, x, a)
	g.VMULPS(sin, y, b)
	g.VSUBPS(b, a, a)
	g.VMULPS(sin, x, x)
	g.VMULPS(cos, y, y)
	g.VADDPS(y, x, x)
	g.TESTQ(reg.RAX, reg.RAX)
	g.JZ(label("store"))
	g.VADDPS(mem(dst, 0), a, a)
	g.VADDPS(memx(dst, half, 1, 0), x, x)
	g.Label("store")
	g.VMOVUPS(a, mem(dst, 0))
	g.VMOVUPS(x, memx(dst, half, 1, 0))
	g.ADDQ(imm(32), src)
	g.ADDQ(imm(64), table)
	g.ADDQ(imm(32), dst)
	g.SUBQ(imm(16), n)
	g.JNZ(label("loop"))
	g.ret()
}
