// Strips of quantised weights times a few vectors, with VPDPBUSD.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A stripFormat says where the parts of a block of 32 elements of a strip are. Offsets
// are in bytes from the block's beginning, or the unit's where the format has units.
type stripFormat struct {
	name       string
	codes      int // bits of a code: 2 to 6, or 8
	blockBytes int
	scale      int  // of the block's scales: float16, or bytes with unit scales
	min        int  // of its minima; 0: the format has none
	zeroAt     int  // of what a code's zero costs, in a vectorBlock; 0: none
	unit       int  // bytes of the unit's own scales; 0: a unit is a block
	halves     bool // elements 0 to 15 and 16 to 31 have scales of their own
	signed     bool // the block's scales are int8
	table      bool // codes are places in a table, of numbers from -127 on
}

var stripFormats = []stripFormat{
	{name: "Q8_0", codes: 8, blockBytes: 1088, scale: 1024, zeroAt: xMinus128},
	{name: "Q4_0", codes: 4, blockBytes: 576, scale: 512, zeroAt: xMinus8},
	{name: "Q4_1", codes: 4, blockBytes: 640, scale: 512, min: 576},
	{name: "Q5_0", codes: 5, blockBytes: 704, scale: 640, zeroAt: xMinus16},
	{name: "Q5_1", codes: 5, blockBytes: 768, scale: 640, min: 704},
	{name: "Q4_K", codes: 4, blockBytes: 576, scale: 512, min: 544, unit: 128},
	{name: "Q5_K", codes: 5, blockBytes: 704, scale: 640, min: 672, unit: 128},
	{name: "Q6_K", codes: 6, blockBytes: 832, scale: 768, zeroAt: xMinus32, unit: 64, halves: true, signed: true},
	{name: "Q2_K", codes: 2, blockBytes: 320, scale: 256, min: 256, unit: 128, halves: true},
	{name: "Q3_K", codes: 3, blockBytes: 448, scale: 384, zeroAt: xMinus32, unit: 64, halves: true, signed: true},
	{name: "IQ4_NL", codes: 4, blockBytes: 576, scale: 512, zeroAt: xMinus128, table: true},
	{name: "IQ4_XS", codes: 4, blockBytes: 544, scale: 512, zeroAt: xMinus128, unit: 64, signed: true, table: true},
}

// The parts of a vectorBlock.
const (
	xScale    = 32
	xSum      = 36
	xMinus8   = 40
	xMinus16  = 44
	xMinus128 = 48
	xMinus32  = 52 // of elements 0 to 15, then of 16 to 31
	xBytes    = 64
)

// groups is the number of scales of a block.
func (f stripFormat) groups() int {
	if f.halves {
		return 2
	}
	return 1
}

func (f stripFormat) unitBytes() int {
	if f.unit > 0 {
		return f.unit + 8*f.blockBytes
	}
	return f.blockBytes
}

func blockGemvFile(g *gen) {
	for _, f := range stripFormats {
		for _, cols := range []int{1, 2, 4} {
			k := &blockVectorKernel{gen: g, stripFormat: f, isa: avx512, cols: cols}
			k.emit(fmt.Sprintf("blockGemv%sx%dAVX512", f.name, cols), k.blockAVX512)
		}
	}
}

// A blockVectorKernel emits the product of strips and cols vectors.
type blockVectorKernel struct {
	*gen
	stripFormat
	isa
	cols int
	next int // vector register to hand out

	sums                              [][]reg.VecPhysical // [cols][vectors of 32 rows]
	ints                              [][][]reg.VecPhysical
	d, dmin                           []reg.VecPhysical
	low, high                         reg.VecPhysical
	w                                 [2]reg.VecPhysical
	bcast, ones, sixteens, from, bits reg.VecPhysical
}

var (
	stripW     = reg.RSI
	stripX     = []reg.GPPhysical{reg.RDI, reg.R8, reg.R9, reg.R10}
	stripY     = reg.RDX
	stripUnits = reg.RCX
	stripBlock = reg.RBX
	stripCount = reg.R11
	stripLdy   = reg.R12
)

// vectors is how many registers hold a number for every row of a strip.
func (k *blockVectorKernel) vectors() int { return 32 / k.lanes }

func (k *blockVectorKernel) take() reg.VecPhysical {
	k.next++
	return k.v(k.next - 1)
}

func (k *blockVectorKernel) constant(bits uint32, to reg.VecPhysical) {
	k.MOVL(operand.U32(bits), reg.EAX)
	if k.wide() {
		k.VPBROADCASTD(reg.EAX, to)
		return
	}
	x := xmm[15]
	k.VMOVD(reg.EAX, x)
	k.VPBROADCASTD(x, to)
}

// emit emits the frame: strips, units, and what is done with the sums. block emits the
// addition of the block at stripW.
func (k *blockVectorKernel) emit(name string, block func()) {
	minimum := ""
	if k.min > 0 {
		minimum = " + m[b][r]*sum(codes of x[c][b])"
	}
	k.text(name, "func(y *float32, ldy int, strips *byte, x *int8, ldx int, units, count int, sums *float32, ahead int, alpha, beta float32)",
		name+fmt.Sprintf(" multiplies count strips of units of %s by %d vectors:", k.stripFormat.name, k.cols),
		"",
		"\ts := sums[c][r]",
		"\tfor every block b, and every scale of it {",
		"\t\ts = fma(float32(sum(codes of w[r][b] * codes of x[c][b]))*w.scale"+minimum+", x[c][b].scale, s)",
		"\t}",
		"\ty[c*ldy+r] = beta*y[c*ldy+r] + alpha*s // fma; beta == 0: y is not read",
		"",
		"Each product is rounded, each sum is fused with its product. ldy, ldx and ahead, how far weights are prefetched, are in bytes; units and count are positive.")
	k.allocate()
	k.MOVQ(k.arg("y"), stripY)
	k.MOVQ(k.arg("ldy"), stripLdy)
	k.MOVQ(k.arg("strips"), stripW)
	k.MOVQ(k.arg("count"), stripCount)
	k.MOVQ(k.arg("ahead"), k.ahead())
	k.Label("strip")
	k.MOVQ(k.arg("x"), stripX[0])
	for c := 1; c < k.cols; c++ {
		k.MOVQ(stripX[c-1], stripX[c])
		k.ADDQ(k.arg("ldx"), stripX[c])
	}
	k.MOVQ(k.arg("units"), stripUnits)
	k.MOVQ(k.arg("sums"), reg.RAX)
	for c := range k.cols {
		for v, s := range k.sums[c] {
			k.VMOVUPS(mem(reg.RAX, 128*c+k.bytes()*v), s)
		}
	}
	k.Label("unit")
	if k.unit > 0 {
		k.unitScales()
		k.ADDQ(imm(k.unit), stripW)
		k.MOVL(operand.U32(8), stripBlock.As32())
		k.Label("block")
	}
	block()
	k.ADDQ(imm(k.blockBytes), stripW)
	for c := range k.cols {
		k.ADDQ(imm(xBytes), stripX[c])
	}
	if k.unit > 0 {
		k.DECQ(stripBlock)
		k.JNZ(label("block"))
	}
	k.DECQ(stripUnits)
	k.JNZ(label("unit"))
	k.store()
	k.ADDQ(imm(128), stripY)
	k.DECQ(stripCount)
	k.JNZ(label("strip"))
	k.ret()
}

// prefetch asks for a block of weights that is to be read some time later.
func (k *blockVectorKernel) prefetch() {
	for i := 0; i < k.blockBytes; i += 64 {
		k.PREFETCHT1(memx(stripW, k.ahead(), 1, i))
	}
}

// ahead is the register that says how much later.
func (k *blockVectorKernel) ahead() reg.GPPhysical {
	if k.wide() {
		return reg.R13
	}
	return reg.R8
}

// unitScales loads the unit's own scales, or keeps their address for want of registers.
func (k *blockVectorKernel) unitScales() {
	if !k.wide() {
		k.MOVQ(stripW, stripUnit)
		return
	}
	for h := range 2 {
		k.VCVTPH2PS(mem(stripW, 32*h), k.d[h])
		if k.min > 0 {
			k.VCVTPH2PS(mem(stripW, 64+32*h), k.dmin[h])
		}
	}
}

// store writes alpha*sums + beta*y.
func (k *blockVectorKernel) store() {
	t := k.w[0]
	k.VBROADCASTSS(k.arg("alpha"), t)
	for _, sums := range k.sums {
		for _, s := range sums {
			k.VMULPS(t, s, s)
		}
	}
	y := reg.RAX
	eachColumn := func(f func(s reg.VecPhysical, at operand.Mem)) {
		k.MOVQ(stripY, y)
		for c, sums := range k.sums {
			for v, s := range sums {
				f(s, mem(y, k.bytes()*v))
			}
			if c < k.cols-1 {
				k.ADDQ(stripLdy, y)
			}
		}
	}
	k.MOVL(k.arg("beta"), reg.EAX)
	k.ADDL(reg.EAX, reg.EAX)
	k.JZ(label("write"))
	k.VBROADCASTSS(k.arg("beta"), t)
	eachColumn(func(s reg.VecPhysical, at operand.Mem) { k.VFMADD231PS(at, t, s) })
	k.Label("write")
	eachColumn(func(s reg.VecPhysical, at operand.Mem) { k.VMOVUPS(s, at) })
}

// allocate hands out the registers of the AVX-512 kernels.
func (k *blockVectorKernel) allocate() {
	if !k.wide() {
		k.allocateAVX2()
		return
	}
	perRow := func(n int) (r []reg.VecPhysical) {
		for range n {
			r = append(r, k.take())
		}
		return r
	}
	for range k.cols {
		k.sums = append(k.sums, perRow(2))
	}
	chains := k.groups()
	if k.splitNibbles() {
		chains = 2
	}
	for range k.cols {
		k.ints = append(k.ints, [][]reg.VecPhysical{perRow(chains), perRow(chains)})
	}
	if k.unit > 0 {
		k.d = perRow(2)
		if k.min > 0 {
			k.dmin = perRow(2)
		}
	}
	k.bcast = k.take()
	k.w = [2]reg.VecPhysical{k.take(), k.take()}
	if k.codes < 8 {
		k.low = k.take()
		k.constant(map[bool]uint32{false: 0x0f0f0f0f, true: 0x03030303}[k.codes < 4], k.low)
	}
	switch {
	case k.table:
		k.high = k.take()
		k.VBROADCASTI32X4(k.iq4Table(), k.high)
	case k.codes == 3:
		k.high = k.take()
		k.constant(0x04040404, k.high)
	case k.splitNibbles():
		k.high = k.take()
		k.constant(0xf0f0f0f0, k.high)
	case k.codes == 6:
		k.high = k.take()
		k.constant(0x30303030, k.high)
	case k.codes == 5:
		k.high = k.take()
		k.constant(0x10101010, k.high)
	}
}

// splitNibbles says that the high nibbles of four-bit codes are multiplied where they
// are, 16 times too large, and their sums kept apart. It saves shifting the codes, but
// costs a shift and an addition of the sums of every vector.
func (k *blockVectorKernel) splitNibbles() bool { return k.codes == 4 && k.cols == 1 && !k.table }

// blockAVX512 adds a block: integer products of both halves of the rows, side by side so
// that memory is read in order, then scales.
func (k *blockVectorKernel) blockAVX512() {
	k.prefetch()
	for c := range k.cols {
		for _, chains := range k.ints[c] {
			for i, p := range chains {
				switch {
				case k.zeroAt == 0 || i > 0 && k.groups() == 1:
					k.VPXORD(p, p, p)
				default:
					k.VPBROADCASTD(mem(stripX[c], k.zeroAt+4*i), p)
					if k.codes == 3 { // the zero is 4, not 32
						k.VPSRAD(operand.U8(3), p, p)
					}
				}
			}
		}
	}
	// dot adds the products of quad q, whose codes are in w.
	dot := func(q, chain int, w [2]reg.VecPhysical) {
		for c := range k.cols {
			k.VPBROADCASTD(mem(stripX[c], 4*q), k.bcast)
			for h := range 2 {
				k.VPDPBUSD(k.bcast, w[h], k.ints[c][h][chain])
			}
		}
	}
	w := k.w
	each := func(f func(h int, w reg.VecPhysical)) {
		for h := range 2 {
			f(h, w[h])
		}
	}
	switch k.codes {
	case 8:
		for q := range 8 {
			each(func(h int, w reg.VecPhysical) { k.VMOVDQU32(mem(stripW, 128*q+64*h), w) })
			dot(q, 0, w)
		}
	case 2, 3:
		k.pairQuads(each, dot)
	case 4, 5:
		for s := range 4 {
			at := func(h int) operand.Mem { return mem(stripW, 128*s+64*h) }
			fifth := func(q int) {
				each(func(h int, w reg.VecPhysical) {
					if k.codes == 5 {
						k.KMOVQ(mem(stripW, 512+8*(2*q+h)), reg.K1)
						k.VPADDB(k.high, w, reg.K1, w)
					}
					if k.table {
						k.VPSHUFB(w, k.high, w)
					}
				})
			}
			each(func(h int, w reg.VecPhysical) { k.VPANDD(at(h), k.low, w) })
			fifth(s)
			dot(s, 0, w)
			if k.splitNibbles() {
				each(func(h int, w reg.VecPhysical) { k.VPANDD(at(h), k.high, w) })
				dot(s+4, 1, w)
				continue
			}
			each(func(h int, w reg.VecPhysical) {
				k.VPSRLD(operand.U8(4), at(h), w)
				k.VPANDD(k.low, w, w)
			})
			fifth(s + 4)
			dot(s+4, 0, w)
		}
	case 6:
		k.sixBitQuads(each, dot)
	}
	k.scaleAVX512()
}

// iq4Table is what the codes of IQ4_NL and IQ4_XS stand for, plus 128.
func (g *gen) iq4Table() operand.Mem {
	if !g.haveIQ4 {
		g.haveIQ4 = true
		g.iq4 = g.StaticGlobal("iq4Codes")
		g.DataAttributes(attr.RODATA | attr.NOPTR)
		for i, v := range []uint64{0x766a5d4f3f2d1801, 0xf1d9c5b5a6998d81} {
			g.AddDatum(8*i, operand.U64(v))
		}
	}
	return g.iq4
}

// pairQuads multiplies the quads of Q2_K and Q3_K.
func (k *blockVectorKernel) pairQuads(each func(func(int, reg.VecPhysical)), dot func(q, chain int, w [2]reg.VecPhysical)) {
	for q := range 8 {
		each(func(h int, w reg.VecPhysical) {
			at := mem(stripW, 128*(q/4)+64*h)
			if q%4 == 0 {
				k.VPANDD(at, k.low, w)
			} else {
				k.VPSRLD(operand.U8(2*(q%4)), at, w)
				k.VPANDD(k.low, w, w)
			}
			if k.codes == 3 {
				k.KMOVQ(mem(stripW, 256+8*(2*q+h)), reg.K1)
				k.VPADDB(k.high, w, reg.K1, w)
			}
		})
		dot(q, q/4, k.w)
	}
}

// sixBitQuads multiplies the quads of Q6_K. The two high bits of a code are brought to bits
// 4 and 5, then the nibble is chosen beside them.
func (k *blockVectorKernel) sixBitQuads(each func(func(int, reg.VecPhysical)), dot func(q, chain int, w [2]reg.VecPhysical)) {
	for s := range 4 {
		t, odd := s/2, s%2
		pairs := func(h int) operand.Mem { return mem(stripW, 512+128*t+64*h) }
		nibbles := func(h int) operand.Mem { return mem(stripW, 128*s+64*h) }
		each(func(h int, w reg.VecPhysical) {
			if odd == 0 {
				k.VPSLLD(operand.U8(4), pairs(h), w)
				k.VPANDD(k.high, w, w)
			} else {
				k.VPANDD(pairs(h), k.high, w)
			}
			// Intel's order is destination, second, third: here bits, mask, nibbles.
			k.VPTERNLOGD(operand.U8(ternOrAnd), nibbles(h), k.low, w)
		})
		dot(s, 0, k.w)
		each(func(h int, w reg.VecPhysical) {
			if odd == 0 {
				k.VPSLLD(operand.U8(2), pairs(h), w)
			} else {
				k.VPSRLD(operand.U8(2), pairs(h), w)
			}
			k.VPANDD(k.high, w, w)
			k.VPSRLD(operand.U8(4), nibbles(h), k.bcast)
			k.VPTERNLOGD(operand.U8(ternOrAnd), k.bcast, k.low, w)
		})
		dot(s+4, 1, k.w)
	}
}

// ternOrAnd is the truth table of a OR (b AND c).
const ternOrAnd = 0xf8

// scaleAVX512 adds the integer sums, times the scales, to the sums.
func (k *blockVectorKernel) scaleAVX512() {
	scale, min := k.w[0], k.w[1]
	for group := range k.groups() {
		for h := range 2 {
			if k.unit == 0 {
				k.VCVTPH2PS(mem(stripW, k.scale+32*h), scale)
				if k.min > 0 {
					k.VCVTPH2PS(mem(stripW, k.min+32*h), min)
				}
			} else {
				at := mem(stripW, k.scale+32*group+16*h)
				if k.signed {
					k.VPMOVSXBD(at, scale)
				} else {
					k.VPMOVZXBD(at, scale)
				}
				if k.codes == 2 { // the minimum is in the upper half of the byte
					k.VPSRLD(operand.U8(4), scale, min)
					k.VPSLLD(operand.U8(28), scale, scale)
					k.VPSRLD(operand.U8(28), scale, scale)
				} else if k.min > 0 {
					k.VPMOVZXBD(mem(stripW, k.min+16*h), min)
				}
				k.VCVTDQ2PS(scale, scale)
				k.VMULPS(k.d[h], scale, scale)
				if k.min > 0 {
					k.VCVTDQ2PS(min, min)
					k.VMULPS(k.dmin[h], min, min)
				}
			}
			for c := range k.cols {
				p := k.ints[c][h][group]
				if k.splitNibbles() {
					k.VPSRAD(operand.U8(4), k.ints[c][h][1], k.ints[c][h][1])
					k.VPADDD(k.ints[c][h][1], p, p)
				}
				k.VCVTDQ2PS(p, p)
				k.VMULPS(scale, p, p)
				if k.min > 0 {
					switch {
					case k.codes == 2: // less the sum, from -32 times it
						k.VPBROADCASTD(mem(stripX[c], xMinus32+4*group), k.bcast)
						k.VPSRAD(operand.U8(5), k.bcast, k.bcast)
						k.VCVTDQ2PS(k.bcast, k.bcast)
						k.VFMADD231PS(k.bcast, min, p)
					case k.unit > 0:
						k.VFNMADD231PS_BCST(mem(stripX[c], xSum), min, p)
					default:
						k.VFMADD231PS_BCST(mem(stripX[c], xSum), min, p)
					}
				}
				k.VFMADD231PS_BCST(mem(stripX[c], xScale), p, k.sums[c][h])
			}
		}
	}
}
