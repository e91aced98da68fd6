// A trained policy as a whole: adapted, saved, loaded, put to work.

package cjs

import (
	"errors"
	"fmt"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// Adapter is what adaptation adds to a body: low-rank matrices if it is frozen, encoder, heads, and the
// normalisation of returns.
type Adapter struct {
	Recipe  Recipe
	Cond    Conditioning
	Network *Network // around the adapted body
	Body    *netllm.Adapted

	backend ops.Backend // whose memory it is in; nil when closed
}

// NewAdapter returns an untrained adapter for body, with everything random drawn from the recipe's seed.
func NewAdapter(b ops.Backend, body transformer.Adaptable, r Recipe) (*Adapter, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	adapted, err := netllm.Adapt(b, body, r.LoRA, r.Seed)
	if err != nil {
		return nil, err
	}
	return assemble(b, adapted, r)
}

// assemble puts an adapter's parts together. It takes the body's matrices, also if it fails.
func assemble(b ops.Backend, body *netllm.Adapted, r Recipe) (*Adapter, error) {
	network, err := NewNetwork(b, body, r.Network, r.Seed)
	if err != nil {
		body.Free(b)
		return nil, err
	}
	cond := Conditioning{Relative: r.Relative, Scale: publishedScale, MaxReturn: 1}
	return &Adapter{Recipe: r, Cond: cond, Network: network, Body: body, backend: b}, nil
}

// Close detaches the adapter: matrices, encoder and heads go back to the backend that it was made on. The body stays as it
// is, for other adapters. Close the adapter's policies first; neither it nor they can be used any more. To close it
// again does nothing. The error is one that the backend had met before.
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
func (a *Adapter) Trained() []*ops.Param { return append(a.Body.Params(), a.Network.Params()...) }

// NewLearned returns the policy, see [NewLearned].
func (a *Adapter) NewLearned(c *ops.Context) *Learned {
	return NewLearned(c, a.Network, a.Cond, a.Recipe.Greedy)
}

// Factory returns the policy under a name. Each of at most so many workers (0 is any number) gets a context on a backend
// from open: one of its own if there are several, since a backend serves one goroutine.
func (a *Adapter) Factory(name string, workers int, open func() ops.Backend) Factory {
	return Factory{Name: name, Workers: workers, New: func() (Policy, error) {
		return a.NewLearned(ops.NewContext(open())), nil
	}}
}

// description is an adapter's netllm_adapter.json.
type description struct {
	netllm.AdapterHeader
	Recipe       Recipe       `json:"recipe"`
	Conditioning Conditioning `json:"conditioning"`
}

// Write writes the adapter to the folder dir, see [netllm.WriteAdapter], for the model called base.
func (a *Adapter) Write(b ops.Backend, dir, base string, replace bool) error {
	header, err := netllm.NewAdapterHeader(b, "cjs", a.Body.Base, base)
	if err == nil {
		err = netllm.WriteAdapter(b, dir, description{header, a.Recipe, a.Cond}, base, a.Body.LoRA, a.Body.Modules(a.Network.Params()), replace)
	}
	if err != nil {
		return fmt.Errorf("cjs: %w", err)
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
	if err := netllm.ReadAdapter(dir, "cjs", &d, &d.AdapterHeader); err != nil {
		return d, fmt.Errorf("cjs: %w", err)
	}
	if err := d.Recipe.Validate(); err != nil {
		return d, fmt.Errorf("cjs: adapter: %s: %w", netllm.DescriptionPath(dir), err)
	}
	if f := d.Conditioning; !(f.Scale > 0) || !(f.MaxReward >= f.MinReward) {
		return d, fmt.Errorf("cjs: adapter: %s: conditioning %+v", netllm.DescriptionPath(dir), f)
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
		return nil, fmt.Errorf("cjs: %w", err)
	}
	adapted, err := netllm.ReadAdapted(b, body, d.Recipe.LoRA, dir)
	if err != nil {
		return nil, fmt.Errorf("cjs: %w", err)
	}
	a, err := assemble(b, adapted, d.Recipe)
	if err != nil {
		return nil, fmt.Errorf("cjs: adapter: %s: %w", dir, err)
	}
	if err := netllm.ReadModules(b, dir, adapted.Modules(a.Network.Params())); err != nil {
		return nil, errors.Join(fmt.Errorf("cjs: %w", err), a.Close())
	}
	a.Cond = d.Conditioning
	return a, nil
}
