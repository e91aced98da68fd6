// Tests of expanded strips, and a reader of strips that follows their description.

package asm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var everyBlockFormat = []BlockFormat{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, Q2_K, Q3_K, IQ4_NL, IQ4_XS}

// A stripWeight is an element of a strip as the layout says: x = scale*(code-zero) + least.
type stripWeight struct {
	scale, code, zero, least float64
}

func (w stripWeight) value() float64 { return w.scale*(w.code-w.zero) + w.least }

// stripElement reads element e of row r of a strip bit by bit, from the table in blocks.go.
func stripElement(f BlockFormat, strip []byte, e, r int) stripWeight {
	form := blockFormats[f]
	unit := strip[e/form.unitLen*form.unitBytes:][:form.unitBytes]
	half := func(at int) float64 {
		return float64(math.Float32frombits(f16Bits(binary.LittleEndian.Uint16(unit[at+2*r:]))))
	}
	q, b, h := e%32/4, e%4, r/16
	inVector := 4*(r%16) + b
	block, size := 0, form.unitBytes
	switch f {
	case Q4_K, Q5_K:
		size = (form.unitBytes - 128) / 8
		block = 128 + e%256/32*size
	case Q6_K, Q3_K, IQ4_XS:
		size = (form.unitBytes - 64) / 8
		block = 64 + e%256/32*size
	case Q2_K:
		size = (form.unitBytes - 128) / 8
		block = 128 + e%256/32*size
	}
	w := stripWeight{zero: float64(form.zero)}
	switch {
	case f == Q8_0:
		w.code = float64(unit[64*(2*q+h)+inVector])
	case f == Q2_K || f == Q3_K:
		code := unit[block+64*(2*(q/4)+h)+inVector] >> (2 * (q % 4)) & 3
		if f == Q3_K {
			word := binary.LittleEndian.Uint64(unit[block+256+8*(2*q+h):])
			code |= byte(word>>inVector&1) << 2
		}
		w.code = float64(code)
	default:
		code := unit[block+64*(2*(q%4)+h)+inVector] >> (4 * (q / 4)) & 15
		switch f {
		case Q5_0, Q5_1, Q5_K:
			word := binary.LittleEndian.Uint64(unit[block+512+8*(2*q+h):])
			code |= byte(word>>inVector&1) << 4
		case Q6_K:
			shift := []int{0, 4, 0, 4, 2, 6, 2, 6}[q]
			code |= unit[block+512+64*(2*(q%4/2)+h)+inVector] >> shift & 3 << 4
		case IQ4_NL, IQ4_XS:
			code = []byte{1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241}[code]
		}
		w.code = float64(code)
	}
	tail := block + size // of the block
	switch f {
	case Q8_0, Q4_0, Q5_0, IQ4_NL:
		w.scale = half(tail - 64)
	case IQ4_XS:
		w.scale = half(0) * float64(int8(unit[tail-32+r]))
	case Q2_K:
		small := unit[tail-64+e%32/16*32+r]
		w.scale, w.least = half(0)*float64(small&15), -half(64)*float64(small>>4)
	case Q4_1, Q5_1:
		w.scale, w.least = half(tail-128), half(tail-64)
	case Q4_K, Q5_K:
		w.scale, w.least = half(0)*float64(unit[tail-64+r]), -half(64)*float64(unit[tail-32+r])
	case Q6_K, Q3_K:
		w.scale = half(0) * float64(int8(unit[tail-64+e%32/16*32+r]))
	}
	return w
}

// randomStrips returns random codes and scales about 1; beyond row n they are zero.
func randomStrips(r *rand.Rand, f BlockFormat, n, k int) []byte {
	x := make([]byte, Strips(n)*f.StripBytes(k))
	for i := range x {
		x[i] = byte(r.Uint32())
	}
	form := blockFormats[f]
	for u := 0; u < len(x); u += form.unitBytes {
		unit := x[u:][:form.unitBytes]
		halves := map[BlockFormat][]int{
			Q8_0: {1024}, Q4_0: {512}, Q4_1: {512, 576}, Q5_0: {640}, Q5_1: {640, 704},
			Q4_K: {0, 64}, Q5_K: {0, 64}, Q6_K: {0}, Q2_K: {0, 64}, Q3_K: {0}, IQ4_NL: {512}, IQ4_XS: {0},
		}[f]
		for _, at := range halves {
			for row := range StripRows {
				var h [1]uint16
				if u/f.StripBytes(k)*StripRows+row < n {
					F32ToF16(h[:], []float32{4*r.Float32() - 2})
				}
				binary.LittleEndian.PutUint16(unit[at+2*row:], h[0])
			}
		}
		if f == Q3_K || f == IQ4_XS { // six-bit scales with a sign
			size := (form.unitBytes - 64) / 8
			scales := map[BlockFormat]int{Q3_K: 64, IQ4_XS: 32}[f]
			for b := range 8 {
				for i := range scales {
					s := &unit[64+(b+1)*size-scales+i]
					*s = byte(int8(*s) >> 2)
				}
			}
		}
		if f == Q4_K || f == Q5_K { // six-bit scales
			for b := range 8 {
				size := (form.unitBytes - 128) / 8
				for i := range 64 {
					unit[128+(b+1)*size-64+i] &= 63
				}
			}
		}
	}
	return x
}

func TestDequantizeStrip(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		for _, f := range everyBlockFormat {
			for _, p := range placements {
				t.Run(fmt.Sprintf("%v/%s", f, p.name), func(t *testing.T) {
					r := rand.New(rand.NewPCG(1, 2))
					unit := blockFormats[f].unitLen
					for _, c := range []struct{ k, from, to int }{{unit, 0, unit}, {3 * unit, unit, 2 * unit}, {640 / unit * unit, 0, 640 / unit * unit}, {1280, 256, 1280}} {
						src := randomStrips(r, f, 32, c.k)
						strip := place(t, p, src)
						dst := lend[float32](t, p, (c.to-c.from)*StripRows)
						DequantizeStrip(f, dst, strip, c.k, c.from, c.to)
						for e := c.from; e < c.to; e++ {
							for row := range StripRows {
								want := float32(stripElement(f, src, e, row).value())
								if got := dst[(e-c.from)*StripRows+row]; got != want {
									t.Fatalf("k %d, element %d of row %d: got %v, want %v", c.k, e, row, got, want)
								}
							}
						}
						if !slices.Equal(strip, src) {
							t.Error("the strip changed")
						}
					}
				})
			}
		}
	})
}

func TestDequantizeStripSpecialScales(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		for _, f := range everyBlockFormat {
			unit := blockFormats[f].unitLen
			strip := randomStrips(rand.New(rand.NewPCG(3, 4)), f, 32, unit)
			at := map[BlockFormat]int{Q8_0: 1024, Q4_0: 512, Q4_1: 512, Q5_0: 640, Q5_1: 640}[f]
			for r, h := range []uint16{0x7e00, 0x7c00, 0x0001, 0x7bff, 0x8001} {
				binary.LittleEndian.PutUint16(strip[at+2*r:], h)
			}
			dst := make([]float32, unit*StripRows)
			DequantizeStrip(f, dst, strip, unit, 0, unit)
			for e := range unit {
				for r := range 5 {
					got, want := dst[e*StripRows+r], float32(stripElement(f, strip, e, r).value())
					if got != want && (got == got || want == want) {
						t.Errorf("%v element %d row %d: got %v, want %v", f, e, r, got, want)
					}
				}
			}
		}
	})
}
