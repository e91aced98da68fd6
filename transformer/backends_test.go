package transformer

import (
	"fmt"
	"testing"

	"netllm/gpu/gputest"
	"netllm/internal/deferred"
	"netllm/ops"
	"netllm/ops/asm"
)

// eachBackend runs a test on every kind of hardware there is here: the CPU with
// every set of kernels and several numbers of threads, with weights repacked and as
// they are; and a backend that the host cannot address and that computes later.
func eachBackend(t *testing.T, f func(t *testing.T, b ops.Backend)) {
	run := func(t *testing.T, name string, open func(t *testing.T) ops.Backend) {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			t.Cleanup(func() {
				if n := b.Counters().HostFallbacks; n != 0 {
					t.Errorf("host fallbacks: got %d, want 0", n)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
			f(t, b)
		})
	}
	for _, level := range asm.Implementations() {
		t.Run("cpu "+level, func(t *testing.T) {
			asm.ForceLevel(t, level)
			for _, threads := range []int{1, 2, 3} {
				run(t, fmt.Sprint("threads=", threads), func(*testing.T) ops.Backend { return ops.NewCPU(threads) })
			}
			run(t, "not repacked", func(*testing.T) ops.Backend { return ops.NewCPU(2, ops.NoRepack()) })
		})
	}
	run(t, "deferred", func(*testing.T) ops.Backend { return deferred.New() })
	run(t, "vulkan", func(t *testing.T) ops.Backend { return gputest.Open(t) })
}
