//go:build amd64 && !noasm

package asm

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestPackSpeed(t *testing.T) {
	if os.Getenv("PACK") == "" {
		t.Skip()
	}
	for _, impl := range []string{"avx512", "avx2"} {
		ForceLevel(t, impl)
		mr, nr := tileShape()
		for _, ld := range []int{64, 172, 512, 1000, 1024, 4096} {
			for _, w := range []int{mr, nr} {
				rows := 1 << 20 / ld / w * w
				k := min(ld, 512)
				src := make([]float32, rows*ld)
				dst := make([]float32, w*k+16)
				best, bestc := 0.0, 0.0
				for range 20 {
					s := time.Now()
					for r := 0; r+w <= rows; r += w {
						for pc := 0; pc < ld; pc += k {
							packPanel(dst, w, w, min(k, ld-pc), &src[r*ld+pc], ld, 1)
						}
					}
					best = max(best, float64(rows*ld)/float64(time.Since(s).Nanoseconds()))
					if ld >= w {
						s = time.Now()
						for r := 0; r+512 <= rows; r += 512 {
							for c := 0; c+w <= ld; c += w {
								packPanel(dst[:], w, w, min(512, k), &src[r*ld+c], 1, ld)
							}
						}
						bestc = max(bestc, float64(rows/512*min(512, k)*(ld/w*w))/float64(time.Since(s).Nanoseconds()))
					}
				}
				fmt.Printf("%s ld %d w %d transpose %.2f Gelem/s copy %.2f\n", impl, ld, w, best, bestc)
			}
		}
	}
}
