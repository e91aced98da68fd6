// Quantised weights in the layout of files times a vector: rows of blocks of 18 bytes
// (Q4_0) or 34 (Q8_0), each behind its scale, at no alignment.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func blockGemvFileFile(g *gen) {
	for _, i := range isas {
		(&rowKernel{gen: g, isa: i, typ: "Q4_0", blocks: 4, blockBytes: 18, codes: 128}).emit()
		(&rowKernel{gen: g, isa: i, typ: "Q8_0", blocks: 2, blockBytes: 34, codes: 64}).emit()
	}
}

// A rowKernel emits the product of rows and a vector, a step of 4 blocks of Q4_0 or 2 of
// Q8_0 at a time. There are 16 sums, in one register or two.
type rowKernel struct {
	*gen
	isa
	typ        string
	blocks     int // of a step
	blockBytes int
	codes      int // bytes of codes in a step of the vector; 16 scales and 16 int32 follow
}

var (
	rowW, rowX, rowY         = reg.RSI, reg.RDI, reg.RDX
	rowSteps, rowCount       = reg.RCX, reg.RBX
	rowAhead, rowTail        = reg.R8, reg.R9
	rowLow, rowCodes, rowMul = 15, 14, 13
)

func (k *rowKernel) emit() {
	name := "rowGemv" + k.typ + k.isa.name
	k.text(name, "func(y *float32, w *byte, x *int8, steps, tail, rows, ahead int, alpha, beta float32)",
		name+fmt.Sprintf(" multiplies rows of %s as they are in a file by a vector in steps of %d blocks:", k.typ, k.blocks),
		"",
		"\tfor every step t, and 0 <= i < 16 {",
		"\t\ts[i] = fma(float32(the sum of i's codes and x's)*(its block's scale), x[t].scale[i], s[i])",
		"\t}",
		"\ty[r] = beta*y[r] + alpha*sum(s) // fma; beta == 0: y is not read",
		"",
		"steps are whole ones, tail is the number of blocks behind them. Halves of s are added, then halves of those, down to one.")
	k.MOVQ(k.arg("y"), rowY)
	k.MOVQ(k.arg("w"), rowW)
	k.MOVQ(k.arg("rows"), rowCount)
	k.MOVQ(k.arg("ahead"), rowAhead)
	k.MOVQ(k.arg("tail"), rowTail)
	k.constants()
	k.Label("row")
	k.MOVQ(k.arg("x"), rowX)
	k.MOVQ(k.arg("steps"), rowSteps)
	sums := []reg.VecPhysical{k.v(0)}
	if !k.wide() {
		sums = append(sums, k.v(1))
	}
	for _, s := range sums {
		k.zero(k.isa, s)
	}
	k.TESTQ(rowSteps, rowSteps)
	k.JZ(label("tail"))
	k.Label("step")
	k.PREFETCHT1(memx(rowW, rowAhead, 1, 0))
	if k.wide() {
		k.stepAVX512(false)
	} else {
		k.stepAVX2(k.blocks)
	}
	k.ADDQ(imm(k.blocks*k.blockBytes), rowW)
	k.ADDQ(operand.U32(k.codes+128), rowX)
	k.DECQ(rowSteps)
	k.JNZ(label("step"))
	k.Label("tail")
	k.TESTQ(rowTail, rowTail)
	k.JZ(label("sum"))
	if k.wide() {
		k.stepAVX512(true)
	} else {
		k.tailAVX2()
	}
	k.IMUL3Q(imm(k.blockBytes), rowTail, reg.RAX)
	k.ADDQ(reg.RAX, rowW)
	k.Label("sum")
	if k.wide() {
		k.VEXTRACTF64X4(operand.U8(1), zmm[0], ymm[1])
	}
	k.VADDPS(ymm[1], ymm[0], ymm[0])
	k.VEXTRACTF128(operand.U8(1), ymm[0], xmm[1])
	k.VADDPS(xmm[1], xmm[0], xmm[0])
	k.VPERMILPS(operand.U8(0x4e), xmm[0], xmm[1])
	k.VADDPS(xmm[1], xmm[0], xmm[0])
	k.VPERMILPS(operand.U8(0xb1), xmm[0], xmm[1])
	k.VADDSS(xmm[1], xmm[0], xmm[0])
	k.VMULSS(k.arg("alpha"), xmm[0], xmm[0])
	k.MOVL(k.arg("beta"), reg.EAX)
	k.ADDL(reg.EAX, reg.EAX)
	k.JZ(label("write"))
	k.VMOVSS(k.arg("beta"), xmm[1])
	k.VFMADD231SS(mem(rowY, 0), xmm[1], xmm[0])
	k.Label("write")
	k.VMOVSS(xmm[0], mem(rowY, 0))
	k.ADDQ(imm(4), rowY)
	k.DECQ(rowCount)
	k.JNZ(label("row"))
	k.ret()
}

// constants loads masks and, for AVX-512, the words that scales and codes are taken from.
func (k *rowKernel) constants() {
	flip := uint32(0x0f0f0f0f)
	if k.typ == "Q8_0" {
		flip = 0x80808080
	}
	k.MOVL(operand.U32(flip), reg.EAX)
	k.VMOVD(reg.EAX, xmm[rowLow])
	k.VPBROADCASTD(xmm[rowLow], k.v(rowLow))
	if !k.wide() {
		k.MOVL(operand.U32(0x00010001), reg.EAX)
		k.VMOVD(reg.EAX, xmm[rowCodes])
		k.VPBROADCASTD(xmm[rowCodes], ymm[rowCodes])
		return
	}
	// Words of a step: the scale of each of 16 sums; of Q4_0 the codes, of four blocks
	// as they lie from byte 8 on, where the first one's are not all there, and of three
	// blocks as they lie from the beginning. Word 31 is zero there.
	var scales, codes, tail [32]uint16
	for i := range 32 {
		scales[i] = uint16(min(i, 15) / (16 / k.blocks) * k.blockBytes / 2)
		lane := i / 8
		codes[i] = uint16(max(0, 9*lane+1+i%8-4))
		tail[i] = uint16(min(31, 9*lane+1+i%8))
	}
	t := k.StaticGlobal("words" + k.typ)
	k.DataAttributes(attr.RODATA | attr.NOPTR)
	for n, words := range [][32]uint16{scales, codes, tail} {
		for i, w := range words {
			k.AddDatum(64*n+2*i, operand.U16(w))
		}
	}
	k.LEAQ(t, reg.RAX)
	k.VMOVDQU32(mem(reg.RAX, 0), zmm[rowMul])
	if k.typ == "Q4_0" {
		k.VMOVDQU32(mem(reg.RAX, 64), zmm[rowCodes])
		k.VMOVDQU32(mem(reg.RAX, 128), zmm[12])
		k.MOVL(operand.U32(0x000f), reg.EAX)
		k.KMOVW(reg.EAX, reg.K1)
	}
	if k.typ == "Q8_0" {
		// Scales are loaded one by one: a load of 64 bytes would straddle lines.
		k.MOVL(operand.U32(0xff00), reg.EAX)
		k.KMOVW(reg.EAX, reg.K1)
	}
	k.Comment("K2: the bytes of the last blocks.")
	k.IMUL3Q(imm(k.blockBytes), rowTail, reg.RCX)
	k.MOVL(operand.U32(1), reg.EAX)
	k.SHLQ(reg.CL, reg.RAX)
	k.DECQ(reg.RAX)
	k.KMOVQ(reg.RAX, reg.K2)
}

// stepAVX512 adds a step; the last one has fewer blocks.
func (k *rowKernel) stepAVX512(tail bool) {
	z := func(n int) reg.VecPhysical { return zmm[n] }
	switch {
	case tail:
		k.VMOVDQU8_Z(mem(rowW, 0), reg.K2, z(2))
		k.VPERMW(z(2), z(rowMul), z(3))
		if k.typ == "Q4_0" {
			k.VPERMW(z(2), z(12), z(2))
		} else {
			// One block: its codes begin at byte 2.
			k.MOVL(operand.U32(0xffff), reg.EAX)
			k.KMOVD(reg.EAX, reg.K3)
			k.VMOVDQU16_Z(mem(rowW, 2), reg.K3, z(2))
		}
	case k.typ == "Q4_0":
		k.VPERMW(mem(rowW, 8), z(rowCodes), z(2))
		k.VBROADCASTI32X4(mem(rowW, 2), reg.K1, z(2))
		k.VPERMW(mem(rowW, 0), z(rowMul), z(3))
	default:
		k.VMOVDQU(mem(rowW, 2), ymm[2])
		k.VINSERTI64X4(operand.U8(1), mem(rowW, 36), z(2), z(2))
		k.VPBROADCASTW(mem(rowW, 0), ymm[3])
		k.VPBROADCASTW(mem(rowW, 34), reg.K1, ymm[3])
	}
	k.VCVTPH2PS(ymm[3], z(3))
	k.VMOVDQU32(mem(rowX, k.codes+64), z(4))
	if k.typ == "Q4_0" {
		k.VPSRLD(operand.U8(4), z(2), z(5))
		k.VPANDD(z(rowLow), z(2), z(2))
		k.VPANDD(z(rowLow), z(5), z(5))
		k.VPDPBUSD(mem(rowX, 0), z(2), z(4))
		k.VPDPBUSD(mem(rowX, 64), z(5), z(4))
	} else {
		k.VPXORD(z(rowLow), z(2), z(2))
		k.VPDPBUSD(mem(rowX, 0), z(2), z(4))
	}
	k.VCVTDQ2PS(z(4), z(4))
	k.VMULPS(z(3), z(4), z(4))
	k.VFMADD231PS(mem(rowX, k.codes), z(4), z(0))
}

// stepAVX2 adds n blocks, 8 sums at a time: those of two blocks of Q4_0 or one of Q8_0.
func (k *rowKernel) stepAVX2(n int) {
	per := k.blocks / 2
	for half := range (n + per - 1) / per {
		two := per == 2 && n-2*half >= 2
		at := func(block, disp int) operand.Mem {
			return mem(rowW, (per*half+block)*k.blockBytes+disp)
		}
		k.VPBROADCASTW(at(0, 0), xmm[3])
		if per == 2 {
			// Scales and codes of a block that is missing are zero.
			k.VPXOR(xmm[4], xmm[4], xmm[4])
			if two {
				k.VPBROADCASTW(at(1, 0), xmm[4])
			}
			k.VPUNPCKLQDQ(xmm[4], xmm[3], xmm[3])
			k.VMOVDQU(at(0, 2), xmm[2])
			if two {
				k.VINSERTI128(operand.U8(1), at(1, 2), ymm[2], ymm[2])
			}
			k.VPSRLW(operand.U8(4), ymm[2], ymm[5])
			k.VPAND(ymm[rowLow], ymm[2], ymm[2])
			k.VPAND(ymm[rowLow], ymm[5], ymm[5])
			k.VPMADDUBSW(mem(rowX, 32*half), ymm[2], ymm[2])
			k.VPMADDUBSW(mem(rowX, 64+32*half), ymm[5], ymm[5])
			k.VPADDW(ymm[5], ymm[2], ymm[2])
			k.VPMADDWD(ymm[rowCodes], ymm[2], ymm[2])
			k.VPADDD(mem(rowX, k.codes+64+32*half), ymm[2], ymm[2])
		} else {
			k.VMOVDQU(at(0, 2), ymm[2])
			k.VPABSB(ymm[2], ymm[4])
			k.VMOVDQU(mem(rowX, 32*half), ymm[5])
			k.VPSIGNB(ymm[2], ymm[5], ymm[5])
			k.VPMADDUBSW(ymm[5], ymm[4], ymm[2])
			k.VPMADDWD(ymm[rowCodes], ymm[2], ymm[2])
		}
		k.VCVTPH2PS(xmm[3], ymm[3])
		k.VCVTDQ2PS(ymm[2], ymm[2])
		k.VMULPS(ymm[3], ymm[2], ymm[2])
		k.VFMADD231PS(mem(rowX, k.codes+32*half), ymm[2], ymm[half])
	}
}

// tailAVX2 adds one to three blocks.
func (k *rowKernel) tailAVX2() {
	for n := k.blocks - 1; n > 1; n-- {
		k.CMPQ(rowTail, imm(n))
		k.JEQ(label(fmt.Sprintf("tail%d", n)))
	}
	k.stepAVX2(1)
	for n := 2; n < k.blocks; n++ {
		k.JMP(label("tailDone"))
		k.Label(fmt.Sprintf("tail%d", n))
		k.stepAVX2(n)
	}
	if k.blocks > 2 {
		k.Label("tailDone")
	}
}
