// Strips of quantised weights times a vector, with VPMADDUBSW. Its 16-bit sums of two
// products saturate: how many of them may be added before they are widened depends on
// the bits of the codes. Activations are in [-127, 127].

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func blockGemvAVX2File(g *gen) {
	for _, f := range stripFormats {
		k := &blockVectorKernel{gen: g, stripFormat: f, isa: avx2, cols: 1}
		k.emit(fmt.Sprintf("blockGemv%sx1AVX2", f.name), k.blockAVX2)
	}
}

// stripUnit is where the unit's own scales are.
var stripUnit = reg.R13

func (k *blockVectorKernel) allocateAVX2() {
	var s []reg.VecPhysical
	for range k.vectors() {
		s = append(s, k.take())
	}
	k.sums = [][]reg.VecPhysical{s}
	k.ints = [][][]reg.VecPhysical{{{k.take(), k.take()}}}
	k.w = [2]reg.VecPhysical{k.take(), k.take()}
	k.bcast = k.take()
	k.ones = k.take()
	k.constant(0x00010001, k.ones)
	k.low, k.high = k.take(), k.take()
	k.constant(map[bool]uint32{false: 0x0f0f0f0f, true: 0x03030303}[k.codes < 4], k.low)
	if k.table {
		k.VBROADCASTI128(k.iq4Table(), k.high)
		k.bits = k.take()
		k.constant(0x80808080, k.bits)
		k.VPXOR(k.bits, k.high, k.high) // signed
	}
	switch k.codes {
	case 8:
		k.constant(0x80808080, k.high)
	case 6:
		k.constant(0x30303030, k.high)
	case 5, 3:
		k.constant(map[int]uint32{5: 0x10101010, 3: 0x04040404}[k.codes], k.high)
		k.from, k.bits = k.take(), k.take()
		k.LEAQ(k.spreadTable(), reg.RAX)
		k.VMOVDQU(mem(reg.RAX, 0), k.from)
		k.VPBROADCASTQ(mem(reg.RAX, 32), k.bits)
	}
}

// spreadTable is a shuffle that gives each bit of a dword a byte, then the bit of each byte.
func (g *gen) spreadTable() operand.Mem {
	if !g.haveSpread {
		g.haveSpread = true
		g.spread = g.StaticGlobal("spreadBits")
		g.DataAttributes(attr.RODATA | attr.NOPTR)
		for i := range 4 {
			g.AddDatum(8*i, operand.U64(uint64(i)*0x0101010101010101))
		}
		g.AddDatum(32, operand.U64(0x8040201008040201))
	}
	return g.spread
}

// blockAVX2 adds a block, eight rows at a time.
func (k *blockVectorKernel) blockAVX2() {
	a, b := k.ints[0][0][0], k.ints[0][0][1]
	x := stripX[0]
	k.prefetch()
	for v := range k.vectors() {
		codes := func(vector int) operand.Mem { return mem(stripW, 128*vector+32*v) }
		// pairs adds the products of quad q and codes w, in pairs, to sum; w is lost.
		pairs := func(q int, w, sum reg.VecPhysical, first bool) {
			k.VPBROADCASTD(mem(x, 4*q), k.bcast)
			if first {
				k.VPMADDUBSW(k.bcast, w, sum)
				return
			}
			k.VPMADDUBSW(k.bcast, w, w)
			k.VPADDW(w, sum, sum)
		}
		switch {
		case k.codes == 8:
			k.signedBytes(v, a, b)
		case k.table:
			k.tableBytes(v, a, b)
		case k.codes < 4:
			k.pairBytes(v, pairs)
		case k.codes < 6:
			high := a // 8 times 2*15*127 fit in 16 bits, and 4 times 2*31*127
			if k.codes == 5 {
				high = b
			}
			for s := range 4 {
				k.VMOVDQU(codes(s), k.w[0])
				k.VPSRLW(operand.U8(4), k.w[0], k.w[1])
				k.VPAND(k.low, k.w[0], k.w[0])
				k.VPAND(k.low, k.w[1], k.w[1])
				if k.codes == 5 {
					k.extraBits(512, s, v, k.w[0])
					k.extraBits(512, s+4, v, k.w[1])
				}
				pairs(s, k.w[0], a, s == 0)
				pairs(s+4, k.w[1], high, s == 0 && high == b)
			}
			k.VPMADDWD(k.ones, a, a)
			if high == b {
				k.VPMADDWD(k.ones, b, b)
				k.VPADDD(b, a, a)
			}
			k.addZero(0, a)
		default:
			k.sixBitBytes(v, pairs)
		}
		k.scaleAVX2(v)
	}
}

func (k *blockVectorKernel) addZero(group int, p reg.VecPhysical) {
	if k.zeroAt > 0 {
		k.VPBROADCASTD(mem(stripX[0], k.zeroAt+4*group), k.bcast)
		k.VPADDD(k.bcast, p, p)
	}
}

// signedBytes multiplies codes of eight bits: their magnitudes as signed bytes by the
// activations with the codes' signs, at most 2*128*127 for two.
func (k *blockVectorKernel) signedBytes(v int, sum, t reg.VecPhysical) {
	for q := range 8 {
		k.VPXOR(mem(stripW, 128*q+32*v), k.high, k.w[0])
		k.VPABSB(k.w[0], k.w[1])
		k.VPBROADCASTD(mem(stripX[0], 4*q), k.bcast)
		k.VPSIGNB(k.w[0], k.bcast, k.bcast)
		k.VPMADDUBSW(k.bcast, k.w[1], k.bcast)
		if q == 0 {
			k.VPMADDWD(k.ones, k.bcast, sum)
			continue
		}
		k.VPMADDWD(k.ones, k.bcast, t)
		k.VPADDD(t, sum, sum)
	}
}

// tableBytes multiplies codes that are places in a table, as signedBytes does. Pairs of
// products are at most 2*127*127.
func (k *blockVectorKernel) tableBytes(v int, sum, t reg.VecPhysical) {
	for s := range 4 {
		k.VMOVDQU(mem(stripW, 128*s+32*v), k.w[0])
		k.VPSRLW(operand.U8(4), k.w[0], k.w[1])
		for n, w := range k.w {
			k.VPAND(k.low, w, w)
			k.VPSHUFB(w, k.high, w)
			k.VPBROADCASTD(mem(stripX[0], 4*(s+4*n)), k.bcast)
			k.VPSIGNB(w, k.bcast, k.bcast)
			k.VPABSB(w, w)
			k.VPMADDUBSW(k.bcast, w, k.bcast)
			if s+n == 0 {
				k.VPMADDWD(k.ones, k.bcast, sum)
				continue
			}
			k.VPMADDWD(k.ones, k.bcast, t)
			k.VPADDD(t, sum, sum)
		}
	}
}

// pairBytes multiplies codes of two bits, and a third one; 8 times 7*127 fit in 16 bits.
func (k *blockVectorKernel) pairBytes(v int, pairs func(q int, w, sum reg.VecPhysical, first bool)) {
	for q := range 8 {
		w, sum := k.w[0], k.ints[0][0][q/4]
		k.VMOVDQU(mem(stripW, 128*(q/4)+32*v), w)
		if q%4 > 0 {
			k.VPSRLW(operand.U8(2*(q%4)), w, w)
		}
		k.VPAND(k.low, w, w)
		if k.codes == 3 {
			k.extraBits(256, q, v, w)
		}
		pairs(q, w, sum, q%4 == 0)
	}
	for group, sum := range k.ints[0][0] {
		k.VPMADDWD(k.ones, sum, sum)
		if k.codes == 3 { // the zero is 4, not 32
			k.VPBROADCASTD(mem(stripX[0], k.zeroAt+4*group), k.bcast)
			k.VPSRAD(operand.U8(3), k.bcast, k.bcast)
			k.VPADDD(k.bcast, sum, sum)
		}
	}
}

// extraBits adds to codes w the bits of quad q beside them, which begin at byte at.
func (k *blockVectorKernel) extraBits(at, q, v int, w reg.VecPhysical) {
	k.VPBROADCASTD(mem(stripW, at+16*q+4*v), k.bcast)
	k.VPSHUFB(k.from, k.bcast, k.bcast)
	k.VPAND(k.bits, k.bcast, k.bcast)
	k.VPCMPEQB(k.bits, k.bcast, k.bcast)
	k.VPAND(k.high, k.bcast, k.bcast)
	k.VPOR(k.bcast, w, w)
}

// sixBitBytes multiplies codes of six bits; 2 times 2*63*127 fit in 16 bits.
func (k *blockVectorKernel) sixBitBytes(v int, pairs func(q int, w, sum reg.VecPhysical, first bool)) {
	ints := k.ints[0][0]
	short := []reg.VecPhysical{ymm[12], ymm[13]}
	for t := range 2 {
		for odd := range 2 {
			bits := mem(stripW, 512+128*t+32*v)
			k.VMOVDQU(mem(stripW, 128*(2*t+odd)+32*v), k.w[0])
			k.VPSRLW(operand.U8(4), k.w[0], k.w[1])
			for group, shift := range [][]int{{4, 2}, {0, -2}}[odd] {
				k.VMOVDQU(bits, k.bcast)
				switch {
				case shift > 0:
					k.VPSLLW(operand.U8(shift), k.bcast, k.bcast)
				case shift < 0:
					k.VPSRLW(operand.U8(-shift), k.bcast, k.bcast)
				}
				k.VPAND(k.high, k.bcast, k.bcast)
				k.VPAND(k.low, k.w[group], k.w[group])
				k.VPOR(k.bcast, k.w[group], k.w[group])
				pairs(2*t+odd+4*group, k.w[group], short[group], odd == 0)
			}
		}
		for group, s := range short {
			if t == 0 {
				k.VPMADDWD(k.ones, s, ints[group])
				continue
			}
			k.VPMADDWD(k.ones, s, s)
			k.VPADDD(s, ints[group], ints[group])
		}
	}
	k.addZero(0, ints[0])
	k.addZero(1, ints[1])
}

// scaleAVX2 adds the integer sums of eight rows, times the scales, to the sums.
func (k *blockVectorKernel) scaleAVX2(v int) {
	x := stripX[0]
	scale, t := k.w[0], k.w[1]
	for group := range k.groups() {
		p := k.ints[0][0][group]
		k.VCVTDQ2PS(p, p)
		if k.unit == 0 {
			k.VCVTPH2PS(mem(stripW, k.scale+16*v), scale)
		} else {
			at := mem(stripW, k.scale+32*group+8*v)
			if k.signed {
				k.VPMOVSXBD(at, scale)
			} else {
				k.VPMOVZXBD(at, scale)
			}
			if k.codes == 2 { // the minimum is in the upper half of the byte
				k.VPSLLD(operand.U8(28), scale, scale)
				k.VPSRLD(operand.U8(28), scale, scale)
			}
			k.VCVTDQ2PS(scale, scale)
			k.VCVTPH2PS(mem(stripUnit, 16*v), t)
			k.VMULPS(t, scale, scale)
		}
		k.VMULPS(scale, p, p)
		if k.min > 0 {
			k.VBROADCASTSS(mem(x, xSum), k.bcast)
			if k.codes == 2 { // less the sum of the group, from -32 times it
				k.VPBROADCASTD(mem(x, xMinus32+4*group), k.bcast)
				k.VPSRAD(operand.U8(5), k.bcast, k.bcast)
				k.VCVTDQ2PS(k.bcast, k.bcast)
				k.VPMOVZXBD(mem(stripW, k.min+32*group+8*v), scale)
				k.VPSRLD(operand.U8(4), scale, scale)
				k.VCVTDQ2PS(scale, scale)
				k.VCVTPH2PS(mem(stripUnit, 64+16*v), t)
				k.VMULPS(t, scale, scale)
				k.VFMADD231PS(k.bcast, scale, p)
			} else if k.unit == 0 {
				k.VCVTPH2PS(mem(stripW, k.min+16*v), scale)
				k.VFMADD231PS(k.bcast, scale, p)
			} else {
				k.VPMOVZXBD(mem(stripW, k.min+8*v), scale)
				k.VCVTDQ2PS(scale, scale)
				k.VCVTPH2PS(mem(stripUnit, 64+16*v), t)
				k.VMULPS(t, scale, scale)
				k.VFNMADD231PS(k.bcast, scale, p)
			}
		}
		k.VBROADCASTSS(mem(x, xScale), k.bcast)
		k.VFMADD231PS(k.bcast, p, k.sums[0][v])
	}
}
