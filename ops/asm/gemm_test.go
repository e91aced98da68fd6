package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A gemmCase is a product with its operands in guarded memory.
type gemmCase struct {
	m, n, k     int
	alpha, beta float32
	form        string // of A and B: n as it is, t transposed, s strided both ways
	pad         int    // elements between rows
}

func (c gemmCase) String() string {
	return fmt.Sprintf("m=%d/n=%d/k=%d/form=%s/alpha=%g/beta=%g/pad=%d", c.m, c.n, c.k, c.form, c.alpha, c.beta, c.pad)
}

// strides returns the strides of a rows x cols matrix and the elements it spans.
func strides(form byte, rows, cols, pad int) (rs, cs, span int) {
	switch form {
	case 'n':
		rs, cs = cols+pad, 1
	case 't':
		rs, cs = 1, rows+pad
	case 's':
		rs, cs = 2*cols+pad+1, 2
	}
	return rs, cs, (rows-1)*rs + (cols-1)*cs + 1
}

// matrix returns random elements in a span of NaN.
func matrix(r *rand.Rand, rows, cols, rs, cs, span int) []float32 {
	x := slices.Repeat([]float32{nan}, span)
	for i := range rows {
		for j := range cols {
			x[i*rs+j*cs] = 2*r.Float32() - 1
		}
	}
	return x
}

// check runs the product and compares it with one in float64.
func (c gemmCase) check(t *testing.T, ws *Workspace, r *rand.Rand, p placement) {
	t.Helper()
	ars, acs, aSpan := strides(c.form[0], c.m, c.k, c.pad)
	brs, bcs, bSpan := strides(c.form[1], c.k, c.n, c.pad)
	ldc, _, cSpan := strides('n', c.m, c.n, c.pad)
	a0 := matrix(r, c.m, c.k, ars, acs, aSpan)
	b0 := matrix(r, c.k, c.n, brs, bcs, bSpan)
	c0 := matrix(r, c.m, c.n, ldc, 1, cSpan)
	if c.beta == 0 {
		for i := range c0 {
			c0[i] = nan // must not be read
		}
	}
	a, b, got := place(t, p, a0), place(t, p, b0), place(t, p, c0)
	Gemm(ws, c.m, c.n, c.k, c.alpha, a, ars, acs, b, brs, bcs, c.beta, got, ldc)
	unchanged(t, "A", a, a0)
	unchanged(t, "B", b, b0)
	row := make([]float64, c.n)
	abs := make([]float64, c.n)
	for i := range c.m {
		if c.m*c.n*c.k > 2e7 && i%17 != 0 && i != c.m-1 {
			copy(c0[i*ldc:][:c.n], got[i*ldc:]) // a sample of rows is enough
			continue
		}
		clear(row)
		clear(abs)
		for q := range c.k {
			av := float64(a0[i*ars+q*acs])
			for j := range row {
				term := av * float64(b0[q*brs+j*bcs])
				row[j] += term
				abs[j] += math.Abs(term)
			}
		}
		blocks := float64((c.k + gemmKC - 1) / gemmKC)
		for j := range row {
			at := i*ldc + j
			want, size := float64(c.alpha)*row[j], math.Abs(float64(c.alpha))*abs[j]
			if c.beta != 0 {
				want += float64(c.beta) * float64(c0[at])
				size += math.Abs(float64(c.beta) * float64(c0[at]))
			}
			// First order: a product and a sum per term, alpha, beta, and the sum of blocks.
			bound := (float64(min(c.k, gemmKC)) + 3 + 2*blocks) * eps * size
			if d := math.Abs(float64(got[at]) - want); !(d <= bound) {
				t.Fatalf("%v: c[%d,%d]: got %g, want %g, error %.3g, bound %.3g", c, i, j, got[at], want, d, bound)
			}
			c0[at] = got[at]
		}
	}
	unchanged(t, "between the rows of C", got, c0)
}

func TestGemm(t *testing.T) {
	var cases []gemmCase
	forms := []string{"nn", "nt", "tn", "tt"}
	// Every tile height and width, and one more and one less.
	for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 23, 25} {
		for _, n := range []int{1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 65} {
			k := 1 + (3*m+5*n)%19
			cases = append(cases, gemmCase{m, n, k, 1, 0, forms[(m+n)%4], (m + n) % 3})
		}
	}
	// Depths round the unrolling and the blocks, in all forms.
	for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 511, 512, 513, 1100} {
		for f, form := range append(forms, "ss", "ns", "sn") {
			cases = append(cases,
				gemmCase{1, 1, k, 1, 0.5, form, 1},
				gemmCase{1, 43, k, 1, 1, form, f},
				gemmCase{1, 200, k, -0.5, 0.25, form, 0},
				gemmCase{43, 1, k, 2, -1, form, 0},
				gemmCase{14, 37, k, 0.5, 1, form, 5},
				gemmCase{27, 50, k, 1, 0, form, 0})
		}
	}
	// Blocks beside and below each other, packed or not.
	for _, form := range forms {
		cases = append(cases,
			gemmCase{205, 301, 70, 1, 0, form, 3},
			gemmCase{131, 515, 40, 1, 1, form, 1},
			gemmCase{70, 2100, 9, 1, 0, form, 0},
			gemmCase{3000, 20, 5, 1, 0.5, form, 0},
			gemmCase{230, 70, 530, 0.3, 0.7, form, 0})
	}
	forEachImpl(t, func(t *testing.T) {
		for _, p := range []placement{placements[0], placements[2]} {
			t.Run(p.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(7, 8))
				var ws Workspace
				for _, c := range cases {
					if c.m*c.n*c.k > 1e6 && (p != placements[0] || raceEnabled) {
						continue
					}
					c.check(t, &ws, r, p)
				}
			})
		}
	})
}

func TestGemmLarge(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes Go code slow and adds nothing here")
	}
	forEachImpl(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		var ws Workspace
		gemmCase{397, 2309, 601, 1, 0, "nt", 0}.check(t, &ws, r, placements[0])
		gemmCase{397, 1409, 601, 1, 1, "tn", 7}.check(t, &ws, r, placements[0])
	})
}

func TestGemmDegenerate(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		var ws Workspace
		for _, c := range []struct {
			name        string
			k           int
			alpha, beta float32
			c, want     float32
		}{
			{"no terms, beta 0", 0, 1, 0, nan, 0},
			{"no terms, beta 1", 0, 1, 1, 3, 3},
			{"no terms, beta 2", 0, 1, 2, 3, 6},
			{"alpha 0 reads no operand", 5, 0, 2, 3, 6},
			{"alpha 0, beta 0", 5, 0, 0, nan, 0},
			{"beta -0 reads no C", 5, 1, float32(math.Copysign(0, -1)), nan, 10},
		} {
			m, n := 7, 33
			got := slices.Repeat([]float32{c.c}, m*n)
			a, b := slices.Repeat([]float32{nan}, m*c.k), slices.Repeat([]float32{nan}, c.k*n)
			if c.alpha != 0 {
				a, b = slices.Repeat([]float32{1}, m*c.k), slices.Repeat([]float32{2}, c.k*n)
			}
			Gemm(&ws, m, n, c.k, c.alpha, a, c.k, 1, b, n, 1, c.beta, got, n)
			for i, v := range got {
				if v != c.want {
					t.Errorf("%s: c[%d]: got %g, want %g", c.name, i, v, c.want)
					break
				}
			}
		}
		Gemm(&ws, 0, 5, 5, 1, nil, 5, 1, nil, 5, 1, 0, nil, 5)
		Gemm(&ws, 5, 0, 5, 1, nil, 5, 1, nil, 0, 1, 0, nil, 0)
		// An element repeated by strides of 0.
		one, c := []float32{3}, make([]float32, 6*40)
		Gemm(&ws, 6, 40, 9, 1, one, 0, 0, one, 0, 0, 0, c, 40)
		for i, v := range c {
			if v != 81 {
				t.Fatalf("strides 0: c[%d]: got %g, want 81", i, v)
			}
		}
	})
}

// A NaN must reach its row or column of C and nothing else.
func TestGemmNaN(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		var ws Workspace
		const m, n, k = 15, 37, 21
		for _, form := range []string{"nn", "nt", "tn", "tt"} {
			ars, acs, aSpan := strides(form[0], m, k, 0)
			brs, bcs, bSpan := strides(form[1], k, n, 0)
			for at := range m * k {
				a, b, c := slices.Repeat([]float32{1}, aSpan), slices.Repeat([]float32{1}, bSpan), make([]float32, m*n)
				a[at/k*ars+at%k*acs] = nan
				Gemm(&ws, m, n, k, 1, a, ars, acs, b, brs, bcs, 0, c, n)
				for i, v := range c {
					if (v != v) != (i/n == at/k) {
						t.Fatalf("form %s, NaN at row %d: c[%d,%d]: got %g", form, at/k, i/n, i%n, v)
					}
				}
			}
		}
	})
}

func TestGemmPanics(t *testing.T) {
	x := make([]float32, 100)
	var ws Workspace
	for _, c := range []struct {
		name string
		call func()
		has  string
	}{
		{"negative size", func() { Gemm(&ws, -1, 2, 2, 1, x, 2, 1, x, 2, 1, 0, x, 2) }, "m -1, n 2, k 2"},
		{"negative stride", func() { Gemm(&ws, 2, 2, 2, 1, x, -2, 1, x, 2, 1, 0, x, 2) }, "stride of A: -2, 1"},
		{"A too short", func() { Gemm(&ws, 11, 2, 10, 1, x, 10, 1, x, 2, 1, 0, x, 2) }, "A [11, 10] with strides 10, 1 needs 110 elements, has 100"},
		{"B too short", func() { Gemm(&ws, 2, 11, 10, 1, x, 10, 1, x, 11, 1, 0, x, 11) }, "B [10, 11]"},
		{"C too short", func() { Gemm(&ws, 11, 10, 2, 1, x, 2, 1, x, 10, 1, 0, x, 10) }, "C [11, 10]"},
		{"rows of C overlap", func() { Gemm(&ws, 2, 10, 2, 1, x, 2, 1, x, 10, 1, 0, x, 9) }, "n 10, ldc 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "asm: Gemm: ") || !strings.Contains(got, c.has) {
					t.Errorf("panic: got %q, want one with %q", got, c.has)
				}
			}()
			c.call()
		})
	}
}

func TestGemmAllocatesOnce(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		var ws Workspace
		r := rand.New(rand.NewPCG(1, 2))
		a, b, c := uniform(r, 70*600, 1), uniform(r, 70*600, 1), make([]float32, 70*70)
		run := func() {
			Gemm(&ws, 70, 70, 600, 1, a, 1, 70, b, 1, 600, 0, c, 70)
			Gemm(&ws, 1, 70, 600, 1, a, 600, 1, b, 1, 600, 0, c, 70)
			Gemm(&ws, 70, 1, 600, 1, a, 600, 1, b, 2, 1, 0, c, 1)
			if raceEnabled {
				return // its pointer checks move operands to the heap
			}
			var x, y, z [64]float32 // must stay on the stack
			Gemm(&ws, 8, 8, 8, 1, x[:], 8, 1, y[:], 8, 1, 0, z[:], 8)
		}
		run()
		if got := testing.AllocsPerRun(5, run); got != 0 {
			t.Errorf("allocations in the steady state: got %g, want 0", got)
		}
	})
}
