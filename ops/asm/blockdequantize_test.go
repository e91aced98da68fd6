// What quantised rows and strips mean, element by element: what tests compare products
// with. Engines use package tensor for rows and [DequantizeStrip] for strips.

package asm

import "fmt"

// DequantizeStripRows stores rows from, ..., to-1 of a matrix [n, k] in strips to dst,
// [to-from, k], as float32. Elements have the values that [DequantizeBlocks] gives. It
// panics where UnpackBlocks would.
func DequantizeStripRows(f BlockFormat, dst []float32, strips []byte, n, k, from, to int) {
	checkRows("DequantizeStripRows", n, from, to)
	i, stripBytes := f.info(), f.StripBytes(k)
	if len(dst) != (to-from)*k {
		panic(fmt.Sprintf("asm: DequantizeStripRows: rows %d to %d of %d elements: dst has %d", from, to, k, len(dst)))
	}
	checkBytes("DequantizeStripRows: strips", f, n, k, len(strips), Strips(n)*stripBytes)
	raceRead(strips)
	raceWrite(dst)
	var unit [maxFileUnit]byte
	for r := from; r < to; r++ {
		row, strip := dst[(r-from)*k:][:k], strips[r/StripRows*stripBytes:][:stripBytes]
		for u := range k / i.unitLen {
			unpackRow(f, unit[:i.fileBytes], strip[u*i.unitBytes:][:i.unitBytes], r%StripRows)
			dequantizeRow(f, row[u*i.unitLen:][:i.unitLen], unit[:i.fileBytes])
		}
	}
}

// DequantizeBlocks stores the elements of rows in the layout of files as float32. The
// operations and roundings are those of the format's definition, evaluated from left to
// right. It panics if len(dst) is not a multiple of the format's unit, or if src has not
// the size of so many elements.
func DequantizeBlocks(f BlockFormat, dst []float32, src []byte) {
	checkBytes("DequantizeBlocks: src", f, 1, len(dst), len(src), f.FileBytes(len(dst)))
	raceRead(src)
	raceWrite(dst)
	dequantizeRow(f, dst, src)
}

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
		case Q2_K:
			d, dmin := halfAt(s[80:]), halfAt(s[82:])
			for e := range x {
				c := s[16+e/128*32+e%32] >> (e / 32 % 4 * 2) & 3
				x[e] = float32(d*float32(s[e/16]&15)*float32(c)) - dmin*float32(s[e/16]>>4)
			}
		case Q3_K:
			d := halfAt(s[108:])
			for e := range x {
				c := s[32+e/128*32+e%32]>>(e/32%4*2)&3 | s[e%32]>>(e/32)&1<<2
				x[e] = d * float32(sixBitScale(s[96:108], e/16)) * float32(int(c)-4)
			}
		case IQ4_NL:
			for e := range 16 {
				x[e] = d * (float32(iq4Table[s[2+e]&15]) - 128)
				x[e+16] = d * (float32(iq4Table[s[2+e]>>4]) - 128)
			}
		case IQ4_XS:
			for e := range x {
				j := e / 32
				ls := int(s[4+j/2]>>(j%2*4)&15) | int(le.Uint16(s[2:])>>(2*j)&3)<<4
				c := s[8+16*j+e%16] >> (e / 16 % 2 * 4) & 15
				x[e] = d * float32(ls-32) * (float32(iq4Table[c]) - 128)
			}
		}
	}
}
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
