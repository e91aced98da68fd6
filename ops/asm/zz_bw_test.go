package asm

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestBW(t *testing.T) {
	if os.Getenv("BW") == "" {
		t.Skip()
	}
	for _, impl := range Implementations() {
		ForceLevel(t, impl)
		for _, n := range []int{1024, 1 << 15, 1 << 18, 1 << 20, 1 << 22, 1 << 24} {
			a := make([]float32, n)
			for i := range a {
				a[i] = 1
			}
			best := 0.0
			for range 10 {
				s := time.Now()
				reps := 1 + (1<<22)/n
				for range reps {
					Dot(a, a)
				}
				best = max(best, 4*float64(n*reps)/float64(time.Since(s).Nanoseconds()))
			}
			fmt.Println(impl, "dot(a,a) n", n, "GB/s", best)
		}
	}
}
