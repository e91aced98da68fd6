// Quantising to blocks of 256. Every group gets the scale (and minimum) of least
// squared error that a search over its largest code finds; these are rounded to
// the block's integers, the codes chosen anew, and then the block's float16
// numbers fitted to the codes.

package tensor

import "math"

func quantizeQ4_K(dst []byte, src []float32) {
	b := affineBlock{group: 32, top: 15, limit: 63}
	b.fit(src)
	b.putScales(dst)
	for j := range 4 {
		for i := range 32 {
			dst[16+32*j+i] = b.codes[64*j+i] | b.codes[64*j+32+i]<<4
		}
	}
}

func quantizeQ5_K(dst []byte, src []float32) {
	b := affineBlock{group: 32, top: 31, limit: 63}
	b.fit(src)
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
	b := scaledBlock{lowest: -32, least: -128}
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

func quantizeQ2_K(dst []byte, src []float32) {
	b := affineBlock{group: 16, top: 3, limit: 15}
	b.fit(src)
	for j := range b.scales {
		dst[j] = b.scales[j] | b.minima[j]<<4
	}
	putTwoBits(dst[16:80], &b.codes)
	putF16(dst[80:], b.d)
	putF16(dst[82:], b.dmin)
}

func quantizeQ3_K(dst []byte, src []float32) {
	b := scaledBlock{lowest: -4, least: -32}
	b.fit(src)
	clear(dst[:32])
	for i, c := range b.codes {
		dst[i%32] |= c >> 2 << (i / 32)
	}
	putTwoBits(dst[32:96], &b.codes)
	putSixBitScales(dst[96:108], &b.scales)
	putF16(dst[108:], b.d)
}

// putTwoBits stores the low two bits of all codes as Q2_K and Q3_K have them.
func putTwoBits(dst []byte, codes *[256]byte) {
	for i := range 64 {
		c := codes[i/32*128+i%32:]
		dst[i] = c[0]&3 | c[32]&3<<2 | c[64]&3<<4 | c[96]&3<<6
	}
}

// affineBlock is a block of Q4_K, Q5_K or Q2_K taken apart.
type affineBlock struct {
	group, top, limit int     // elements of a group, largest code, largest scale
	d, dmin           float32 // as float16 has them
	scales, minima    [16]byte
	codes             [256]byte
}

func (b *affineBlock) groups() int { return 256 / b.group }

func (b *affineBlock) putScales(dst []byte) {
	putF16(dst, b.d)
	putF16(dst[2:], b.dmin)
	putSixBits(dst[4:16], (*[8]byte)(b.scales[:]), (*[8]byte)(b.minima[:]))
}

// fit quantises a block.
func (b *affineBlock) fit(src []float32) {
	var scales, minima [16]float64
	for j := range b.groups() {
		scales[j], minima[j] = fitAffine(src[b.group*j:b.group*(j+1)], b.top)
	}
	limit := float64(b.limit)
	b.d, b.dmin = toF16(largestOf(scales[:])/limit), toF16(largestOf(minima[:])/limit)
	for j := range b.groups() {
		b.scales[j] = byte(clampRound(scales[j]*inverse64(b.d), 0, limit))
		b.minima[j] = byte(clampRound(minima[j]*inverse64(b.dmin), 0, limit))
	}
	least := b.encode(src)
	for range 2 {
		next := *b
		if b.limit == 15 { // coarse scales: those beside them may be better
			next.neighbours(src)
		}
		next.d, next.dmin = next.refit(src)
		squares := next.encode(src)
		if squares >= least {
			break
		}
		*b, least = next, squares
		if b.limit > 15 {
			break
		}
	}
}

// neighbours gives each group the best of the scales and minima beside its own.
func (b *affineBlock) neighbours(src []float32) {
	for j := range b.groups() {
		s0, m0, least := b.scales[j], b.minima[j], math.Inf(1)
		scale, minimum := s0, m0
		for s := max(int(s0)-1, 0); s <= min(int(s0)+1, b.limit); s++ {
			for m := max(int(m0)-1, 0); m <= min(int(m0)+1, b.limit); m++ {
				b.scales[j], b.minima[j] = byte(s), byte(m)
				if e := b.encodeGroup(j, src); e < least {
					least, scale, minimum = e, byte(s), byte(m)
				}
			}
		}
		b.scales[j], b.minima[j] = scale, minimum
		b.encodeGroup(j, src)
	}
}

// encode chooses the nearest codes and returns the squared error.
func (b *affineBlock) encode(src []float32) (squares float64) {
	for j := range b.groups() {
		squares += b.encodeGroup(j, src)
	}
	return squares
}

func (b *affineBlock) encodeGroup(j int, src []float32) (squares float64) {
	s, m := float64(b.d*float32(b.scales[j])), float64(b.dmin*float32(b.minima[j]))
	inv, top := inverse64(float32(s)), float64(b.top)
	codes := b.codes[b.group*j : b.group*(j+1)]
	for i, x := range src[b.group*j : b.group*(j+1)] {
		q := clampRound((float64(x)+m)*inv, 0, top)
		codes[i] = byte(q)
		e := s*q - m - float64(x)
		squares += e * e
	}
	return squares
}

// refit returns the d and dmin of least squared error for the codes.
func (b *affineBlock) refit(src []float32) (d, dmin float32) {
	var uu, uv, vv, ux, vx float64 // of u = scale*code, v = -minimum, and the elements
	for i, x := range src {
		u, v := float64(b.scales[i/b.group])*float64(b.codes[i]), -float64(b.minima[i/b.group])
		uu, uv, vv = uu+u*u, uv+u*v, vv+v*v
		ux, vx = ux+u*float64(x), vx+v*float64(x)
	}
	det := uu*vv - uv*uv
	if det <= 1e-9*uu*vv {
		return b.d, b.dmin
	}
	return toF16((ux*vv - vx*uv) / det), toF16((vx*uu - ux*uv) / det)
}

// scaledBlock is a block of Q6_K or Q3_K taken apart.
type scaledBlock struct {
	lowest, least float64 // code and scale; the greatest are one less in magnitude
	d             float32 // as float16 has it
	scales        [16]int8
	codes         [256]byte // less lowest
}

// fit quantises a block. The scale of largest magnitude becomes the least.
func (b *scaledBlock) fit(src []float32) {
	var scales [16]float64
	for j := range scales {
		scales[j] = fitScale(src[16*j:16*j+16], b.lowest)
	}
	b.d = toF16(largestOf(scales[:]) / b.least)
	for j := range scales {
		b.scales[j] = int8(clampRound(scales[j]*inverse64(b.d), b.least, -1-b.least))
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
			q := clampRound(float64(x)*inv, b.lowest, -1-b.lowest)
			b.codes[16*j+i] = byte(q - b.lowest)
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
		u := float64(b.scales[i/16]) * (float64(b.codes[i]) + b.lowest)
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

// fitScale returns the scale for which scale*q with codes q from lowest to -1-lowest is
// nearest to x in squared error.
func fitScale(x []float32, lowest float64) (scale float64) {
	m, _ := largest(x)
	if m == 0 {
		return 0
	}
	most := 0.0 // of what is taken off the sum of squares
	for try := range fitTries {
		inv := (lowest - gridOffset(try)) / float64(m)
		for range 2 {
			var q2, xq float64
			for _, v := range x {
				q := clampRound(float64(v)*inv, lowest, -1-lowest)
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
