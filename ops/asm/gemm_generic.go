// The generic twins of the GEMM kernels. Products are rounded before they are added
// (the conversions forbid fusing), so the generic level gives the same bits on every
// architecture.

package asm

import "unsafe"

const genericTile = 4 // rows and columns

// stripGeneric computes tiles of rows x cols elements one below the other; see the
// assembly's stubs for the contract.
func stripGeneric(s *strip, rows, tiles, cols int, a, b, c *float32) {
	for t := range tiles {
		aTile, cTile := byteAt(a, t*s.aStep), byteAt(c, t*rows*s.ldc)
		if rows == genericTile && cols == genericTile {
			fullTile(s, aTile, b, cTile)
			continue
		}
		for i := range rows {
			for j := range cols {
				sum := dotStrided(s.k, byteAt(aTile, i*s.ars), s.acs, at(b, j), s.brs)
				update(byteAt(cTile, i*s.ldc+4*j), sum, s.alpha, s.beta)
			}
		}
	}
}

func fullTile(s *strip, a, b, c *float32) {
	var (
		c00, c01, c02, c03 float32
		c10, c11, c12, c13 float32
		c20, c21, c22, c23 float32
		c30, c31, c32, c33 float32
	)
	for p := range s.k {
		bv := (*[genericTile]float32)(unsafe.Pointer(byteAt(b, p*s.brs)))
		b0, b1, b2, b3 := bv[0], bv[1], bv[2], bv[3]
		ap := byteAt(a, p*s.acs)
		v := *ap
		c00 += float32(v * b0)
		c01 += float32(v * b1)
		c02 += float32(v * b2)
		c03 += float32(v * b3)
		v = *byteAt(ap, s.ars)
		c10 += float32(v * b0)
		c11 += float32(v * b1)
		c12 += float32(v * b2)
		c13 += float32(v * b3)
		v = *byteAt(ap, 2*s.ars)
		c20 += float32(v * b0)
		c21 += float32(v * b1)
		c22 += float32(v * b2)
		c23 += float32(v * b3)
		v = *byteAt(ap, 3*s.ars)
		c30 += float32(v * b0)
		c31 += float32(v * b1)
		c32 += float32(v * b2)
		c33 += float32(v * b3)
	}
	for i, row := range [genericTile][genericTile]float32{
		{c00, c01, c02, c03}, {c10, c11, c12, c13}, {c20, c21, c22, c23}, {c30, c31, c32, c33},
	} {
		for j, v := range row {
			update(byteAt(c, i*s.ldc+4*j), v, s.alpha, s.beta)
		}
	}
}

// gemvGeneric multiplies units*gemvRows rows of w by the vector and stores the last of them.
func gemvGeneric(v *gemv, units int, w, y *float32, last int) {
	rows := units * gemvRows
	for r := rows - last; r < rows; r++ {
		update(at(y, r), dotStrided(v.k, v.x, 4, byteAt(w, r*v.stride), 4), v.alpha, v.beta)
	}
}

// dotStrided is the sum of k products in order; strides in bytes.
func dotStrided(k int, a *float32, as int, b *float32, bs int) (s float32) {
	for p := range k {
		s += float32(*byteAt(a, p*as) * *byteAt(b, p*bs))
	}
	return s
}

// update stores beta*c + alpha*s in c, which it does not read if beta is 0.
func update(c *float32, s, alpha, beta float32) {
	s *= alpha
	if beta != 0 {
		s += float32(beta * *c)
	}
	*c = s
}

// byteAt is the address n bytes behind p. It must lie in the same slice: a pointer past
// the end may stop the garbage collector.
func byteAt(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), n)) }
