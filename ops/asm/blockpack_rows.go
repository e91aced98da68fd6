// One row of quantised weights to its place in a strip and back, by format.
//
// The layout of rows in files is that of the block_* structures in ggml-common.h of
// the ggml project; that of strips is described in blocks.go.

package asm

import "encoding/binary"

var le = binary.LittleEndian

const (
	lowNibbles  = 0x0f0f0f0f0f0f0f0f
	highNibbles = 0xf0f0f0f0f0f0f0f0
	signBits    = 0x8080808080808080
)

// packRow stores the units of a row, as they are in a file, as row r of a strip.
func packRow(f BlockFormat, dst, src []byte, r int) {
	i := f.info()
	// at is where the row's four codes of the first quad lie.
	at := 64*(r/16) + 4*(r%16)
	for ; len(src) > 0; dst, src = dst[i.unitBytes:], src[i.fileBytes:] {
		switch f {
		case Q8_0:
			d, s := dst[:1088], src[:34]
			for q := range 4 {
				putPair(d, at+256*q, 128, le.Uint64(s[2+8*q:])^signBits)
			}
			copy(d[1024+2*r:], s[:2])
		case Q4_0, IQ4_NL:
			d, s := dst[:576], src[:18]
			putPair(d, at, 128, le.Uint64(s[2:]))
			putPair(d, at+256, 128, le.Uint64(s[10:]))
			le.PutUint16(d[512+2*r:], le.Uint16(s))
		case Q4_1:
			d, s := dst[:640], src[:20]
			putPair(d, at, 128, le.Uint64(s[4:]))
			putPair(d, at+256, 128, le.Uint64(s[12:]))
			le.PutUint16(d[512+2*r:], le.Uint16(s))
			le.PutUint16(d[576+2*r:], le.Uint16(s[2:]))
		case Q5_0:
			d, s := dst[:704], src[:22]
			putPair(d, at, 128, le.Uint64(s[6:]))
			putPair(d, at+256, 128, le.Uint64(s[14:]))
			putFifths(d[512:640], r, le.Uint32(s[2:]))
			le.PutUint16(d[640+2*r:], le.Uint16(s))
		case Q5_1:
			d, s := dst[:768], src[:24]
			putPair(d, at, 128, le.Uint64(s[8:]))
			putPair(d, at+256, 128, le.Uint64(s[16:]))
			putFifths(d[512:640], r, le.Uint32(s[4:]))
			le.PutUint16(d[640+2*r:], le.Uint16(s))
			le.PutUint16(d[704+2*r:], le.Uint16(s[2:]))
		case Q4_K:
			packK(dst[:i.unitBytes], src[:12+4], src[16:144], nil, r, at)
		case Q5_K:
			packK(dst[:i.unitBytes], src[:12+4], src[48:176], src[16:48], r, at)
		case Q6_K:
			packQ6K(dst[:i.unitBytes], src[:210], r, at)
		case Q2_K:
			packQ2K(dst[:i.unitBytes], src[:84], r, at)
		case Q3_K:
			packQ3K(dst[:i.unitBytes], src[:110], r, at)
		case IQ4_XS:
			packIQ4XS(dst[:i.unitBytes], src[:136], r, at)
		}
	}
}

// putPair stores the halves of w at dst[at:] and step bytes on.
func putPair(dst []byte, at, step int, w uint64) {
	le.PutUint32(dst[at:], uint32(w))
	le.PutUint32(dst[at+step:], uint32(w>>32))
}

func pair(src []byte, at, step int) uint64 {
	return uint64(le.Uint32(src[at:])) | uint64(le.Uint32(src[at+step:]))<<32
}

// putFifths stores bit e of bits as the fifth bit of element e of row r.
func putFifths(dst []byte, r int, bits uint32) {
	to := (*[128]byte)(dst)
	at, shift := 8*(r/16)+r%16/2, r%2*4
	keep, w := byte(0xf0>>shift), uint64(bits)<<shift
	mask := byte(0xf << shift)
	for q := range 8 {
		b := &to[(at+16*q)&127]
		*b = *b&keep | byte(w)&mask
		w >>= 4
	}
}

func fifths(src []byte, r int) (bits uint32) {
	at, shift := 8*(r/16)+r%16/2, 4*(r%2)
	for q := range 8 {
		bits |= uint32(src[at+16*q]>>shift&0xf) << (4 * q)
	}
	return bits
}

// packK stores a unit of Q4_K, or of Q5_K if high is not nil: head is the scale of the
// scales, that of the minima, and eight of each in six bits; bit j of high[e] is the
// fifth bit of element e of block j. Two blocks share 32 bytes of codes in a file.
func packK(dst, head, codes, high []byte, r, at int) {
	copy(dst[2*r:], head[:2])
	copy(dst[64+2*r:], head[2:4])
	scales, minima := unpackSixBits(head[4:16])
	block := 576
	var highBits [4]uint64 // byte j: of block j
	if high != nil {
		block = 704
		for e := range highBits {
			highBits[e] = transposeBits(le.Uint64(high[8*e:]))
		}
	}
	for j := range 8 {
		d := dst[128+block*j:][:block]
		d[block-64+r] = scales[j]
		d[block-32+r] = minima[j]
		for s := range 2 {
			a, b := le.Uint64(codes[j/2*32+8*s:]), le.Uint64(codes[j/2*32+16+8*s:])
			if j%2 == 0 {
				putPair(d, at+256*s, 128, a&lowNibbles|b&lowNibbles<<4)
			} else {
				putPair(d, at+256*s, 128, a&highNibbles>>4|b&highNibbles)
			}
		}
		if high != nil {
			var bits uint32
			for e, w := range highBits {
				bits |= uint32(w>>(8*j)&0xff) << (8 * e)
			}
			putFifths(d[512:640], r, bits)
		}
	}
}

// transposeBits exchanges bit i of byte j and bit j of byte i.
func transposeBits(w uint64) uint64 {
	t := (w ^ w>>7) & 0x00aa00aa00aa00aa
	w ^= t ^ t<<7
	t = (w ^ w>>14) & 0x0000cccc0000cccc
	w ^= t ^ t<<14
	t = (w ^ w>>28) & 0x00000000f0f0f0f0
	return w ^ t ^ t<<28
}

// unpackSixBits splits the 12 bytes that hold eight scales and eight minima: the first
// four of each in the low six bits of bytes 0-3 and 4-7, the others in the nibbles of
// bytes 8-11 with the two high bits of the former.
func unpackSixBits(b []byte) (scales, minima [8]byte) {
	for j := range 4 {
		scales[j], minima[j] = b[j]&63, b[j+4]&63
		scales[j+4] = b[j+8]&15 | b[j]>>6<<4
		minima[j+4] = b[j+8]>>4 | b[j+4]>>6<<4
	}
	return scales, minima
}

func packSixBits(b []byte, scales, minima [8]byte) {
	for j := range 4 {
		b[j] = scales[j] | scales[j+4]>>4<<6
		b[j+4] = minima[j] | minima[j+4]>>4<<6
		b[j+8] = scales[j+4]&15 | minima[j+4]&15<<4
	}
}

// A half of a unit of Q6_K, 128 elements, has 64 bytes of nibbles and 32 of pairs of
// bits: block b of its four has nibble b/2 of bytes 32*(b%2) on, and bits 2b, 2b+1.
const (
	sixBlock = 832
	pairBits = 0x3030303030303030
)

func packQ6K(dst, src []byte, r, at int) {
	copy(dst[2*r:], src[208:210])
	for j := range 8 {
		d := dst[64+sixBlock*j:][:sixBlock]
		low, high := src[64*(j/4)+32*(j%2):][:32], src[128+32*(j/4):][:32]
		nibble, bits := 4*(j%4/2), 2*(j%4)
		d[768+r], d[800+r] = src[192+2*j], src[193+2*j]
		for t := range 2 {
			a, b := le.Uint64(low[8*t:])>>nibble&lowNibbles, le.Uint64(low[16+8*t:])>>nibble&lowNibbles
			putPair(d, at+256*t, 128, a|b<<4)
			// Quads 2t and 2t+1 are in the halves of a, quads 2t+4 and 2t+5 in those of b.
			const twos = 0x0303030303030303
			a, b = le.Uint64(high[8*t:])>>bits&twos, le.Uint64(high[16+8*t:])>>bits&twos
			le.PutUint32(d[512+at+128*t:], uint32(a|b<<2)|uint32(a>>28)|uint32(b>>26))
		}
	}
}

// unpackRow is the inverse of packRow: row r of the strip src, as it is in a file.
func unpackRow(f BlockFormat, dst, src []byte, r int) {
	i := f.info()
	at := 64*(r/16) + 4*(r%16)
	for ; len(dst) > 0; dst, src = dst[i.fileBytes:], src[i.unitBytes:] {
		d, s := dst[:i.fileBytes], src[:i.unitBytes]
		switch f {
		case Q8_0:
			copy(d, s[1024+2*r:][:2])
			for q := range 4 {
				le.PutUint64(d[2+8*q:], pair(s, at+256*q, 128)^signBits)
			}
			continue
		case Q4_K:
			unpackK(d[:16], d[16:144], nil, s, r, at)
			continue
		case Q5_K:
			unpackK(d[:16], d[48:176], d[16:48], s, r, at)
			continue
		case Q6_K:
			unpackQ6K(d, s, r, at)
			continue
		case Q2_K:
			unpackQ2K(d, s, r, at)
			continue
		case Q3_K:
			unpackQ3K(d, s, r, at)
			continue
		case IQ4_XS:
			unpackIQ4XS(d, s, r, at)
			continue
		case Q4_0, IQ4_NL:
			copy(d, s[512+2*r:][:2])
		case Q4_1:
			copy(d, s[512+2*r:][:2])
			copy(d[2:], s[576+2*r:][:2])
		case Q5_0:
			copy(d, s[640+2*r:][:2])
			le.PutUint32(d[2:], fifths(s[512:640], r))
		case Q5_1:
			copy(d, s[640+2*r:][:2])
			copy(d[2:], s[704+2*r:][:2])
			le.PutUint32(d[4:], fifths(s[512:640], r))
		}
		codes := d[len(d)-16:]
		le.PutUint64(codes, pair(s, at, 128))
		le.PutUint64(codes[8:], pair(s, at+256, 128))
	}
}

func unpackK(head, codes, high, src []byte, r, at int) {
	copy(head, src[2*r:][:2])
	copy(head[2:], src[64+2*r:][:2])
	block := 576
	if high != nil {
		block = 704
	}
	var scales, minima [8]byte
	for j := range 8 {
		s := src[128+block*j:][:block]
		scales[j], minima[j] = s[block-64+r], s[block-32+r]
		for q := range 2 {
			w := pair(s, at+256*q, 128)
			a, b := codes[j/2*32+8*q:], codes[j/2*32+16+8*q:]
			if j%2 == 0 {
				le.PutUint64(a, w&lowNibbles)
				le.PutUint64(b, w&highNibbles>>4)
			} else {
				le.PutUint64(a, le.Uint64(a)|w&lowNibbles<<4)
				le.PutUint64(b, le.Uint64(b)|w&highNibbles)
			}
		}
		if high != nil {
			bits := fifths(s[512:640], r)
			for e := range 4 {
				high[8*e+j] = byte(bits >> (8 * e))
			}
		}
	}
	for e := 0; e < len(high); e += 8 {
		le.PutUint64(high[e:], transposeBits(le.Uint64(high[e:])))
	}
	packSixBits(head[4:16], scales, minima)
}

func unpackQ6K(dst, src []byte, r, at int) {
	clear(dst)
	copy(dst[208:], src[2*r:][:2])
	for j := range 8 {
		s := src[64+sixBlock*j:][:sixBlock]
		low, high := dst[64*(j/4)+32*(j%2):][:32], dst[128+32*(j/4):][:32]
		nibble, bits := 4*(j%4/2), 2*(j%4)
		dst[192+2*j], dst[193+2*j] = s[768+r], s[800+r]
		for t := range 2 {
			w := pair(s, at+256*t, 128)
			v := uint64(le.Uint32(s[512+at+128*t:]))
			v |= v >> 4 << 32 // quads 2t, 2t+1 in bits 0-1, quads 2t+4, 2t+5 in bits 2-3
			const twos = 0x0303030303030303
			orUint64(low[8*t:], w&lowNibbles<<nibble)
			orUint64(low[16+8*t:], w>>4&lowNibbles<<nibble)
			orUint64(high[8*t:], v&twos<<bits)
			orUint64(high[16+8*t:], v>>2&twos<<bits)
		}
	}
}

func orUint64(b []byte, w uint64) { le.PutUint64(b, le.Uint64(b)|w) }
