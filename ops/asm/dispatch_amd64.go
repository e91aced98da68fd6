//go:build !noasm

// Which kernel serves an operation on amd64.

package asm

// chunk is the most elements that one assembly call works on, so that a goroutine can
// be stopped within tens of microseconds.
const chunk = 1 << 15

func dot(a, b []float32) float32 {
	if !useAVX2 || len(a) < 8 {
		return dotGeneric(a, b)
	}
	var s float32
	for len(a) > chunk {
		s += dotChunk(a[:chunk], b[:chunk])
		a, b = a[chunk:], b[chunk:]
	}
	return s + dotChunk(a, b)
}

// dotChunk is not inlined: its prologue is a safe point.
//
//go:noinline
func dotChunk(a, b []float32) float32 {
	if useAVX512 {
		return dotAVX512(&a[0], &b[0], len(a))
	}
	return dotAVX2(&a[0], &b[0], len(a))
}

func axpy(alpha float32, x, y []float32) {
	if !useAVX2 || len(x) < 8 {
		axpyGeneric(alpha, x, y)
		return
	}
	for len(x) > chunk {
		axpyChunk(alpha, x[:chunk], y[:chunk])
		x, y = x[chunk:], y[chunk:]
	}
	axpyChunk(alpha, x, y)
}

//go:noinline
func axpyChunk(alpha float32, x, y []float32) {
	if useAVX512 {
		axpyAVX512(alpha, &x[0], &y[0], len(x))
		return
	}
	axpyAVX2(alpha, &x[0], &y[0], len(x))
}

func f16ToF32(dst []float32, src []uint16)  { f16ToF32Generic(dst, src) }
func f32ToF16(dst []uint16, src []float32)  { f32ToF16Generic(dst, src) }
func bf16ToF32(dst []float32, src []uint16) { bf16ToF32Generic(dst, src) }
func f32ToBF16(dst []uint16, src []float32) { f32ToBF16Generic(dst, src) }
func exp(dst, x []float32)                  { expGeneric(dst, x) }
func softmaxRow(dst, x []float32) float32   { return softmaxRowGeneric(dst, x) }
func siluMul(dst, gate, up []float32)       { siluMulGeneric(dst, gate, up) }
func siluMulBackward(dgate, dup, dout, gate, up []float32) {
	siluMulBackwardGeneric(dgate, dup, dout, gate, up)
}
func sum(x []float32) float64            { return sumGeneric(x) }
func sumSquares(x []float32) float64     { return sumSquaresGeneric(x) }
func maxOf(x []float32) float32          { return maxGeneric(x) }
func add(dst, a, b []float32)            { addGeneric(dst, a, b) }
func mul(dst, a, b []float32)            { mulGeneric(dst, a, b) }
func mulAdd(dst, a, b []float32)         { mulAddGeneric(dst, a, b) }
func scale(dst []float32, alpha float32) { scaleGeneric(dst, alpha) }
