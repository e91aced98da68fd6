package transformer

import (
	"netllm/internal/deferred"
	"netllm/ops"
)

// backends are the kinds of hardware that the golden tests run on: the CPU,
// and one that the host cannot address and that computes later.
var backends = map[string]func() ops.Backend{
	"cpu":      func() ops.Backend { return ops.NewCPU(2) },
	"deferred": func() ops.Backend { return deferred.New() },
}
