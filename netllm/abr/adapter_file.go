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

// Write writes the adapter to the folder dir, see [netllm.WriteAdapter]. body is the model that
// it was trained around, called base.
func (a *Adapter) Write(b ops.Backend, dir string, body transformer.Adaptable, base string, replace bool) error {
	header, err := netllm.NewAdapterHeader(b, "abr", body, base)
	if err == nil {
		d := description{AdapterHeader: header, Recipe: a.Recipe, Conditioning: a.Cond}
		err = netllm.WriteAdapter(b, dir, d, base, a.LoRA, a.Network.Params(), replace)
	}
	if err != nil {
		return fmt.Errorf("abr: %w", err)
	}
	return nil
}

// LoadAdapter reads the adapter in the folder dir for body, which must have the
// weights that it was trained around.
func LoadAdapter(b ops.Backend, body transformer.Adaptable, dir string) (*Adapter, error) {
	a, err := loadAdapter(b, body, dir)
	if err != nil {
		return nil, fmt.Errorf("abr: %w", err)
	}
	return a, nil
}

func loadAdapter(b ops.Backend, body transformer.Adaptable, dir string) (*Adapter, error) {
	path := netllm.DescriptionPath(dir)
	var d description
	if err := netllm.ReadAdapter(dir, "abr", &d, &d.AdapterHeader); err != nil {
		return nil, err
	}
	if err := d.Recipe.Validate(); err != nil {
		return nil, fmt.Errorf("adapter: %s: %w", path, err)
	}
	if f := d.Conditioning; !(f.Scale > 0) || !(f.Gamma > 0) || !(f.MaxReward >= f.MinReward) {
		return nil, fmt.Errorf("adapter: %s: conditioning %+v", path, f)
	}
	if err := d.CheckBase(b, body, dir); err != nil {
		return nil, err
	}
	lora, err := transformer.ReadLoRA(b, body, dir)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	a, err := assemble(b, body, lora, d.Recipe)
	if err != nil {
		return nil, fmt.Errorf("adapter: %s: %w", dir, err)
	}
	a.Cond = d.Conditioning
	if err := netllm.ReadModules(b, dir, a.Network.Params()); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}
