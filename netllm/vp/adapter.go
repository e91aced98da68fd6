// A trained predictor as a whole: adapted, saved, loaded, put to work.

package vp

import (
	"fmt"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// Adapter is what adaptation adds to a body: low-rank matrices if it is frozen, encoder and
// head.
type Adapter struct {
	Recipe  Recipe
	Network Network           // around the adapted body
	LoRA    *transformer.LoRA // or nil

	body transformer.Adaptable // without matrices
}

// NewAdapter returns an untrained adapter for body, with everything random drawn from the
// recipe's seed. images gives the features of pictures, if the recipe's network has them.
func NewAdapter(b ops.Backend, body transformer.Adaptable, r Recipe, images Images) (*Adapter, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	var lora *transformer.LoRA
	var err error
	if r.LoRA != nil {
		if lora, err = transformer.NewLoRA(b, body, *r.LoRA, r.Seed); err != nil {
			return nil, err
		}
	}
	return assemble(b, body, r, lora, images)
}

// assemble puts an adapter's parts together.
func assemble(b ops.Backend, body transformer.Adaptable, r Recipe, lora *transformer.LoRA, images Images) (*Adapter, error) {
	a := &Adapter{Recipe: r, LoRA: lora, body: body}
	adapted := body
	var err error
	if lora != nil {
		if adapted, err = body.WithLoRA(lora); err != nil {
			return nil, err
		}
	}
	if a.Network, err = NewNetwork(b, adapted, r.Network, images, r.Seed); err != nil {
		return nil, err
	}
	w := r.Windows
	if need := a.Network.Positions(w.History, w.Horizon); need > body.MaxPositions() {
		return nil, fmt.Errorf("vp: %d rows seen and %d predicted take %d positions, the model has %d", w.History, w.Horizon, need, body.MaxPositions())
	}
	return a, nil
}

// matrices are the parameters of the low-rank matrices, and of a body that is not frozen.
func (a *Adapter) matrices() []*ops.Param {
	params := netllm.TrainedParams(a.body)
	if a.LoRA != nil {
		params = append(a.LoRA.Params(), params...)
	}
	return params
}

// Trained returns the parameters that training changes.
func (a *Adapter) Trained() []*ops.Param { return append(a.matrices(), a.Network.Trained()...) }

// modules are the parameters that are kept beside the low-rank matrices.
func (a *Adapter) modules() []*ops.Param {
	return append(a.Network.Params(), netllm.TrainedParams(a.body)...)
}

// description is an adapter's netllm_adapter.json.
type description struct {
	netllm.AdapterHeader
	Recipe Recipe `json:"recipe"`
}

// Write writes the adapter to the folder dir, see [netllm.WriteAdapter], for the model called
// base.
func (a *Adapter) Write(b ops.Backend, dir, base string, replace bool) error {
	header, err := netllm.NewAdapterHeader(b, "vp", a.body, base)
	if err == nil {
		err = netllm.WriteAdapter(b, dir, description{header, a.Recipe}, base, a.LoRA, a.modules(), replace)
	}
	if err != nil {
		return fmt.Errorf("vp: %w", err)
	}
	return nil
}

// ReadRecipe reads the recipe of the adapter in the folder dir, which says what body it wants.
func ReadRecipe(dir string) (Recipe, error) {
	d, err := readDescription(dir)
	return d.Recipe, err
}

func readDescription(dir string) (description, error) {
	var d description
	if err := netllm.ReadAdapter(dir, "vp", &d, &d.AdapterHeader); err != nil {
		return d, fmt.Errorf("vp: %w", err)
	}
	if err := d.Recipe.Validate(); err != nil {
		return d, fmt.Errorf("vp: adapter: %s: %w", netllm.DescriptionPath(dir), err)
	}
	return d, nil
}

// LoadAdapter reads the adapter in the folder dir for body, which must be the one that it was
// trained around: of the kind that the recipe says ([ReadRecipe], [netllm.BodySpec.Open]), with the same
// frozen weights.
func LoadAdapter(b ops.Backend, body transformer.Adaptable, dir string, images Images) (*Adapter, error) {
	d, err := readDescription(dir)
	if err != nil {
		return nil, err
	}
	if err := d.CheckBase(b, body, dir); err != nil {
		return nil, fmt.Errorf("vp: %w", err)
	}
	var lora *transformer.LoRA
	if d.Recipe.LoRA != nil {
		if lora, err = transformer.ReadLoRA(b, body, dir); err != nil {
			return nil, fmt.Errorf("vp: adapter: %w", err)
		}
	}
	a, err := assemble(b, body, d.Recipe, lora, images)
	if err != nil {
		return nil, fmt.Errorf("vp: adapter: %s: %w", dir, err)
	}
	if err := netllm.ReadModules(b, dir, a.modules()); err != nil {
		return nil, fmt.Errorf("vp: %w", err)
	}
	return a, nil
}
