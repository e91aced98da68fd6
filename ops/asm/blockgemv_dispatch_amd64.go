//go:build !noasm

// Which kernel multiplies quantised weights and vectors on amd64; see dispatch_amd64.go
// for why none of these functions may be inlined.

package asm

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

func quantizeVector(dst []vectorBlock, src []float32) {
	if !useAVX2 {
		quantizeVectorGeneric(dst, src)
		return
	}
	const most = chunk / 32
	for i := 0; i < len(dst); i += most {
		quantizeVectorChunk(dst[i:min(i+most, len(dst))], src[32*i:])
	}
}

//go:noinline
func quantizeVectorChunk(dst []vectorBlock, src []float32) {
	quantizeVectorAVX2(&dst[0].codes[0], &src[0], len(dst))
}

// vectorsAtOnce returns how many of m vectors a kernel takes.
func vectorsAtOnce(m int) int {
	switch {
	case !useAVX2 || useVNNI && m >= 4:
		return min(m, 4)
	case useVNNI && m >= 2:
		return 2
	}
	return 1
}

// blockGemvAhead is how many bytes ahead weights are asked for. On Intel's processors a
// core that computes between its reads waits for memory without it, 25 percent of the time;
// on AMD's the prefetches of programs are what slows a stream down, and 0 makes them idle.
var blockGemvAhead = func() int {
	if cpuid.CPU.VendorID == cpuid.Intel {
		return 4096
	}
	return 0
}()

// fileGemvAhead is the same for rows as files have them. They lie in small pages, whose
// translations take their time too: three pages ahead gave 5 percent more than one.
var fileGemvAhead = 3 * blockGemvAhead

//go:noinline
func blockGemvStrips(f BlockFormat, y []float32, ldy int, strips []byte, x []vectorBlock, xBlocks, units, count, cols int, sums *[4][StripRows]float32, alpha, beta float32) {
	yp, sp, w, xp := &y[0], &sums[0][0], &strips[0], &x[0].codes[0]
	ldy4, ldx := 4*ldy, int(unsafe.Sizeof(x[0]))*xBlocks
	switch {
	case !useAVX2:
		blockGemvGeneric(f, y, ldy, strips, x, xBlocks, units, count, cols, sums, alpha, beta)
	case useVNNI && cols == 4:
		switch f {
		case Q8_0:
			blockGemvQ8_0x4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_0:
			blockGemvQ4_0x4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_1:
			blockGemvQ4_1x4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_0:
			blockGemvQ5_0x4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_1:
			blockGemvQ5_1x4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_K:
			blockGemvQ4_Kx4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_K:
			blockGemvQ5_Kx4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q6_K:
			blockGemvQ6_Kx4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q2_K:
			blockGemvQ2_Kx4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q3_K:
			blockGemvQ3_Kx4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_NL:
			blockGemvIQ4_NLx4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_XS:
			blockGemvIQ4_XSx4AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		}
	case useVNNI && cols == 2:
		switch f {
		case Q8_0:
			blockGemvQ8_0x2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_0:
			blockGemvQ4_0x2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_1:
			blockGemvQ4_1x2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_0:
			blockGemvQ5_0x2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_1:
			blockGemvQ5_1x2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_K:
			blockGemvQ4_Kx2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_K:
			blockGemvQ5_Kx2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q6_K:
			blockGemvQ6_Kx2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q2_K:
			blockGemvQ2_Kx2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q3_K:
			blockGemvQ3_Kx2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_NL:
			blockGemvIQ4_NLx2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_XS:
			blockGemvIQ4_XSx2AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		}
	case useVNNI:
		switch f {
		case Q8_0:
			blockGemvQ8_0x1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_0:
			blockGemvQ4_0x1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_1:
			blockGemvQ4_1x1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_0:
			blockGemvQ5_0x1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_1:
			blockGemvQ5_1x1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_K:
			blockGemvQ4_Kx1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_K:
			blockGemvQ5_Kx1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q6_K:
			blockGemvQ6_Kx1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q2_K:
			blockGemvQ2_Kx1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q3_K:
			blockGemvQ3_Kx1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_NL:
			blockGemvIQ4_NLx1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_XS:
			blockGemvIQ4_XSx1AVX512(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		}
	default:
		switch f {
		case Q8_0:
			blockGemvQ8_0x1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_0:
			blockGemvQ4_0x1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_1:
			blockGemvQ4_1x1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_0:
			blockGemvQ5_0x1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_1:
			blockGemvQ5_1x1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q4_K:
			blockGemvQ4_Kx1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q5_K:
			blockGemvQ5_Kx1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q6_K:
			blockGemvQ6_Kx1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q2_K:
			blockGemvQ2_Kx1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case Q3_K:
			blockGemvQ3_Kx1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_NL:
			blockGemvIQ4_NLx1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		case IQ4_XS:
			blockGemvIQ4_XSx1AVX2(yp, ldy4, w, xp, ldx, units, count, sp, blockGemvAhead, alpha, beta)
		}
	}
}

//go:noinline
func rowGemv(f BlockFormat, y []float32, w []byte, x *Activations, first, blocks int, alpha, beta float32) {
	rows, ahead := len(y), fileGemvAhead
	switch {
	case !useAVX2:
		rowGemvGeneric(f, y, w, x, first, blocks, alpha, beta)
	case useVNNI && f == Q8_0:
		rowGemvQ8_0AVX512(&y[0], &w[0], &x.steps2[first].codes[0], blocks/2, blocks%2, rows, ahead, alpha, beta)
	case useVNNI:
		rowGemvQ4_0AVX512(&y[0], &w[0], &x.steps4[first].codes[0][0], blocks/4, blocks%4, rows, ahead, alpha, beta)
	case f == Q8_0:
		rowGemvQ8_0AVX2(&y[0], &w[0], &x.steps2[first].codes[0], blocks/2, blocks%2, rows, ahead, alpha, beta)
	default:
		rowGemvQ4_0AVX2(&y[0], &w[0], &x.steps4[first].codes[0][0], blocks/4, blocks%4, rows, ahead, alpha, beta)
	}
}
