// Helpers of the tests: implementations, operands, bounds.

package asm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"netllm/internal/guard"
)

// forEachImpl runs f once for every level that can run here.
func forEachImpl(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for _, name := range Implementations() {
		t.Run("isa="+name, func(t *testing.T) {
			ForceLevel(t, name)
			f(t)
		})
	}
}

// eps is the unit roundoff of float32.
const eps = 0x1p-24

// lengths meet every edge of the vector loops (8 and 16 lanes, unrolled by 4 and 8)
// and of the chunks handed to assembly.
var lengths = []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 67, 127, 128, 129, 131, 255, 257, 509, chunkSeam - 1, chunkSeam, chunkSeam + 1, 2*chunkSeam + 3}

// chunkSeam is the length from which operations are handed to assembly in parts.
const chunkSeam = 1 << 15

// A placement says where a test operand lies.
type placement struct {
	name   string
	head   bool // behind an inaccessible page, else before one
	offset int  // elements to shift by, to misalign
}

var placements = []placement{
	{"tail", false, 0},
	{"head", true, 0},
	{"head+1", true, 1},
	{"head+3", true, 3},
}

// lend returns n elements at p: filled with NaN, since nothing has been stored.
func lend[T guard.Element](t testing.TB, p placement, n int) []T {
	t.Helper()
	if p.head {
		return guard.Head[T](t, n+p.offset)[p.offset:]
	}
	return guard.Tail[T](t, n)
}

// place copies x to guarded memory.
func place[T guard.Element](t testing.TB, p placement, x []T) []T {
	t.Helper()
	y := lend[T](t, p, len(x))
	copy(y, x)
	return y
}

// forEachOperand runs f for every level, length and placement.
func forEachOperand(t *testing.T, f func(t *testing.T, r *rand.Rand, p placement, n int)) {
	t.Helper()
	forEachImpl(t, func(t *testing.T) {
		for _, p := range placements {
			t.Run(p.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				for _, n := range lengths {
					if n > 1000 && p != placements[0] {
						break // the chunks do not depend on the place
					}
					f(t, r, p, n)
					if t.Failed() {
						t.Fatalf("failed at n = %d", n)
					}
				}
			})
		}
	})
}

// uniform returns n numbers in [-scale, scale).
func uniform(r *rand.Rand, n int, scale float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = (2*r.Float32() - 1) * scale
	}
	return x
}

// unchanged fails the test if an input was written to.
func unchanged(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if !slices.EqualFunc(got, want, sameBits) {
		t.Errorf("%s: input changed", name)
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// within fails the test if got is not want up to an absolute bound.
func within(t *testing.T, what string, got float32, want, bound float64) {
	t.Helper()
	if d := math.Abs(float64(got) - want); !(d <= bound) {
		t.Errorf("%s: got %g, want %g, error %.3g, bound %.3g", what, got, want, d, bound)
	}
}

// allWithin fails the test at the first element that is not what f says, up to its bound.
func allWithin(t *testing.T, what string, got []float32, f func(i int) (want, bound float64)) {
	t.Helper()
	for i, v := range got {
		want, bound := f(i)
		if d := math.Abs(float64(v) - want); !(d <= bound) {
			t.Errorf("%s: element %d of %d: got %g, want %g, error %.3g, bound %.3g", what, i, len(got), v, want, d, bound)
			return
		}
	}
}

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
)
