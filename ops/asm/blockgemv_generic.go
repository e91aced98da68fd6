// The twin in Go of the kernels that multiply strips.

package asm

import "math"

// blockGemvGeneric multiplies count strips of units by cols vectors of blocks xBlocks
// apart, starting from sums; see [GemvBlocks] for the operations.
func blockGemvGeneric(f BlockFormat, y []float32, ldy int, strips []byte, x []vectorBlock, xBlocks, units, count, cols int, sums *[4][StripRows]float32, alpha, beta float32) {
	i := f.info()
	var row stripRow
	for s := range count {
		strip := strips[s*units*i.unitBytes:][:units*i.unitBytes]
		for r := range StripRows {
			var acc [4]float32
			for c := range cols {
				acc[c] = sums[c][r]
			}
			for u := range units {
				unit := strip[u*i.unitBytes:][:i.unitBytes]
				for j := range i.unitLen / 32 {
					row.load(f, unit, j, r)
					for c := range cols {
						acc[c] = row.add(&x[c*xBlocks+u*(i.unitLen/32)+j], acc[c])
					}
				}
			}
			for c := range cols {
				v := float32(alpha * acc[c])
				at := &y[c*ldy+s*StripRows+r]
				if beta != 0 {
					v = fma32(beta, *at, v)
				}
				*at = v
			}
		}
	}
}

// A stripRow is a block of one row of a strip.
type stripRow struct {
	codes  [32]uint8
	zero   int32
	groups int // 1, or 2 halves with scales of their own
	scale  [2]float32
	hasMin bool
	min    [2]float32
}

// load takes block j of a unit, row r.
func (w *stripRow) load(f BlockFormat, unit []byte, j, r int) {
	i := f.info()
	w.zero, w.groups, w.hasMin = int32(i.zero), 32/i.group, i.zero == 0
	at := 64*(r/16) + 4*(r%16)
	block := unit
	switch f {
	case Q8_0:
		w.scale[0] = halfAt(unit[1024+2*r:])
		for q := range 8 {
			copy(w.codes[4*q:4*q+4], block[128*q+at:])
		}
		return
	case Q4_0, IQ4_NL:
		w.scale[0] = halfAt(unit[512+2*r:])
	case Q4_1:
		w.scale[0], w.min[0] = halfAt(unit[512+2*r:]), halfAt(unit[576+2*r:])
	case Q5_0:
		w.scale[0] = halfAt(unit[640+2*r:])
	case Q5_1:
		w.scale[0], w.min[0] = halfAt(unit[640+2*r:]), halfAt(unit[704+2*r:])
	case Q4_K, Q5_K:
		size := (i.unitBytes - 128) / 8
		block = unit[128+j*size:][:size]
		w.scale[0] = halfAt(unit[2*r:]) * float32(block[size-64+r])
		w.min[0] = -halfAt(unit[64+2*r:]) * float32(block[size-32+r])
	case Q6_K:
		block = unit[64+j*sixBlock:][:sixBlock]
		d := halfAt(unit[2*r:])
		w.scale[0], w.scale[1] = d*float32(int8(block[768+r])), d*float32(int8(block[800+r]))
	case IQ4_XS:
		block = unit[64+j*iq4Block:][:iq4Block]
		w.scale[0] = halfAt(unit[2*r:]) * float32(int8(block[512+r]))
	case Q2_K:
		block = unit[128+j*q2Block:][:q2Block]
		d, dmin := halfAt(unit[2*r:]), halfAt(unit[64+2*r:])
		for g := range 2 {
			s := block[256+32*g+r]
			w.scale[g], w.min[g] = d*float32(s&15), -(dmin * float32(s>>4))
		}
		w.pairs(block, at)
		return
	case Q3_K:
		block = unit[64+j*q3Block:][:q3Block]
		d := halfAt(unit[2*r:])
		w.scale[0], w.scale[1] = d*float32(int8(block[384+r])), d*float32(int8(block[416+r]))
		w.pairs(block, at)
		third := fifths(block[256:384], r)
		for e := range w.codes {
			w.codes[e] |= byte(third >> e & 1 << 2)
		}
		return
	}
	for s := range 4 {
		for b, c := range block[128*s+at:][:4] {
			w.codes[4*s+b], w.codes[16+4*s+b] = c&15, c>>4
		}
	}
	switch f {
	case Q5_0, Q5_1, Q5_K:
		high := fifths(block[512:640], r)
		for e := range w.codes {
			w.codes[e] |= fifth(high, e)
		}
	case IQ4_NL, IQ4_XS:
		for e, c := range w.codes {
			w.codes[e] = iq4Table[c]
		}
	case Q6_K:
		for t := range 2 {
			for b, c := range block[512+128*t+at:][:4] {
				w.codes[8*t+b] |= c << 4 & 0x30
				w.codes[16+8*t+b] |= c << 2 & 0x30
				w.codes[4+8*t+b] |= c & 0x30
				w.codes[20+8*t+b] |= c >> 2 & 0x30
			}
		}
	}
}

// pairs takes the two-bit codes of a block.
func (w *stripRow) pairs(block []byte, at int) {
	for t := range 2 {
		for b, c := range block[128*t+at:][:4] {
			for i := range 4 {
				w.codes[16*t+4*i+b] = c >> (2 * i) & 3
			}
		}
	}
}

// add returns s plus the product with a block of a vector.
func (w *stripRow) add(x *vectorBlock, s float32) float32 {
	if w.groups == 1 {
		var p int32
		for e, c := range w.codes {
			p += (int32(c) - w.zero) * int32(x.codes[e])
		}
		v := float32(float32(p) * w.scale[0])
		if w.hasMin {
			v = fma32(w.min[0], x.sum, v)
		}
		return fma32(v, x.scale, s)
	}
	for g := range 2 {
		var p int32
		for e, c := range w.codes[16*g : 16*g+16] {
			p += (int32(c) - w.zero) * int32(x.codes[16*g+e])
		}
		v := float32(float32(p) * w.scale[g])
		if w.hasMin {
			v = fma32(w.min[g], float32(-x.minus6[g]/32), v)
		}
		s = fma32(v, x.scale, s)
	}
	return s
}

// fma32 returns x*y + z, rounded once. The product is exact in float64; the sum is
// rounded there to odd, after which rounding to float32 is as good as rounding at once.
func fma32(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z)
	s := p + c
	t := s - p
	e := (p - (s - t)) + (c - t) // what s lacks; NaN if s is not finite
	if b := math.Float64bits(s); b&1 == 0 && (e > 0 || e < 0) {
		if (e > 0) == (s > 0) {
			b++
		} else {
			b--
		}
		s = math.Float64frombits(b)
	}
	return float32(s)
}

// halfAt returns the half-precision number at b.
func halfAt(b []byte) float32 { return math.Float32frombits(f16Bits(le.Uint16(b))) }

// fifth is bit e of high, at the place of the fifth bit of a code.
func fifth(high uint32, e int) byte { return byte(high >> e & 1 << 4) }
