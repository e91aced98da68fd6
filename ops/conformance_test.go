package ops_test

import (
	"testing"

	"netllm/ops"
	"netllm/ops/asm"
	"netllm/ops/opstest"
)

func TestCPU(t *testing.T) {
	for _, level := range asm.Implementations() {
		t.Run(level, func(t *testing.T) {
			asm.ForceLevel(t, level)
			opstest.Run(t, func(testing.TB) ops.Backend { return ops.NewCPU(2) })
		})
	}
}

// Results do not depend on the number of threads, bit by bit.
func TestThreadsIdentical(t *testing.T) {
	for _, level := range asm.Implementations() {
		t.Run(level, func(t *testing.T) {
			asm.ForceLevel(t, level)
			one := ops.NewCPU(1)
			defer one.Close()
			for _, threads := range []int{2, 3} {
				more := ops.NewCPU(threads)
				opstest.Identical(t, one, more)
				more.Close()
			}
		})
	}
}
