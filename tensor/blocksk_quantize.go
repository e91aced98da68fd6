// Quantising to blocks of 256. Every group gets the scale (and minimum) of least
// squared error that a search over its largest code finds; these are rounded to
// the block's integers, the codes chosen anew, and then the block's float16
// numbers fitted to the codes.

package tensor

import "math"

func quantizeQ4_K(dst []byte, src []float32) {
	var b affineBlock
	b.fit(src, 15)
	b.putScales(dst)
	for j := range 4 {
		for i := range 32 {
			dst[16+32*j+i] = b.codes[64*j+i] | b.codes[64*j+32+i]<<4
		}
	}
}

func quantizeQ5_K(dst []byte, src []float32) {
	var b affineBlock
	b.fit(src, 31)
	b.putScales(dst)
	clear(dst[16:48])
	for j := range 4 {
		for i := range 32 {
			lo, hi := b.codes[64*j+i], b.codes[64*j+32+i]
			dst[16+i] |= (lo>>4 | hi>>4<<1) << (2 * j)
			dst[48+32*j+i] = lo&15 | hi<<4
		}
	}
}

func quantizeQ6_K(dst []byte, src []float32) {
	var b scaledBlock
	b.fit(src)
	for half := range 2 {
		c := b.codes[128*half : 128*half+128]
		for i := range 32 {
			dst[64*half+i] = c[i]&15 | c[64+i]<<4
			dst[64*half+32+i] = c[32+i]&15 | c[96+i]<<4
			dst[128+32*half+i] = c[i]>>4 | c[32+i]>>4<<2 | c[64+i]>>4<<4 | c[96+i]>>4<<6
		}
	}
	for j, s := range b.scales {
		dst[192+j] = byte(s)
	}
	putF16(dst[208:], b.d)
}

// affineBlock is a block of Q4_K or Q5_K taken apart.
type affineBlock struct {
	d, dmin        float32 // as float16 has them
	scales, minima [8]byte
	codes          [256]byte
}

func (b *affineBlock) putScales(dst []byte) {
	putF16(dst, b.d)
	putF16(dst[2:], b.dmin)
	putSixBits(dst[4:16], &b.scales, &b.minima)
}

// fit quantises to codes up to top.
func (b *affineBlock) fit(src []float32, top int) {
	var scales, minima [8]float64
	for j := range scales {
		scales[j], minima[j] = fitAffine(src[32*j:32*j+32], top)
	}
	b.d, b.dmin = toF16(largestOf(scales[:])/63), toF16(largestOf(minima[:])/63)
	for j := range scales {
		b.scales[j] = byte(clampRound(scales[j]*inverse64(b.d), 0, 63))
		b.minima[j] = byte(clampRound(minima[j]*inverse64(b.dmin), 0, 63))
	}
	least := b.encode(src, top)
	next := *b
	next.d, next.dmin = b.refit(src)
	if next.encode(src, top) < least {
		*b = next
	}
}

// encode chooses the nearest codes and returns the squared error.
func (b *affineBlock) encode(src []float32, top int) (squares float64) {
	for j := range b.scales {
		s, m := float64(b.d*float32(b.scales[j])), float64(b.dmin*float32(b.minima[j]))
		inv := inverse64(float32(s))
		for i, x := range src[32*j : 32*j+32] {
			q := clampRound((float64(x)+m)*inv, 0, float64(top))
			b.codes[32*j+i] = byte(q)
			e := s*q - m - float64(x)
			squares += e * e
		}
	}
	return squares
}

// refit returns the d and dmin of least squared error for the codes.
func (b *affineBlock) refit(src []float32) (d, dmin float32) {
	var uu, uv, vv, ux, vx float64 // of u = scale*code, v = -minimum, and the elements
	for i, x := range src {
		u, v := float64(b.scales[i/32])*float64(b.codes[i]), -float64(b.minima[i/32])
		uu, uv, vv = uu+u*u, uv+u*v, vv+v*v
		ux, vx = ux+u*float64(x), vx+v*float64(x)
	}
	det := uu*vv - uv*uv
	if det <= 1e-9*uu*vv {
		return b.d, b.dmin
	}
	return toF16((ux*vv - vx*uv) / det), toF16((vx*uu - ux*uv) / det)
}

// scaledBlock is a block of Q6_K taken apart.
type scaledBlock struct {
	d      float32 // as float16 has it
	scales [16]int8
	codes  [256]byte // with the zero point 32
}

// fit quantises a block. The scale of largest magnitude becomes -128.
func (b *scaledBlock) fit(src []float32) {
	var scales [16]float64
	for j := range scales {
		scales[j] = fitScale(src[16*j : 16*j+16])
	}
	b.d = toF16(largestOf(scales[:]) / -128)
	for j := range scales {
		b.scales[j] = int8(clampRound(scales[j]*inverse64(b.d), -128, 127))
	}
	least := b.encode(src)
	next := *b
	next.d = b.refit(src)
	if next.encode(src) < least {
		*b = next
	}
}

// encode chooses the nearest codes and returns the squared error.
func (b *scaledBlock) encode(src []float32) (squares float64) {
	for j := range b.scales {
		s := float64(b.d * float32(b.scales[j]))
		inv := inverse64(float32(s))
		for i, x := range src[16*j : 16*j+16] {
			q := clampRound(float64(x)*inv, -32, 31)
			b.codes[16*j+i] = byte(q + 32)
			e := s*q - float64(x)
			squares += e * e
		}
	}
	return squares
}

// refit returns the d of least squared error for the codes.
func (b *scaledBlock) refit(src []float32) float32 {
	var uu, ux float64
	for i, x := range src {
		u := float64(b.scales[i/16]) * (float64(b.codes[i]) - 32)
		uu, ux = uu+u*u, ux+u*float64(x)
	}
	if uu == 0 {
		return b.d
	}
	return toF16(ux / uu)
}

// Each search tries fitTries grids round the one that just reaches the largest
// value: from one step wider to one step narrower.
const fitTries = 9

// fitAffine returns the scale and the minimum, neither negative, for which
// scale*q - minimum with codes q up to top is nearest to x in squared error.
func fitAffine(x []float32, top int) (scale, minimum float64) {
	lo, hi, sum, squares := 0.0, math.Inf(-1), 0.0, 0.0
	for _, v := range x {
		v := float64(v)
		lo, hi = min(lo, v), max(hi, v)
		sum, squares = sum+v, squares+v*v
	}
	if lo >= hi {
		return 0, -lo // all equal, or nothing to scale
	}
	n, least := float64(len(x)), math.Inf(1)
	for try := range fitTries {
		inv, off := (float64(top)+gridOffset(try))/(hi-lo), lo
		for range 2 { // the second time on the grid fitted to the first codes
			var q1, q2, xq float64
			for _, v := range x {
				q := clampRound((float64(v)-off)*inv, 0, float64(top))
				q1, q2, xq = q1+q, q2+q*q, xq+q*float64(v)
			}
			det := n*q2 - q1*q1
			if det <= 0 {
				break // all codes equal
			}
			s := (n*xq - sum*q1) / det
			off = (sum - s*q1) / n
			if off > 0 {
				s, off = xq/q2, 0
			}
			if !(s > 0) {
				break
			}
			if e := squares + s*s*q2 + n*off*off + 2*(s*off*q1-s*xq-off*sum); e < least {
				least, scale, minimum = e, s, -off
			}
			inv = 1 / s
		}
	}
	return scale, minimum
}

// fitScale returns the scale for which scale*q with codes q from -32 to 31 is
// nearest to x in squared error.
func fitScale(x []float32) (scale float64) {
	m, _ := largest(x)
	if m == 0 {
		return 0
	}
	most := 0.0 // of what is taken off the sum of squares
	for try := range fitTries {
		inv := -(32 + gridOffset(try)) / float64(m)
		for range 2 {
			var q2, xq float64
			for _, v := range x {
				q := clampRound(float64(v)*inv, -32, 31)
				q2, xq = q2+q*q, xq+q*float64(v)
			}
			if q2 == 0 || xq == 0 {
				break
			}
			if gain := xq * xq / q2; gain > most {
				most, scale = gain, xq/q2
			}
			inv = q2 / xq
		}
	}
	return scale
}

// gridOffset is what is added to the largest code in a try.
func gridOffset(try int) float64 { return 2*float64(try)/(fitTries-1) - 1 }

// clampRound rounds to the nearest integer between lo and hi, halves up; NaN
// becomes lo.
func clampRound(x, lo, hi float64) float64 {
	switch {
	case !(x > lo):
		return lo
	case x >= hi:
		return hi
	}
	return float64(int(x-lo+0.5)) + lo
}

// largestOf returns the first value of largest magnitude.
func largestOf(values []float64) (m float64) {
	for _, v := range values {
		if math.Abs(v) > math.Abs(m) {
			m = v
		}
	}
	return m
}

// toF16 rounds to what float16 has.
func toF16(x float64) float32 { return F16ToFloat32(Float32ToF16(float32(x))) }

// inverse64 returns 1/d, or 0 for 0.
func inverse64(d float32) float64 {
	if d == 0 {
		return 0
	}
	return 1 / float64(d)
}
