//go:build !amd64 || noasm

// Without assembly products of quantised weights and vectors are their generic twins.

package asm

func quantizeVector(dst []vectorBlock, src []float32) { quantizeVectorGeneric(dst, src) }

// vectorsAtOnce returns how many of m vectors a kernel takes.
func vectorsAtOnce(m int) int { return min(m, 4) }

func blockGemvStrips(f BlockFormat, y []float32, ldy int, strips []byte, x []vectorBlock, xBlocks, units, count, cols int, sums *[4][StripRows]float32, alpha, beta float32) {
	blockGemvGeneric(f, y, ldy, strips, x, xBlocks, units, count, cols, sums, alpha, beta)
}

func rowGemv(f BlockFormat, y []float32, w []byte, x *Activations, first, blocks int, alpha, beta float32) {
	rowGemvGeneric(f, y, w, x, first, blocks, alpha, beta)
}
