package asm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var packShapes = []struct{ n, k int }{
	{1, 1}, {1, 40}, {3, 7}, {16, 16}, {17, 33}, {31, 8}, {32, 1}, {32, 32}, {33, 129}, {40, 15}, {64, 64}, {70, 300}, {95, 130}, {0, 5}, {5, 0},
}

func TestPackStrips(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		for _, p := range placements {
			for _, s := range packShapes {
				t.Run(fmt.Sprintf("%s/n=%d/k=%d", p.name, s.n, s.k), func(t *testing.T) {
					r := rand.New(rand.NewPCG(1, 2))
					bits := make([]uint16, s.n*s.k)
					for i := range bits {
						bits[i] = uint16(r.Uint32())
					}
					checkPacking(t, p, s.n, s.k, uniform(r, s.n*s.k, 1), PackStrips, UnpackStrips)
					checkPacking(t, p, s.n, s.k, bits, PackStrips16, UnpackStrips16)
				})
			}
		}
	})
}

func checkPacking[T float32 | uint16](t *testing.T, p placement, n, k int, w0 []T, pack func(dst, w []T, n, k int), unpack func(dst, strips []T, n, k, from, to int)) {
	t.Helper()
	w, strips := place(t, p, w0), lend[T](t, p, StripsLen(n, k))
	pack(strips, w, n, k)
	for s := range Strips(n) {
		for q := range k {
			for r := range StripRows {
				var want T
				if row := s*StripRows + r; row < n {
					want = w0[row*k+q]
				}
				if got := strips[s*StripRows*k+q*StripRows+r]; got != want {
					t.Fatalf("strip %d, row %d, column %d: got %v, want %v", s, r, q, got, want)
				}
			}
		}
	}
	for _, rows := range [][2]int{{0, n}, {0, min(1, n)}, {n / 3, n}, {n / 2, n - n/4}} {
		back := lend[T](t, p, (rows[1]-rows[0])*k)
		unpack(back, strips, n, k, rows[0], rows[1])
		if want := w0[rows[0]*k : rows[1]*k]; !slices.Equal(back, want) {
			t.Fatalf("rows %d to %d: not as they were", rows[0], rows[1])
		}
	}
	if !slices.Equal(w, w0) {
		t.Fatal("input changed")
	}
}

// A stripsCase is a product with weights [n, k], forward or backward.
type stripsCase struct {
	m, n, k     int
	alpha, beta float32
	form        string // of A: n by rows, t transposed, s strided both ways
	pad         int    // elements between rows of C
}

// shape is the product's columns of C and its depth.
func (c stripsCase) shape(backward bool) (cols, depth int) {
	if backward {
		return c.k, c.n
	}
	return c.n, c.k
}

// weightForms are the same weights in all forms that strips have.
type weightForms struct {
	f32, f16, bf16       []float32 // [n, k]
	strips               []float32
	strips16, stripsBF16 []uint16
}

func newWeightForms(t testing.TB, p placement, w []float32, n, k int) weightForms {
	f := weightForms{f32: w, f16: make([]float32, n*k), bf16: make([]float32, n*k)}
	h := make([]uint16, n*k)
	f.strips = lend[float32](t, p, StripsLen(n, k))
	PackStrips(f.strips, w, n, k)
	f.strips16, f.stripsBF16 = lend[uint16](t, p, StripsLen(n, k)), lend[uint16](t, p, StripsLen(n, k))
	F32ToF16(h, w)
	F16ToF32(f.f16, h)
	PackStrips16(f.strips16, h, n, k)
	F32ToBF16(h, w)
	BF16ToF32(f.bf16, h)
	PackStrips16(f.stripsBF16, h, n, k)
	return f
}

// check compares the products with those of Gemm for unpacked weights, bit for bit.
func (c stripsCase) check(t *testing.T, ws *Workspace, r *rand.Rand, p placement) {
	t.Helper()
	f := newWeightForms(t, p, uniform(r, c.n*c.k, 1), c.n, c.k)
	for _, backward := range []bool{false, true} {
		cols, depth := c.shape(backward)
		ars, acs, span := strides(c.form[0], c.m, depth, 1)
		ldc := cols + c.pad
		a0 := matrix(r, c.m, depth, ars, acs, span)
		c0 := uniform(r, (c.m-1)*ldc+cols, 1)
		a := place(t, p, a0)
		from, to := 0, cols
		if backward {
			from, to = r.IntN(cols), cols-r.IntN(cols)/2
			if from >= to || r.IntN(2) == 0 {
				from, to = 0, cols
			}
		}
		for _, kind := range []string{"f32", "f16", "bf16"} {
			w := map[string][]float32{"f32": f.f32, "f16": f.f16, "bf16": f.bf16}[kind]
			got, want := place(t, p, c0), slices.Clone(c0)
			if c.beta == 0 {
				for i := range c.m {
					for j := from; j < to; j++ {
						got[i*ldc+j] = nan // must not be read
					}
				}
			}
			if backward {
				Gemm(ws, c.m, to-from, c.n, c.alpha, a0, ars, acs, w[from:], c.k, 1, c.beta, want[from:], ldc)
			} else {
				Gemm(ws, c.m, c.n, c.k, c.alpha, a0, ars, acs, w, 1, c.k, c.beta, want, ldc)
			}
			switch {
			case kind == "f32" && backward:
				GemmStripsBackward(ws, c.m, c.n, c.k, from, to, c.alpha, a, ars, acs, f.strips, c.beta, got, ldc)
			case kind == "f32":
				GemmStrips(ws, c.m, c.n, c.k, c.alpha, a, ars, acs, f.strips, c.beta, got, ldc)
			case kind == "f16" && backward:
				GemmStripsHalfBackward(ws, F16, c.m, c.n, c.k, from, to, c.alpha, a, ars, acs, f.strips16, c.beta, got, ldc)
			case kind == "f16":
				GemmStripsHalf(ws, F16, c.m, c.n, c.k, c.alpha, a, ars, acs, f.strips16, c.beta, got, ldc)
			case backward:
				GemmStripsHalfBackward(ws, BF16, c.m, c.n, c.k, from, to, c.alpha, a, ars, acs, f.stripsBF16, c.beta, got, ldc)
			default:
				GemmStripsHalf(ws, BF16, c.m, c.n, c.k, c.alpha, a, ars, acs, f.stripsBF16, c.beta, got, ldc)
			}
			for i := range got {
				if !sameBits(got[i], want[i]) {
					t.Fatalf("%+v, %s, backward %t, columns %d to %d: c[%d,%d]: got %g, want the bits of %g", c, kind, backward, from, to, i/ldc, i%ldc, got[i], want[i])
				}
			}
		}
		unchanged(t, "A", a, a0)
	}
}

func TestGemmStrips(t *testing.T) {
	var cases []stripsCase
	forms := []string{"n", "t", "s"}
	for m := 1; m <= 25; m++ {
		for _, n := range []int{1, 15, 16, 17, 32, 33, 70} {
			cases = append(cases, stripsCase{m, n, 1 + (3*m+5*n)%37, 1, 0, forms[(m+n)%3], m % 3})
		}
	}
	for _, k := range []int{1, 2, 3, 4, 5, 31, 32, 33, 64, 511, 512, 513, 1100} {
		for i, m := range []int{1, 2, 3, 8, 12, 13, 33, 49} {
			if raceEnabled && m*k > 4000 {
				continue
			}
			cases = append(cases,
				stripsCase{m, 43, k, 1, 1, forms[i%3], 1},
				stripsCase{m, 64, k, -0.5, 0.25, "n", 0},
				stripsCase{m, k, 37, 0.5, 0.75, forms[k%3], 0}) // deep backward
		}
	}
	forEachImpl(t, func(t *testing.T) {
		for _, p := range []placement{placements[0], placements[2]} {
			t.Run(p.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 4))
				var ws Workspace
				for _, c := range cases {
					if p != placements[0] && c.m*c.n*c.k > 1e5 {
						continue
					}
					c.check(t, &ws, r, p)
				}
			})
		}
	})
}

// Products of several blocks in every direction.
func TestGemmStripsLarge(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes Go code slow and adds nothing here")
	}
	forEachImpl(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		var ws Workspace
		stripsCase{210, 530, 300, 1, 0, "n", 0}.check(t, &ws, r, placements[0])
		if Level() == "generic" {
			return
		}
		stripsCase{397, 2309, 601, 1, 1, "n", 0}.check(t, &ws, r, placements[0])
		stripsCase{1100, 601, 1409, 0.5, 0.5, "t", 3}.check(t, &ws, r, placements[0])
	})
}

func TestGemmStripsDegenerate(t *testing.T) {
	var ws Workspace
	for _, c := range []struct {
		name        string
		m, n, k     int
		alpha, beta float32
		c, want     float32
	}{
		{"no terms, beta 0", 3, 33, 0, 1, 0, nan, 0},
		{"no terms, beta 2", 3, 33, 0, 1, 2, 3, 6},
		{"alpha 0", 3, 33, 4, 0, 1, 3, 3},
		{"no rows", 0, 33, 4, 1, 0, 3, 3},
		{"no columns", 3, 0, 4, 1, 0, 3, 3},
	} {
		got := slices.Repeat([]float32{c.c}, 3*33)
		GemmStrips(&ws, c.m, c.n, c.k, c.alpha, make([]float32, c.m*c.k), c.k, 1, make([]float32, StripsLen(c.n, c.k)), c.beta, got, 33)
		back := slices.Repeat([]float32{c.c}, 3*33) // the same with n and k exchanged
		GemmStripsBackward(&ws, c.m, c.k, c.n, 0, c.n, c.alpha, make([]float32, c.m*c.k), c.k, 1, make([]float32, StripsLen(c.k, c.n)), c.beta, back, 33)
		for i := range got {
			if got[i] != c.want || back[i] != c.want {
				t.Errorf("%s: c[%d]: got %g and %g, want %g", c.name, i, got[i], back[i], c.want)
				break
			}
		}
	}
}

// A NaN or Inf must reach its row or column of C and nothing else.
func TestGemmStripsNaN(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		var ws Workspace
		const n, k = 37, 21
		for _, m := range []int{1, 5, 15, 33} {
			for _, bad := range []float32{nan, inf} {
				for at := range m {
					ones := slices.Repeat([]float32{1}, n*k)
					strips := make([]float32, StripsLen(n, k))
					PackStrips(strips, ones, n, k)
					a, c := slices.Repeat([]float32{1}, m*n), make([]float32, m*n)
					a[at*k+at%k] = bad
					GemmStrips(&ws, m, n, k, 1, a, k, 1, strips, 0, c, n)
					for i, v := range c {
						if (v-v != 0) != (i/n == at) {
							t.Fatalf("%g in row %d of A: c[%d,%d]: got %g", bad, at, i/n, i%n, v)
						}
					}
					a = slices.Repeat([]float32{1}, m*n)
					a[at*n+at%n] = bad
					GemmStripsBackward(&ws, m, n, k, 0, k, 1, a, n, 1, strips, 0, c, k)
					for i, v := range c[:m*k] {
						if (v-v != 0) != (i/k == at) {
							t.Fatalf("backward, %g in row %d of A: c[%d,%d]: got %g", bad, at, i/k, i%k, v)
						}
					}
				}
			}
		}
	})
}

func TestGemmStripsAllocatesOnce(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		var ws Workspace
		const m, n, k = 30, 70, 600
		r := rand.New(rand.NewPCG(1, 2))
		a, c := uniform(r, m*k, 1), make([]float32, m*k)
		f := newWeightForms(t, placements[1], uniform(r, n*k, 1), n, k)
		run := func() {
			for _, m := range []int{1, 4, m} {
				GemmStrips(&ws, m, n, k, 1, a, k, 1, f.strips, 0, c, n)
				GemmStripsHalf(&ws, F16, m, n, k, 1, a, k, 1, f.strips16, 0, c, n)
				GemmStripsBackward(&ws, m, n, k, 0, k, 1, a, n, 1, f.strips, 0, c, k)
				GemmStripsHalfBackward(&ws, BF16, m, n, k, 0, k, 1, a, n, 1, f.stripsBF16, 0, c, k)
			}
		}
		run()
		if got := testing.AllocsPerRun(3, run); got != 0 {
			t.Errorf("allocations in the steady state: got %g, want 0", got)
		}
	})
}

func TestGemmStripsPanics(t *testing.T) {
	x := make([]float32, 2000)
	h := make([]uint16, 2000)
	var ws Workspace
	for _, c := range []struct {
		name string
		call func()
		has  string
	}{
		{"negative size", func() { GemmStrips(&ws, -1, 2, 2, 1, x, 2, 1, x, 0, x, 2) }, "m -1, n 2, k 2"},
		{"strips too short", func() { GemmStrips(&ws, 1, 33, 50, 1, x, 50, 1, x, 0, x, 33) }, "strips of [33, 50] need 3200 elements, have 2000"},
		{"A too short", func() { GemmStrips(&ws, 50, 2, 50, 1, x, 50, 1, x, 0, x, 2) }, "A [50, 50]"},
		{"C too short", func() { GemmStrips(&ws, 50, 50, 2, 1, x, 2, 1, x, 0, x, 50) }, "C [50, 50]"},
		{"rows of C overlap", func() { GemmStrips(&ws, 2, 10, 2, 1, x, 2, 1, x, 0, x, 9) }, "columns 10, ldc 9"},
		{"columns", func() { GemmStripsBackward(&ws, 2, 4, 10, 3, 11, 1, x, 4, 1, x, 0, x, 10) }, "columns 3 to 11 of 10"},
		{"format", func() { GemmStripsHalf(&ws, 7, 2, 4, 10, 1, x, 10, 1, h, 0, x, 4) }, "HalfFormat(7)"},
		{"pack", func() { PackStrips(x, x, 63, 32) }, "[63, 32] needs 2016 elements, has 2000"},
		{"unpack", func() { UnpackStrips16(h, h, 32, 32, 5, 33) }, "rows 5 to 33 of [32, 32]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "asm: ") || !strings.Contains(got, c.has) {
					t.Errorf("panic: got %q, want one with %q", got, c.has)
				}
			}()
			c.call()
		})
	}
}
