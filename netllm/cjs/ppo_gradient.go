// The gradient of PPO, by the scores that a network gives.

package cjs

import (
	"math"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// weights say what a decision's terms are worth in the loss.
type weights struct{ each, clip, entropy float64 }

// passed are sums over decisions.
type passed struct{ kl, entropy float64 }

// pass sends decisions through the network and adds the gradient of the loss, which is known by the scores in closed form: the loss that the tape sees is the scores' product with
// it, taken as constant.
func (t *ppo) pass(part []sample, w weights) (passed, error) {
	states, actions := make([]*Observation, len(part)), make([]Action, len(part))
	for i, s := range part {
		states[i] = &Observation{}
		s.e.pool.observe(states[i], s.i)
		actions[i] = s.e.pool.action(s.i)
	}
	var sum passed
	var failed error
	compute := func(c *ops.Context) (stages, executors tensor.Tensor, gradients [2][]float32) {
		stages, executors, nStages, nExecutors := t.learner.scores(c, states, actions)
		var values [2][]float32
		for i, column := range []tensor.Tensor{stages, executors} {
			if values[i], failed = c.Floats(column); failed != nil {
				return stages, executors, gradients
			}
			gradients[i] = make([]float32, len(values[i]))
		}
		var first [2]int
		for i := range part {
			a := netllm.NewOdds(values[0][first[0]:first[0]+nStages[i]], actions[i].Stage)
			b := netllm.NewOdds(values[1][first[1]:first[1]+nExecutors[i]], actions[i].Executors-1)
			learn(a, b, &part[i], w, &sum, gradients[0][first[0]:], gradients[1][first[1]:])
			first[0], first[1] = first[0]+nStages[i], first[1]+nExecutors[i]
		}
		return stages, executors, gradients
	}
	_, err := t.trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
		stages, executors, gradients := compute(c)
		if failed != nil {
			return c.Float32s([]float32{0}, 1)
		}
		dot := func(scores tensor.Tensor, g []float32) tensor.Tensor {
			return ops.MatMul(c, c.Float32s(g, 1, len(g)), scores).Reshape(1)
		}
		return ops.Add(c, dot(stages, gradients[0]), dot(executors, gradients[1]))
	})
	if failed != nil {
		return sum, failed
	}
	return sum, err
}

// learn writes the gradients of a decision's loss by its scores, those of stages and those of executors: the clipped
// ratio of its probability to that when it was played times its advantage, and its entropy over the log of the number of
// choices.
func learn(stage, executors netllm.Odds, s *sample, w weights, sum *passed, gStages, gExecutors []float32) {
	pull, kl := netllm.Clipped(stage.LogP+executors.LogP-s.logp, s.advantage, w.clip)
	sum.kl += kl
	largest := max(math.Log(float64(len(stage.P)*len(executors.P))), math.Ln2)
	sum.entropy += (stage.Entropy + executors.Entropy) / largest
	stage.Gradient(gStages, w.each*pull, w.each*w.entropy/largest)
	executors.Gradient(gExecutors, w.each*pull, w.each*w.entropy/largest)
}

// Trained implements learner.
func (d *DecimaNetwork) Trained() []*ops.Param { return d.Params() }

// sampler implements learner.
func (d *DecimaNetwork) sampler(b ops.Backend) (Factory, error) {
	now, err := d.Decima(b)
	if err != nil {
		return Factory{}, err
	}
	return now.Factory(false), nil
}

// scores implements learner.
func (d *DecimaNetwork) scores(c *ops.Context, states []*Observation, actions []Action) (stages, executors tensor.Tensor, nStages, nExecutors []int) {
	var g graph
	g.reset(false)
	var offered, of []int32
	var fractions []float32
	base := int32(0)
	for i, o := range states {
		g.add(o)
		for _, node := range o.Schedulable {
			offered = append(offered, base+int32(node))
		}
		chosen := o.Schedulable[actions[i].Stage]
		most := o.Cap(o.Nodes[chosen].Job)
		for k := range most {
			of, fractions = append(of, base+int32(chosen)), append(fractions, float32(float64(k)/float64(o.Executors)))
		}
		nStages, nExecutors = append(nStages, len(o.Schedulable)), append(nExecutors, most)
		base += int32(len(o.Nodes))
	}
	e := d.encoder.forward(c, &g)
	return d.stageScores(c, &g, e, offered), d.executorScores(c, &g, e, of, fractions), nStages, nExecutors
}
