package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func randSlice(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return x
}

func TestGemmQuick(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, impl := range Implementations() {
		t.Run(impl, func(t *testing.T) {
			ForceLevel(t, impl)
			var ws Workspace
			for _, m := range []int{1, 2, 3, 5, 6, 7, 11, 12, 13, 25, 100, 205} {
				for _, n := range []int{1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65, 200} {
					for _, k := range []int{1, 2, 5, 16, 33, 150, 512, 530, 1029} {
						if m*n*k > 2e6 {
							continue
						}
						for form := range 4 {
							a := randSlice(r, m*k)
							b := randSlice(r, n*k)
							ars, acs, brs, bcs := k, 1, n, 1
							if form&1 != 0 {
								ars, acs = 1, m
							}
							if form&2 != 0 {
								brs, bcs = 1, k
							}
							c := randSlice(r, m*n)
							alpha, beta := float32(1), float32(0)
							if m == 3 {
								alpha, beta = 0.7, 0.3
							}
							if m == 7 {
								beta = 1
							}
							want := make([]float64, m*n)
							for i := range m {
								for j := range n {
									var s float64
									for p := range k {
										s += float64(a[i*ars+p*acs]) * float64(b[p*brs+j*bcs])
									}
									want[i*n+j] = float64(alpha)*s + float64(beta)*float64(c[i*n+j])
								}
							}
							Gemm(&ws, m, n, k, alpha, a, ars, acs, b, brs, bcs, beta, c, n)
							for i := range c {
								if d := math.Abs(float64(c[i]) - want[i]); !(d < 1e-4) {
									t.Fatalf("m %d n %d k %d form %d: c[%d] got %g, want %g", m, n, k, form, i, c[i], want[i])
								}
							}
						}
					}
				}
			}
		})
	}
}

func TestDotQuick(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, impl := range Implementations() {
		ForceLevel(t, impl)
		for n := range 700 {
			a, b := randSlice(r, n), randSlice(r, n)
			var s float64
			for i := range a {
				s += float64(a[i]) * float64(b[i])
			}
			if g := Dot(a, b); math.Abs(float64(g)-s) > 1e-4 {
				t.Fatal(n, g, s)
			}
			y := append([]float32(nil), b...)
			Axpy(0.5, a, y)
			for i := range y {
				if math.Abs(float64(y[i])-float64(b[i])-0.5*float64(a[i])) > 1e-6 {
					t.Fatal(n, i)
				}
			}
		}
	}
}

func BenchmarkGemm(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		m, n, k int
		form    string
	}{
		{256, 256, 256, "nn"}, {256, 256, 256, "nt"}, {1024, 1024, 1024, "nn"}, {1024, 1024, 1024, "nt"}, {1024, 1024, 1024, "tn"},
		{5120, 64, 64, "nn"}, {5120, 64, 64, "nt"}, {64, 64, 5120, "tn"}, {5120, 172, 64, "nt"}, {5120, 64, 172, "nt"}, {172, 64, 5120, "tn"},
		{5120, 16, 64, "nt"}, {5120, 4, 64, "nt"}, {5120, 64, 4, "nt"}, {16, 64, 64, "nt"}, {12, 1024, 1024, "nt"}, {64, 1024, 1024, "nt"},
		{1, 64, 64, "nt"}, {1, 64, 64, "nn"}, {1, 1024, 1024, "nt"}, {1, 1024, 1024, "nn"}, {1, 4096, 4096, "nt"}, {1, 4096, 4096, "nn"}, {4, 1024, 1024, "nn"},
	} {
		for _, impl := range Implementations() {
			b.Run(fmt.Sprintf("m=%d/n=%d/k=%d/form=%s/isa=%s", c.m, c.n, c.k, c.form, impl), func(b *testing.B) {
				ForceLevel(b, impl)
				var ws Workspace
				x, y, z := randSlice(r, c.m*c.k), randSlice(r, c.k*c.n), make([]float32, c.m*c.n)
				ars, acs, brs, bcs := c.k, 1, c.n, 1
				if c.form[0] == 't' {
					ars, acs = 1, c.m
				}
				if c.form[1] == 't' {
					brs, bcs = 1, c.k
				}
				for b.Loop() {
					Gemm(&ws, c.m, c.n, c.k, 1, x, ars, acs, y, brs, bcs, 0, z, c.n)
				}
				b.ReportMetric(2*float64(c.m)*float64(c.n)*float64(c.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
