// What Gemm promises about bits: they do not depend on how a product is split, on the
// layout of the operands, or on which of the two assembly levels computes them.

package asm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGemmSplitsBitForBit(t *testing.T) {
	for _, shape := range []struct{ m, n, k int }{
		{37, 70, 1100}, {13, 33, 64}, {100, 20, 513}, {2, 40, 33}, {70, 300, 600}, {50, 2, 100}, {250, 130, 70},
	} {
		if raceEnabled && shape.m*shape.n*shape.k > 1e5 {
			continue
		}
		for _, scale := range []struct{ alpha, beta float32 }{{1, 0}, {0.7, 0.3}} {
			t.Run(fmt.Sprintf("m=%d/n=%d/k=%d/alpha=%g", shape.m, shape.n, shape.k, scale.alpha), func(t *testing.T) {
				m, n, k := shape.m, shape.n, shape.k
				r := rand.New(rand.NewPCG(11, 12))
				a, b, c0 := uniform(r, m*k, 1), uniform(r, k*n, 1), uniform(r, m*n, 1)
				at, bt := transpose(a, m, k), transpose(b, k, n)
				var byLevel [][]float32
				forEachImpl(t, func(t *testing.T) {
					var ws Workspace
					part := func(form string, c []float32, i0, i1, j0, j1 int) {
						x, ars, acs := a[i0*k:], k, 1
						if form[0] == 't' {
							x, ars, acs = at[i0:], 1, m
						}
						y, brs, bcs := b[j0:], n, 1
						if form[1] == 't' {
							y, brs, bcs = bt[j0*k:], 1, k
						}
						Gemm(&ws, i1-i0, j1-j0, k, scale.alpha, x, ars, acs, y, brs, bcs, scale.beta, c[i0*n+j0:], n)
					}
					whole := slices.Clone(c0)
					part("nn", whole, 0, m, 0, n)
					byLevel = append(byLevel, whole)
					for _, form := range []string{"nn", "nt", "tn", "tt"} {
						for _, cuts := range [][2][]int{
							{{0, m}, {0, n}},
							{{0, 12, m}, {0, 32, n}}, // at tiles
							{{0, 6, 24, m}, {0, 16, 64, n}},
							{{0, 1, 5, 18, m - 1, m}, {0, 1, 9, 50, n - 1, n}}, // across tiles, single rows and columns
							{all(m), {0, n}},
							{{0, m}, all(n)},
						} {
							got := slices.Clone(c0)
							rows, cols := cutsWithin(cuts[0], m), cutsWithin(cuts[1], n)
							for i := range len(rows) - 1 {
								for j := range len(cols) - 1 {
									part(form, got, rows[i], rows[i+1], cols[j], cols[j+1])
								}
							}
							for i := range got {
								if !sameBits(got[i], whole[i]) {
									t.Fatalf("form %s, rows %v, columns %v: c[%d,%d]: got %g, want the bits of %g", form, rows, cols, i/n, i%n, got[i], whole[i])
								}
							}
						}
					}
				})
				// Implementations lists avx512 first, then avx2.
				if len(byLevel) == 3 && !slices.EqualFunc(byLevel[0], byLevel[1], sameBits) {
					t.Error("avx512 and avx2 differ")
				}
			})
		}
	}
}

// all is a cut before and after each of n.
func all(n int) []int {
	cuts := make([]int, n+1)
	for i := range cuts {
		cuts[i] = i
	}
	return cuts
}

// cutsWithin drops the cuts that do not lie in order within n.
func cutsWithin(cuts []int, n int) []int {
	var in []int
	for _, c := range cuts {
		if c <= n && (len(in) == 0 || c > in[len(in)-1]) {
			in = append(in, c)
		}
	}
	return in
}

func transpose(x []float32, rows, cols int) []float32 {
	y := make([]float32, len(x))
	for i := range rows {
		for j := range cols {
			y[j*rows+i] = x[i*cols+j]
		}
	}
	return y
}
