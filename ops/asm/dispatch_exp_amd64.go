//go:build !noasm

// Which kernel serves the exponential, its fused loops and the conversions on amd64;
// see dispatch_amd64.go for the chunks.

package asm

import "math"

func exp(dst, x []float32) {
	if !useAVX2 {
		expGeneric(dst, x)
		return
	}
	for i := 0; i < len(x); i += chunk {
		expChunk(dst[i:], x[i:min(i+chunk, len(x))])
	}
}

//go:noinline
func expChunk(dst, x []float32) {
	if useAVX512 {
		expAVX512(&dst[0], &x[0], len(x))
		return
	}
	expAVX2(&dst[0], &x[0], len(x))
}

func softmaxRow(dst, x []float32) float32 {
	if !useAVX2 {
		return softmaxRowGeneric(dst, x)
	}
	m := maxOf(x)
	if math.IsInf(float64(m), -1) {
		clear(dst)
		return m
	}
	var s float64
	for i := 0; i < len(x); i += chunk {
		s += expSumChunk(dst[i:], x[i:min(i+chunk, len(x))], m)
	}
	scale(dst, float32(1/s))
	return float32(float64(m) + math.Log(s))
}

//go:noinline
func expSumChunk(dst, x []float32, shift float32) float64 {
	if useAVX512 {
		return expSumAVX512(&dst[0], &x[0], shift, len(x))
	}
	return expSumAVX2(&dst[0], &x[0], shift, len(x))
}

func siluMul(dst, gate, up []float32) {
	if !useAVX2 {
		siluMulGeneric(dst, gate, up)
		return
	}
	for i := 0; i < len(dst); i += chunk {
		siluMulChunk(dst[i:min(i+chunk, len(dst))], gate[i:], up[i:])
	}
}

//go:noinline
func siluMulChunk(dst, gate, up []float32) {
	if useAVX512 {
		siluMulAVX512(&dst[0], &gate[0], &up[0], len(dst))
		return
	}
	siluMulAVX2(&dst[0], &gate[0], &up[0], len(dst))
}

func siluMulBackward(dgate, dup, dout, gate, up []float32) {
	if !useAVX2 {
		siluMulBackwardGeneric(dgate, dup, dout, gate, up)
		return
	}
	for i := 0; i < len(dout); i += chunk {
		siluMulBackwardChunk(dgate[i:], dup[i:], dout[i:min(i+chunk, len(dout))], gate[i:], up[i:])
	}
}

//go:noinline
func siluMulBackwardChunk(dgate, dup, dout, gate, up []float32) {
	if useAVX512 {
		siluMulBackwardAVX512(&dgate[0], &dup[0], &dout[0], &gate[0], &up[0], len(dout))
		return
	}
	siluMulBackwardAVX2(&dgate[0], &dup[0], &dout[0], &gate[0], &up[0], len(dout))
}

func geluTanh(dst, x []float32) {
	if !useAVX2 {
		geluTanhGeneric(dst, x)
		return
	}
	for i := 0; i < len(x); i += chunk {
		geluTanhChunk(dst[i:], x[i:min(i+chunk, len(x))])
	}
}

//go:noinline
func geluTanhChunk(dst, x []float32) {
	if useAVX512 {
		geluTanhAVX512(&dst[0], &x[0], len(x))
		return
	}
	geluTanhAVX2(&dst[0], &x[0], len(x))
}

func geluErf(dst, x []float32) {
	if !useAVX2 {
		geluErfGeneric(dst, x)
		return
	}
	for i := 0; i < len(x); i += chunk {
		geluErfChunk(dst[i:], x[i:min(i+chunk, len(x))])
	}
}

//go:noinline
func geluErfChunk(dst, x []float32) {
	if useAVX512 {
		geluErfAVX512(&dst[0], &x[0], len(x))
		return
	}
	geluErfAVX2(&dst[0], &x[0], len(x))
}

// The conversion kernels take whole vectors; the generic twins, which agree with them
// bit for bit, do the rest.

func vectorLanes() int {
	switch {
	case useAVX512:
		return 16
	case useAVX2:
		return 8
	}
	return math.MaxInt
}

func f16ToF32(dst []float32, src []uint16) {
	whole := len(src) - len(src)%vectorLanes()
	for i := 0; i < whole; i += chunk {
		f16ToF32Chunk(dst[i:], src[i:min(i+chunk, whole)])
	}
	f16ToF32Generic(dst[whole:], src[whole:])
}

//go:noinline
func f16ToF32Chunk(dst []float32, src []uint16) {
	if useAVX512 {
		f16ToF32AVX512(&dst[0], &src[0], len(src))
		return
	}
	f16ToF32AVX2(&dst[0], &src[0], len(src))
}

func f32ToF16(dst []uint16, src []float32) {
	whole := len(src) - len(src)%vectorLanes()
	for i := 0; i < whole; i += chunk {
		f32ToF16Chunk(dst[i:], src[i:min(i+chunk, whole)])
	}
	f32ToF16Generic(dst[whole:], src[whole:])
}

//go:noinline
func f32ToF16Chunk(dst []uint16, src []float32) {
	if useAVX512 {
		f32ToF16AVX512(&dst[0], &src[0], len(src))
		return
	}
	f32ToF16AVX2(&dst[0], &src[0], len(src))
}

func bf16ToF32(dst []float32, src []uint16) {
	whole := len(src) - len(src)%vectorLanes()
	for i := 0; i < whole; i += chunk {
		bf16ToF32Chunk(dst[i:], src[i:min(i+chunk, whole)])
	}
	bf16ToF32Generic(dst[whole:], src[whole:])
}

//go:noinline
func bf16ToF32Chunk(dst []float32, src []uint16) {
	if useAVX512 {
		bf16ToF32AVX512(&dst[0], &src[0], len(src))
		return
	}
	bf16ToF32AVX2(&dst[0], &src[0], len(src))
}

func f32ToBF16(dst []uint16, src []float32) {
	whole := len(src) - len(src)%vectorLanes()
	for i := 0; i < whole; i += chunk {
		f32ToBF16Chunk(dst[i:], src[i:min(i+chunk, whole)])
	}
	f32ToBF16Generic(dst[whole:], src[whole:])
}

//go:noinline
func f32ToBF16Chunk(dst []uint16, src []float32) {
	if useAVX512 {
		f32ToBF16AVX512(&dst[0], &src[0], len(src))
		return
	}
	f32ToBF16AVX2(&dst[0], &src[0], len(src))
}
