//go:build !noasm

// Which kernel serves a part of a matrix product on amd64; see dispatch_amd64.go for
// why none of these functions may be inlined.

package asm

// tileShape returns the rows and columns of a tile.
func tileShape() (mr, nr int) {
	switch {
	case useAVX512:
		return 12, 32
	case useAVX2:
		return 6, 16
	}
	return genericTile, genericTile
}

// rowTileCols returns the columns of the next tile of a single row, cols being left.
func rowTileCols(cols int) int {
	_, nr := tileShape()
	switch {
	case useAVX512 && cols >= 128:
		return 128
	case useAVX2 && cols >= 64:
		return 64
	}
	return min(cols, nr)
}

// runStrip computes tiles one below the other. Meanwhile it prefetches a panel of B from
// next on, nextStep bytes for every second p of a tile; 0: none.
//
//go:noinline
func runStrip(s *strip, rows, tiles, cols int, a, b, c, next *float32, nextStep int) {
	switch {
	case !useAVX2:
		stripGeneric(s, rows, tiles, cols, a, b, c)
	case useAVX512 && cols == 128:
		gemmStrip128AVX512(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, 16)
	case useAVX512 && cols == 64:
		gemmStrip64AVX512(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, 16)
	case useAVX512 && cols > 16:
		gemmStrip32AVX512(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, cols-16, next, nextStep)
	case useAVX512:
		gemmStrip16AVX512(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, cols)
	case cols == 64:
		gemmStrip64AVX2(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, 8)
	case cols == 16:
		gemmStrip16AVX2(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, 8, next, nextStep)
	case cols > 8:
		gemmStrip16MaskedAVX2(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, cols-8, next, nextStep)
	case cols == 8:
		gemmStrip8AVX2(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, 8)
	default:
		gemmStrip8MaskedAVX2(rows, tiles, s.k, a, s.ars, s.acs, s.aStep, b, s.brs, c, s.ldc, s.alpha, s.beta, cols)
	}
}

// runGemv multiplies units*gemvRows rows of w by the vector, and stores the last rows of them.
//
//go:noinline
func runGemv(v *gemv, units int, w, y *float32, last int) {
	if !useAVX2 {
		gemvGeneric(v, units, w, y, last)
		return
	}
	gemvRowsAVX2(units, w, v.stride, v.x, v.k, y, v.alpha, v.beta, last)
}

//go:noinline
func packPanel(dst []float32, stride, width, k int, src *float32, rs, ks int) {
	switch {
	case !useAVX2 || ks != 1 && rs != 1:
		packPanelGeneric(dst, stride, width, k, src, rs, ks)
	case ks == 1 && useAVX512:
		for r := 0; r < width; r += 16 {
			packTransposeAVX512(&dst[r], 4*stride, at(src, r*rs), 4*rs, min(16, width-r), k)
		}
	case ks == 1:
		for r := 0; r < width; r += 8 {
			packTransposeAVX2(&dst[r], 4*stride, at(src, r*rs), 4*rs, min(8, width-r), k)
		}
	case useAVX512:
		packCopyAVX512(&dst[0], 4*stride, src, 4*ks, width, k)
	default:
		packCopyAVX2(&dst[0], 4*stride, src, 4*ks, width, k)
	}
}
