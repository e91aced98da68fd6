//go:build amd64 && !noasm

package asm

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

type tcase struct {
	m, n, k int
	form    string
}

func peakRun(d time.Duration) float64 {
	mr, nr := tileShape()
	k := 384
	r := rand.New(rand.NewPCG(1, 2))
	x, y, z := randSlice(r, mr*k+16), randSlice(r, nr*k+16), make([]float32, mr*nr)
	t := strip{k: k, ars: 4, acs: 4 * mr, astep: 4 * mr * k, brs: 4 * nr, ldc: 4 * nr, alpha: 1}
	start := time.Now()
	n := 0
	for time.Since(start) < d {
		for range 20 {
			runStrip(&t, mr, 1, nr, &x[0], &y[0], &z[0])
		}
		n += 20
	}
	return 2 * float64(mr*nr*k) * float64(n) / float64(time.Since(start).Nanoseconds())
}

func TestTune(t *testing.T) {
	if os.Getenv("TUNE") == "" {
		t.Skip()
	}
	cases := []tcase{
		{256, 256, 256, "nn"}, {256, 256, 256, "nt"}, {512, 512, 512, "nt"}, {1024, 1024, 1024, "nn"}, {1024, 1024, 1024, "nt"}, {1024, 1024, 1024, "tn"},
		{5120, 64, 64, "nn"}, {5120, 64, 64, "nt"}, {64, 64, 5120, "tn"}, {5120, 172, 64, "nt"}, {5120, 172, 64, "nn"}, {5120, 64, 172, "nt"}, {5120, 64, 172, "nn"}, {172, 64, 5120, "tn"},
		{5120, 16, 64, "nt"}, {5120, 4, 64, "nt"}, {5120, 64, 4, "nt"}, {5120, 64, 16, "nt"}, {64, 4, 5120, "tn"}, {4, 64, 5120, "tn"}, {5120, 1, 64, "nt"}, {16, 64, 64, "nt"}, {20, 16, 20, "nn"}, {20, 20, 16, "nt"}, {12, 1024, 1024, "nt"}, {64, 1024, 1024, "nt"}, {120, 2048, 2048, "nt"}, {120, 2048, 2048, "nn"},
		{2, 1024, 1024, "nt"}, {4, 1024, 1024, "nt"}, {4, 1024, 1024, "nn"},
		{1, 64, 64, "nt"}, {1, 64, 64, "nn"}, {1, 128, 512, "nt"}, {1, 512, 128, "nt"}, {1, 1024, 1024, "nt"}, {1, 1024, 1024, "nn"}, {1, 4096, 4096, "nt"}, {1, 4096, 4096, "nn"},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, impl := range Implementations() {
		if impl == "generic" || os.Getenv("TUNE") != "all" && os.Getenv("TUNE") != impl {
			continue
		}
		ForceLevel(t, impl)
		for _, c := range cases {
			var ws Workspace
			x, y, z := randSlice(r, c.m*c.k), randSlice(r, c.k*c.n), make([]float32, c.m*c.n)
			ars, acs, brs, bcs := c.k, 1, c.n, 1
			if c.form[0] == 't' {
				ars, acs = 1, c.m
			}
			if c.form[1] == 't' {
				brs, bcs = 1, c.k
			}
			var gf, ratio, pk []float64
			for range 15 {
				p1 := peakRun(time.Millisecond)
				start := time.Now()
				n := 0
				for time.Since(start) < 4*time.Millisecond {
					for range 1 + 100000/(c.m*c.n*c.k) {
						Gemm(&ws, c.m, c.n, c.k, 1, x, ars, acs, y, brs, bcs, 0, z, c.n)
						n++
					}
				}
				g := 2 * float64(c.m) * float64(c.n) * float64(c.k) * float64(n) / float64(time.Since(start).Nanoseconds())
				p2 := peakRun(time.Millisecond)
				gf = append(gf, g)
				pk = append(pk, (p1+p2)/2)
				ratio = append(ratio, g/((p1+p2)/2))
			}
			slices.Sort(gf)
			slices.Sort(ratio)
			slices.Sort(pk)
			fmt.Printf("%-8s m=%d n=%d k=%d %s  %.1f GF median, %.1f best; peak %.0f; ratio %.2f\n", impl, c.m, c.n, c.k, c.form, gf[7], gf[14], pk[7], ratio[7])
		}
	}
}

func TestMC(t *testing.T) {
	if os.Getenv("MC") == "" {
		t.Skip()
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []tcase{{5120, 64, 64, "nn"}, {5120, 172, 64, "nn"}, {5120, 64, 172, "nn"}, {5120, 64, 16, "nn"}, {1024, 1024, 1024, "nn"}, {256, 256, 256, "nt"}, {5120, 16, 64, "nn"}} {
		for _, mce := range []int{3 << 10, 6 << 10, 12 << 10, 24 << 10, 48 << 10, 96 << 10, 192 << 10} {
			mcElems = mce
			var ws Workspace
			x, y, z := randSlice(r, c.m*c.k), randSlice(r, c.k*c.n), make([]float32, c.m*c.n)
			ars, acs, brs, bcs := c.k, 1, c.n, 1
			if c.form[1] == 't' {
				brs, bcs = 1, c.k
			}
			var gf, ratio []float64
			for range 15 {
				p1 := peakRun(time.Millisecond)
				start := time.Now()
				n := 0
				for time.Since(start) < 4*time.Millisecond {
					for range 1 + 100000/(c.m*c.n*c.k) {
						Gemm(&ws, c.m, c.n, c.k, 1, x, ars, acs, y, brs, bcs, 0, z, c.n)
						n++
					}
				}
				g := 2 * float64(c.m) * float64(c.n) * float64(c.k) * float64(n) / float64(time.Since(start).Nanoseconds())
				p2 := peakRun(time.Millisecond)
				gf = append(gf, g)
				ratio = append(ratio, g/((p1+p2)/2))
			}
			slices.Sort(gf)
			slices.Sort(ratio)
			fmt.Println(c, mce, "GF", gf[7], "ratio", ratio[7])
		}
	}
}
