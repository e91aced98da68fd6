// The conformance suite on the CPU, at every level of its kernels.

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
			one, two, three := ops.NewCPU(1), ops.NewCPU(2), ops.NewCPU(3)
			defer one.Close()
			defer two.Close()
			defer three.Close()
			opstest.Identical(t, one, two, three)
		})
	}
}
