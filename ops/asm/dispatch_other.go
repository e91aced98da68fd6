//go:build !amd64 || noasm

// Without assembly every operation is its generic twin.

package asm

func dot(a, b []float32) float32            { return dotGeneric(a, b) }
func axpy(alpha float32, x, y []float32)    { axpyGeneric(alpha, x, y) }
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

func gemm(_ *Workspace, m, n, k int, alpha float32, a []float32, ars, acs int, b []float32, brs, bcs int, beta float32, c []float32, ldc int) {
	gemmGeneric(m, n, k, alpha, a, ars, acs, b, brs, bcs, beta, c, ldc)
}
