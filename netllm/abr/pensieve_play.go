// A trained Pensieve at work.

package abr

import (
	"fmt"
	"math"

	"netllm/netllm"
)

// Pensieve is the actor of a [PensieveNetwork], to decide by. It is read-only and may be shared by goroutines.
type Pensieve struct {
	Config PensieveConfig
	layers pensieveLayers
}

// pensieveLayers are those of a network.
type pensieveLayers struct {
	branches    []ActorLayer // [in, width]
	hidden, out ActorLayer   // [branches*width, width], [width, out]
}

// newPensievePlayer makes an actor of the tensors that read returns.
func newPensievePlayer(config PensieveConfig, read netllm.TensorReader) (*Pensieve, error) {
	layers, err := readPensieveLayers("actor", config.branches(), config.Width, Qualities, read)
	return &Pensieve{config, layers}, err
}

// readPensieveLayers makes a network of the tensors that read returns, whose weights are [out, in].
func readPensieveLayers(name string, branches []pensieveBranch, width, out int, read netllm.TensorReader) (p pensieveLayers, err error) {
	layer := func(part string, out, in int) (l ActorLayer) {
		var weight []float32
		if err == nil {
			weight, err = read(name+"."+part+".weight", out, in)
		}
		if err == nil {
			l.Bias, err = read(name+"."+part+".bias", out)
		}
		if err != nil {
			return l
		}
		l.Weight = make([]float32, len(weight))
		for o := range out {
			for i := range in {
				l.Weight[i*out+o] = weight[o*in+i]
			}
		}
		return l
	}
	for _, branch := range branches {
		p.branches = append(p.branches, layer(branch.name, width, branch.in))
	}
	p.hidden = layer("hidden_fc", width, len(branches)*width)
	p.out = layer("out_fc", out, width)
	return p, err
}

// Factory makes policies that take the most probable quality, the first of equals.
func (p *Pensieve) Factory(name string) Factory {
	return Factory{Name: name, New: func() (Policy, error) { return p.policy(), nil }}
}

// sampled makes policies that draw their qualities. Their chances follow from seed and from what is observed, see [Exploring].
func (p *Pensieve) sampled(seed uint64) Factory {
	return Factory{Name: "own sessions", New: func() (Policy, error) {
		policy := p.policy()
		policy.draws, policy.seed = true, seed
		return policy, nil
	}}
}

func (p *Pensieve) policy() *pensievePolicy {
	width := p.Config.Width
	return &pensievePolicy{net: p, in: newPensieveInput(p.Config), joined: make([]float32, Features*width),
		hidden: make([]float32, width), scores: make([]float32, Qualities)}
}

// pensievePolicy plays sessions one after the other. To decide does not allocate, unless it draws.
type pensievePolicy struct {
	net                    *Pensieve
	in                     *pensieveInput
	joined, hidden, scores []float32

	draws bool
	seed  uint64
}

// Reset implements [Policy].
func (p *pensievePolicy) Reset() { p.in.reset() }

// Decide implements [Policy].
func (p *pensievePolicy) Decide(o *Observation) (int, error) {
	var state [Features * History]float32
	o.StateFloat32(state[:])
	x, width := p.in.push(&state), p.net.Config.Width
	for i, n := range p.net.Config.inputs() {
		affine(p.joined[i*width:(i+1)*width], x[:n], p.net.layers.branches[i].Weight, p.net.layers.branches[i].Bias)
		x = x[n:]
	}
	relu(p.joined)
	affine(p.hidden, p.joined, p.net.layers.hidden.Weight, p.net.layers.hidden.Bias)
	relu(p.hidden)
	affine(p.scores, p.hidden, p.net.layers.out.Weight, p.net.layers.out.Bias)
	best := 0
	for i, v := range p.scores {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return 0, fmt.Errorf("abr: pensieve: the score of quality %d is %v after chunk %d", i, v, o.Last.Index)
		}
		if v > p.scores[best] {
			best = i
		}
	}
	if p.draws {
		u := fraction(chance(p.seed, o))
		for i, share := range netllm.NewOdds(p.scores, best).P {
			if u -= share; u < 0 {
				best = i
				break
			}
		}
	}
	return best, nil
}
