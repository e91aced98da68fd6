package asm

import (
	"math"
	"math/rand/v2"
	"testing"
)

// geluForms are the two forms with their definitions.
var geluForms = []struct {
	name  string
	f     func(dst, x []float32)
	want  func(x float64) float64
	slack float64 // of the probability that x is multiplied by
}{
	{"GELUTanh", GELUTanh, func(x float64) float64 {
		return x / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}, 0},
	{"GELUErf", GELUErf, func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 }, 2e-7},
}

func TestGELU(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		for _, form := range geluForms {
			x0 := uniform(r, n, 6)
			x, dst := place(t, p, x0), lend[float32](t, p, n)
			form.f(dst, x)
			unchanged(t, "x", x, x0)
			allWithin(t, form.name, dst, func(i int) (want, bound float64) {
				v := float64(x0[i])
				want = form.want(v)
				// The exponential is wrong by as many roundings as its argument is large.
				return want, 6e-6*math.Abs(want) + form.slack*math.Abs(v) + 1e-30
			})
			form.f(x, x)
			for i := range x {
				if x[i] != dst[i] {
					t.Fatalf("%s in place, element %d: got %g, want %g", form.name, i, x[i], dst[i])
				}
			}
		}
	})
}

func TestGELULimits(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		for _, form := range geluForms {
			for _, c := range []struct{ x, want float32 }{
				{0, 0}, {14, 14}, {15, 15}, {3e38, 3e38}, {inf, inf}, {-15, 0}, {-3e38, 0}, {-inf, 0}, {nan, nan},
			} {
				for _, n := range []int{1, 16, 19} { // a whole vector, and behind the mask of a tail
					x := make([]float32, n)
					for i := range x {
						x[i] = c.x
					}
					form.f(x, x)
					for i, got := range x {
						if math.Abs(float64(got-c.want)) > 1e-30 && got != c.want || (got != got) != (c.want != c.want) {
							t.Errorf("%s(%g), element %d of %d: got %g, want %g", form.name, c.x, i, n, got, c.want)
						}
					}
				}
			}
		}
	})
}
