// The values of quantised weights: the definition of every format, from the layout of files.

package asm

import "math"

// halfAt returns the half-precision number at b.
func halfAt(b []byte) float32 { return math.Float32frombits(f16Bits(le.Uint16(b))) }

// dequantizeRow stores the elements of the units in src. Products are rounded one by
// one, from left to right; but for Q6_K all of them are exact.
func dequantizeRow(f BlockFormat, dst []float32, src []byte) {
	i := f.info()
	for ; len(dst) > 0; dst, src = dst[i.unitLen:], src[i.fileBytes:] {
		x, s := dst[:i.unitLen], src[:i.fileBytes]
		d := halfAt(s)
		switch f {
		case Q8_0:
			for e := range x {
				x[e] = d * float32(int8(s[2+e]))
			}
		case Q4_0:
			for e := range 16 {
				x[e] = d * float32(int(s[2+e]&15)-8)
				x[e+16] = d * float32(int(s[2+e]>>4)-8)
			}
		case Q4_1:
			m := halfAt(s[2:])
			for e := range 16 {
				x[e] = float32(d*float32(s[4+e]&15)) + m
				x[e+16] = float32(d*float32(s[4+e]>>4)) + m
			}
		case Q5_0:
			high := le.Uint32(s[2:])
			for e := range 16 {
				x[e] = d * float32(int(s[6+e]&15|fifth(high, e))-16)
				x[e+16] = d * float32(int(s[6+e]>>4|fifth(high, e+16))-16)
			}
		case Q5_1:
			m, high := halfAt(s[2:]), le.Uint32(s[4:])
			for e := range 16 {
				x[e] = float32(d*float32(s[8+e]&15|fifth(high, e))) + m
				x[e+16] = float32(d*float32(s[8+e]>>4|fifth(high, e+16))) + m
			}
		case Q4_K:
			dequantizeK(x, d, halfAt(s[2:]), s[4:16], s[16:], nil)
		case Q5_K:
			dequantizeK(x, d, halfAt(s[2:]), s[4:16], s[48:], s[16:48])
		case Q6_K:
			dequantizeQ6K(x, s)
		}
	}
}

// fifth is bit e of high, at the place of the fifth bit of a code.
func fifth(high uint32, e int) byte { return byte(high >> e & 1 << 4) }

func dequantizeK(x []float32, d, dmin float32, sixBits, codes, high []byte) {
	scales, minima := unpackSixBits(sixBits)
	for j := range 8 {
		scale, minimum := d*float32(scales[j]), dmin*float32(minima[j])
		for e := range 32 {
			c := codes[j/2*32+e] >> (j % 2 * 4) & 15
			if high != nil {
				c |= high[e] >> j & 1 << 4
			}
			x[32*j+e] = float32(scale*float32(c)) - minimum
		}
	}
}

func dequantizeQ6K(x []float32, s []byte) {
	d := halfAt(s[208:])
	for j := range 8 {
		low, high := s[64*(j/4)+32*(j%2):], s[128+32*(j/4):]
		for e := range 32 {
			c := low[e]>>(j%4/2*4)&15 | high[e]>>(j%4*2)&3<<4
			scale := d * float32(int8(s[192+2*j+e/16]))
			x[32*j+e] = scale * float32(int(c)-32)
		}
	}
}
