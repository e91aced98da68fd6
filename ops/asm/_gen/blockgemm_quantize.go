// The quantisation of activations to int8.

package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// quantizeRow emits the quantisation of a row, block by block. The greatest magnitude is
// taken of the bits as integers, where NaN is above infinity.
func quantizeRow(g *gen) {
	const name = "quantizeRowAVX512"
	g.text(name, "func(blocks int, x *float32, codes *int8, scales, sums, halves *float32, stride int)",
		name+" quantises a row of blocks of 32 elements:",
		"",
		"\tfor b := range blocks {",
		"\t\ttop := max(abs(x[b][0:32])) // NaN if there is one",
		"\t\tif top < 0x1p-100 {",
		"\t\t\ttop, inverse = 0, 0",
		"\t\t}",
		"\t\tscales[b*stride] = roundScale(top/127) + (top - top)",
		"\t\tfor e := range 32 {",
		"\t\t\tcodes[b*8*stride+e/4*stride+e%4] = round(x[b][e] * (127/top))",
		"\t\t}",
		"\t\thalves[(2*b+h)*stride] = sum of the codes 16*h to 16*h+15, h < 2",
		"\t\tsums[b*stride] = sum of all codes",
		"\t}",
		"",
		"The stride is in bytes. What is no number becomes code 0; its scale is NaN.")
	x, codes, scales, sums, halves := reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10
	stride, stride3, blocks := reg.RDX, reg.RBX, reg.RCX
	g.MOVQ(g.arg("blocks"), blocks)
	g.MOVQ(g.arg("x"), x)
	g.MOVQ(g.arg("codes"), codes)
	g.MOVQ(g.arg("scales"), scales)
	g.MOVQ(g.arg("sums"), sums)
	g.MOVQ(g.arg("halves"), halves)
	g.MOVQ(g.arg("stride"), stride)
	g.LEAQ(memx(stride, stride, 2, 0), stride3)
	bcast := func(bits uint32, to reg.VecPhysical) {
		g.MOVL(operand.U32(bits), reg.EAX)
		g.VPBROADCASTD(reg.EAX, to)
	}
	abs, tiny, c127, flip, offset := zmm[31], xmm[30], xmm[29], ymm[15], xmm[28]
	bcast(0x7fffffff, abs)
	bcast((127-100)<<23, tiny)
	bcast(0x42fe0000, c127)
	bcast(0x80808080, flip)
	bcast(16*128, offset)
	bcast(0x1000, xmm[27])
	g.VPXORD(zmm[14], zmm[14], zmm[14])

	g.Label("block")
	g.VMOVUPS(mem(x, 0), zmm[0])
	g.VMOVUPS(mem(x, 64), zmm[1])
	g.Comment("The greatest magnitude, in all lanes of X2.")
	g.VPANDD(abs, zmm[0], zmm[2])
	g.VPANDD(abs, zmm[1], zmm[3])
	g.VPMAXUD(zmm[2], zmm[3], zmm[2])
	g.VEXTRACTI64X4(operand.U8(1), zmm[2], ymm[3])
	g.VPMAXUD(ymm[2], ymm[3], ymm[2])
	g.VEXTRACTI128(operand.U8(1), ymm[2], xmm[3])
	g.VPMAXUD(xmm[2], xmm[3], xmm[2])
	g.VPSHUFD(operand.U8(0x4e), xmm[2], xmm[3])
	g.VPMAXUD(xmm[2], xmm[3], xmm[2])
	g.VPSHUFD(operand.U8(0xb1), xmm[2], xmm[3])
	g.VPMAXUD(xmm[2], xmm[3], xmm[2])
	g.Comment("Its inverse in Z4, the scale in X5.")
	g.VPCMPUD(operand.U8(5), tiny, xmm[2], reg.K1) // not less
	g.VDIVPS_Z(xmm[2], c127, reg.K1, xmm[4])
	g.VBROADCASTSS(xmm[4], zmm[4])
	g.VDIVPS_Z(c127, xmm[2], reg.K1, xmm[5])
	g.roundScale(xmm[5], xmm[27]) // a NaN may be lost, and is added below
	g.VSUBPS(xmm[2], xmm[2], xmm[3])
	g.VADDPS(xmm[3], xmm[5], xmm[5])
	g.VMOVSS(xmm[5], mem(scales, 0))
	g.Comment("The codes, as dwords, then as bytes in X6 and X7.")
	g.VMULPS(zmm[4], zmm[0], zmm[0])
	g.VMULPS(zmm[4], zmm[1], zmm[1])
	g.VCVTPS2DQ(zmm[0], zmm[0])
	g.VCVTPS2DQ(zmm[1], zmm[1])
	g.VPMOVDB(zmm[0], xmm[6])
	g.VPMOVDB(zmm[1], xmm[7])
	for h := range 2 {
		c := xmm[6+h]
		g.VMOVD(c, mem(codes, 0))
		g.VPEXTRD(operand.U8(1), c, memx(codes, stride, 1, 0))
		g.VPEXTRD(operand.U8(2), c, memx(codes, stride, 2, 0))
		g.VPEXTRD(operand.U8(3), c, memx(codes, stride3, 1, 0))
		g.LEAQ(memx(codes, stride, 4, 0), codes)
	}
	g.Comment("Sums of the bytes plus 128, eight by eight; then by halves.")
	g.VINSERTI128(operand.U8(1), xmm[7], ymm[6], ymm[6])
	g.VPXOR(flip, ymm[6], ymm[6])
	g.VPSADBW(ymm[14], ymm[6], ymm[6])
	g.VPSHUFD(operand.U8(0x4e), ymm[6], ymm[7])
	g.VPADDD(ymm[7], ymm[6], ymm[6])
	g.VEXTRACTI128(operand.U8(1), ymm[6], xmm[7])
	g.VPSUBD(offset, xmm[6], xmm[6])
	g.VPSUBD(offset, xmm[7], xmm[7])
	g.VPADDD(xmm[6], xmm[7], xmm[5])
	for n, at := range []operand.Mem{mem(halves, 0), memx(halves, stride, 1, 0), mem(sums, 0)} {
		r := []reg.VecPhysical{xmm[6], xmm[7], xmm[5]}[n]
		g.VCVTDQ2PS(r, r)
		g.VMOVSS(r, at)
	}
	g.ADDQ(operand.I32(128), x)
	g.ADDQ(stride, scales)
	g.ADDQ(stride, sums)
	g.LEAQ(memx(halves, stride, 2, 0), halves)
	g.DECQ(blocks)
	g.JNZ(label("block"))
	g.ret()
}
