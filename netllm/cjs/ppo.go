// Learning from one's own episodes: proximal policy optimisation.

package cjs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"netllm/internal/parallel"
	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// PPOConfig shapes a training by proximal policy optimisation (Schulman et al. 2017).
type PPOConfig struct {
	Iterations   int     `json:"iterations"`
	Sequences    int     `json:"sequences"` // of jobs, in an iteration
	Rollouts     int     `json:"rollouts"`  // episodes of each
	Epochs       int     `json:"epochs"`    // over an iteration's decisions
	Batches      int     `json:"batches"`   // optimiser steps in an epoch
	Clip         float64 `json:"clip"`      // of the ratio of probabilities, either side of 1
	TargetKL     float64 `json:"target_kl"` // an iteration ends when decisions are 1.5 times that far, in nats, from those that were played
	Entropy      float64 `json:"entropy"`   // what a decision's entropy is worth, over the log of the number of choices
	Discount     float64 `json:"discount"`  // of rewards, 1/s
	TimeLimit    float64 `json:"time_limit_ms"`
	LearningRate float32 `json:"learning_rate"`
	HalveEvery   int     `json:"halve_every"` // iterations between two halvings of the rate; 0: none
	MaxNorm      float32 `json:"max_norm"`
	Seed         uint64  `json:"seed"`
}

// DefaultPPO is the published training of Decima: 500 iterations of 16 episodes.
func DefaultPPO() PPOConfig {
	return PPOConfig{Iterations: 500, Sequences: 4, Rollouts: 4, Epochs: 3, Batches: 10, Clip: 0.2, TargetKL: 0.01, Entropy: 0.04,
		Discount: 5e-3, TimeLimit: 2e7, LearningRate: 3e-4, HalveEvery: 100, MaxNorm: 0.5, Seed: 1}
}

// Validate reports every field that makes no training.
func (f PPOConfig) Validate() error {
	var errs []error
	for _, n := range []struct {
		name   string
		v, low int
	}{{"iterations", f.Iterations, 1}, {"sequences", f.Sequences, 1}, {"rollouts", f.Rollouts, 2}, {"epochs", f.Epochs, 1}, {"batches", f.Batches, 1}, {"halve_every", f.HalveEvery, 0}} {
		if n.v < n.low {
			errs = append(errs, fmt.Errorf("cjs: ppo: %s is %d, want %d or more", n.name, n.v, n.low))
		}
	}
	if !(f.Clip > 0) || !(f.TargetKL > 0) || !(f.Entropy >= 0) || !(f.Discount >= 0) || !(f.TimeLimit > 0) || !(f.LearningRate > 0) || !(f.MaxNorm >= 0) {
		errs = append(errs, fmt.Errorf("cjs: ppo: clip %v, KL %v, entropy %v, discount %v, time limit %v, learning rate %v, norm %v", f.Clip, f.TargetKL, f.Entropy, f.Discount, f.TimeLimit, f.LearningRate, f.MaxNorm))
	}
	return errors.Join(errs...)
}

// learner is a network that PPO can train.
type learner interface {
	Trained() []*ops.Param

	// sampler makes policies that draw from the network as it is now.
	sampler(b ops.Backend) (Factory, error)

	// scores returns for each observation the scores of the stages that can be chosen and, given the action's stage, of
	// numbers of executors: all in one column each, one observation behind the other, and how many each has.
	scores(c *ops.Context, states []*Observation, actions []Action) (stages, executors tensor.Tensor, nStages, nExecutors []int)
}

// PPOProgress is what a training tells after each iteration.
type PPOProgress struct {
	Iteration, Iterations int
	JCT                   float64 // mean job completion time of the iteration's episodes, s, of the jobs that were completed
	Decisions             int
	KL, Entropy           float64 // of the last epoch: nats per decision; share of the largest possible
}

// ppo is a training at work.
type ppo struct {
	config  PPOConfig
	b       ops.Backend
	learner learner
	trainer *netllm.Trainer
	rng     *rand.Rand

	stepped func() error // after every optimiser step; may be nil
}

// PPO trains a network on episodes of its own. sequences returns those of an iteration, from 0 on; workers play at a time,
// 0 being one per processor. each, if not nil, is told after every iteration. Cancelling ctx ends it with its error.
func (d *DecimaNetwork) PPO(ctx context.Context, b ops.Backend, f PPOConfig, workers int, sequences func(iteration int) ([]*Sequence, error), each func(PPOProgress)) error {
	return trainPPO(ctx, b, d, f, workers, sequences, nil, func(p PPOProgress) error {
		if each != nil {
			each(p)
		}
		return nil
	})
}

func trainPPO(ctx context.Context, b ops.Backend, l learner, f PPOConfig, workers int, sequences func(iteration int) ([]*Sequence, error), stepped func() error, each func(PPOProgress) error) error {
	if err := f.Validate(); err != nil {
		return err
	}
	t := &ppo{config: f, b: b, learner: l, trainer: netllm.NewTrainer(b, l.Trained(), f.LearningRate, f.Seed), rng: rand.New(rand.NewPCG(f.Seed, 0x70706f)), stepped: stepped}
	defer t.trainer.Free()
	t.trainer.MaxNorm, t.trainer.Optimizer.WeightDecay = f.MaxNorm, 0
	for i := range f.Iterations {
		list, err := sequences(i)
		if err != nil {
			return err
		}
		episodes, err := t.play(ctx, list, i, workers)
		if err != nil {
			return err
		}
		p := PPOProgress{Iteration: i + 1, Iterations: f.Iterations}
		var times []float64
		for _, e := range episodes {
			times = append(times, e.jct...)
			p.Decisions += e.pool.Len()
		}
		p.JCT, _ = stats.MeanStdErr(times)
		scale := float32(1)
		if f.HalveEvery > 0 {
			scale = float32(math.Pow(0.5, float64(i/f.HalveEvery)))
		}
		if p.KL, p.Entropy, err = t.learn(ctx, t.samples(episodes), scale); err != nil {
			return err
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// likely is a policy that draws and can tell how likely its last decision was.
type likely interface{ likelihood() float64 }

// episode is what was played.
type episode struct {
	sequence int
	pool     *Pool
	times    []float64 // of the decisions, ms, and of the end
	logp     []float64 // of the decisions
	returns  []float64
	jct      []float64 // of the jobs that were completed, s
}

// play plays all rollouts of an iteration, each until its time limit, which is drawn anew for every sequence.
func (t *ppo) play(ctx context.Context, sequences []*Sequence, iteration, workers int) ([]*episode, error) {
	f := t.config
	sampler, err := t.learner.sampler(t.b)
	if err != nil {
		return nil, err
	}
	limits := make([]float64, len(sequences))
	for i := range limits {
		limits[i] = t.rng.ExpFloat64() * f.TimeLimit
	}
	if sampler.Workers > 0 {
		workers = sampler.Workers
	}
	episodes := make([]*episode, len(sequences)*f.Rollouts)
	var made netllm.Closers
	defer made.Close()
	failed, err := parallel.Each(ctx, len(episodes), workers, func() (func(i int) error, error) {
		p, err := sampler.New()
		if err != nil {
			return nil, err
		}
		made.Add(p)
		env, err := NewEnv(EnvConfig{Discount: f.Discount})
		if err != nil {
			return nil, err
		}
		return func(i int) error {
			s := i / f.Rollouts
			episodes[i] = &episode{sequence: s, pool: &Pool{}}
			return episodes[i].play(ctx, env, p, sequences[s], limits[s], mixSeed(f.Seed, iteration, i))
		}, nil
	}, nil)
	if failed >= 0 {
		return nil, fmt.Errorf("cjs: ppo: sequence %s: %w", sequences[failed/f.Rollouts].ID, err)
	}
	return episodes, err
}

func (e *episode) play(ctx context.Context, env *Env, p Policy, s *Sequence, limit float64, seed uint64) error {
	o, err := env.ResetSequence(s, seed)
	if err != nil {
		return err
	}
	p.Reset(seed)
	for done := false; !done && (o.Time < limit || e.pool.Len() == 0); {
		if e.pool.Len()%watchEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		a, err := p.Decide(o)
		if err != nil {
			return err
		}
		e.pool.add(o, a, 0, e.sequence)
		e.times, e.logp = append(e.times, o.Time), append(e.logp, p.(likely).likelihood())
		step, err := env.Step(a)
		if err != nil {
			return err
		}
		if step.Truncated {
			return ErrStalled
		}
		e.pool.Rewards[e.pool.Len()-1] = step.Reward
		o, done = step.Obs, step.Terminated
	}
	e.times = append(e.times, o.Time)
	e.pool.Done[e.pool.Len()-1] = 1
	for i, at := range env.Completions(nil) {
		if at < o.Time || env.Unfinished() == 0 {
			e.jct = append(e.jct, (at-s.Jobs[i].Arrival)/1000)
		}
	}
	return e.pool.index()
}

// sample is a decision that was played, with how much better it turned out than others at its time.
type sample struct {
	e         *episode
	i         int
	advantage float64
	logp      float64 // of the decision when it was played
}

// samples compares each decision's return with the mean, over all rollouts of the same jobs, of the returns at that
// time, and brings the differences to a standard deviation of one.
func (t *ppo) samples(episodes []*episode) []sample {
	for _, e := range episodes {
		e.returns = make([]float64, e.pool.Len())
		next := 0.0
		for i := len(e.returns) - 1; i >= 0; i-- {
			next = e.pool.Rewards[i] + math.Exp(-t.config.Discount*1e-3*(e.times[i+1]-e.times[i]))*next
			e.returns[i] = next
		}
	}
	var list []sample
	var all []float64
	for _, e := range episodes {
		for i, r := range e.returns {
			mean, n := 0.0, 0.0
			for _, other := range episodes {
				if other.sequence == e.sequence {
					mean, n = mean+other.at(e.times[i]), n+1
				}
			}
			list = append(list, sample{e: e, i: i, advantage: r - mean/n, logp: e.logp[i]})
			all = append(all, r-mean/n)
		}
	}
	mean, sd := stats.MeanSD(all)
	for i := range list {
		list[i].advantage = (list[i].advantage - mean) / (sd + 1e-8)
	}
	return list
}

// at is the episode's return at a time, between decisions by interpolation, and 0 after its end.
func (e *episode) at(time float64) float64 {
	n := len(e.returns)
	i := sort.SearchFloat64s(e.times[:n], time)
	switch {
	case i == n:
		return 0
	case i == 0 || e.times[i] == time:
		return e.returns[i]
	}
	share := (time - e.times[i-1]) / (e.times[i] - e.times[i-1])
	return e.returns[i-1] + share*(e.returns[i]-e.returns[i-1])
}

// ppoPass is how many decisions go through the network at a time.
const ppoPass = 64

// learn does an iteration's optimiser steps and returns how far decisions went from those that were played, and the mean
// entropy, of the last epoch.
func (t *ppo) learn(ctx context.Context, list []sample, scale float32) (kl, entropy float64, err error) {
	f := t.config
	for range f.Epochs {
		t.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		kl, entropy = 0, 0
		for batch := range slices.Chunk(list, (len(list)+f.Batches-1)/f.Batches) {
			if err := ctx.Err(); err != nil {
				return 0, 0, err
			}
			var sum passed
			for part := range slices.Chunk(batch, ppoPass) {
				p, err := t.pass(part, weights{1 / float64(len(batch)), f.Clip, f.Entropy})
				if err != nil {
					return 0, 0, err
				}
				sum.kl, sum.entropy = sum.kl+p.kl, sum.entropy+p.entropy
			}
			kl, entropy = kl+sum.kl/float64(len(list)), entropy+sum.entropy/float64(len(list))
			if sum.kl/float64(len(batch)) > 1.5*f.TargetKL {
				ops.ZeroGrad(t.trainer.Context, t.learner.Trained())
				return sum.kl / float64(len(batch)), sum.entropy / float64(len(batch)), nil
			}
			if err := t.trainer.Step(scale); err != nil {
				return 0, 0, err
			}
			if t.stepped != nil {
				if err := t.stepped(); err != nil {
					return 0, 0, err
				}
			}
		}
	}
	return kl, entropy, nil
}
