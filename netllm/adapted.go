// A body and the matrices that adaptation gives it.

package netllm

import (
	"fmt"

	"netllm/ops"
	"netllm/transformer"
)

// Adapted is a body with what adaptation adds to it: low-rank matrices, if it is frozen. It computes with
// them.
type Adapted struct {
	transformer.Adaptable
	Base transformer.Adaptable // without matrices
	LoRA *transformer.LoRA     // or nil
}

// Adapt gives body matrices drawn from seed, or none if config is nil.
func Adapt(b ops.Backend, body transformer.Adaptable, config *transformer.LoRAConfig, seed uint64) (*Adapted, error) {
	if config == nil {
		return &Adapted{body, body, nil}, nil
	}
	lora, err := transformer.NewLoRA(b, body, *config, seed)
	if err != nil {
		return nil, err
	}
	return adapted(b, body, lora)
}

// ReadAdapted gives body the matrices in the folder dir, or none if config is nil.
func ReadAdapted(b ops.Backend, body transformer.Adaptable, config *transformer.LoRAConfig, dir string) (*Adapted, error) {
	if config == nil {
		return &Adapted{body, body, nil}, nil
	}
	lora, err := transformer.ReadLoRA(b, body, dir)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	a, err := adapted(b, body, lora)
	if err != nil {
		return nil, fmt.Errorf("adapter: %s: %w", dir, err)
	}
	return a, nil
}

func adapted(b ops.Backend, body transformer.Adaptable, lora *transformer.LoRA) (*Adapted, error) {
	with, err := body.WithLoRA(lora)
	if err != nil {
		lora.Free(b)
		return nil, err
	}
	return &Adapted{with, body, lora}, nil
}

// Free gives the matrices back to b, which they were made in. The body without them stays as it is.
func (a *Adapted) Free(b ops.Backend) {
	if a.LoRA != nil {
		a.LoRA.Free(b)
	}
}

// Params returns what of the body is trained: its matrices, or of one that is not frozen its weights.
func (a *Adapted) Params() []*ops.Param {
	params := TrainedParams(a.Base)
	if a.LoRA != nil {
		params = append(a.LoRA.Params(), params...)
	}
	return params
}

// Modules returns the parameters that are kept beside the matrices: a network's, and those of a body that is not
// frozen.
func (a *Adapted) Modules(network []*ops.Param) []*ops.Param {
	return append(network, TrainedParams(a.Base)...)
}
