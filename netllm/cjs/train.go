// Adaptation: how a network is trained.

package cjs

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// Progress is what an adaptation tells as it goes.
type Progress struct {
	Step, Steps int     // optimiser steps done, and in all
	Round       int     // of relabelling
	Decisions   int     // of the pool
	Loss        float64 // mean over the step's windows
	Valid       float64 // mean job completion time of the validation sequences, s, where it was just measured; else NaN
	Best        float64 // the smallest so far; NaN before the first
}

// TrainOptions is what an adaptation needs beside a pool.
type TrainOptions struct {
	// Valid are sequences by which weights are chosen: those with the smallest mean job completion time.
	Valid []*Sequence

	// Own returns the sequences that the policy plays in a round of relabelling, from 1 on, and Teacher says
	// what it should have done.
	Own     func(round int) ([]*Sequence, error)
	Teacher Factory

	// Anew, if set, gives the pool that is trained on from a round on, in the place of relabelling: what the policy as it
	// is plays by itself, say, as reinforcement learning does.
	Anew func(round int) (*Pool, error)

	// Open returns a backend for one of so many players at a time, see [Adapter.Factory].
	Open    func() ops.Backend
	Workers int

	Each func(Progress) // told after every optimiser step; may be nil
}

// training is one adaptation at work.
type training struct {
	a       *Adapter
	b       ops.Backend
	opt     TrainOptions
	data    *dataset
	starts  []int
	trainer *netllm.Trainer
	rng     *rand.Rand
	batch   batch

	selection *netllm.Selection
	progress  Progress
}

// Train trains the adapter's matrices, modules and whatever of the body is not frozen on a pool, which rounds of relabelling
// make larger, and ends with those weights that were best on the validation sequences. Cancelling ctx ends it with its
// error. It fails at the first loss or gradient that is not finite.
func (a *Adapter) Train(ctx context.Context, b ops.Backend, pool *Pool, opt TrainOptions) error {
	r := a.Recipe
	if err := r.Validate(); err != nil {
		return err
	}
	if len(opt.Valid) == 0 || r.Rounds > 0 && opt.Anew == nil && (opt.Own == nil || opt.Teacher.New == nil) {
		return fmt.Errorf("cjs: training: %d validation sequences; rounds of relabelling need sequences and a teacher", len(opt.Valid))
	}
	whole := &Pool{Meta: pool.Meta}
	whole.Join(pool)
	t := &training{a: a, b: b, opt: opt, rng: rand.New(rand.NewPCG(r.Seed, 0x647261777320776e))}
	if err := t.use(whole); err != nil {
		return err
	}
	params := a.Trained()
	t.trainer = netllm.NewTrainer(b, params, r.LearningRate, r.Seed)
	defer t.trainer.Free()
	t.trainer.MaxNorm, t.trainer.ClipEach, t.trainer.Optimizer.WeightDecay = r.MaxNorm, r.ClipEach, r.WeightDecay
	t.selection = netllm.NewSelection(b, params, r.Average)
	if err := t.run(ctx, whole); err != nil {
		return err
	}
	return t.selection.Finish()
}

// use takes the decisions of a pool for training.
func (t *training) use(pool *Pool) error {
	data, err := newDataset(pool, t.a.Recipe.Relative)
	if err != nil {
		return err
	}
	t.data, t.starts = data, data.windows(t.a.Recipe.Network.Window)
	if len(t.starts) == 0 {
		return fmt.Errorf("cjs: a pool of %d decisions has no window of %d in which there is anything to decide", pool.Len(), t.a.Recipe.Network.Window)
	}
	t.a.Cond, t.progress.Decisions = data.cond, pool.Len()
	return nil
}

func (t *training) run(ctx context.Context, pool *Pool) error {
	r := t.a.Recipe
	perStep := r.Batch * r.Accumulate
	p := &t.progress
	p.Steps, p.Best = (r.Windows+perStep-1)/perStep, math.NaN()
	for p.Step < p.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if round := p.Step * (r.Rounds + 1) / p.Steps; round > p.Round {
			p.Round = round
			if err := t.relabel(ctx, pool); err != nil {
				return err
			}
		}
		var err error
		if p.Loss, err = t.step(); err != nil {
			return err
		}
		p.Step, p.Valid = t.trainer.Steps(), math.NaN()
		if seen := p.Step * perStep; seen/r.ValidEvery > (seen-perStep)/r.ValidEvery || p.Step == p.Steps {
			if err := t.look(ctx); err != nil {
				return err
			}
		}
		if t.opt.Each != nil {
			t.opt.Each(*p)
		}
	}
	return nil
}

// step does one optimiser step and returns the mean loss.
func (t *training) step() (float64, error) {
	r := t.a.Recipe
	var sum float64
	for range r.Accumulate {
		t.data.draw(&t.batch, t.a.Network, t.starts, r.Batch, t.rng)
		loss, err := t.trainer.Accumulate(1/float32(r.Accumulate), func(c *ops.Context) tensor.Tensor { return t.a.Network.loss(c, t.batch.windows) })
		if err != nil {
			return 0, err
		}
		sum += loss / float64(r.Accumulate)
	}
	done := t.trainer.Steps()
	if err := t.trainer.Step(ops.WarmUp(done, min(r.WarmUp, t.progress.Steps/10)) * ops.Cosine(done, t.progress.Steps, r.Floor)); err != nil {
		return 0, err
	}
	return sum, t.selection.Stepped()
}

// look plays the validation sequences and keeps the weights if they are the best so far.
func (t *training) look(ctx context.Context) (err error) {
	t.progress.Valid, err = t.selection.Look(func() (float64, error) {
		r, err := Evaluate(ctx, t.a.Factory("validation", t.opt.Workers, t.opt.Open), t.opt.Valid, EvalOptions{Workers: t.opt.Workers, Seed: t.a.Recipe.Seed})
		if err != nil {
			return 0, err
		}
		return r.Mean, nil
	})
	t.progress.Best = t.selection.Best
	return err
}

// relabel has the policy play, and the teacher say what it should have done; or the policy play what it learns from next.
func (t *training) relabel(ctx context.Context, pool *Pool) error {
	if t.opt.Anew != nil {
		return t.selection.Try(func() error {
			next, err := t.opt.Anew(t.progress.Round)
			if err != nil {
				return err
			}
			return t.use(next)
		})
	}
	sequences, err := t.opt.Own(t.progress.Round)
	if err != nil {
		return err
	}
	return t.selection.Try(func() error {
		f := t.a.Factory("own states", t.opt.Workers, t.opt.Open)
		more, err := Collect(ctx, f, sequences, CollectOptions{Workers: t.opt.Workers, Seed: t.a.Recipe.Seed + uint64(t.progress.Round), Teacher: &t.opt.Teacher})
		if err != nil {
			return err
		}
		next := int32(0) // the jobs are new: no other episode of the pool is compared with these
		for _, s := range pool.Sequence {
			next = max(next, s+1)
		}
		for i := range more.Sequence {
			more.Sequence[i] += next
		}
		pool.Join(more)
		return t.use(pool)
	})
}
