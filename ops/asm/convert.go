// Conversions between float32 and the two 16-bit formats: IEEE half precision
// (F16) and the upper half of a float32 (BF16).

package asm

import "math"

// F16ToF32 converts half-precision numbers, bit patterns in src, exactly. NaNs
// keep their payload and become quiet. It panics if the lengths differ.
func F16ToF32(dst []float32, src []uint16) {
	sameLen2("F16ToF32", len(dst), len(src))
	raceRead(src)
	raceWrite(dst)
	f16ToF32(dst, src)
}

// F32ToF16 rounds to half precision, to nearest with ties to even: numbers of
// magnitude 65520 and above become Inf, small ones denormal or zero. NaN stays
// NaN. It panics if the lengths differ.
func F32ToF16(dst []uint16, src []float32) {
	sameLen2("F32ToF16", len(dst), len(src))
	raceRead(src)
	raceWrite(dst)
	f32ToF16(dst, src)
}

// BF16ToF32 converts bfloat16 numbers, bit patterns in src, exactly. It panics if
// the lengths differ.
func BF16ToF32(dst []float32, src []uint16) {
	sameLen2("BF16ToF32", len(dst), len(src))
	raceRead(src)
	raceWrite(dst)
	bf16ToF32(dst, src)
}

// F32ToBF16 rounds to bfloat16, to nearest with ties to even. NaN stays NaN. It
// panics if the lengths differ.
func F32ToBF16(dst []uint16, src []float32) {
	sameLen2("F32ToBF16", len(dst), len(src))
	raceRead(src)
	raceWrite(dst)
	f32ToBF16(dst, src)
}

func f16ToF32Generic(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, h := range src {
		dst[i] = math.Float32frombits(f16Bits(h))
	}
}

// f16Bits returns the bits of the float32 equal to the half-precision number h.
func f16Bits(h uint16) uint32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch {
	case exp == 0x1f && frac != 0:
		return sign | 0x7fc00000 | frac<<13 // NaN, quiet
	case exp == 0x1f:
		return sign | 0x7f800000
	case exp == 0: // zero or denormal: frac * 2**-24
		return sign | math.Float32bits(float32(frac)*0x1p-24)
	}
	return sign | (exp+127-15)<<23 | frac<<13
}

func f32ToF16Generic(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = roundF16(math.Float32bits(v))
	}
}

func roundF16(b uint32) uint16 {
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13)&0x1ff // NaN, quiet
	case b >= 0x477ff000: // 65520 and above, Inf
		return sign | 0x7c00
	case b < 0x38800000: // below 2**-14: a multiple of 2**-24, rounded by the FPU against 0.5
		const half = 0x3f000000
		sum := math.Float32frombits(b) + 0.5
		return sign | uint16(math.Float32bits(sum)-half)
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-(127-15)<<23)>>13)
}

func bf16ToF32Generic(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, h := range src {
		dst[i] = math.Float32frombits(uint32(h) << 16)
	}
}

func f32ToBF16Generic(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		b := math.Float32bits(v)
		if b&0x7fffffff > 0x7f800000 {
			dst[i] = uint16(b>>16) | 0x40 // NaN, quiet; the payload may lie in the lower half alone
			continue
		}
		dst[i] = uint16((b + 0x7fff + b>>16&1) >> 16)
	}
}
