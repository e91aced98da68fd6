// The learned predictor at work.

package vp

import (
	"netllm/ops"
	"netllm/transformer"
)

// learnedBatch is how many questions are answered in one pass.
const learnedBatch = 64

// Learned answers questions with a trained network. It keeps the body's cache from one call to
// the next.
type Learned struct {
	network Network
	body    transformer.Body
	c       *ops.Context
	caching bool

	cache *transformer.Cache
	batch int
}

// Factory returns the predictor under a name, see [Adapter.NewLearned]. Each of at most so many
// workers (0 is any number) gets a context on a backend from open: one of its own if there are
// several, since a backend serves one goroutine.
func (a *Adapter) Factory(name string, workers int, caching bool, open func() ops.Backend) Factory {
	return Factory{Name: name, Workers: workers, Batch: learnedBatch, New: func() (Predictor, error) {
		return a.NewLearned(ops.NewContext(open()), caching), nil
	}}
}

// NewLearned returns a predictor that computes in c, which is its own. caching says whether the
// body keeps what it computed for a question's earlier tokens; the answers are the same to
// rounding. A network that answers in one pass has no use for it.
func (a *Adapter) NewLearned(c *ops.Context, caching bool) *Learned {
	return &Learned{network: a.Network, body: a.Body, c: c, caching: caching && a.Recipe.Network.Kind == PublishedKind}
}

// Close gives the cache and the context's memory back; the network stays. The predictor cannot be used any more; to close it
// again does nothing. The error is one that the context's backend had met before.
func (p *Learned) Close() error {
	if p.c == nil {
		return nil
	}
	b := p.c.Backend
	if p.cache != nil {
		p.cache.Free()
	}
	p.c.Arena.Free()
	p.c = nil
	return b.Sync()
}

// Predict implements [Predictor].
func (p *Learned) Predict(dst [][]Angles, ws []Window) error {
	for len(ws) > 0 {
		n := alike(ws)
		p.c.Reset()
		if err := p.network.Predict(p.c, dst[:n], ws[:n], p.emptied(n, ws[0])); err != nil {
			return err
		}
		dst, ws = dst[n:], ws[n:]
	}
	return nil
}

// emptied returns an empty cache for so many questions like w, or nil.
func (p *Learned) emptied(batch int, w Window) *transformer.Cache {
	if !p.caching {
		return nil
	}
	need := p.network.Positions(w.History, w.Horizon)
	if p.cache == nil || p.batch != batch || p.cache.Positions() < need {
		if p.cache != nil {
			p.cache.Free()
		}
		p.cache, p.batch = p.body.NewCache(p.c.Backend, batch, need), batch
	}
	p.cache.Truncate(0)
	return p.cache
}
