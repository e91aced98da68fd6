//go:build !noasm

// Which kernel serves an operation on amd64.
//
// Assembly cannot be preempted. Every call is therefore made from a function that is
// not inlined, whose prologue is a safe point, and is given a chunk that takes
// microseconds; otherwise a garbage collection would wait for the whole operation.

package asm

import "math"

// chunk is the most elements that one assembly call works on.
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

//go:noinline
func dotChunk(a, b []float32) float32 {
	if useAVX512 {
		return dotAVX512(&a[0], &b[0], len(a))
	}
	return dotAVX2(&a[0], &b[0], len(a))
}

func sum(x []float32) (s float64) {
	if !useAVX2 {
		return sumGeneric(x)
	}
	for i := 0; i < len(x); i += chunk {
		s += sumChunk(x[i:min(i+chunk, len(x))])
	}
	return s
}

//go:noinline
func sumChunk(x []float32) float64 {
	if useAVX512 {
		return sumAVX512(&x[0], len(x))
	}
	return sumAVX2(&x[0], len(x))
}

func sumSquares(x []float32) (s float64) {
	if !useAVX2 {
		return sumSquaresGeneric(x)
	}
	for i := 0; i < len(x); i += chunk {
		s += sumSquaresChunk(x[i:min(i+chunk, len(x))])
	}
	return s
}

//go:noinline
func sumSquaresChunk(x []float32) float64 {
	if useAVX512 {
		return sumSquaresAVX512(&x[0], len(x))
	}
	return sumSquaresAVX2(&x[0], len(x))
}

func maxOf(x []float32) float32 {
	if !useAVX2 || len(x) < 8 {
		return maxGeneric(x)
	}
	m := float32(math.Inf(-1))
	for i := 0; i < len(x); i += chunk {
		m = max(m, maxChunk(x[i:min(i+chunk, len(x))]))
	}
	return m
}

//go:noinline
func maxChunk(x []float32) float32 {
	if useAVX512 {
		return maxAVX512(&x[0], len(x))
	}
	return maxAVX2(&x[0], len(x))
}

func axpy(alpha float32, x, y []float32) {
	if !useAVX2 {
		axpyGeneric(alpha, x, y)
		return
	}
	for i := 0; i < len(x); i += chunk {
		axpyChunk(alpha, x[i:min(i+chunk, len(x))], y[i:])
	}
}

//go:noinline
func axpyChunk(alpha float32, x, y []float32) {
	if useAVX512 {
		axpyAVX512(alpha, &y[0], &x[0], len(x))
		return
	}
	axpyAVX2(alpha, &y[0], &x[0], len(x))
}

func scale(x []float32, alpha float32) {
	if !useAVX2 {
		scaleGeneric(x, alpha)
		return
	}
	for i := 0; i < len(x); i += chunk {
		scaleChunk(x[i:min(i+chunk, len(x))], alpha)
	}
}

//go:noinline
func scaleChunk(x []float32, alpha float32) {
	if useAVX512 {
		scaleAVX512(&x[0], alpha, len(x))
		return
	}
	scaleAVX2(&x[0], alpha, len(x))
}

func add(dst, a, b []float32) {
	if !useAVX2 {
		addGeneric(dst, a, b)
		return
	}
	for i := 0; i < len(dst); i += chunk {
		addChunk(dst[i:min(i+chunk, len(dst))], a[i:], b[i:])
	}
}

//go:noinline
func addChunk(dst, a, b []float32) {
	if useAVX512 {
		addAVX512(&dst[0], &a[0], &b[0], len(dst))
		return
	}
	addAVX2(&dst[0], &a[0], &b[0], len(dst))
}

func mul(dst, a, b []float32) {
	if !useAVX2 {
		mulGeneric(dst, a, b)
		return
	}
	for i := 0; i < len(dst); i += chunk {
		mulChunk(dst[i:min(i+chunk, len(dst))], a[i:], b[i:])
	}
}

//go:noinline
func mulChunk(dst, a, b []float32) {
	if useAVX512 {
		mulAVX512(&dst[0], &a[0], &b[0], len(dst))
		return
	}
	mulAVX2(&dst[0], &a[0], &b[0], len(dst))
}

func mulAdd(dst, a, b []float32) {
	if !useAVX2 {
		mulAddGeneric(dst, a, b)
		return
	}
	for i := 0; i < len(dst); i += chunk {
		mulAddChunk(dst[i:min(i+chunk, len(dst))], a[i:], b[i:])
	}
}

//go:noinline
func mulAddChunk(dst, a, b []float32) {
	if useAVX512 {
		mulAddAVX512(&dst[0], &a[0], &b[0], len(dst))
		return
	}
	mulAddAVX2(&dst[0], &a[0], &b[0], len(dst))
}
