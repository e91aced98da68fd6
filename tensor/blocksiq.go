// Block types whose codes are places in a table, finer near zero, as weights are spread.
//
//	IQ4_NL  32 elements: d, 16 bytes                               x = d*table[q]
//	IQ4_XS  256 elements: d, 16 upper bits, 4 bytes of scales,     x = d*s*table[q]
//	        128 bytes
//
// Byte i of the 16 of 32 elements has the code of element i in its low half and of
// element i+16 in its high half. IQ4_XS has 8 groups of 32 with six-bit scales, less 32:
// the low four bits of group j in half j%2 of byte j/2, the upper two at bit 2j of the 16.

package tensor

import (
	"encoding/binary"
	"math"
)

var iq4Table = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func dequantizeIQ4_NL(dst []float32, src []byte) { dequantizeIQ4(dst, src[2:18], f16At(src)) }

func dequantizeIQ4_XS(dst []float32, src []byte) {
	d, upper := f16At(src), binary.LittleEndian.Uint16(src[2:])
	for j := range 8 {
		s := int(src[4+j/2]>>(j%2*4)&15) | int(upper>>(2*j)&3)<<4
		dequantizeIQ4(dst[32*j:32*j+32], src[8+16*j:24+16*j], d*float32(s-32))
	}
}

// dequantizeIQ4 sets 32 elements to scale*table[q].
func dequantizeIQ4(dst []float32, codes []byte, scale float32) {
	dst = dst[:32]
	for i, q := range codes[:16] {
		dst[i] = scale * float32(iq4Table[q&15])
		dst[i+16] = scale * float32(iq4Table[q>>4])
	}
}

func quantizeIQ4_NL(dst []byte, src []float32) {
	var codes, next [32]byte
	d := toF16(fitIQ4(src))
	found := encodeIQ4(&codes, src, float64(d))
	// The scale that is best for these codes, and the codes that are best for it.
	if refit := toF16(found.scale()); !isInf(d) && encodeIQ4(&next, src, float64(refit)).squares < found.squares {
		d, codes = refit, next
	}
	putF16(dst, d)
	putIQ4(dst[2:18], &codes)
}

func quantizeIQ4_XS(dst []byte, src []float32) {
	var alone [8]float64
	for j := range alone {
		alone[j] = fitIQ4(src[32*j : 32*j+32])
	}
	// The scale of largest magnitude becomes -32.
	var b, next iq4Block
	b.fit(src, &alone, toF16(largestOf(alone[:])/-32))
	if next.fit(src, &alone, toF16(b.found.scale())); !isInf(b.d) && next.found.squares < b.found.squares {
		b = next
	}
	var upper uint16
	clear(dst[4:8])
	for j, s := range b.scales {
		s := byte(s + 32)
		dst[4+j/2] |= s & 15 << (j % 2 * 4)
		upper |= uint16(s>>4) << (2 * j)
		putIQ4(dst[8+16*j:24+16*j], &b.codes[j])
	}
	putF16(dst, b.d)
	binary.LittleEndian.PutUint16(dst[2:], upper)
}

// iq4Block is a block of IQ4_XS taken apart.
type iq4Block struct {
	d      float32 // as float16 has it
	scales [8]int8
	codes  [8][32]byte
	found  fitness // in units of d
}

// fit quantises a block with the scale d. Each group gets the best of the three scales
// next to the one that it would have alone.
func (b *iq4Block) fit(src []float32, alone *[8]float64, d float32) {
	b.d, b.found = d, fitness{}
	for j, want := range alone {
		middle := clampRound(want*inverse64(d), -32, 31)
		best := fitness{squares: math.Inf(1)}
		for s := max(middle-1, -32); s <= min(middle+1, 31); s++ {
			var codes [32]byte
			f := encodeIQ4(&codes, src[32*j:32*j+32], float64(d*float32(s)))
			if f.squares < best.squares {
				best = fitness{f.squares, s * s * f.qq, s * f.xq}
				b.scales[j], b.codes[j] = int8(s), codes
			}
		}
		b.found.squares += best.squares
		b.found.qq += best.qq
		b.found.xq += best.xq
	}
}

// fitness is what codes q make of elements x: the squared error, and the sums of q*q and
// x*q.
type fitness struct{ squares, qq, xq float64 }

// scale is the one of least squared error for the codes.
func (f fitness) scale() float64 {
	if f.qq == 0 {
		return 0
	}
	return f.xq / f.qq
}

// encodeIQ4 chooses the nearest codes for a scale.
func encodeIQ4(codes *[32]byte, x []float32, scale float64) (f fitness) {
	inv := 0.0
	if scale != 0 {
		inv = 1 / scale
	}
	for i, v := range x[:32] {
		v := float64(v)
		c := iq4Nearest[int(clampTo(2*(v*inv+128), 0, 511))]
		codes[i] = c
		q := float64(iq4Table[c])
		e := scale*q - v
		f.squares, f.qq, f.xq = f.squares+e*e, f.qq+q*q, f.xq+v*q
	}
	return f
}

// iq4Nearest has at 2*(x+128), cut off, the code nearest to x: the borders between
// neighbours of the table are multiples of a half.
var iq4Nearest = func() (nearest [512]byte) {
	for i := range nearest {
		x := float64(i)/2 - 128 + 0.25 // the middle of those that are cut off to i
		for c, q := range iq4Table {
			if math.Abs(x-float64(q)) < math.Abs(x-float64(iq4Table[nearest[i]])) {
				nearest[i] = byte(c)
			}
		}
	}
	return nearest
}()

// fitIQ4 returns the scale for which scale*table[q] is nearest to x in squared error:
// the best of grids that put the largest element at, or near, an end of the table.
func fitIQ4(x []float32) (scale float64) {
	m, _ := largest(x)
	if m == 0 {
		return 0
	}
	most := 0.0 // of what is taken off the sum of squares
	var codes [32]byte
	for _, end := range []float64{-127, 113} {
		for try := range fitTries {
			s := float64(m) / (end * (1 + 0.08*gridOffset(try)))
			for range 2 { // the second time with the scale fitted to the first codes
				f := encodeIQ4(&codes, x, s)
				if f.qq == 0 || f.xq == 0 {
					break
				}
				if gain := f.xq * f.xq / f.qq; gain > most {
					most, scale = gain, f.scale()
				}
				s = f.scale()
			}
		}
	}
	return scale
}

func putIQ4(dst []byte, codes *[32]byte) {
	for i := range 16 {
		dst[i] = codes[i] | codes[i+16]<<4
	}
}

// isInf says that a scale is too large for float16: what it scales is no number then.
func isInf(d float32) bool { return math.IsInf(float64(d), 0) }

// clampTo returns x, or the nearer of lo and hi; NaN becomes lo.
func clampTo(x, lo, hi float64) float64 {
	switch {
	case !(x > lo):
		return lo
	case x > hi:
		return hi
	}
	return x
}
