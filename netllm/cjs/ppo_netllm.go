// Policy-gradient steps for an adapter.

package cjs

import (
	"context"
	"errors"
	"fmt"
	"math"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// ImproveOptions is what policy-gradient steps need.
type ImproveOptions struct {
	Valid []*Sequence // as in [TrainOptions]; the weights before the first step count, too

	// Own returns the sequences of an iteration, from 0 on.
	Own func(iteration int) ([]*Sequence, error)

	// Open and Workers are as in [TrainOptions].
	Open    func() ops.Backend
	Workers int

	// Each, if not nil, is told after every iteration, with the mean job completion time of the validation sequences where it was
	// just measured, else NaN, and the smallest so far.
	Each func(p PPOProgress, valid, best float64)
}

// Improve takes the recipe's policy-gradient steps: the adapter plays episodes in which it draws its decisions, and makes those that
// turned out well more likely, see [DecimaNetwork.PPO]. It ends with those weights that were best on the validation sequences.
func (a *Adapter) Improve(ctx context.Context, b ops.Backend, opt ImproveOptions) error {
	r := a.Recipe
	if err := r.Validate(); err != nil {
		return err
	}
	switch {
	case r.Gradient == nil:
		return fmt.Errorf("cjs: recipe %q has no policy-gradient steps", r.Name)
	case len(opt.Valid) == 0 || opt.Own == nil:
		return errors.New("cjs: policy gradient: without sequences")
	case r.Network.Window != 1:
		return errors.New("cjs: policy gradient: the network remembers decisions, which is not supported")
	}
	selection := netllm.NewSelection(b, a.Trained(), r.GradientAverage)
	look := func() (float64, error) {
		return selection.Look(func() (float64, error) {
			score, err := Evaluate(ctx, a.Factory("validation", opt.Workers, opt.Open), opt.Valid, EvalOptions{Workers: opt.Workers, Seed: r.Seed})
			if err != nil {
				return 0, err
			}
			return score.Mean, nil
		})
	}
	if _, err := look(); err != nil {
		return err
	}
	err := trainPPO(ctx, b, adapterLearner{a, opt.Workers, opt.Open}, *r.Gradient, opt.Workers, opt.Own, selection.Stepped, func(p PPOProgress) error {
		valid := math.NaN()
		if p.Iteration%r.GradientValid == 0 || p.Iteration == p.Iterations {
			var err error
			if valid, err = look(); err != nil {
				return err
			}
		}
		if opt.Each != nil {
			opt.Each(p, valid, selection.Best)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return selection.Finish()
}

// adapterLearner is an adapter as a learner.
type adapterLearner struct {
	*Adapter
	workers int
	open    func() ops.Backend
}

func (l adapterLearner) sampler(ops.Backend) (Factory, error) {
	return Factory{Name: "own episodes", Workers: l.workers, New: func() (Policy, error) {
		return NewLearned(ops.NewContext(l.open()), l.Network, l.Cond, false), nil
	}}, nil
}

func (l adapterLearner) scores(c *ops.Context, states []*Observation, actions []Action) (stages, executors tensor.Tensor, nStages, nExecutors []int) {
	windows := make([][]step, len(states))
	for i, o := range states {
		windows[i] = []step{{o: o, wanted: float32(l.Cond.MaxReturn), action: actions[i]}}
	}
	s := l.Network.forward(c, windows)
	for range states {
		nStages, nExecutors = append(nStages, s.stages.Dim(1)), append(nExecutors, s.executors.Dim(1))
	}
	return s.stages.Reshape(s.stages.Len(), 1), s.executors.Reshape(s.executors.Len(), 1), nStages, nExecutors
}
