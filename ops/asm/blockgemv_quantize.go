// Activations rounded to int8, for products of a few vectors and quantised weights.

package asm

import (
	"fmt"
	"math"
)

// Activations hold rows of a matrix X rounded to int8: blocks of 32 elements c*s with
// integers c in [-127, 127] and a float32 scale s. The zero value is ready; the memory
// is kept for the next [QuantizeActivations]. Products only read them, so that workers
// may share one.
type Activations struct {
	m, k   int
	blocks []vectorBlock // [m, k/32]
	steps4 []rowStep4    // for weights in the layout of files, see PrepareFile
	steps2 []rowStep2
}

// Shape returns the number of rows and of their elements.
func (a *Activations) Shape() (m, k int) { return a.m, a.k }

// A vectorBlock is 32 elements of a vector, with what products need besides: the sums
// of the codes, ready for weights whose code of zero is 8, 16, 128, or 32.
type vectorBlock struct {
	codes  [32]int8
	scale  float32
	sum    float32  // of the codes
	minus  [3]int32 // sum times -8, -16, -128
	minus6 [2]int32 // of the codes 0 to 15 and 16 to 31: sum times -32
	_      int32
}

// smallestMagnitude is the least number that counts in a block: one of smaller numbers
// alone becomes zeros, so that the scale's inverse is finite.
const smallestMagnitude = 0x1p-100

// QuantizeActivations rounds m rows of k elements, row i at x[i*ldx:]. k must be a
// multiple of 32.
//
// A block's scale is the greatest magnitude divided by 127 and rounded to 11
// significant bits, a code the element times 127/greatest, rounded to the nearest integer, ties to even. A block with a NaN or an
// infinity gets NaN as its scale, and so does every product with it.
//
// It panics if sizes are negative, if k is not a multiple of 32, or if the rows overlap
// or do not fit.
func QuantizeActivations(a *Activations, x []float32, m, k, ldx int) {
	switch {
	case m < 0 || k < 0 || k%32 != 0:
		panic(fmt.Sprintf("asm: QuantizeActivations: [%d, %d]: want a multiple of 32 elements", m, k))
	case m > 1 && ldx < k || m > 0 && (m-1)*ldx+k > len(x):
		panic(fmt.Sprintf("asm: QuantizeActivations: [%d, %d] with rows %d apart: have %d elements", m, k, ldx, len(x)))
	}
	n := k / 32
	if cap(a.blocks) < m*n {
		a.blocks = make([]vectorBlock, m*n)
	}
	a.m, a.k, a.blocks = m, k, a.blocks[:m*n]
	a.steps4, a.steps2 = a.steps4[:0], a.steps2[:0]
	if n == 0 {
		return
	}
	for i := range m {
		row := x[i*ldx:][:k]
		raceRead(row)
		quantizeVector(a.blocks[i*n:][:n], row)
	}
}

func quantizeVectorGeneric(dst []vectorBlock, src []float32) {
	for i := range dst {
		quantizeBlock(&dst[i], (*[32]float32)(src[32*i:]))
	}
}

func quantizeBlock(b *vectorBlock, x *[32]float32) {
	var top uint32
	for _, v := range x {
		top = max(top, math.Float32bits(v)&0x7fffffff) // NaN is greatest
	}
	*b = vectorBlock{}
	greatest := math.Float32frombits(top)
	if top >= math.Float32bits(inf32) {
		b.scale = math.Float32frombits(0x7fc00000)
		return
	}
	if greatest < smallestMagnitude {
		return
	}
	inverse := 127 / greatest
	b.scale = roundScale(greatest / 127)
	var sums [2]int32
	for i, v := range x {
		c := int8(math.RoundToEven(float64(float32(v * inverse))))
		b.codes[i] = c
		sums[i/16] += int32(c)
	}
	sum := sums[0] + sums[1]
	b.sum = float32(sum)
	b.minus = [3]int32{-8 * sum, -16 * sum, -128 * sum}
	b.minus6 = [2]int32{-32 * sums[0], -32 * sums[1]}
}

var inf32 = float32(math.Inf(1))
