//go:build !noasm

// Which kernel serves a part of a product with quantised weights on amd64; see
// dispatch_amd64.go for why none of these functions may be inlined.

package asm

// blockIntegers reports whether products sum codes as integers.
func blockIntegers() bool { return useVNNI || !useAVX2 }

//go:noinline
func runBlockTile(t *blockTile) {
	if !useVNNI {
		blockTileGeneric(t)
		return
	}
	load, save := 0, 0
	if t.load {
		load = 1
	}
	if t.save {
		save = 1
	}
	switch {
	case t.f.hasMinima() && t.f.groups() == 2:
		blockTileMin16AVX512(t.rows, t.blocks, t.a, t.aScale, t.aSum, t.w.codes, t.w.codesStep, t.w.scales, t.part, load, save, t.c, t.ldc, t.alpha, t.beta, t.cols)
	case t.f.hasMinima():
		blockTileMinAVX512(t.rows, t.blocks, t.a, t.aScale, t.aSum, t.w.codes, t.w.codesStep, t.w.scales, t.part, load, save, t.c, t.ldc, t.alpha, t.beta, t.cols)
	case t.f.groups() == 2:
		blockTile16AVX512(t.rows, t.blocks, t.a, t.aScale, t.aSum, t.w.codes, t.w.codesStep, t.w.scales, t.part, load, save, t.c, t.ldc, t.alpha, t.beta, t.cols)
	default:
		blockTile32AVX512(t.rows, t.blocks, t.a, t.aScale, t.aSum, t.w.codes, t.w.codesStep, t.w.scales, t.part, load, save, t.c, t.ldc, t.alpha, t.beta, t.cols)
	}
}

//go:noinline
func quantizeRow(rows int, x []float32, codes []int8, scales, sums, halves []float32) {
	switch {
	case useAVX512:
		quantizeRowAVX512(len(x)/32, &x[0], &codes[0], &scales[0], &sums[0], &halves[0], 4*rows)
	case useAVX2:
		quantizeRowAVX2(len(x)/32, &x[0], &codes[0], &scales[0], &sums[0], &halves[0], 4*rows)
	default:
		quantizeRowGeneric(rows, x, codes, scales, sums, halves)
	}
}

//go:noinline
func expandUnits(f BlockFormat, units int, strip *byte, p *blockPanel) {
	switch {
	case useAVX512:
		expandUnitsAVX512(f, units, strip, p.codes, p.scales)
	case useAVX2:
		expandUnitsAVX2(f, units, strip, p.codes, p.scales)
	default:
		expandUnitsGeneric(f, units, strip, p)
	}
}

func expandUnitsAVX512(f BlockFormat, units int, strip, codes *byte, scales *float32) {
	switch f {
	case Q8_0:
		expandQ8_0AVX512(units, strip, codes, scales)
	case Q4_0:
		expandQ4_0AVX512(units, strip, codes, scales)
	case Q4_1:
		expandQ4_1AVX512(units, strip, codes, scales)
	case Q5_0:
		expandQ5_0AVX512(units, strip, codes, scales)
	case Q5_1:
		expandQ5_1AVX512(units, strip, codes, scales)
	case Q4_K:
		expandQ4_KAVX512(units, strip, codes, scales)
	case Q5_K:
		expandQ5_KAVX512(units, strip, codes, scales)
	case Q6_K:
		expandQ6_KAVX512(units, strip, codes, scales)
	case Q2_K:
		expandQ2_KAVX512(units, strip, codes, scales)
	case Q3_K:
		expandQ3_KAVX512(units, strip, codes, scales)
	case IQ4_NL:
		expandIQ4_NLAVX512(units, strip, codes, scales)
	case IQ4_XS:
		expandIQ4_XSAVX512(units, strip, codes, scales)
	}
}

func expandUnitsAVX2(f BlockFormat, units int, strip, codes *byte, scales *float32) {
	switch f {
	case Q8_0:
		expandQ8_0AVX2(units, strip, codes, scales)
	case Q4_0:
		expandQ4_0AVX2(units, strip, codes, scales)
	case Q4_1:
		expandQ4_1AVX2(units, strip, codes, scales)
	case Q5_0:
		expandQ5_0AVX2(units, strip, codes, scales)
	case Q5_1:
		expandQ5_1AVX2(units, strip, codes, scales)
	case Q4_K:
		expandQ4_KAVX2(units, strip, codes, scales)
	case Q5_K:
		expandQ5_KAVX2(units, strip, codes, scales)
	case Q6_K:
		expandQ6_KAVX2(units, strip, codes, scales)
	case Q2_K:
		expandQ2_KAVX2(units, strip, codes, scales)
	case Q3_K:
		expandQ3_KAVX2(units, strip, codes, scales)
	case IQ4_NL:
		expandIQ4_NLAVX2(units, strip, codes, scales)
	case IQ4_XS:
		expandIQ4_XSAVX2(units, strip, codes, scales)
	}
}

// dequantizePanel converts a panel of blocks of 32 elements to float32.
//
//go:noinline
func dequantizePanel(f BlockFormat, blocks int, p *blockPanel, dst *float32) {
	if !useAVX2 {
		dequantizePanelGeneric(f, blocks, p, dst)
		return
	}
	groups, step, zero := blocks*f.groups(), p.codesStep/f.groups(), blockFormats[f].zero
	quads := 8 / f.groups()
	switch {
	case useAVX512 && f.hasMinima():
		dequantizePanelMinAVX512(groups, quads, p.codes, step, p.scales, zero, dst)
	case useAVX512:
		dequantizePanelAVX512(groups, quads, p.codes, step, p.scales, zero, dst)
	case f.hasMinima():
		dequantizePanelMinAVX2(groups, quads, p.codes, step, p.scales, zero, dst)
	default:
		dequantizePanelAVX2(groups, quads, p.codes, step, p.scales, zero, dst)
	}
}
