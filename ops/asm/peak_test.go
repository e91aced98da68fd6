//go:build amd64 && !noasm

package asm

import (
	"fmt"
	"testing"
)

func BenchmarkStrip(b *testing.B) {
	for _, impl := range []string{"avx512", "avx2"} {
		for _, k := range []int{64, 256, 512} {
			for _, panels := range []int{1, 8, 16} {
				b.Run(fmt.Sprintf("k=%d/panels=%d/isa=%s", k, panels, impl), func(b *testing.B) {
					ForceLevel(b, impl)
					mr, nr := tileShape()
					x, y, z := make([]float32, panels*mr*k+16), make([]float32, nr*k+16), make([]float32, panels*mr*nr)
					t := strip{k: k, ars: 4, acs: 4 * mr, astep: 4 * mr * k, brs: 4 * nr, ldc: 4 * nr, alpha: 1}
					for b.Loop() {
						runStrip(&t, mr, panels, nr, &x[0], &y[0], &z[0])
					}
					b.ReportMetric(2*float64(panels*mr*nr*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
