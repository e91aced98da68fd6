// How a Pensieve is trained: by imitation of a planner, then by its own sessions.

package abr

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// PensieveRecipe shapes a training in two parts, as SABR's (Luo et al., "SABR: A Stable Adaptive Bitrate Framework Using
// Behavior Cloning Pretraining and Reinforcement Learning Fine-Tuning", 2025): behaviour cloning from an expert that knows the
// trace, then proximal policy optimisation. There, an expert's and a drawn action are compared in pairs (DPO); here the labels
// are learned by cross-entropy.
type PensieveRecipe struct {
	Network PensieveConfig `json:"network"`

	// Cloning. The expert is a [Planner]. It labels the states of a first lot of sessions, played by rules, and then those of
	// lots that the network plays (Ross, Gordon and Bagnell, "A Reduction of Imitation Learning ... to No-Regret Online
	// Learning", AISTATS 2011).
	Rounds      int     `json:"rounds"`      // lots, the first included; 0: nothing is cloned
	CloneSteps  int     `json:"clone_steps"` // optimiser steps in a round
	CloneBatch  int     `json:"clone_batch"` // decisions in a step
	CloneRate   float32 `json:"clone_rate"`  // learning rate at the beginning; falls along half a cosine
	Temperature float64 `json:"temperature"` // QoE; a label is the softmax of the expert's values over it; 0: its best quality alone
	Explore     float64 `json:"explore"`     // share of decisions, in labelled sessions, that are left to chance

	PPO PensievePPO `json:"ppo"`

	Average    float64 `json:"average"`     // share of the old mean in the running mean of weights, per step; 0: no mean
	ValidEvery int     `json:"valid_every"` // iterations between two looks at the validation sessions
	Seed       uint64  `json:"seed"`
}

// NewPensieveRecipe returns this project's choice; labels of the best quality alone were a little better on held-out training
// traces than those of a temperature of 0.5.
func NewPensieveRecipe(seed uint64) PensieveRecipe {
	return PensieveRecipe{
		Network: DefaultPensieve(),
		Rounds:  4, CloneSteps: 1500, CloneBatch: 256, CloneRate: 1e-3, Explore: 0.1,
		PPO:     DefaultPensievePPO(),
		Average: 0.998, ValidEvery: 10, Seed: seed,
	}
}

// Validate reports every field that makes no training.
func (r PensieveRecipe) Validate() error {
	errs := []error{r.Network.Validate(), r.PPO.Validate()}
	low := min(r.Rounds, 1)
	for _, n := range []struct {
		name   string
		v, low int
	}{{"rounds", r.Rounds, 0}, {"clone_steps", r.CloneSteps, low}, {"clone_batch", r.CloneBatch, low}, {"valid_every", r.ValidEvery, 1}} {
		if n.v < n.low {
			errs = append(errs, fmt.Errorf("abr: pensieve: %s is %d, want %d or more", n.name, n.v, n.low))
		}
	}
	if !(r.CloneRate > 0) || !(r.Temperature >= 0) || math.IsInf(r.Temperature, 0) || !(r.Explore >= 0 && r.Explore <= 1) || !(r.Average >= 0 && r.Average < 1) {
		errs = append(errs, fmt.Errorf("abr: pensieve: learning rate %v, temperature %v, exploring %v, average %v", r.CloneRate, r.Temperature, r.Explore, r.Average))
	}
	return errors.Join(errs...)
}

// PensieveOptions is what a training needs beside a recipe.
type PensieveOptions struct {
	Video *Video
	Valid []Session // by which weights are chosen: those with the largest mean QoE

	// Label returns the sessions of a round of cloning, from 0 on, whose traces a planner is made of; Play those of an
	// iteration of policy optimisation, from 0 on.
	Label, Play func(i int) ([]Session, error)

	Workers int // sessions played at a time; 0 = one per processor. The result does not depend on it

	Each func(PensieveProgress) // told after every round and iteration; may be nil
}

// PensieveProgress is what a training tells as it goes.
type PensieveProgress struct {
	Cloning        bool    // or policy optimisation
	Done, Of       int     // rounds or iterations
	Decisions      int     // seen so far in this part
	Loss           float64 // of cloning, nats a decision, mean of the round
	QoE            float64 // of the sessions just played, mean; of cloning: those just labelled
	KL, Entropy    float64 // of policy optimisation: of the last epoch, nats a decision
	Valid, BestQoE float64 // mean QoE of the validation sessions, NaN if not just measured; the largest so far
	ValueError     float64 // of the critic: share of the variance of returns that it does not know
	PolicyStopped  bool    // an iteration ended early, since the policy had gone far
	PolicySteps    int     // optimiser steps of the iteration
}

// pensieveTraining is a training at work.
type pensieveTraining struct {
	net *PensieveNetwork
	b   ops.Backend
	r   PensieveRecipe
	opt PensieveOptions
	rng *rand.Rand
	c   *ops.Context // for passes without gradients

	selection *netllm.Selection
	progress  PensieveProgress
}

// Train trains the network: it clones, then optimises, and ends with the weights that were best on the validation sessions.
// Cancelling ctx ends it with its error. It fails at the first loss or gradient that is not finite.
func (p *PensieveNetwork) Train(ctx context.Context, b ops.Backend, r PensieveRecipe, opt PensieveOptions) error {
	if err := r.Validate(); err != nil {
		return err
	}
	switch {
	case r.Network != p.Config:
		return fmt.Errorf("abr: pensieve: a network of %+v, the recipe wants %+v", p.Config, r.Network)
	case r.Rounds == 0 && r.PPO.Iterations == 0:
		return errors.New("abr: pensieve: neither rounds of cloning nor iterations of policy optimisation")
	case opt.Video == nil || len(opt.Valid) == 0 || r.Rounds > 0 && opt.Label == nil || r.PPO.Iterations > 0 && opt.Play == nil:
		return errors.New("abr: pensieve: a training needs a video and sessions, to learn from and for validation")
	}
	t := &pensieveTraining{net: p, b: b, r: r, opt: opt, rng: rand.New(rand.NewPCG(r.Seed, 0x73616272)), c: ops.NewContext(b)}
	defer t.c.Arena.Free()
	t.progress.Valid, t.progress.BestQoE = math.NaN(), math.NaN()
	if r.Rounds > 0 {
		if err := t.part(func() error { return t.clone(ctx) }); err != nil {
			return err
		}
	}
	if r.PPO.Iterations > 0 {
		return t.part(func() error { return t.optimise(ctx) })
	}
	return nil
}

// part does one part of a training, which ends with its best weights. What went before counts in the choice of the second.
func (t *pensieveTraining) part(do func() error) error {
	t.selection = netllm.NewSelection(t.b, t.net.Params(), t.r.Average)
	if err := do(); err != nil {
		return err
	}
	return t.selection.Finish()
}

// look plays the validation sessions and keeps the weights if they are the best so far.
func (t *pensieveTraining) look(ctx context.Context) error {
	lost, err := t.selection.Look(func() (float64, error) {
		now, err := t.net.Pensieve(t.b)
		if err != nil {
			return 0, err
		}
		r, err := Evaluate(ctx, now.Factory("validation"), t.opt.Video, t.opt.Valid, EvalOptions{Workers: t.opt.Workers})
		if err != nil {
			return 0, err
		}
		return -r.Mean, nil
	})
	t.progress.Valid, t.progress.BestQoE = -lost, -t.selection.Best
	return err
}

func (t *pensieveTraining) tell() {
	if t.opt.Each != nil {
		t.opt.Each(t.progress)
	}
	t.progress.Valid = math.NaN()
}

// learnScores adds the gradients of a loss by the scores of n inputs, which the network gives: gradient sets g, of one
// input's scores, to the derivative of the loss by them. The loss that the tape sees is the product of the scores with that,
// taken as constant.
func (t *pensieveTraining) learnScores(trainer *netllm.Trainer, x []float32, n int, gradient func(i int, scores, g []float32)) error {
	var failed error
	_, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
		scores := t.net.actor.forward(c, c.Float32s(x, n, len(x)/n))
		values, err := c.Floats(scores)
		if err != nil {
			failed = err
			return c.Float32s([]float32{0}, 1)
		}
		g := make([]float32, len(values))
		for i := range n {
			gradient(i, values[i*Qualities:(i+1)*Qualities], g[i*Qualities:(i+1)*Qualities])
		}
		return ops.MatMul(c, c.Float32s(g, 1, len(g)), scores.Reshape(len(g), 1)).Reshape(1)
	})
	if failed != nil {
		return failed
	}
	return err
}
