// Element by element: Add, Mul, MulAdd, Scale.

package asm

// Add stores a[i]+b[i] in dst[i]. dst may be a or b. It panics if the lengths differ.
func Add(dst, a, b []float32) {
	sameLen3("Add", len(dst), len(a), len(b))
	raceRead(a)
	raceRead(b)
	raceWrite(dst)
	add(dst, a, b)
}

// Mul stores a[i]*b[i] in dst[i]. dst may be a or b. It panics if the lengths differ.
func Mul(dst, a, b []float32) {
	sameLen3("Mul", len(dst), len(a), len(b))
	raceRead(a)
	raceRead(b)
	raceWrite(dst)
	mul(dst, a, b)
}

// MulAdd adds a[i]*b[i] to dst[i]. dst may be a or b. It panics if the lengths differ.
func MulAdd(dst, a, b []float32) {
	sameLen3("MulAdd", len(dst), len(a), len(b))
	raceRead(a)
	raceRead(b)
	raceWrite(dst)
	mulAdd(dst, a, b)
}

// Scale multiplies every element of x by alpha. With alpha == 0 a NaN stays a NaN.
func Scale(alpha float32, x []float32) {
	raceWrite(x)
	scale(x, alpha)
}

func addGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func mulGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func mulAddGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] += a[i] * b[i]
	}
}

func scaleGeneric(x []float32, alpha float32) {
	for i := range x {
		x[i] *= alpha
	}
}
