//go:build !amd64 || noasm

// Without assembly the kernels for strips are their generic twins.

package asm

func runStream(s *streamTile, a *float32, w *weights, i int, c *float32) {
	streamGeneric(s, a, w, i, c)
}

func runSegments(s *segments, rows, tiles, cols int, w, b, c *float32) {
	segmentsGeneric(s, rows, tiles, cols, w, b, c)
}

func transpose16(dst []uint16, stride int, src []uint16, srcStride, rows, k int) {
	transpose16Generic(dst, stride, src, srcStride, rows, k)
}
