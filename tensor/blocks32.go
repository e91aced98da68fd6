// Block types of 32 elements with one float16 scale d, some with a float16
// minimum m. In all but Q8_0, byte i of the 16 with the codes has the low four
// bits of element i in its low half and of element i+16 in its high half; the
// fifth bits of Q5_0 and Q5_1 are a 32-bit word, bit i of element i.
//
//	Q8_0  d, 32 int8 q           x = d*q
//	Q4_0  d, 16 bytes            x = d*(q-8)
//	Q4_1  d, m, 16 bytes         x = d*q + m
//	Q5_0  d, word, 16 bytes      x = d*(q-16)
//	Q5_1  d, m, word, 16 bytes   x = d*q + m
//
// The conversions to float32 keep products in float32 before they add, so that
// no machine fuses the two.

package tensor

import (
	"encoding/binary"
	"math"
)

func dequantizeQ8_0(dst []float32, src []byte) {
	d := f16At(src)
	src = src[2:34]
	dst = dst[:len(src)]
	for i, q := range src {
		dst[i] = d * float32(int8(q))
	}
}

func dequantizeQ4_0(dst []float32, src []byte) {
	d := f16At(src)
	lo, hi := dst[:16], dst[16:32]
	for i, q := range src[2:18] {
		lo[i] = d * float32(int(q&15)-8)
		hi[i] = d * float32(int(q>>4)-8)
	}
}

func dequantizeQ4_1(dst []float32, src []byte) {
	d, m := f16At(src), f16At(src[2:])
	lo, hi := dst[:16], dst[16:32]
	for i, q := range src[4:20] {
		lo[i] = float32(d*float32(int(q&15))) + m
		hi[i] = float32(d*float32(int(q>>4))) + m
	}
}

func dequantizeQ5_0(dst []float32, src []byte) {
	d, fifth := f16At(src), binary.LittleEndian.Uint32(src[2:])
	lo, hi := dst[:16], dst[16:32]
	for i, q := range src[6:22] {
		lo[i] = d * float32(int(uint32(q)&15|fifth<<4&16)-16)
		hi[i] = d * float32(int(uint32(q)>>4|fifth>>12&16)-16)
		fifth >>= 1
	}
}

func dequantizeQ5_1(dst []float32, src []byte) {
	d, m, fifth := f16At(src), f16At(src[2:]), binary.LittleEndian.Uint32(src[4:])
	lo, hi := dst[:16], dst[16:32]
	for i, q := range src[8:24] {
		lo[i] = float32(d*float32(int(uint32(q)&15|fifth<<4&16))) + m
		hi[i] = float32(d*float32(int(uint32(q)>>4|fifth>>12&16))) + m
		fifth >>= 1
	}
}

// quantizeQ8_0 scales by max|x|/127 and rounds half away from zero.
func quantizeQ8_0(dst []byte, src []float32) {
	m, _ := largest(src)
	d := float32(math.Abs(float64(m))) / 127
	inv := inverse(d)
	putF16(dst, d)
	for i, x := range src {
		dst[2+i] = byte(int8(math.Round(float64(x * inv))))
	}
}

// quantizeQ4_0 maps the value of largest magnitude (the first, with its sign)
// to -8.
func quantizeQ4_0(dst []byte, src []float32) {
	m, _ := largest(src)
	d := m / -8
	putF16(dst, d)
	var codes [32]byte
	centredCodes(&codes, src, inverse(d), 8)
	putNibbles(dst[2:], &codes)
}

// quantizeQ5_0 maps the value of largest magnitude to -16.
func quantizeQ5_0(dst []byte, src []float32) {
	m, _ := largest(src)
	d := m / -16
	putF16(dst, d)
	var codes [32]byte
	centredCodes(&codes, src, inverse(d), 16)
	putFifths(dst[2:], &codes)
	putNibbles(dst[6:], &codes)
}

// quantizeQ4_1 maps the least value to 0 and the greatest to 15.
func quantizeQ4_1(dst []byte, src []float32) {
	var codes [32]byte
	rangeCodes(dst, &codes, src, 15)
	putNibbles(dst[4:], &codes)
}

// quantizeQ5_1 maps the least value to 0 and the greatest to 31.
func quantizeQ5_1(dst []byte, src []float32) {
	var codes [32]byte
	rangeCodes(dst, &codes, src, 31)
	putFifths(dst[4:], &codes)
	putNibbles(dst[8:], &codes)
}

// centredCodes rounds x*inv to codes with the given zero point.
func centredCodes(codes *[32]byte, src []float32, inv float32, zero int) {
	half := float32(zero) + 0.5
	for i, x := range src {
		codes[i] = byte(min(2*zero-1, int(float32(x*inv)+half)))
	}
}

// rangeCodes stores scale and minimum of a block with codes up to top in dst,
// and rounds to those codes.
func rangeCodes(dst []byte, codes *[32]byte, src []float32, top int) {
	lo, hi := src[0], src[0]
	for _, x := range src {
		if x < lo {
			lo = x
		}
		if x > hi {
			hi = x
		}
	}
	d := (hi - lo) / float32(top)
	inv := inverse(d) // 0 if the range is no finite number, which d then tells
	putF16(dst, d)
	putF16(dst[2:], lo)
	for i, x := range src {
		if inv != 0 {
			codes[i] = byte(min(top, int(float32((x-lo)*inv)+0.5)))
		}
	}
}

// putNibbles stores the low four bits of the codes in 16 bytes.
func putNibbles(dst []byte, codes *[32]byte) {
	for i := range 16 {
		dst[i] = codes[i]&15 | codes[i+16]<<4
	}
}

// putFifths stores the fifth bits of the codes in four bytes.
func putFifths(dst []byte, codes *[32]byte) {
	var word uint32
	for i, q := range codes {
		word |= uint32(q) >> 4 & 1 << i
	}
	binary.LittleEndian.PutUint32(dst, word)
}
