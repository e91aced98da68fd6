package opstest

import (
	"testing"

	"netllm/ops"
)

func gradients(t *testing.T, b ops.Backend) {}
func tape(t *testing.T, b ops.Backend) {}
