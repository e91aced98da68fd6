// Block types of 256 elements, in groups that have integer scales of their own,
// which float16 numbers of the block scale: how they are read.
//
//	Q4_K  d, dmin, 12 bytes of scales, 128 bytes                   x = d*s*q - dmin*m
//	Q5_K  d, dmin, 12 bytes of scales, 32 fifth bits, 128 bytes    the same
//	Q6_K  128 bytes, 64 bytes of upper bits, 16 int8 s, d          x = d*s*(q-32)
//	Q2_K  16 bytes of scales, 64 bytes, d, dmin                    x = d*s*q - dmin*m
//	Q3_K  32 third bits, 64 bytes, 12 bytes of scales, d           x = d*s*(q-4)
//
// Q4_K and Q5_K have 8 groups of 32 with six-bit scales s and minima m, packed as
// [sixBits] says; byte i of the j-th 32 with the codes has element 64j+i in its
// low half and 64j+32+i in its high half, and byte i of the fifth bits has at bits
// 2j and 2j+1 those of the same two. Q6_K has 16 groups of 16; for each half of
// the block, bytes i and 32+i of 64 have the low four bits of elements i and 32+i
// in their low and of 64+i and 96+i in their high halves, and byte i of 32 the
// upper two bits of all four, the first lowest.
//
// Q2_K and Q3_K have 16 groups of 16. For each half of the block, byte i of 32 has at
// bits 2j and 2j+1 the low two bits of element 32j+i; byte i of the third bits of Q3_K
// has at bit j that of element 32j+i of the whole block. The byte of a group of Q2_K has
// the scale in its low and the minimum in its high half. The scales of Q3_K have six
// bits, less 32: the low four of group j in a half of byte j%8, the low one for j < 8; the
// upper two at bit 2(j/4) of byte 8+j%4.

package tensor

func dequantizeQ4_K(dst []float32, src []byte) {
	d, dmin := f16At(src), f16At(src[2:])
	scales, codes := src[4:16], src[16:144]
	for j := 0; j < 8; j += 2 {
		s, m := sixBits(scales, j)
		s0, m0 := d*float32(s), dmin*float32(m)
		s, m = sixBits(scales, j+1)
		s1, m1 := d*float32(s), dmin*float32(m)
		lo, hi := dst[32*j:32*j+32], dst[32*j+32:32*j+64]
		for i, q := range codes[16*j : 16*j+32] {
			lo[i] = float32(s0*float32(int(q&15))) - m0
			hi[i] = float32(s1*float32(int(q>>4))) - m1
		}
	}
}

func dequantizeQ5_K(dst []float32, src []byte) {
	d, dmin := f16At(src), f16At(src[2:])
	scales, fifth, codes := src[4:16], src[16:48], src[48:176]
	for j := 0; j < 8; j += 2 {
		s, m := sixBits(scales, j)
		s0, m0 := d*float32(s), dmin*float32(m)
		s, m = sixBits(scales, j+1)
		s1, m1 := d*float32(s), dmin*float32(m)
		lo, hi := dst[32*j:32*j+32], dst[32*j+32:32*j+64]
		for i, q := range codes[16*j : 16*j+32] {
			f := fifth[i] >> j
			lo[i] = float32(s0*float32(int(q&15|f<<4&16))) - m0
			hi[i] = float32(s1*float32(int(q>>4|f<<3&16))) - m1
		}
	}
}

// sixBits returns scale and minimum of group j of Q4_K and Q5_K. The first four
// bytes have the scales of groups 0 to 3 in their low six bits, the next four the
// minima; the last four have the low four bits of scale and minimum of groups 4
// to 7, whose upper two bits are those left over in the first eight.
func sixBits(b []byte, j int) (scale, minimum byte) {
	if j < 4 {
		return b[j] & 63, b[j+4] & 63
	}
	return b[j+4]&15 | b[j-4]>>6<<4, b[j+4]>>4 | b[j]>>6<<4
}

// putSixBits is the inverse of [sixBits], for all groups.
func putSixBits(b []byte, scales, minima *[8]byte) {
	for j := range 4 {
		b[j] = scales[j] | scales[j+4]>>4<<6
		b[j+4] = minima[j] | minima[j+4]>>4<<6
		b[j+8] = scales[j+4]&15 | minima[j+4]<<4
	}
}

func dequantizeQ6_K(dst []float32, src []byte) {
	d := f16At(src[208:])
	for half := range 2 {
		low, upper := src[64*half:64*half+64], src[128+32*half:128+32*half+32]
		scales, out := src[192+8*half:192+8*half+8], dst[128*half:128*half+128]
		for g := range 2 { // the first and the second 16 of every 32
			s0, s1 := d*float32(int8(scales[g])), d*float32(int8(scales[g+2]))
			s2, s3 := d*float32(int8(scales[g+4])), d*float32(int8(scales[g+6]))
			for i := 16 * g; i < 16*g+16; i++ {
				a, b, u := low[i], low[32+i], upper[i]
				out[i] = s0 * float32(int(a&15|u<<4&48)-32)
				out[32+i] = s1 * float32(int(b&15|u<<2&48)-32)
				out[64+i] = s2 * float32(int(a>>4|u&48)-32)
				out[96+i] = s3 * float32(int(b>>4|u>>2&48)-32)
			}
		}
	}
}

func dequantizeQ2_K(dst []float32, src []byte) {
	d, dmin := f16At(src[80:]), f16At(src[82:])
	for half := range 2 {
		codes := src[16+32*half : 48+32*half]
		for j := range 8 { // groups of the half
			g := src[8*half+j]
			s, m := d*float32(g&15), dmin*float32(g>>4)
			out := dst[128*half+16*j : 128*half+16*j+16]
			for i, q := range codes[16*(j%2) : 16*(j%2)+16] {
				out[i] = float32(s*float32(q>>(j/2*2)&3)) - m
			}
		}
	}
}

func dequantizeQ3_K(dst []float32, src []byte) {
	d := f16At(src[108:])
	third, scales := src[:32], src[96:108]
	for half := range 2 {
		codes := src[32+32*half : 64+32*half]
		for j := range 8 {
			s := d * float32(sixBitScale(scales, 8*half+j))
			out := dst[128*half+16*j : 128*half+16*j+16]
			for i := range out {
				k := 16*(j%2) + i
				q := codes[k]>>(j/2*2)&3 | third[k]>>(4*half+j/2)&1<<2
				out[i] = s * float32(int(q)-4)
			}
		}
	}
}

// sixBitScale returns the scale of group j of Q3_K.
func sixBitScale(b []byte, j int) int {
	return int(b[j%8]>>(j/8*4)&15|b[8+j%4]>>(j/4*2)&3<<4) - 32
}

// putSixBitScales is the inverse of [sixBitScale], for all groups.
func putSixBitScales(b []byte, scales *[16]int8) {
	clear(b[:12])
	for j, s := range scales {
		s := byte(s + 32)
		b[j%8] |= s & 15 << (j / 8 * 4)
		b[8+j%4] |= s >> 4 << (j / 4 * 2)
	}
}
