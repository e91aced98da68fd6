// Proximal policy optimisation of a Pensieve on sessions of its own.

package abr

import (
	"context"
	"errors"
	"fmt"

	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// PensievePPO shapes proximal policy optimisation (Schulman et al. 2017) with generalised advantages (Schulman et al. 2016).
type PensievePPO struct {
	Iterations int     `json:"iterations"` // 0: none
	Epochs     int     `json:"epochs"`     // over an iteration's decisions
	Batch      int     `json:"batch"`      // decisions in an optimiser step
	Clip       float64 `json:"clip"`       // of the ratio of probabilities, either side of 1
	TargetKL   float64 `json:"target_kl"`  // an iteration's policy steps end when decisions are 1.5 times that far, in nats, from those that were played
	Entropy    float64 `json:"entropy"`    // what a nat of a decision's entropy is worth at first, in standard deviations of the advantage; falls to nothing
	Discount   float64 `json:"discount"`   // of rewards, per decision
	Lambda     float64 `json:"lambda"`     // of generalised advantages
	Rate       float32 `json:"rate"`       // learning rate of the actor at the beginning; falls in a line
	CriticRate float32 `json:"critic_rate"`
	Alone      int     `json:"critic_alone"` // iterations at the beginning in which the critic alone learns
}

// DefaultPensievePPO returns this project's choice: of a few settings, that which was best on held-out training traces after
// some fifty iterations.
func DefaultPensievePPO() PensievePPO {
	return PensievePPO{Iterations: 120, Epochs: 2, Batch: 512, Clip: 0.2, TargetKL: 0.02, Entropy: 0.01,
		Discount: 0.99, Lambda: 0.9, Rate: 1e-3, CriticRate: 1e-3, Alone: 10}
}

// Validate reports every field that makes no training.
func (f PensievePPO) Validate() error {
	var errs []error
	for _, n := range []struct {
		name   string
		v, low int
	}{{"iterations", f.Iterations, 0}, {"epochs", f.Epochs, 1}, {"batch", f.Batch, 1}, {"critic_alone", f.Alone, 0}} {
		if n.v < n.low {
			errs = append(errs, fmt.Errorf("abr: pensieve: ppo: %s is %d, want %d or more", n.name, n.v, n.low))
		}
	}
	if !(f.Clip > 0) || !(f.TargetKL > 0) || !(f.Entropy >= 0) || !(f.Rate > 0) || !(f.CriticRate > 0) {
		errs = append(errs, fmt.Errorf("abr: pensieve: ppo: clip %v, KL %v, entropy %v, learning rates %v and %v", f.Clip, f.TargetKL, f.Entropy, f.Rate, f.CriticRate))
	}
	if !(f.Discount > 0 && f.Discount <= 1) || !(f.Lambda >= 0 && f.Lambda <= 1) {
		errs = append(errs, fmt.Errorf("abr: pensieve: ppo: discount %v, lambda %v", f.Discount, f.Lambda))
	}
	return errors.Join(errs...)
}

// returnScale is what the critic's unit is worth, QoE.
const returnScale = 10

// ownPlay are the decisions of an iteration, session after session, each with a slot of its own.
type ownPlay struct {
	x       []float32 // [N, inputs of the critic], the actor's first
	actions []int     // qualities
	rewards []float64

	logp       []float64 // of the actions when they were played
	advantages []float64 // mean 0, standard deviation 1
	targets    []float32 // of the critic: returns over returnScale
	unknown    float64   // share of the variance of returns that the critic did not foresee
}

// optimise does all iterations.
func (t *pensieveTraining) optimise(ctx context.Context) error {
	f := t.r.PPO
	actor := netllm.NewTrainer(t.b, t.net.actor.params(), f.Rate, t.r.Seed)
	defer actor.Free()
	critic := netllm.NewTrainer(t.b, t.net.critic.params(), f.CriticRate, t.r.Seed)
	defer critic.Free()
	for _, trainer := range []*netllm.Trainer{actor, critic} {
		trainer.MaxNorm, trainer.Optimizer.WeightDecay = 0.5, 0
	}
	p := &t.progress
	p.Cloning, p.Decisions, p.Of = false, 0, f.Iterations
	if err := t.selection.Stepped(); err != nil { // what the training begins with counts, too
		return err
	}
	if err := t.look(ctx); err != nil {
		return err
	}
	p.Done = 0
	t.tell()
	for i := range f.Iterations {
		sessions, err := t.opt.Play(i)
		if err != nil {
			return err
		}
		own, err := t.play(ctx, sessions, mixSeed(mixSeed(t.r.Seed, i), 0))
		if err != nil {
			return err
		}
		if err := t.judge(own); err != nil {
			return err
		}
		left := 1 - float64(i)/float64(f.Iterations)
		if i >= f.Alone {
			if err := t.improve(ctx, actor, own, left); err != nil {
				return err
			}
		}
		if err := t.foresee(ctx, critic, own); err != nil {
			return err
		}
		p.Done, p.ValueError = i+1, own.unknown
		p.QoE, _ = stats.MeanSD(own.rewards)
		p.Decisions += len(own.actions)
		if i >= f.Alone && (p.Done%t.r.ValidEvery == 0 || p.Done == f.Iterations) {
			if err := t.look(ctx); err != nil {
				return err
			}
		}
		t.tell()
	}
	return nil
}

// play plays an iteration's sessions, drawing actions.
func (t *pensieveTraining) play(ctx context.Context, sessions []Session, seed uint64) (*ownPlay, error) {
	now, err := t.net.Pensieve(t.b)
	if err != nil {
		return nil, err
	}
	config := t.net.Config
	n, short, long := len(sessions)*Decisions, config.length(), config.length()+len(comingSec)
	own := &ownPlay{x: make([]float32, n*long), actions: make([]int, n), rewards: make([]float64, n)}
	err = runAll(ctx, now.sampled(seed), t.opt.Video, sessions, runOptions{workers: t.opt.Workers}, func(i int) observer {
		at := i * Decisions
		in := newPensieveInput(config)
		var trace lap
		return observer{
			began: func(*Observation) { trace = newLap(sessions[i].Trace) },
			decided: func(o *Observation, quality int) {
				var state [Features * History]float32
				o.StateFloat32(state[:])
				x := own.x[at*long : (at+1)*long]
				copy(x, in.push(&state))
				coming(x[short:], &trace, o.Last.TraceSec)
				own.actions[at] = quality
			},
			stepped: func(step netllm.Step[*Observation]) {
				own.rewards[at] = step.Reward
				at++
			},
		}
	})
	return own, err
}

// passSize is how many decisions go through a network at a time where there is no gradient.
const passSize = 1024

// each calls visit with the outputs [n, out] of a network for parts of the decisions, the first of which is at.
func (t *pensieveTraining) each(net *pensieveTower, own *ownPlay, visit func(at, n int, out []float32)) error {
	long := len(own.x) / len(own.actions)
	for at := 0; at < len(own.actions); at += passSize {
		n := min(passSize, len(own.actions)-at)
		t.c.Reset()
		x := t.c.Float32s(own.x[at*long:(at+n)*long], n, long)
		out, err := t.c.Floats(net.forward(t.c, x))
		if err != nil {
			return err
		}
		visit(at, n, out)
	}
	return nil
}

// judge notes how likely the actions were, and by how much each session went better from them on than the critic had
// foreseen.
func (t *pensieveTraining) judge(own *ownPlay) error {
	f, n := t.r.PPO, len(own.actions)
	own.logp, own.advantages, own.targets = make([]float64, n), make([]float64, n), make([]float32, n)
	err := t.each(t.net.actor, own, func(at, n int, scores []float32) {
		for i := range n {
			own.logp[at+i] = netllm.NewOdds(scores[i*Qualities:(i+1)*Qualities], own.actions[at+i]).LogP
		}
	})
	if err != nil {
		return err
	}
	values := make([]float64, n)
	err = t.each(t.net.critic, own, func(at, n int, out []float32) {
		for i, v := range out {
			values[at+i] = float64(v) * returnScale
		}
	})
	if err != nil {
		return err
	}
	returns, missed := make([]float64, n), make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		next, later, after := 0.0, 0.0, 0.0 // of a session's last decision
		if (i+1)%Decisions != 0 {
			next, later, after = values[i+1], own.advantages[i+1], returns[i+1]
		}
		delta := own.rewards[i] + f.Discount*next - values[i]
		own.advantages[i] = delta + f.Discount*f.Lambda*later
		own.targets[i] = float32((own.advantages[i] + values[i]) / returnScale)
		returns[i] = own.rewards[i] + f.Discount*after
		missed[i] = returns[i] - values[i]
	}
	_, sd := stats.MeanSD(returns)
	_, left := stats.MeanSD(missed)
	own.unknown = left * left / (sd*sd + 1e-8)
	mean, sd := stats.MeanSD(own.advantages)
	for i := range own.advantages {
		own.advantages[i] = min(max((own.advantages[i]-mean)/(sd+1e-8), -mostAdvantage), mostAdvantage)
	}
	return nil
}

// mostAdvantage is how large an advantage may be, in standard deviations: a session on a trace that brings next to nothing is
// to leave something to learn of the others.
const mostAdvantage = 10

// batches calls step with the decisions in a new order, some at a time, until it says that it is done.
func (t *pensieveTraining) batches(ctx context.Context, own *ownPlay, step func(batch []int) (done bool, err error)) (bool, error) {
	order := t.rng.Perm(len(own.actions))
	size := t.r.PPO.Batch
	for at := 0; at < len(order); at += size {
		if err := ctx.Err(); err != nil {
			return true, err
		}
		if done, err := step(order[at:min(at+size, len(order))]); done || err != nil {
			return true, err
		}
	}
	return false, nil
}

// improve does an iteration's steps of the actor. left is the share of the training that is to come.
func (t *pensieveTraining) improve(ctx context.Context, trainer *netllm.Trainer, own *ownPlay, left float64) error {
	f, p := t.r.PPO, &t.progress
	long, short := len(own.x)/len(own.actions), t.net.Config.length()
	var x []float32
	p.PolicySteps, p.PolicyStopped = 0, false
	for range f.Epochs {
		p.KL, p.Entropy = 0, 0
		done, err := t.batches(ctx, own, func(batch []int) (bool, error) {
			x = x[:0]
			for _, at := range batch {
				x = append(x, own.x[at*long:at*long+short]...)
			}
			share := 1 / float64(len(batch))
			kl := 0.0
			err := t.learnScores(trainer, x, len(batch), func(i int, scores, g []float32) {
				at := batch[i]
				odds := netllm.NewOdds(scores, own.actions[at])
				pull, gone := netllm.Clipped(odds.LogP-own.logp[at], own.advantages[at], f.Clip)
				kl += gone * share
				p.Entropy += odds.Entropy / float64(len(own.actions))
				odds.Gradient(g, pull*share, f.Entropy*left*share)
			})
			if err != nil {
				return true, err
			}
			if p.KL += kl * float64(len(batch)) / float64(len(own.actions)); kl > 1.5*f.TargetKL {
				p.KL, p.PolicyStopped = kl, true
				ops.ZeroGrad(trainer.Context, t.net.actor.params())
				return true, nil
			}
			p.PolicySteps++
			if err := trainer.Step(float32(left)); err != nil {
				return true, err
			}
			return false, t.selection.Stepped()
		})
		if done || err != nil {
			return err
		}
	}
	return nil
}

// foresee does an iteration's steps of the critic.
func (t *pensieveTraining) foresee(ctx context.Context, trainer *netllm.Trainer, own *ownPlay) error {
	long := len(own.x) / len(own.actions)
	var x, targets []float32
	for range t.r.PPO.Epochs {
		_, err := t.batches(ctx, own, func(batch []int) (bool, error) {
			x, targets = x[:0], targets[:0]
			for _, at := range batch {
				x, targets = append(x, own.x[at*long:(at+1)*long]...), append(targets, own.targets[at])
			}
			_, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
				values := t.net.critic.forward(c, c.Float32s(x, len(batch), long))
				return ops.MSE(c, values, c.Float32s(targets, len(batch), 1))
			})
			if err != nil {
				return true, err
			}
			return false, trainer.Step(1)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
