// Policy-gradient steps for an adapter.

package cjs

import (
	"context"
	"errors"

	"netllm/ops"
	"netllm/tensor"
)

// PPO trains the adapter on episodes of its own, in which it draws its decisions, see [DecimaNetwork.PPO]. Its windows must have
// one decision. open is as in [Adapter.Factory].
func (a *Adapter) PPO(ctx context.Context, b ops.Backend, f PPOConfig, workers int, open func() ops.Backend, sequences func(iteration int) ([]*Sequence, error), each func(PPOProgress)) error {
	if a.Network.Config.Window != 1 {
		return errors.New("cjs: ppo: the network remembers decisions, which is not supported")
	}
	return trainPPO(ctx, b, adapterLearner{a, workers, open}, f, workers, sequences, each)
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
