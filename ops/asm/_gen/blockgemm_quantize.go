// The quantisation of activations to int8.

package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Registers of the quantisation of a row; code quad q goes to codes + q*stride.
var (
	quantX, quantCodes                  = reg.RSI, reg.RDI
	quantScales, quantSums, quantHalves = reg.R8, reg.R9, reg.R10
	quantStride, quantStride3           = reg.RDX, reg.RBX
	quantBlocks                         = reg.RCX
)

// quantizeRow emits the quantisation of a row, block by block. The greatest magnitude is
// taken of the bits as integers, where NaN is above infinity.
func quantizeRow(g *gen, i isa) {
	name := "quantizeRow" + i.name
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
	g.MOVQ(g.arg("blocks"), quantBlocks)
	g.MOVQ(g.arg("x"), quantX)
	g.MOVQ(g.arg("codes"), quantCodes)
	g.MOVQ(g.arg("scales"), quantScales)
	g.MOVQ(g.arg("sums"), quantSums)
	g.MOVQ(g.arg("halves"), quantHalves)
	g.MOVQ(g.arg("stride"), quantStride)
	g.LEAQ(memx(quantStride, quantStride, 2, 0), quantStride3)
	if i.wide() {
		quantizeBlocks512(g)
	} else {
		quantizeBlocks2(g)
	}
	g.ADDQ(operand.I32(128), quantX)
	g.ADDQ(quantStride, quantScales)
	g.ADDQ(quantStride, quantSums)
	g.LEAQ(memx(quantHalves, quantStride, 2, 0), quantHalves)
	g.DECQ(quantBlocks)
	g.JNZ(label("block"))
	g.ret()
}

// storeSums stores the sums of codes of the first and second half, in the low lanes of
// X6 and X7, and of both.
func storeSums(g *gen) {
	g.VPADDD(xmm[6], xmm[7], xmm[5])
	for n, at := range []operand.Mem{mem(quantHalves, 0), memx(quantHalves, quantStride, 1, 0), mem(quantSums, 0)} {
		r := []reg.VecPhysical{xmm[6], xmm[7], xmm[5]}[n]
		g.VCVTDQ2PS(r, r)
		g.VMOVSS(r, at)
	}
}

// quantizeBlocks512 emits the loop's head and body for AVX-512.
func quantizeBlocks512(g *gen) {
	x, codes, scales, stride, stride3 := quantX, quantCodes, quantScales, quantStride, quantStride3
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
	storeSums(g)
}

// quantizeBlocks2 emits the loop's head and body for AVX2.
func quantizeBlocks2(g *gen) {
	bcast := func(bits uint32, to int) {
		g.MOVL(operand.U32(bits), reg.EAX)
		g.VMOVD(reg.EAX, xmm[to])
		g.VPBROADCASTD(xmm[to], ymm[to])
	}
	const abs, tiny, inf, c127, flip, offset = 15, 14, 13, 12, 11, 10
	bcast(0x7fffffff, abs)
	bcast((127-100)<<23-1, tiny)
	bcast(0x7f800000, inf)
	bcast(0x42fe0000, c127)
	bcast(0x80808080, flip)
	bcast(16*128, offset)

	g.Label("block")
	g.Comment("The greatest magnitude, in all lanes of X4.")
	for n := range 4 {
		g.VMOVUPS(mem(quantX, 32*n), ymm[n])
		to := ymm[5]
		if n == 0 {
			to = ymm[4]
		}
		g.VPAND(ymm[abs], ymm[n], to)
		if n > 0 {
			g.VPMAXUD(ymm[4], to, ymm[4])
		}
	}
	g.VEXTRACTI128(operand.U8(1), ymm[4], xmm[5])
	g.VPMAXUD(xmm[4], xmm[5], xmm[4])
	for _, order := range []uint8{0x4e, 0xb1} {
		g.VPSHUFD(operand.U8(order), xmm[4], xmm[5])
		g.VPMAXUD(xmm[4], xmm[5], xmm[4])
	}
	g.Comment("The scale; its inverse in Y6; in Y7 ones if it is a number and not tiny.")
	g.VPCMPGTD(xmm[tiny], xmm[4], xmm[7])
	g.VDIVPS(xmm[c127], xmm[4], xmm[5])
	g.MOVL(operand.U32(0x1000), reg.EAX)
	g.VMOVD(reg.EAX, xmm[6])
	g.roundScale(xmm[5], xmm[6])
	g.VPAND(xmm[7], xmm[5], xmm[5])
	g.VSUBPS(xmm[4], xmm[4], xmm[6])
	g.VADDPS(xmm[6], xmm[5], xmm[5])
	g.VMOVSS(xmm[5], mem(quantScales, 0))
	g.VDIVPS(xmm[4], xmm[c127], xmm[6])
	g.VPCMPGTD(xmm[4], xmm[inf], xmm[5])
	g.VPAND(xmm[5], xmm[7], xmm[7])
	g.VINSERTI128(operand.U8(1), xmm[7], ymm[7], ymm[7])
	g.VINSERTF128(operand.U8(1), xmm[6], ymm[6], ymm[6])
	g.Comment("The codes: even quads in the low half of Y0, odd ones in the high half.")
	for n := range 4 {
		g.VMULPS(ymm[6], ymm[n], ymm[n])
		g.VPAND(ymm[7], ymm[n], ymm[n])
		g.VCVTPS2DQ(ymm[n], ymm[n])
	}
	g.VPACKSSDW(ymm[1], ymm[0], ymm[0])
	g.VPACKSSDW(ymm[3], ymm[2], ymm[2])
	g.VPACKSSWB(ymm[2], ymm[0], ymm[0])
	g.VEXTRACTI128(operand.U8(1), ymm[0], xmm[1])
	for q := range 8 {
		at := memx(quantCodes, quantStride, uint8(q%4), 0)
		switch q % 4 {
		case 0:
			at = mem(quantCodes, 0)
		case 3:
			at = memx(quantCodes, quantStride3, 1, 0)
		}
		g.VPEXTRD(operand.U8(q/2), xmm[q%2], at)
		if q%4 == 3 {
			g.LEAQ(memx(quantCodes, quantStride, 4, 0), quantCodes)
		}
	}
	g.Comment("Sums of the bytes plus 128, eight by eight; then by halves.")
	g.VPXOR(ymm[5], ymm[5], ymm[5])
	g.VPXOR(ymm[flip], ymm[0], ymm[0])
	g.VPSADBW(ymm[5], ymm[0], ymm[0])
	g.VEXTRACTI128(operand.U8(1), ymm[0], xmm[1])
	g.VPADDD(xmm[0], xmm[1], xmm[6])
	g.VPSHUFD(operand.U8(0x4e), xmm[6], xmm[7])
	g.VPSUBD(xmm[offset], xmm[6], xmm[6])
	g.VPSUBD(xmm[offset], xmm[7], xmm[7])
	storeSums(g)
}
