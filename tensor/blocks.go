// Conversion between float32 and the types that weights are stored in: which
// function does which type.

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
// ggml project), every block computed with the roundings to float32 that ggml's
// reference has.
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
	default:
		dequantize := blockTypeOf(dtype, "Dequantize").dequantize
		n, size := dtype.BlockLen(), dtype.BlockBytes()
		for ; len(dst) > 0; dst, src = dst[n:], src[size:] {
			dequantize(dst[:n], src[:size])
		}
	}
}

// Quantize converts whole rows of float32 to a floating-point or block type:
// len(src) elements into dtype.Bytes(len(src)) bytes of dst. Rounding is to
// the nearest (ties to even) for F16 and BF16 and ggml's reference rounding
// for Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1; for the other block types, scales and minima
// are searched for that make the squared error small. A block that holds a NaN
// or an infinity becomes all NaN, so that a damaged weight cannot pass for a
// small one. It panics as [Dequantize] does.
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
	default:
		f := blockTypeOf(dtype, "Quantize")
		n, size := dtype.BlockLen(), dtype.BlockBytes()
		for ; len(src) > 0; dst, src = dst[size:], src[n:] {
			if _, finite := largest(src[:n]); finite {
				f.quantize(dst[:size], src[:n])
			} else {
				clear(dst[:size])
				binary.LittleEndian.PutUint16(dst[f.scaleAt:], nanF16)
			}
		}
	}
}

// nanF16 is the scale of a block that is all NaN.
const nanF16 = 0x7e00

// blockType is how one block is converted: its elements, which are finite, and
// its bytes, all of which quantize writes. scaleAt is where the float16 scale of
// the whole block is.
type blockType struct {
	dequantize func(dst []float32, src []byte)
	quantize   func(dst []byte, src []float32)
	scaleAt    int
}

var blockTypes = [numDTypes]blockType{
	Q8_0: {dequantizeQ8_0, quantizeQ8_0, 0},
	Q4_0: {dequantizeQ4_0, quantizeQ4_0, 0},
	Q4_1: {dequantizeQ4_1, quantizeQ4_1, 0},
	Q5_0: {dequantizeQ5_0, quantizeQ5_0, 0},
	Q5_1: {dequantizeQ5_1, quantizeQ5_1, 0},
	Q4_K: {dequantizeQ4_K, quantizeQ4_K, 0},
	Q5_K: {dequantizeQ5_K, quantizeQ5_K, 0},
	Q6_K: {dequantizeQ6_K, quantizeQ6_K, 208},
	Q2_K: {dequantizeQ2_K, quantizeQ2_K, 80},
	Q3_K: {dequantizeQ3_K, quantizeQ3_K, 108},

	IQ4_NL: {dequantizeIQ4_NL, quantizeIQ4_NL, 0},
	IQ4_XS: {dequantizeIQ4_XS, quantizeIQ4_XS, 0},
}

func blockTypeOf(dtype DType, what string) *blockType {
	if !dtype.IsBlock() {
		panic(fmt.Sprintf("tensor: %s: %v has no conversion", what, dtype))
	}
	return &blockTypes[dtype]
}

// f16At reads a float16 scale.
func f16At(b []byte) float32 { return F16ToFloat32(binary.LittleEndian.Uint16(b)) }

// putF16 stores a scale and returns what it is then.
func putF16(b []byte, x float32) float32 {
	h := Float32ToF16(x)
	binary.LittleEndian.PutUint16(b, h)
	return F16ToFloat32(h)
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
