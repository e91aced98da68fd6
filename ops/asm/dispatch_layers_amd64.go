//go:build !noasm

// Which kernel serves what is between products on amd64; see dispatch_amd64.go for
// why none of the functions that call assembly may be inlined.

package asm

func scaleMul(dst []float32, alpha float32, a, b []float32) {
	if !useAVX2 {
		scaleMulGeneric(dst, alpha, a, b)
		return
	}
	for i := 0; i < len(dst); i += chunk {
		scaleMulChunk(dst[i:min(i+chunk, len(dst))], alpha, a[i:], b[i:])
	}
}

//go:noinline
func scaleMulChunk(dst []float32, alpha float32, a, b []float32) {
	if useAVX512 {
		scaleMulAVX512(alpha, &dst[0], &a[0], &b[0], len(dst))
		return
	}
	scaleMulAVX2(alpha, &dst[0], &a[0], &b[0], len(dst))
}

func subtract(x []float32, v float32) {
	if !useAVX2 {
		subtractGeneric(x, v)
		return
	}
	for i := 0; i < len(x); i += chunk {
		subtractChunk(x[i:min(i+chunk, len(x))], v)
	}
}

//go:noinline
func subtractChunk(x []float32, v float32) {
	if useAVX512 {
		subtractAVX512(&x[0], v, len(x))
		return
	}
	subtractAVX2(&x[0], v, len(x))
}

func softmaxGrad(dst, p []float32, scale, delta float32) {
	if !useAVX2 {
		softmaxGradGeneric(dst, p, scale, delta)
		return
	}
	for i := 0; i < len(dst); i += chunk {
		softmaxGradChunk(dst[i:min(i+chunk, len(dst))], p[i:], scale, delta)
	}
}

//go:noinline
func softmaxGradChunk(dst, p []float32, scale, delta float32) {
	if useAVX512 {
		softmaxGradAVX512(&dst[0], &p[0], scale, delta, len(dst))
		return
	}
	softmaxGradAVX2(&dst[0], &p[0], scale, delta, len(dst))
}

func combine(dst, a, b []float32, s, t, u float32, acc bool) {
	if !useAVX2 {
		combineGeneric(dst, a, b, s, t, u, acc)
		return
	}
	for i := 0; i < len(dst); i += chunk {
		combineChunk(dst[i:min(i+chunk, len(dst))], a[i:], b[i:], s, t, u, acc)
	}
}

//go:noinline
func combineChunk(dst, a, b []float32, s, t, u float32, acc bool) {
	switch {
	case useAVX512 && acc:
		combineAddAVX512(&dst[0], &a[0], &b[0], s, t, u, len(dst))
	case useAVX512:
		combineAVX512(&dst[0], &a[0], &b[0], s, t, u, len(dst))
	case acc:
		combineAddAVX2(&dst[0], &a[0], &b[0], s, t, u, len(dst))
	default:
		combineAVX2(&dst[0], &a[0], &b[0], s, t, u, len(dst))
	}
}

func adamW(c *AdamWStep, p, m, v, grad []float32) {
	if !useAVX2 {
		adamWGeneric(c, p, m, v, grad)
		return
	}
	for i := 0; i < len(p); i += chunk {
		adamWChunk(c, p[i:min(i+chunk, len(p))], m[i:], v[i:], grad[i:])
	}
}

//go:noinline
func adamWChunk(c *AdamWStep, p, m, v, grad []float32) {
	if useAVX512 {
		adamWAVX512(&p[0], &m[0], &v[0], &grad[0], &c.Beta1, len(p))
		return
	}
	adamWAVX2(&p[0], &m[0], &v[0], &grad[0], &c.Beta1, len(p))
}

// rotatePairs leaves the last elements, less than a vector, to Go.
//
//go:noinline
func rotatePairs(dst, src, table []float32, sign float32, acc bool) {
	n := len(dst) &^ 7
	if !useAVX2 || n == 0 {
		rotatePairsGeneric(dst, src, table, sign, acc)
		return
	}
	rotatePairsAVX2(&dst[0], &src[0], &table[0], n, sign, flag(acc))
	rotatePairsGeneric(dst[n:], src[n:], table[n:], sign, acc)
}

//go:noinline
func rotateHalves(dst, src, table []float32, sign float32, acc bool) {
	if !useAVX2 || len(dst) == 0 || len(dst)%16 != 0 {
		rotateHalvesGeneric(dst, src, table, sign, acc)
		return
	}
	rotateHalvesAVX2(&dst[0], &src[0], &table[0], len(dst), sign, flag(acc))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
