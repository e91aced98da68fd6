// How a trained policy is kept.

package abr

import (
	"errors"
	"fmt"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// description is an adapter's netllm_adapter.json.
type description struct {
	netllm.AdapterHeader
	Recipe       Recipe       `json:"recipe"`
	Conditioning Conditioning `json:"conditioning"`
}

// Write writes the adapter to the folder dir, see [netllm.WriteAdapter], for the model called base.
func (a *Adapter) Write(b ops.Backend, dir, base string, replace bool) error {
	header, err := netllm.NewAdapterHeader(b, "abr", a.Body.Base, base)
	if err == nil {
		d := description{AdapterHeader: header, Recipe: a.Recipe, Conditioning: a.Cond}
		err = netllm.WriteAdapter(b, dir, d, base, a.Body.LoRA, a.Body.Modules(a.Network.Params()), replace)
	}
	if err != nil {
		return fmt.Errorf("abr: %w", err)
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
	if err := netllm.ReadAdapter(dir, "abr", &d, &d.AdapterHeader); err != nil {
		return d, fmt.Errorf("abr: %w", err)
	}
	if err := d.Recipe.Validate(); err != nil {
		return d, fmt.Errorf("abr: adapter: %s: %w", netllm.DescriptionPath(dir), err)
	}
	if f := d.Conditioning; !(f.Scale > 0) || !(f.Gamma > 0) || !(f.MaxReward >= f.MinReward) {
		return d, fmt.Errorf("abr: adapter: %s: conditioning %+v", netllm.DescriptionPath(dir), f)
	}
	return d, nil
}

// LoadAdapter reads the adapter in the folder dir for body, which must be the one that it was trained around: of the
// kind that the recipe says ([ReadRecipe], [netllm.BodySpec.Open]), with the same frozen weights.
func LoadAdapter(b ops.Backend, body transformer.Adaptable, dir string) (*Adapter, error) {
	d, err := readDescription(dir)
	if err != nil {
		return nil, err
	}
	if err := d.CheckBase(b, body, dir); err != nil {
		return nil, fmt.Errorf("abr: %w", err)
	}
	adapted, err := netllm.ReadAdapted(b, body, d.Recipe.LoRA, dir)
	if err != nil {
		return nil, fmt.Errorf("abr: %w", err)
	}
	a, err := assemble(b, adapted, d.Recipe)
	if err != nil {
		return nil, fmt.Errorf("abr: adapter: %s: %w", dir, err)
	}
	if err := netllm.ReadModules(b, dir, adapted.Modules(a.Network.Params())); err != nil {
		return nil, errors.Join(fmt.Errorf("abr: %w", err), a.Close())
	}
	a.Cond = d.Conditioning
	return a, nil
}
