// The expansion of strips of quantised weights: to panels of bytes and float32 scales,
// and from there to float32.

package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A blockExpander emits the expansion of one format on one instruction set.
type blockExpander struct {
	*gen
	isa
	name   string
	bytes8 bool // a byte for each code; else nibbles
	extra  int  // bits of a code beside its nibble
	minima bool
	super  bool // units of 8 blocks with one scale above those of the blocks
	halves bool // elements 0 to 15 and 16 to 31 have scales of their own
	pairs  bool // two bits for each code, not nibbles
	table  bool // codes are places in a table
	bits   operand.Mem
}

func blockExpandFile(g *gen) {
	bits := fifthTables(g)
	for _, i := range isas {
		for _, e := range []blockExpander{
			{name: "Q8_0", bytes8: true},
			{name: "Q4_0"},
			{name: "Q4_1", minima: true},
			{name: "Q5_0", extra: 1},
			{name: "Q5_1", extra: 1, minima: true},
			{name: "Q4_K", minima: true, super: true},
			{name: "Q5_K", extra: 1, minima: true, super: true},
			{name: "Q6_K", extra: 2, super: true, halves: true},
			{name: "Q2_K", pairs: true, minima: true, super: true, halves: true},
			{name: "Q3_K", pairs: true, extra: 1, super: true, halves: true},
			{name: "IQ4_NL", table: true},
			{name: "IQ4_XS", table: true, super: true},
		} {
			e.gen, e.isa, e.bits = g, i, bits
			e.emit()
		}
		dequantizePanel(g, i, false)
		dequantizePanel(g, i, true)
	}
}

// fifthTables is what spreads 32 bits to bytes on AVX2: first the byte each comes
// from, then its bit.
func fifthTables(g *gen) operand.Mem {
	m := g.StaticGlobal("fifthBits")
	g.DataAttributes(attr.RODATA | attr.NOPTR)
	for n := range 4 {
		g.AddDatum(8*n, operand.U64(uint64(n)*0x0101010101010101))
	}
	for n := range 4 {
		g.AddDatum(32+8*n, operand.U64(0x8040201008040201))
	}
	return m
}

var (
	expandSrc, expandCodes, expandScales = reg.RSI, reg.RDI, reg.R8
	expandHead, expandUnits, expandBlock = reg.RDX, reg.RCX, reg.RBX
)

// Constants of the expansion, in the highest registers that both sets have.
func (e blockExpander) low4() reg.VecPhysical    { return e.v(15) }
func (e blockExpander) magic() reg.VecPhysical   { return e.v(14) }
func (e blockExpander) sign() reg.VecPhysical    { return e.v(13) }
func (e blockExpander) high() reg.VecPhysical    { return e.v(12) } // bits 4, or 4 and 5, of a byte
func (e blockExpander) from() reg.VecPhysical    { return e.v(11) }
func (e blockExpander) bitMask() reg.VecPhysical { return e.v(10) }

// parts is how many vectors hold 32 float32, or a quad of 32 rows.
func (i isa) parts() int { return 32 / i.lanes }

func (e blockExpander) emit() {
	name := "expand" + e.name + e.isa.name
	doc := "codes [k/4][32][4], scales [k/32][2][32]"
	switch {
	case e.halves && e.minima:
		doc = "codes [k/4][32][4], scales [k/16][3][32]"
	case e.halves:
		doc = "codes [k/4][32][4], scales [k/16][2][32]"
	case e.minima:
		doc = "codes [k/4][32][4], scales [k/32][3][32]"
	}
	if e.bytes8 {
		doc = "scales [k/32][2][32], leaving the codes where they are"
	}
	e.text(name, "func(units int, strip, codes *byte, scales *float32)",
		name+" expands units of a strip to a panel, see blockPanel:",
		doc+".")
	e.MOVQ(e.arg("units"), expandUnits)
	e.MOVQ(e.arg("strip"), expandSrc)
	e.MOVQ(e.arg("codes"), expandCodes)
	e.MOVQ(e.arg("scales"), expandScales)
	bcast := func(bits uint32, to reg.VecPhysical) {
		e.MOVL(operand.U32(bits), reg.EAX)
		if e.wide() {
			e.VPBROADCASTD(reg.EAX, to)
			return
		}
		x := xmm[0]
		e.VMOVD(reg.EAX, x)
		e.VPBROADCASTD(x, to)
	}
	bcast(map[bool]uint32{false: 0x0f0f0f0f, true: 0x03030303}[e.pairs], e.low4())
	bcast(blockMagic|1<<31, e.magic())
	bcast(1<<31, e.sign())
	switch {
	case e.table && e.wide():
		e.VBROADCASTI32X4(e.iq4Table(), e.high())
	case e.table:
		e.VBROADCASTI128(e.iq4Table(), e.high())
	case e.pairs:
		bcast(map[int]uint32{0: 0, 1: 0x04040404}[e.extra], e.high())
	default:
		bcast(map[int]uint32{0: 0, 1: 0x10101010, 2: 0x30303030}[e.extra], e.high())
	}
	if e.extra == 1 && !e.wide() {
		e.VMOVDQU(e.bits, e.from())
		e.VMOVDQU(e.bits.Offset(32), e.bitMask())
	}

	e.Label("unit")
	codes := 512 // bytes of codes of a block in the strip
	switch {
	case e.pairs:
		codes = 256 + 128*e.extra
	case e.bytes8:
		codes = 1024
	case e.extra > 0:
		codes += 128 * e.extra
	}
	if !e.super {
		e.codes()
		e.plainScales(codes)
		e.ADDQ(imm(codes+64), expandSrc)
		if e.minima {
			e.ADDQ(imm(64), expandSrc)
		}
		e.advance()
	} else {
		e.MOVQ(expandSrc, expandHead)
		e.ADDQ(imm(64), expandSrc)
		if e.minima {
			e.ADDQ(imm(64), expandSrc)
		}
		e.MOVQ(operand.I32(8), expandBlock)
		e.Label("block")
		e.codes()
		e.superScales(codes)
		scales := 64
		if !e.halves && !e.minima {
			scales = 32
		}
		e.ADDQ(imm(codes+scales), expandSrc)
		e.advance()
		e.DECQ(expandBlock)
		e.JNZ(label("block"))
	}
	e.DECQ(expandUnits)
	e.JNZ(label("unit"))
	e.ret()
}

// advance moves the panel's pointers past a block.
func (e blockExpander) advance() {
	if !e.bytes8 {
		e.ADDQ(imm(1024), expandCodes)
	}
	switch {
	case e.halves && e.minima:
		e.ADDQ(imm(768), expandScales)
	case e.halves:
		e.ADDQ(imm(512), expandScales)
	case e.minima:
		e.ADDQ(imm(384), expandScales)
	default:
		e.ADDQ(imm(256), expandScales)
	}
}

// codes emits the expansion of a block's codes.
func (e blockExpander) codes() {
	switch {
	case e.bytes8:
		return
	case e.pairs:
		e.twoBits()
		return
	}
	for s := range 4 {
		for at := 0; at < 128; at += e.bytes() { // both halves of the rows
			lo, hi := e.v(0), e.v(1)
			e.load(128*s+at, lo)
			e.shift(false, 4, lo, hi)
			e.and(e.low4(), lo, lo)
			e.and(e.low4(), hi, hi)
			e.high5(512, 128*s+at, lo)
			e.high5(512, 128*(s+4)+at, hi)
			if e.table {
				e.VPSHUFB(lo, e.high(), lo)
				e.VPSHUFB(hi, e.high(), hi)
			}
			if e.extra == 2 {
				e.load(512+128*(s/2)+at, e.v(2))
				e.high6(4-4*(s%2), lo)
				e.high6(2-4*(s%2), hi)
			}
			e.store(lo, expandCodes, 128*s+at)
			e.store(hi, expandCodes, 128*(s+4)+at)
		}
	}
}

// twoBits emits the expansion of a block of codes of two bits.
func (e blockExpander) twoBits() {
	for t := range 2 {
		for at := 0; at < 128; at += e.bytes() { // both halves of the rows
			w, code := e.v(0), e.v(1)
			e.load(128*t+at, w)
			for i := range 4 {
				if i == 0 {
					e.and(e.low4(), w, code)
				} else {
					e.shift(false, 2*i, w, code)
					e.and(e.low4(), code, code)
				}
				e.high5(256, 128*(4*t+i)+at, code)
				e.store(code, expandCodes, 128*(4*t+i)+at)
			}
		}
	}
}

// high5 sets the bit above the others of the codes of the vector at byte at of the panel,
// from the bits that begin at byte from of the block.
func (e blockExpander) high5(from, at int, codes reg.VecPhysical) {
	if e.extra != 1 {
		return
	}
	src := mem(expandSrc, from+at/8)
	if e.wide() {
		e.KMOVQ(src, reg.K1)
		e.VPADDB(e.high(), codes, reg.K1, codes)
		return
	}
	t := e.v(2)
	e.VPBROADCASTD(src, t)
	e.VPSHUFB(e.from(), t, t)
	e.VPAND(e.bitMask(), t, t)
	e.VPCMPEQB(e.bitMask(), t, t)
	e.VPAND(e.high(), t, t)
	e.VPOR(t, codes, codes)
}

// high6 sets bits 4 and 5 of the codes from v(2) shifted to the left, or right if negative.
func (e blockExpander) high6(shift int, codes reg.VecPhysical) {
	t := e.v(3)
	switch {
	case shift == 0:
		t = e.v(2)
	case shift > 0:
		e.shift(true, shift, e.v(2), t)
	default:
		e.shift(false, -shift, e.v(2), t)
	}
	if e.wide() {
		e.VPTERNLOGD(operand.U8(0xf8), e.high(), t, codes) // codes | t&high
		return
	}
	e.VPAND(e.high(), t, e.v(3))
	e.VPOR(e.v(3), codes, codes)
}

// plainScales emits scales, and minima, that stand behind the block's codes.
func (e blockExpander) plainScales(at int) {
	for p := range e.parts() {
		e.VCVTPH2PS(mem(expandSrc, at+p*e.bytes()/2), e.v(0))
		e.putScale(e.v(0), 0, p)
		if e.minima {
			e.VCVTPH2PS(mem(expandSrc, at+64+p*e.bytes()/2), e.v(0))
			e.VMOVUPS(e.v(0), mem(expandScales, 256+p*e.bytes()))
		}
	}
}

// superScales emits the products of the block's small scales with the unit's.
func (e blockExpander) superScales(at int) {
	for p := range e.parts() {
		e.VCVTPH2PS(mem(expandHead, p*e.bytes()/2), e.v(2))
		if e.minima && e.halves {
			e.packedScales(at, p)
			continue
		}
		for n := range 2 {
			if n == 1 && !e.halves && !e.minima {
				break
			}
			small := mem(expandSrc, at+32*n+p*e.lanes)
			if e.minima {
				e.VPMOVZXBD(small, e.v(0))
			} else {
				e.VPMOVSXBD(small, e.v(0))
			}
			e.VCVTDQ2PS(e.v(0), e.v(0))
			if e.minima && n == 1 {
				e.VCVTPH2PS(mem(expandHead, 64+p*e.bytes()/2), e.v(2))
				e.VMULPS(e.v(2), e.v(0), e.v(0))
				e.VXORPS(e.sign(), e.v(0), e.v(0))
				e.VMOVUPS(e.v(0), mem(expandScales, 256+p*e.bytes()))
				continue
			}
			e.VMULPS(e.v(2), e.v(0), e.v(0))
			e.putScale(e.v(0), n, p)
		}
	}
}

// packedScales emits the scales and minima of Q2_K, two in a byte: part p of both groups.
func (e blockExpander) packedScales(at, p int) {
	e.VCVTPH2PS(mem(expandHead, 64+p*e.bytes()/2), e.v(3))
	for n := range 2 {
		group := 384 * n
		e.VPMOVZXBD(mem(expandSrc, at+32*n+p*e.lanes), e.v(0))
		e.VPSRLD(operand.U8(4), e.v(0), e.v(4))
		e.VPSLLD(operand.U8(28), e.v(0), e.v(0))
		e.VPSRLD(operand.U8(28), e.v(0), e.v(0))
		e.VCVTDQ2PS(e.v(0), e.v(0))
		e.VMULPS(e.v(2), e.v(0), e.v(0))
		e.VMULPS(e.magic(), e.v(0), e.v(1))
		e.VMOVUPS(e.v(0), mem(expandScales, group+p*e.bytes()))
		e.VMOVUPS(e.v(1), mem(expandScales, group+128+p*e.bytes()))
		e.VCVTDQ2PS(e.v(4), e.v(4))
		e.VMULPS(e.v(3), e.v(4), e.v(4))
		e.VXORPS(e.sign(), e.v(4), e.v(4))
		e.VMOVUPS(e.v(4), mem(expandScales, group+256+p*e.bytes()))
	}
}

// putScale stores part p of the scales of a group and of what takes the magic number off.
func (e blockExpander) putScale(s reg.VecPhysical, group, p int) {
	e.VMULPS(e.magic(), s, e.v(1))
	e.VMOVUPS(s, mem(expandScales, 256*group+p*e.bytes()))
	e.VMOVUPS(e.v(1), mem(expandScales, 256*group+128+p*e.bytes()))
}

func (e blockExpander) load(at int, to reg.VecPhysical) {
	e.VMOVUPS(mem(expandSrc, at), to)
}

func (e blockExpander) store(from reg.VecPhysical, base reg.GPPhysical, at int) {
	e.VMOVUPS(from, mem(base, at))
}

func (e blockExpander) shift(left bool, n int, from, to reg.VecPhysical) {
	if left {
		e.VPSLLD(operand.U8(n), from, to)
		return
	}
	e.VPSRLD(operand.U8(n), from, to)
}

// and is the bitwise product, of a name that depends on the set.
func (g *gen) bitAnd(i isa, a operand.Op, b, to reg.VecPhysical) {
	if i.wide() {
		g.VPANDD(a, b, to)
		return
	}
	g.VPAND(a, b, to)
}

func (e blockExpander) and(a operand.Op, b, to reg.VecPhysical) { e.bitAnd(e.isa, a, b, to) }

// dequantizePanel emits the conversion of a panel to float32.
func dequantizePanel(g *gen, i isa, minima bool) {
	name, scales, step := "dequantizePanel"+i.name, "[groups][2][32]", 256
	value := "(code - zero) * scales[g][0][r]"
	if minima {
		name, scales, step = "dequantizePanelMin"+i.name, "[groups][3][32]", 384
		value = "fma(code, scales[g][0][r], scales[g][2][r])"
	}
	g.text(name, "func(groups, quads int, codes *byte, codesStep int, scales *float32, zero int, dst *float32)",
		name+" converts a panel of codes [groups][quads][32][4] and scales "+scales+" to float32:",
		"",
		"\tdst[g][4*q+e][r] = "+value,
		"",
		"codesStep is the distance of the codes of groups in bytes.")
	groups, quads, count := reg.RCX, reg.RDX, reg.RBX
	codes, codesStep, at := reg.RSI, reg.R9, reg.R10
	ws, dst := reg.R8, reg.RDI
	g.MOVQ(g.arg("groups"), groups)
	g.MOVQ(g.arg("quads"), quads)
	g.MOVQ(g.arg("codes"), codes)
	g.MOVQ(g.arg("codesStep"), codesStep)
	g.MOVQ(g.arg("scales"), ws)
	g.MOVQ(g.arg("dst"), dst)
	mask, zero := i.v(15), i.v(14)
	g.MOVL(operand.U32(0xff), reg.EAX)
	g.VMOVD(reg.EAX, xmm[15])
	g.VPBROADCASTD(xmm[15], mask)
	if !minima {
		g.MOVQ(g.arg("zero"), reg.RAX)
		g.VMOVD(reg.EAX, xmm[14])
		g.VPBROADCASTD(xmm[14], zero)
	}
	g.Label("group")
	for p := range i.parts() {
		g.VMOVUPS(mem(ws, p*i.bytes()), i.v(4+p))
		if minima {
			g.VMOVUPS(mem(ws, 256+p*i.bytes()), i.v(8+p))
		}
	}
	g.MOVQ(quads, count)
	g.MOVQ(codes, at)
	g.Label("quad")
	for p := range i.parts() {
		g.VMOVUPS(mem(at, p*i.bytes()), i.v(0))
		for n := range 4 {
			t := i.v(1)
			switch n {
			case 0:
				g.bitAnd(i, mask, i.v(0), t)
			case 3:
				g.VPSRLD(operand.U8(24), i.v(0), t)
			default:
				g.VPSRLD(operand.U8(8*n), i.v(0), t)
				g.bitAnd(i, mask, t, t)
			}
			if minima {
				g.VCVTDQ2PS(t, t)
				g.VFMADD213PS(i.v(8+p), i.v(4+p), t)
			} else {
				g.VPSUBD(zero, t, t)
				g.VCVTDQ2PS(t, t)
				g.VMULPS(i.v(4+p), t, t)
			}
			g.VMOVUPS(t, mem(dst, 128*n+p*i.bytes()))
		}
	}
	g.ADDQ(imm(128), at)
	g.ADDQ(imm(512), dst)
	g.DECQ(count)
	g.JNZ(label("quad"))
	g.ADDQ(codesStep, codes)
	g.ADDQ(imm(step), ws)
	g.DECQ(groups)
	g.JNZ(label("group"))
	g.ret()
}
