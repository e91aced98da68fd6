// The quantisation of a vector to int8 in blocks.

package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// quantizeVectorFile emits one kernel, of 256 bits, for both levels: it is no part of
// a product's time that could be measured. The greatest magnitude is taken of the bits
// as integers, where NaN is above infinity.
func quantizeVectorFile(g *gen) {
	const name = "quantizeVectorAVX2"
	g.text(name, "func(dst *int8, src *float32, blocks int)",
		name+" quantises blocks of 32 numbers, blocks > 0, as quantizeVectorGeneric does.")
	dst, src, n := reg.RDI, reg.RSI, reg.RCX
	g.MOVQ(g.arg("dst"), dst)
	g.MOVQ(g.arg("src"), src)
	g.MOVQ(g.arg("blocks"), n)
	table := g.quantizeTable()
	g.LEAQ(table, reg.RAX)
	abs, order, ones, factors := ymm[15], ymm[14], ymm[13], ymm[12]
	g.VPBROADCASTD(mem(reg.RAX, 0), abs)
	g.VMOVDQU(mem(reg.RAX, 32), order)
	g.VPBROADCASTD(mem(reg.RAX, 4), ones)
	g.VMOVDQU(mem(reg.RAX, 64), factors)
	g.VBROADCASTSS(mem(reg.RAX, 8), ymm[11])  // 127
	g.VPBROADCASTD(mem(reg.RAX, 12), ymm[10]) // the last number that counts as zero
	g.VPBROADCASTD(mem(reg.RAX, 16), ymm[9])  // the last finite number
	g.VPBROADCASTD(mem(reg.RAX, 20), ymm[8])  // NaN

	g.Label("block")
	for v := range 4 {
		g.VMOVUPS(mem(src, 32*v), ymm[v])
	}
	g.Comment("The greatest magnitude, in all lanes of Y4.")
	g.VPAND(ymm[0], abs, ymm[4])
	for v := 1; v < 4; v++ {
		g.VPAND(ymm[v], abs, ymm[5])
		g.VPMAXUD(ymm[5], ymm[4], ymm[4])
	}
	g.VPERM2I128(operand.U8(1), ymm[4], ymm[4], ymm[5])
	g.VPMAXUD(ymm[5], ymm[4], ymm[4])
	g.VPSHUFD(operand.U8(0x4e), ymm[4], ymm[5])
	g.VPMAXUD(ymm[5], ymm[4], ymm[4])
	g.VPSHUFD(operand.U8(0xb1), ymm[4], ymm[5])
	g.VPMAXUD(ymm[5], ymm[4], ymm[4])
	g.Comment("Y5: ones where the numbers count; Y6: NaN where one is not finite; Y7: the inverse of the scale, Y4: the scale.")
	g.VPCMPGTD(ymm[9], ymm[4], ymm[6])
	g.VPCMPGTD(ymm[10], ymm[4], ymm[5])
	g.VPANDN(ymm[5], ymm[6], ymm[5])
	g.VPAND(ymm[8], ymm[6], ymm[6])
	g.VDIVPS(ymm[4], ymm[11], ymm[7])
	g.VDIVPS(ymm[11], ymm[4], ymm[4])
	g.roundScale(ymm[4], mem(reg.RAX, 96))
	g.VPAND(ymm[5], ymm[4], ymm[4])
	g.VPOR(ymm[6], ymm[4], ymm[4])
	g.Comment("The codes, in Y0.")
	for v := range 4 {
		g.VMULPS(ymm[7], ymm[v], ymm[v])
		g.VCVTPS2DQ(ymm[v], ymm[v])
		g.VPAND(ymm[5], ymm[v], ymm[v])
	}
	g.VPACKSSDW(ymm[1], ymm[0], ymm[0])
	g.VPACKSSDW(ymm[3], ymm[2], ymm[2])
	g.VPACKSSWB(ymm[2], ymm[0], ymm[0])
	g.VPERMD(ymm[0], order, ymm[0])
	g.VMOVDQU(ymm[0], mem(dst, 0))
	g.Comment("The sums of 16, in Y1 in the lane of each, in Y2 in the other lane; of 32 in Y3.")
	g.VPABSB(ones, ymm[1]) // bytes of 1
	g.VPMADDUBSW(ymm[0], ymm[1], ymm[1])
	g.VPSRLW(operand.U8(15), ones, ymm[2])
	g.VPMADDWD(ymm[2], ymm[1], ymm[1])
	g.VPHADDD(ymm[1], ymm[1], ymm[1])
	g.VPHADDD(ymm[1], ymm[1], ymm[1])
	g.VPERM2I128(operand.U8(1), ymm[1], ymm[1], ymm[2])
	g.VPADDD(ymm[1], ymm[2], ymm[3])
	g.Comment("scale, sum | -8 sum, -16 sum | -128 sum, -32 low, -32 high, 0")
	g.VPBLENDD(operand.U8(1<<5), ymm[2], ymm[3], ymm[2])
	g.VPBLENDD(operand.U8(1<<6), ymm[1], ymm[2], ymm[2])
	g.VPMULLD(factors, ymm[2], ymm[2])
	g.VCVTDQ2PS(ymm[3], ymm[3])
	g.VPBLENDD(operand.U8(1<<0), ymm[4], ymm[2], ymm[2])
	g.VPBLENDD(operand.U8(1<<1), ymm[3], ymm[2], ymm[2])
	g.VMOVDQU(ymm[2], mem(dst, 32))
	g.ADDQ(operand.I32(128), src)
	g.ADDQ(imm(xBytes), dst)
	g.DECQ(n)
	g.JNZ(label("block"))
	g.ret()
}

// roundScale rounds the numbers in r to 11 significant bits as the Go function of that
// name does; half is 0x1000 in every lane. A NaN may become a number.
func (g *gen) roundScale(r reg.VecPhysical, half operand.Op) {
	g.VPADDD(half, r, r)
	g.VPSRLD(operand.U8(13), r, r)
	g.VPSLLD(operand.U8(13), r, r)
}

func (g *gen) quantizeTable() operand.Mem {
	t := g.StaticGlobal("quantizeConstants")
	g.DataAttributes(attr.RODATA | attr.NOPTR)
	minus := func(n int32) uint32 { return uint32(-n) }
	words := []uint32{
		0x7fffffff, 0xffffffff, 0x42fe0000, (127-100)<<23 - 1, 0x7f7fffff, 0x7fc00000, 0, 0,
		0, 4, 1, 5, 2, 6, 3, 7,
		0, 0, minus(8), minus(16), minus(128), minus(32), minus(32), 0,
		0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000,
	}
	for i, w := range words {
		g.AddDatum(4*i, operand.U32(w))
	}
	return t
}
