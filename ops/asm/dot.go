// Dot product and scaled addition of vectors.

package asm

import "fmt"

// Dot returns the sum over i of a[i]*b[i] in float32. Its order of summation
// depends on the level and on the length, on nothing else. It panics if the
// lengths differ.
func Dot(a, b []float32) float32 {
	sameLen2("Dot", len(a), len(b))
	raceRead(a)
	raceRead(b)
	return dot(a, b)
}

// Axpy adds alpha*x[i] to y[i]. x may be y. It panics if the lengths differ.
func Axpy(alpha float32, x, y []float32) {
	sameLen2("Axpy", len(x), len(y))
	raceRead(x)
	raceWrite(y)
	axpy(alpha, x, y)
}

func dotGeneric(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func axpyGeneric(alpha float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += alpha * v
	}
}

func sameLen2(op string, a, b int) {
	if a != b {
		panic(fmt.Sprintf("asm: %s: slice lengths differ: %d, %d", op, a, b))
	}
}

func sameLen3(op string, a, b, c int) {
	if a != b || a != c {
		panic(fmt.Sprintf("asm: %s: slice lengths differ: %d, %d, %d", op, a, b, c))
	}
}
