//go:build !amd64 || noasm

// Without assembly every operation is its generic twin.

package asm

func tileShape() (mr, nr int)  { return genericTile, genericTile }
func rowTileCols(cols int) int { return min(cols, genericTile) }

func runStrip(s *strip, rows, tiles, cols int, a, b, c, _ *float32, _ int) {
	stripGeneric(s, rows, tiles, cols, a, b, c)
}

func runGemv(v *gemv, units int, w, y *float32, last int) { gemvGeneric(v, units, w, y, last) }

func packPanel(dst []float32, stride, width, k int, src *float32, rs, ks int) {
	packPanelGeneric(dst, stride, width, k, src, rs, ks)
}

func dot(a, b []float32) float32            { return dotGeneric(a, b) }
func axpy(alpha float32, x, y []float32)    { axpyGeneric(alpha, x, y) }
func f16ToF32(dst []float32, src []uint16)  { f16ToF32Generic(dst, src) }
func f32ToF16(dst []uint16, src []float32)  { f32ToF16Generic(dst, src) }
func bf16ToF32(dst []float32, src []uint16) { bf16ToF32Generic(dst, src) }
func f32ToBF16(dst []uint16, src []float32) { f32ToBF16Generic(dst, src) }
func exp(dst, x []float32)                  { expGeneric(dst, x) }
func softmaxRow(dst, x []float32) float32   { return softmaxRowGeneric(dst, x) }
func siluMul(dst, gate, up []float32)       { siluMulGeneric(dst, gate, up) }
func geluTanh(dst, x []float32)             { geluTanhGeneric(dst, x) }
func geluErf(dst, x []float32)              { geluErfGeneric(dst, x) }
func sum(x []float32) float64               { return sumGeneric(x) }
func sumSquares(x []float32) float64        { return sumSquaresGeneric(x) }
func maxOf(x []float32) float32             { return maxGeneric(x) }
func add(dst, a, b []float32)               { addGeneric(dst, a, b) }
func mul(dst, a, b []float32)               { mulGeneric(dst, a, b) }
func mulAdd(dst, a, b []float32)            { mulAddGeneric(dst, a, b) }
func scale(x []float32, alpha float32)      { scaleGeneric(x, alpha) }

func siluMulBackward(dgate, dup, dout, gate, up []float32) {
	siluMulBackwardGeneric(dgate, dup, dout, gate, up)
}

func scaleMul(dst []float32, alpha float32, a, b []float32) { scaleMulGeneric(dst, alpha, a, b) }

func combine(dst, a, b []float32, s, t, u float32, acc bool) {
	combineGeneric(dst, a, b, s, t, u, acc)
}

func subtract(x []float32, v float32) { subtractGeneric(x, v) }

func softmaxGrad(dst, p []float32, scale, delta float32) { softmaxGradGeneric(dst, p, scale, delta) }

func adamW(c *AdamWStep, p, m, v, grad []float32) { adamWGeneric(c, p, m, v, grad) }

func rotatePairs(dst, src, table []float32, sign float32, acc bool) {
	rotatePairsGeneric(dst, src, table, sign, acc)
}

func rotateHalves(dst, src, table []float32, sign float32, acc bool) {
	rotateHalvesGeneric(dst, src, table, sign, acc)
}
