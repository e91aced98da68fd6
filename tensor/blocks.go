package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Dequantize converts one or more whole rows of a floating-point or block type
// to float32: len(dst) elements from dtype.Bytes(len(dst)) bytes of src. It
// panics if the lengths disagree or the type is not [DType.IsFloat].
//
// The block layouts are those of ggml (docs/gguf.md and ggml-common.h of the
// ggml project): Q8_0 is a float16 scale d and 32 int8 q, x = d*q; Q4_0 is a
// float16 scale and 16 bytes, byte i holding elements i (low nibble) and i+16
// (high nibble), x = d*(q-8).
func Dequantize(dtype DType, dst []float32, src []byte) {
	if len(src) != dtype.Bytes(len(dst)) {
		panic(fmt.Sprintf("tensor: Dequantize: %d elements of %v from %d bytes", len(dst), dtype, len(src)))
	}
	switch dtype {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case Q8_0:
		for ; len(dst) > 0; dst, src = dst[32:], src[34:] {
			d := F16ToFloat32(binary.LittleEndian.Uint16(src))
			for i, q := range src[2:34] {
				dst[i] = d * float32(int8(q))
			}
		}
	case Q4_0:
		for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
			d := F16ToFloat32(binary.LittleEndian.Uint16(src))
			for i, q := range src[2:18] {
				dst[i] = d * float32(int(q&15)-8)
				dst[i+16] = d * float32(int(q>>4)-8)
			}
		}
	default:
		panic(fmt.Sprintf("tensor: Dequantize: %v has no conversion", dtype))
	}
}

// Quantize converts whole rows of float32 to a floating-point or block type:
// len(src) elements into dtype.Bytes(len(src)) bytes of dst. Rounding is to
// the nearest (ties to even) for F16 and BF16 and ggml's reference rounding
// for the block types. A block that holds a NaN or an infinity becomes all NaN,
// so that a damaged weight cannot pass for a small one. It panics as
// [Dequantize] does.
func Quantize(dtype DType, dst []byte, src []float32) {
	if len(dst) != dtype.Bytes(len(src)) {
		panic(fmt.Sprintf("tensor: Quantize: %d elements of %v into %d bytes", len(src), dtype, len(dst)))
	}
	switch dtype {
	case F32:
		for i, x := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
		}
	case F16:
		for i, x := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], Float32ToF16(x))
		}
	case BF16:
		for i, x := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], Float32ToBF16(x))
		}
	case Q8_0:
		for ; len(src) > 0; dst, src = dst[34:], src[32:] {
			quantizeQ8_0(dst[:34], src[:32])
		}
	case Q4_0:
		for ; len(src) > 0; dst, src = dst[18:], src[32:] {
			quantizeQ4_0(dst[:18], src[:32])
		}
	default:
		panic(fmt.Sprintf("tensor: Quantize: %v has no conversion", dtype))
	}
}

// quantizeQ8_0 scales by max|x|/127 and rounds half away from zero.
func quantizeQ8_0(dst []byte, src []float32) {
	m, finite := largest(src)
	if !finite {
		notFinite(dst)
		return
	}
	d := float32(math.Abs(float64(m))) / 127
	inv := inverse(d)
	binary.LittleEndian.PutUint16(dst, Float32ToF16(d))
	for i, x := range src {
		dst[2+i] = byte(int8(math.Round(float64(x * inv))))
	}
}

// quantizeQ4_0 maps the value of largest magnitude (the first, with its sign)
// to -8.
func quantizeQ4_0(dst []byte, src []float32) {
	m, finite := largest(src)
	if !finite {
		notFinite(dst)
		return
	}
	d := m / -8
	inv := inverse(d)
	binary.LittleEndian.PutUint16(dst, Float32ToF16(d))
	q := func(x float32) byte { return byte(min(15, int(float32(x*inv)+8.5))) }
	for i := range 16 {
		dst[2+i] = q(src[i]) | q(src[i+16])<<4
	}
}

// largest returns the first of the values of largest magnitude, with its sign,
// and whether all values are finite.
func largest(src []float32) (m float32, finite bool) {
	var top uint32
	for _, x := range src {
		// The bits of non-negative floats are in the order of their values.
		if b := math.Float32bits(x) &^ (1 << 31); b > top {
			top, m = b, x
		}
	}
	return m, top < 0x7f800000
}

// inverse returns 1/d, or 0 where that is infinite: a scale so small is stored
// as 0, and no finite value times an infinite one would be a number to round.
func inverse(d float32) float32 {
	if inv := 1 / d; !math.IsInf(float64(inv), 0) {
		return inv
	}
	return 0
}

// notFinite makes dst a block whose scale is NaN.
func notFinite(dst []byte) {
	clear(dst)
	binary.LittleEndian.PutUint16(dst, 0x7e00)
}
