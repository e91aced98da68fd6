// A trained predictor as a whole: adapted, saved, loaded, put to work.

package vp

import (
	"errors"
	"fmt"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// Adapter is what adaptation adds to a body: low-rank matrices if it is frozen, encoder and
// head.
type Adapter struct {
	Recipe  Recipe
	Network Network // around the adapted body
	Body    *netllm.Adapted

	backend ops.Backend // whose memory it is in; nil when closed
}

// NewAdapter returns an untrained adapter for body, with everything random drawn from the
// recipe's seed. images gives the features of pictures, if the recipe's network has them.
func NewAdapter(b ops.Backend, body transformer.Adaptable, r Recipe, images Images) (*Adapter, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	adapted, err := netllm.Adapt(b, body, r.LoRA, r.Seed)
	if err != nil {
		return nil, err
	}
	return assemble(b, adapted, r, images)
}

// assemble puts an adapter's parts together. It takes the body's matrices, also if it fails.
func assemble(b ops.Backend, body *netllm.Adapted, r Recipe, images Images) (*Adapter, error) {
	network, err := NewNetwork(b, body, r.Network, images, r.Seed)
	if err != nil {
		body.Free(b)
		return nil, err
	}
	a := &Adapter{Recipe: r, Network: network, Body: body, backend: b}
	w := r.Windows
	if need := network.Positions(w.History, w.Horizon); need > body.MaxPositions() {
		err := fmt.Errorf("vp: %d rows seen and %d predicted take %d positions, the model has %d", w.History, w.Horizon, need, body.MaxPositions())
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Close detaches the adapter: matrices, encoder and head go back to the backend that it was made on. The body stays as it
// is, for other adapters, and so do the pictures. Close the adapter's predictors first; neither it nor they can be used any
// more. To close it again does nothing. The error is one that the backend had met before.
func (a *Adapter) Close() error {
	b := a.backend
	if b == nil {
		return nil
	}
	a.backend = nil
	a.Body.Free(b)
	ops.FreeParams(b, a.Network.Params())
	return b.Sync()
}

// Trained returns the parameters that training changes.
func (a *Adapter) Trained() []*ops.Param { return append(a.Body.Params(), a.Network.Trained()...) }

// description is an adapter's netllm_adapter.json.
type description struct {
	netllm.AdapterHeader
	Recipe Recipe `json:"recipe"`
}

// Write writes the adapter to the folder dir, see [netllm.WriteAdapter], for the model called
// base.
func (a *Adapter) Write(b ops.Backend, dir, base string, replace bool) error {
	header, err := netllm.NewAdapterHeader(b, "vp", a.Body.Base, base)
	if err == nil {
		err = netllm.WriteAdapter(b, dir, description{header, a.Recipe}, base, a.Body.LoRA, a.Body.Modules(a.Network.Params()), replace)
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
	adapted, err := netllm.ReadAdapted(b, body, d.Recipe.LoRA, dir)
	if err != nil {
		return nil, fmt.Errorf("vp: %w", err)
	}
	a, err := assemble(b, adapted, d.Recipe, images)
	if err != nil {
		return nil, fmt.Errorf("vp: adapter: %s: %w", dir, err)
	}
	if err := netllm.ReadModules(b, dir, adapted.Modules(a.Network.Params())); err != nil {
		return nil, errors.Join(fmt.Errorf("vp: %w", err), a.Close())
	}
	return a, nil
}
