// The learned policy at work: return-conditioned, one forward pass a decision.

package abr

import (
	"fmt"
	"math"

	"netllm/ops"
	"netllm/transformer"
)

// Learned is the NetLLM policy. It remembers up to a window of past steps of
// the session, tells the network the return it still wants, and takes the
// quality with the largest score.
//
// While the context grows, what the body computed for earlier tokens is reused
// from its cache; the result is that of computing everything anew. Once the
// window is full, the oldest step leaves, all positions move, and the context
// is computed anew at every decision.
type Learned struct {
	network *Network
	cond    Conditioning
	target  float64 // wanted at the start of a session, in rewards' normalised sum

	c      *ops.Context
	cache  *transformer.Cache
	limit  int // past steps that fit the body's positions
	past   Steps
	asked  int // questions in this session
	wanted float64
	logits [Qualities]float32
}

// NewLearned returns a policy that wants the given return, such as
// Conditioning.MaxReturn. c is the policy's own.
func NewLearned(c *ops.Context, network *Network, cond Conditioning, target float64) *Learned {
	p := &Learned{network: network, cond: cond, target: target, c: c}
	p.limit = min(network.Config.Window, (network.Body.MaxPositions()-stateToken-1)/TokensPerStep)
	p.cache = network.Body.NewCache(c.Backend, 1, (p.limit+1)*TokensPerStep)
	return p
}

// Close gives the cache and the context's memory back; the network stays. The policy cannot be used any more; to close it
// again does nothing. The error is one that the context's backend had met before.
func (p *Learned) Close() error {
	if p.c == nil {
		return nil
	}
	b := p.c.Backend
	p.cache.Free()
	p.c.Arena.Free()
	p.c = nil
	return b.Sync()
}

// Reset forgets the session.
func (p *Learned) Reset() {
	p.past = Steps{Batch: 1, States: p.past.States[:0], Returns: p.past.Returns[:0], Actions: p.past.Actions[:0], Timesteps: p.past.Timesteps[:0]}
	p.asked, p.wanted = 0, p.target
	p.cache.Truncate(0)
}

// Decide implements [Policy].
func (p *Learned) Decide(o *Observation) (int, error) {
	if p.asked > 0 {
		p.wanted = p.cond.after(p.wanted, o.Last.Reward)
	}
	n := len(p.past.Returns)
	if n > p.limit { // the oldest step leaves
		p.past.drop(n - p.limit)
		n = p.limit
		p.cache.Truncate(0)
	}
	var state [Features * History]float32
	o.StateFloat32(state[:])
	// The action is not known yet: its token is left out, and nothing before
	// it sees it.
	p.past.add(state[:], float32(p.wanted), 0, int32(min(p.asked, p.network.Config.Timesteps-1)))
	p.asked++

	p.c.Reset()
	known := p.cache.Len / TokensPerStep // steps that need no more computing but for their action
	part := p.past.from(known)
	tokens := p.network.Encoder.Tokens(p.c, part)
	from, to := p.cache.Len-known*TokensPerStep, (len(part.Returns)-1)*TokensPerStep+stateToken+1
	features := p.network.Body.Forward(p.c, ops.Contiguous(p.c, tokens.Slice(1, from, to)), p.cache)
	last := ops.Contiguous(p.c, features.Slice(1, to-from-1, to-from)).Reshape(1, p.network.Body.Width())
	if err := p.c.Read(p.logits[:], p.network.Head.Forward(p.c, last).Reshape(Qualities)); err != nil {
		return 0, err
	}
	best := 0
	for q, v := range p.logits {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return 0, fmt.Errorf("abr: the network's score of quality %d is %v", q, v)
		}
		if v > p.logits[best] {
			best = q
		}
	}
	p.past.Actions[n] = int32(best)
	return best, nil
}

// Logits returns the scores of the last decision.
func (p *Learned) Logits() [Qualities]float32 { return p.logits }

func (s *Steps) add(state []float32, ret float32, action, timestep int32) {
	s.States = append(s.States, state...)
	s.Returns = append(s.Returns, ret)
	s.Actions = append(s.Actions, action)
	s.Timesteps = append(s.Timesteps, timestep)
}

// drop removes the first n steps.
func (s *Steps) drop(n int) {
	const stateLen = Features * History
	s.States = append(s.States[:0], s.States[n*stateLen:]...)
	s.Returns = append(s.Returns[:0], s.Returns[n:]...)
	s.Actions = append(s.Actions[:0], s.Actions[n:]...)
	s.Timesteps = append(s.Timesteps[:0], s.Timesteps[n:]...)
}

// from returns the steps from number n on.
func (s *Steps) from(n int) Steps {
	return Steps{Batch: 1, States: s.States[n*Features*History:], Returns: s.Returns[n:], Actions: s.Actions[n:], Timesteps: s.Timesteps[n:]}
}
