// A trained policy as a whole: adapted, saved, loaded, put to work.

package abr

import (
	"context"
	"errors"
	"fmt"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// Adapter is what adaptation adds to a body: low-rank matrices if it is frozen, encoder,
// head, and the normalisation of returns.
type Adapter struct {
	Recipe  Recipe
	Cond    Conditioning
	Network *Network // around the adapted body
	Body    *netllm.Adapted

	backend ops.Backend // whose memory it is in; nil when closed
}

// NewAdapter returns an untrained adapter for body, with random matrices drawn
// from the recipe's seed. Its conditioning is that of pool.
func NewAdapter(b ops.Backend, body transformer.Adaptable, pool *netllm.Pool, r Recipe) (*Adapter, error) {
	a, err := newAdapter(b, body, r)
	if err != nil {
		return nil, err
	}
	data, err := newDataset(pool, r.Gamma, r.Scale, r.MinQuantile)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	a.Cond = data.cond
	return a, nil
}

func newAdapter(b ops.Backend, body transformer.Adaptable, r Recipe) (*Adapter, error) {
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
	return &Adapter{Recipe: r, Network: network, Body: body, backend: b}, nil
}

// Close detaches the adapter: matrices, encoder and head go back to the backend that it was made on. The body stays as it
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

// Train trains the adapter on pool, see [Train].
func (a *Adapter) Train(ctx context.Context, b ops.Backend, pool *netllm.Pool, each func(Progress)) error {
	cond, err := Train(ctx, b, a.Network, a.Body.Params(), pool, a.Recipe, each)
	if err != nil {
		return err
	}
	a.Cond = cond
	return nil
}

// TrainAnew is Train on a pool of its own for every epoch, from 0 on, which next gives and all of which have as many
// windows: what the policy plays by itself before each epoch, say, as reinforcement learning does. From then on the policy
// wants what that pool's best episode had.
func (a *Adapter) TrainAnew(ctx context.Context, b ops.Backend, next func(epoch int) (*netllm.Pool, error), each func(Progress)) error {
	return trainEpochs(ctx, b, a.Network, a.Body.Params(), a.Recipe, next, func(f Conditioning) { a.Cond = f }, each)
}

// Params returns all trained parameters.
func (a *Adapter) Params() []*ops.Param { return append(a.Body.Params(), a.Network.Params()...) }

// NewLearned returns the policy, see [NewLearned].
func (a *Adapter) NewLearned(c *ops.Context, target float64) *Learned {
	return NewLearned(c, a.Network, a.Cond, target)
}

// Factory returns the policy under a name, wanting the given return at the
// start of a session, such as a.Cond.MaxReturn. Each of at most so many workers (0
// is any number) gets a context on a backend from open: one of its own if there
// are several, since a backend serves one goroutine.
func (a *Adapter) Factory(name string, target float64, workers int, open func() ops.Backend) Factory {
	return Factory{Name: name, Workers: workers, New: func() (Policy, error) {
		if !(target == target) {
			return nil, fmt.Errorf("abr: target return %v", target)
		}
		return a.NewLearned(ops.NewContext(open()), target), nil
	}}
}
