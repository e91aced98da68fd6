package limits

import (
	"runtime"
	"testing"

	"netllm/ops/asm"
)

// TestLimits checks that both are known wherever package asm has assembly, and are
// in the range of any machine.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: measures for a second")
	}
	known := asm.Level() != "generic"
	for _, c := range []struct {
		name      string
		got       float64
		low, high float64
	}{
		{"GFLOP/s", FMA(1), 1, 2000},
		{"GB/s", Read(1), 0.1, 2000},
	} {
		if known != (c.got > 0) || known && !(c.got > c.low && c.got < c.high) {
			t.Errorf("%s: got %v at level %s", c.name, c.got, asm.Level())
		}
		t.Logf("%.1f %s", c.got, c.name)
	}
	if runtime.NumCPU() > 1 {
		t.Logf("2 threads: %.1f GFLOP/s, %.1f GB/s", FMA(2), Read(2))
	}
}
