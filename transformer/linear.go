package transformer

import (
	"netllm/ops"
	"netllm/tensor"
)

// Linear is a layer y = x · Wᵀ of a frozen or trained matrix, with low-rank
// matrices beside it if the model was adapted.
type Linear struct {
	Name   string        // such as "model.layers.0.self_attn.q_proj"
	Weight tensor.Tensor // [out, in]

	lora *loraPair
}

// Forward returns x · Wᵀ, x [..., in], plus the low-rank update if there is
// one.
func (l *Linear) Forward(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	c.Label(l.Name)
	y := ops.Linear(c, x, l.Weight)
	if l.lora != nil {
		l.lora.add(c, y, x)
	}
	return y
}
