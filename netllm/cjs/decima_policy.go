// Decima as a policy.

package cjs

import (
	"errors"
	"fmt"
)

// DecimaPolicy decides by Decima's scores: it draws from their softmaxes, as published, or takes the best.
type DecimaPolicy struct {
	Network *Decima

	// Greedy takes the first of the best scores, with a tolerance of 1e-4. The published weights are
	// clearly worse so.
	Greedy bool

	// Temperature divides scores before they are drawn from; 0 is 1.
	Temperature float64

	embedding Embedding
	chooser   chooser
	logp      float64 // of the last decision, if it was drawn
}

// Factory makes policies of the network: "decima", or, greedy, "decima-greedy".
func (d *Decima) Factory(greedy bool) Factory {
	name := "decima"
	if greedy {
		name = "decima-greedy"
	}
	return Factory{Name: name, New: func() (Policy, error) { return &DecimaPolicy{Network: d, Greedy: greedy}, nil }}
}

// Reset starts an episode, for which it draws from seed.
func (p *DecimaPolicy) Reset(seed uint64) { p.chooser.source.Seed(seed, 0x646563696d61) }

// Decide chooses a stage and a number of executors. It fails if o offers no stage, or a score is no
// number.
func (p *DecimaPolicy) Decide(o *Observation) (Action, error) {
	if len(o.Schedulable) == 0 || o.Committable < 1 {
		return Action{}, errors.New("cjs: decima: nothing to decide: no stage can be chosen")
	}
	d, e := p.Network, &p.embedding
	d.Embed(e, o)
	stage, err := p.choose(d.StageScores(e, o))
	if err != nil {
		return Action{}, err
	}
	p.logp = p.chooser.logp
	i, err := p.choose(d.ExecutorScores(e, o, o.Nodes[o.Schedulable[stage]].Job))
	p.logp += p.chooser.logp
	return Action{Stage: stage, Executors: i + 1}, err
}

// likelihood implements likely.
func (p *DecimaPolicy) likelihood() float64 { return p.logp }

// choose returns the place of one of scores.
func (p *DecimaPolicy) choose(scores []float32) (int, error) {
	i, err := p.chooser.choose(scores, p.Greedy, p.Temperature)
	if err != nil {
		return 0, fmt.Errorf("cjs: decima: %w", err)
	}
	return i, nil
}
