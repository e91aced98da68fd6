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
	seen   [2][]float32 // throughputs and download times of the session
	asked  int          // questions in this session
	wanted float64
	logits [Qualities]float32
}

// NewLearned returns a policy that wants the given return, such as
// Conditioning.MaxReturn. c is the policy's own.
func NewLearned(c *ops.Context, network *Network, cond Conditioning, target float64) *Learned {
	p := &Learned{network: network, cond: cond, target: target, c: c}
	f := network.Config
	if !f.Alone {
		p.limit = min(f.Window, (network.Body.MaxPositions()-f.answer()-1)/f.tokens())
	}
	p.cache = network.Body.NewCache(c.Backend, 1, (p.limit+1)*f.tokens())
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
	p.seen[0], p.seen[1] = p.seen[0][:0], p.seen[1][:0]
	p.past = Steps{Batch: 1, States: p.past.States[:0], Earlier: p.past.Earlier[:0], Returns: p.past.Returns[:0], Actions: p.past.Actions[:0], Timesteps: p.past.Timesteps[:0]}
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
		p.past.drop(n-p.limit, p.earlier())
		n = p.limit
		p.cache.Truncate(0)
	}
	var state [Features * History]float32
	o.StateFloat32(state[:])
	p.past.Earlier = p.before(p.past.Earlier, state[:])
	// The action is not known yet: its token is left out, and nothing before
	// it sees it.
	p.past.add(state[:], float32(p.wanted), 0, int32(min(p.asked, p.network.Config.Timesteps-1)))
	p.asked++

	p.c.Reset()
	f := p.network.Config
	known := p.cache.Len / f.tokens() // steps that need no more computing but for their action
	part := p.past.from(known, p.earlier())
	tokens := p.network.Encoder.Tokens(p.c, part)
	from, to := p.cache.Len-known*f.tokens(), (len(part.Returns)-1)*f.tokens()+f.answer()+1
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

// earlier is how many throughputs, and download times, a step shows beside those of its state.
func (p *Learned) earlier() int { return p.network.Config.history() - History }

// before appends the session's throughputs and download times from before the state, see [Steps], and takes note of the
// state's newest.
func (p *Learned) before(list, state []float32) []float32 {
	earlier := p.earlier()
	for i, row := range []int{RowThroughput, RowDownload} {
		p.seen[i] = append(p.seen[i], state[row*History+History-1])
		for at := len(p.seen[i]) - History - earlier; at < len(p.seen[i])-History; at++ {
			v := float32(0)
			if at >= 0 {
				v = p.seen[i][at]
			}
			list = append(list, v)
		}
	}
	return list
}

// drop removes the first n steps, each of which shows so many earlier throughputs.
func (s *Steps) drop(n, earlier int) {
	const stateLen = Features * History
	s.Earlier = append(s.Earlier[:0], s.Earlier[2*n*earlier:]...)
	s.States = append(s.States[:0], s.States[n*stateLen:]...)
	s.Returns = append(s.Returns[:0], s.Returns[n:]...)
	s.Actions = append(s.Actions[:0], s.Actions[n:]...)
	s.Timesteps = append(s.Timesteps[:0], s.Timesteps[n:]...)
}

// from returns the steps from number n on, see [Steps.drop].
func (s *Steps) from(n, earlier int) Steps {
	return Steps{Batch: 1, States: s.States[n*Features*History:], Earlier: s.Earlier[2*n*earlier:], Returns: s.Returns[n:], Actions: s.Actions[n:], Timesteps: s.Timesteps[n:]}
}
