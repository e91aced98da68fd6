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

// Weights that stay as they are take other ways through the kernels.
func TestCPUWithoutRepacking(t *testing.T) {
	opstest.Run(t, func(testing.TB) ops.Backend { return ops.NewCPU(2, ops.NoRepack()) })
}

// Results do not depend on the number of threads, bit by bit.
func TestThreadsIdentical(t *testing.T) {
	for _, level := range asm.Implementations() {
		t.Run(level, func(t *testing.T) {
			asm.ForceLevel(t, level)
			for _, options := range [][]ops.CPUOption{nil, {ops.NoRepack()}} {
				one, two, three := ops.NewCPU(1, options...), ops.NewCPU(2, options...), ops.NewCPU(3, options...)
				opstest.Identical(t, one, two, three)
				for _, b := range []*ops.CPU{one, two, three} {
					b.Close()
				}
			}
		})
	}
}
