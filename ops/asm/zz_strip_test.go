//go:build amd64 && !noasm

package asm

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

func TestStripTune(t *testing.T) {
	if os.Getenv("STRIP") == "" {
		t.Skip()
	}
	for _, impl := range []string{"avx512", "avx2"} {
		ForceLevel(t, impl)
		mr, nr := tileShape()
		for _, c := range []struct {
			k, panels, ldc int
			packed         bool
		}{{64, 1, 32, true}, {64, 16, 32, true}, {64, 16, 64, true}, {64, 16, 64, false}, {64, 96, 64, false}, {64, 420, 64, false}, {64, 420, 64, true}, {16, 16, 64, true}, {512, 16, 64, true}, {512, 16, 1024, true}, {512, 16, 1000, true}} {
			x, y, z := make([]float32, c.panels*mr*c.k+16), make([]float32, nr*c.k+16), make([]float32, c.panels*mr*c.ldc)
			s := strip{k: c.k, ars: 4, acs: 4 * mr, astep: 4 * mr * c.k, brs: 4 * nr, ldc: 4 * c.ldc, alpha: 1}
			if !c.packed {
				s.ars, s.acs, s.astep = 4*c.k, 4, 4*mr*c.k
			}
			var ratio []float64
			for range 21 {
				p1 := peakRun(500 * time.Microsecond)
				start := time.Now()
				n := 0
				for time.Since(start) < 2*time.Millisecond {
					for range 1 + 200/c.panels {
						runStrip(&s, mr, c.panels, nr, &x[0], &y[0], &z[0])
						n++
					}
				}
				g := 2 * float64(c.panels*mr*nr*c.k) * float64(n) / float64(time.Since(start).Nanoseconds())
				p2 := peakRun(500 * time.Microsecond)
				ratio = append(ratio, g/((p1+p2)/2))
			}
			slices.Sort(ratio)
			fmt.Println(impl, c, "ratio", ratio[10])
		}
	}
}
