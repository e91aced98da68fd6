// Elementwise operations of one instruction, and conversions.

package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func elementwiseFile(g *gen) {
	for _, i := range isas {
		axpy(g, i)
		scale(g, i)
		add(g, i)
		mul(g, i)
		mulAdd(g, i)
	}
}

func axpy(g *gen, i isa) {
	name := "axpy" + i.name
	g.text(name, "func(alpha float32, y, x *float32, n int)",
		name+" adds alpha*x to y:", "",
		"\tfor i := range n {", "\t\ty[i] = fma(alpha, x[i], y[i])", "\t}")
	g.VBROADCASTSS(g.arg("alpha"), i.v(0))
	l := g.newLoop(i, 4, "y", "x")
	l.each(func(int) {
		l.load(0, i.v(1))
		l.load(1, i.v(2))
		g.VFMADD231PS(i.v(2), i.v(0), i.v(1))
		l.store(i.v(1), 0)
	})
	g.ret()
}

func scale(g *gen, i isa) {
	name := "scale" + i.name
	g.text(name, "func(x *float32, alpha float32, n int)",
		name+" multiplies x by alpha:", "",
		"\tfor i := range n {", "\t\tx[i] *= alpha", "\t}")
	g.VBROADCASTSS(g.arg("alpha"), i.v(0))
	l := g.newLoop(i, 4, "x")
	l.each(func(int) {
		l.load(0, i.v(1))
		g.VMULPS(i.v(1), i.v(0), i.v(1))
		l.store(i.v(1), 0)
	})
	g.ret()
}

func add(g *gen, i isa) {
	name := "add" + i.name
	g.text(name, "func(dst, a, b *float32, n int)",
		name+" adds a and b:", "",
		"\tfor i := range n {", "\t\tdst[i] = a[i] + b[i]", "\t}")
	l := g.newLoop(i, 4, "dst", "a", "b")
	l.each(func(int) {
		l.load(1, i.v(1))
		l.load(2, i.v(2))
		g.VADDPS(i.v(2), i.v(1), i.v(1))
		l.store(i.v(1), 0)
	})
	g.ret()
}

func mul(g *gen, i isa) {
	name := "mul" + i.name
	g.text(name, "func(dst, a, b *float32, n int)",
		name+" multiplies a by b:", "",
		"\tfor i := range n {", "\t\tdst[i] = a[i] * b[i]", "\t}")
	l := g.newLoop(i, 4, "dst", "a", "b")
	l.each(func(int) {
		l.load(1, i.v(1))
		l.load(2, i.v(2))
		g.VMULPS(i.v(2), i.v(1), i.v(1))
		l.store(i.v(1), 0)
	})
	g.ret()
}

func mulAdd(g *gen, i isa) {
	name := "mulAdd" + i.name
	g.text(name, "func(dst, a, b *float32, n int)",
		name+" adds a*b to dst:", "",
		"\tfor i := range n {", "\t\tdst[i] = fma(a[i], b[i], dst[i])", "\t}")
	l := g.newLoop(i, 4, "dst", "a", "b")
	l.each(func(int) {
		l.load(0, i.v(0))
		l.load(1, i.v(1))
		l.load(2, i.v(2))
		g.VFMADD231PS(i.v(2), i.v(1), i.v(0))
		l.store(i.v(0), 0)
	})
	g.ret()
}

func convertFile(g *gen) {
	for _, i := range isas {
		f16ToF32(g, i)
		f32ToF16(g, i)
		bf16ToF32(g, i)
		f32ToBF16(g, i)
	}
}

// convert emits the frame of a conversion: one vector per round, n a multiple of lanes.
func (g *gen) convert(i isa, name, signature, doc, formula string, body func(dst, src reg.GPPhysical)) {
	name += i.name
	g.text(name, signature, name+" "+doc+":", "",
		"\tfor i := range n {", "\t\t"+formula, "\t}", "",
		"n is a positive multiple of the lanes of a vector.")
	dst, src, n := reg.RDI, reg.RSI, reg.RCX
	g.MOVQ(g.arg("dst"), dst)
	g.MOVQ(g.arg("src"), src)
	g.MOVQ(g.arg("n"), n)
	srcBytes, dstBytes := 2*i.lanes, 4*i.lanes
	if signature == narrowing {
		srcBytes, dstBytes = dstBytes, srcBytes
		if name[:9] == "f32ToBF16" {
			g.roundingConstants(i)
		}
	}
	g.Label("vector")
	body(dst, src)
	g.ADDQ(imm(srcBytes), src)
	g.ADDQ(imm(dstBytes), dst)
	g.SUBQ(imm(i.lanes), n)
	g.JNZ(label("vector"))
	g.ret()
}

const (
	widening  = "func(dst *float32, src *uint16, n int)"
	narrowing = "func(dst *uint16, src *float32, n int)"
)

func f16ToF32(g *gen, i isa) {
	g.convert(i, "f16ToF32", widening, "widens half precision", "dst[i] = f16Bits(src[i])", func(dst, src reg.GPPhysical) {
		g.VCVTPH2PS(mem(src, 0), i.v(0))
		g.VMOVUPS(i.v(0), mem(dst, 0))
	})
}

func f32ToF16(g *gen, i isa) {
	g.convert(i, "f32ToF16", narrowing, "rounds to half precision", "dst[i] = roundF16(src[i])", func(dst, src reg.GPPhysical) {
		g.VMOVUPS(mem(src, 0), i.v(0))
		g.VCVTPS2PH(operand.U8(0), i.v(0), mem(dst, 0)) // 0: to nearest even
	})
}

func bf16ToF32(g *gen, i isa) {
	g.convert(i, "bf16ToF32", widening, "widens bfloat16", "dst[i] = src[i] << 16", func(dst, src reg.GPPhysical) {
		g.VPMOVZXWD(mem(src, 0), i.v(0))
		g.VPSLLD(operand.U8(16), i.v(0), i.v(0))
		g.VMOVUPS(i.v(0), mem(dst, 0))
	})
}

// roundingConstants leaves in every lane: 4: 0x7fff, 5: 1, 6: 0x00400000.
func (g *gen) roundingConstants(i isa) {
	for k, v := range []uint32{0x7fff, 1, 0x00400000} {
		g.MOVL(operand.U32(v), reg.EAX)
		g.VMOVD(reg.EAX, xmm[4+k])
		g.VPBROADCASTD(xmm[4+k], i.v(4+k))
	}
}

func f32ToBF16(g *gen, i isa) {
	g.convert(i, "f32ToBF16", narrowing, "rounds to bfloat16", "dst[i] = (src[i] + 0x7fff + src[i]>>16&1) >> 16 // NaN: (src[i] | 0x400000) >> 16", func(dst, src reg.GPPhysical) {
		x, odd, sum, nan := i.v(0), i.v(1), i.v(2), i.v(3)
		g.VMOVUPS(mem(src, 0), x)
		g.VPSRLD(operand.U8(16), x, odd)
		if i.wide() {
			g.VPANDD(i.v(5), odd, odd)
		} else {
			g.VPAND(i.v(5), odd, odd)
		}
		g.VPADDD(i.v(4), odd, odd)
		g.VPADDD(x, odd, sum)
		if i.wide() {
			g.VCMPPS(operand.U8(3), x, x, reg.K1) // unordered
			g.VPORD(i.v(6), x, reg.K1, sum)
			g.VPSRLD(operand.U8(16), sum, sum)
			g.VPMOVDW(sum, mem(dst, 0))
			return
		}
		g.VCMPPS(operand.U8(3), x, x, nan)
		g.VPOR(i.v(6), x, odd)
		g.VBLENDVPS(nan, odd, sum, sum)
		g.VPSRLD(operand.U8(16), sum, sum)
		g.VEXTRACTI128(operand.U8(1), sum, xmm[1])
		g.VPACKUSDW(xmm[1], xmm[2], xmm[2])
		g.VMOVDQU(xmm[2], mem(dst, 0))
	})
}
