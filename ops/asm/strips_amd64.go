//go:build !noasm

// Which kernel serves strips of frozen weights on amd64; see dispatch_amd64.go for why
// none of these functions may be inlined.

package asm

// runStream multiplies a tile's rows by the block of a strip that begins at element i.
//
//go:noinline
func runStream(s *streamTile, a *float32, w *weights, i int, c *float32) {
	if !useAVX2 {
		streamGeneric(s, a, w, i, c)
		return
	}
	if !w.is16 {
		x := &w.f32[i]
		switch {
		case useAVX512:
			gemmStream32F32AVX512(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
		case s.rows <= 3:
			gemmStream32F32AVX2(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
		default:
			gemmStream16F32AVX2(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
			gemmStream16F32AVX2(s.rows, s.k, a, at(x, 16), at(c, 16), s.ldc, s.alpha, s.beta)
		}
		return
	}
	x, right := &w.half[i], &w.half[i+16]
	switch f16 := w.format == F16; {
	case useAVX512 && f16:
		gemmStream32F16AVX512(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
	case useAVX512:
		gemmStream32BF16AVX512(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
	case s.rows <= 3 && f16:
		gemmStream32F16AVX2(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
	case s.rows <= 3:
		gemmStream32BF16AVX2(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
	case f16:
		gemmStream16F16AVX2(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
		gemmStream16F16AVX2(s.rows, s.k, a, right, at(c, 16), s.ldc, s.alpha, s.beta)
	default:
		gemmStream16BF16AVX2(s.rows, s.k, a, x, c, s.ldc, s.alpha, s.beta)
		gemmStream16BF16AVX2(s.rows, s.k, a, right, at(c, 16), s.ldc, s.alpha, s.beta)
	}
}

//go:noinline
func runSegments(s *segments, rows, tiles, cols int, w, b, c *float32) {
	switch {
	case !useAVX2:
		segmentsGeneric(s, rows, tiles, cols, w, b, c)
	case useAVX512 && cols > 16:
		gemmSegments32AVX512(rows, tiles, s.k, w, s.step, b, s.brs, c, s.ldc, s.alpha, s.beta)
	case useAVX512:
		gemmSegments16AVX512(rows, tiles, s.k, w, s.step, b, s.brs, c, s.ldc, s.alpha, s.beta)
	case cols > 8:
		gemmSegments16AVX2(rows, tiles, s.k, w, s.step, b, s.brs, c, s.ldc, s.alpha, s.beta)
	default:
		gemmSegments8AVX2(rows, tiles, s.k, w, s.step, b, s.brs, c, s.ldc, s.alpha, s.beta)
	}
}

// transpose16 is transpose16Generic; blocks of 32 rows, or 16, by 8 columns go through vectors.
//
//go:noinline
func transpose16(dst []uint16, stride int, src []uint16, srcStride, rows, k int) {
	if !useAVX2 || rows != StripRows || k < 8 {
		transpose16Generic(dst, stride, src, srcStride, rows, k)
		return
	}
	whole := k &^ 7
	if useAVX512 {
		packTranspose16AVX512(&dst[0], 2*stride, &src[0], 2*srcStride, whole)
	} else {
		packTranspose16AVX2(&dst[0], 2*stride, &src[0], 2*srcStride, whole)
		packTranspose16AVX2(&dst[16], 2*stride, &src[16*srcStride], 2*srcStride, whole)
	}
	if whole < k {
		transpose16Generic(dst[whole*stride:], stride, src[whole:], srcStride, rows, k-whole)
	}
}
