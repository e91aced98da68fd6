package transformer

import "netllm/ops"

var backends = map[string]func() ops.Backend{
	"cpu": func() ops.Backend { return ops.NewCPU(2) },
}
