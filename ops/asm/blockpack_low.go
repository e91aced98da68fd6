// Rows of the formats of two and three bits, and of IQ4_XS, to their places in a strip
// and back. See blockpack_rows.go.

package asm

const (
	twoBits  = 0x0303030303030303
	q2Block  = 256 + 64 // of 32 elements in a strip
	q3Block  = 256 + 128 + 64
	iq4Block = 512 + 32
)

// packPairs stores block j of two-bit codes, of which a file has four in 32 bytes.
func packPairs(dst, codes []byte, j, at int) {
	for t := range 2 {
		a := le.Uint64(codes[32*(j/4)+16*t:]) >> (2 * (j % 4)) & twoBits
		b := le.Uint64(codes[32*(j/4)+16*t+8:]) >> (2 * (j % 4)) & twoBits
		le.PutUint32(dst[at+128*t:], uint32(a)|uint32(a>>32)<<2|uint32(b)<<4|uint32(b>>32)<<6)
	}
}

// unpackPairs is the inverse of packPairs; the codes must be zeros.
func unpackPairs(codes, src []byte, j, at int) {
	for t := range 2 {
		w := uint64(le.Uint32(src[at+128*t:]))
		orUint64(codes[32*(j/4)+16*t:], (w&0x03030303|w>>2&0x03030303<<32)<<(2*(j%4)))
		orUint64(codes[32*(j/4)+16*t+8:], (w>>4&0x03030303|w>>6&0x03030303<<32)<<(2*(j%4)))
	}
}

func packQ2K(dst, src []byte, r, at int) {
	copy(dst[2*r:], src[80:82])
	copy(dst[64+2*r:], src[82:84])
	for j := range 8 {
		d := dst[128+q2Block*j:][:q2Block]
		packPairs(d, src[16:80], j, at)
		d[256+r], d[288+r] = src[2*j], src[2*j+1]
	}
}

func unpackQ2K(dst, src []byte, r, at int) {
	clear(dst)
	copy(dst[80:], src[2*r:][:2])
	copy(dst[82:], src[64+2*r:][:2])
	for j := range 8 {
		s := src[128+q2Block*j:][:q2Block]
		unpackPairs(dst[16:80], s, j, at)
		dst[2*j], dst[2*j+1] = s[256+r], s[288+r]
	}
}

func packQ3K(dst, src []byte, r, at int) {
	copy(dst[2*r:], src[108:110])
	var third [4]uint64 // byte j: of block j
	for e := range third {
		third[e] = transposeBits(le.Uint64(src[8*e:]))
	}
	for j := range 8 {
		d := dst[64+q3Block*j:][:q3Block]
		packPairs(d, src[32:96], j, at)
		var bits uint32
		for e, w := range third {
			bits |= uint32(w>>(8*j)&0xff) << (8 * e)
		}
		putFifths(d[256:384], r, bits)
		for g := range 2 {
			d[384+32*g+r] = byte(sixBitScale(src[96:108], 2*j+g))
		}
	}
}

func unpackQ3K(dst, src []byte, r, at int) {
	clear(dst)
	copy(dst[108:], src[2*r:][:2])
	scales := dst[96:108]
	for j := range 8 {
		s := src[64+q3Block*j:][:q3Block]
		unpackPairs(dst[32:96], s, j, at)
		bits := fifths(s[256:384], r)
		for e := range 4 {
			dst[8*e+j] = byte(bits >> (8 * e))
		}
		for g := range 2 {
			n, v := 2*j+g, s[384+32*g+r]+32
			scales[n%8] |= v & 15 << (n / 8 * 4)
			scales[8+n%4] |= v >> 4 << (n / 4 * 2)
		}
	}
	for e := 0; e < 32; e += 8 {
		le.PutUint64(dst[e:], transposeBits(le.Uint64(dst[e:])))
	}
}

// sixBitScale returns scale j of the 16 that Q3_K has in 12 bytes: the low four bits in a
// half of byte j%8, the upper two in a quarter of byte 8+j%4.
func sixBitScale(b []byte, j int) int8 {
	return int8(b[j%8]>>(j/8*4)&15|b[8+j%4]>>(j/4*2)&3<<4) - 32
}

func packIQ4XS(dst, src []byte, r, at int) {
	copy(dst[2*r:], src[:2])
	upper := le.Uint16(src[2:])
	for j := range 8 {
		d, codes := dst[64+iq4Block*j:][:iq4Block], src[8+16*j:]
		putPair(d, at, 128, le.Uint64(codes))
		putPair(d, at+256, 128, le.Uint64(codes[8:]))
		d[512+r] = src[4+j/2]>>(j%2*4)&15 | byte(upper>>(2*j)&3)<<4
		d[512+r] -= 32
	}
}

func unpackIQ4XS(dst, src []byte, r, at int) {
	clear(dst[:8])
	copy(dst, src[2*r:][:2])
	var upper uint16
	for j := range 8 {
		s, codes := src[64+iq4Block*j:][:iq4Block], dst[8+16*j:]
		le.PutUint64(codes, pair(s, at, 128))
		le.PutUint64(codes[8:], pair(s, at+256, 128))
		v := s[512+r] + 32
		dst[4+j/2] |= v & 15 << (j % 2 * 4)
		upper |= uint16(v>>4&3) << (2 * j)
	}
	le.PutUint16(dst[2:], upper)
}
