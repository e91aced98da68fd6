package abr

import (
	"testing"

	"netllm/internal/deferred"
	"netllm/ops"
)

// eachBackend runs a test on every kind of hardware there is here.
func eachBackend(t *testing.T, f func(t *testing.T, b ops.Backend)) {
	for name, open := range map[string]func() ops.Backend{
		"cpu":      func() ops.Backend { return ops.NewCPU(2) },
		"deferred": func() ops.Backend { return deferred.New() },
	} {
		t.Run(name, func(t *testing.T) {
			b := open()
			f(t, b)
			if n := b.Counters().HostFallbacks; n != 0 {
				t.Errorf("host fallbacks: got %d, want 0", n)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
