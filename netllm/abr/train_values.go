// Learning from a planner: what every quality is worth, in the states that the policy gets into.

package abr

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// ValuesProgress is what [Adapter.TrainValues] tells as it goes.
type ValuesProgress struct {
	Step, Steps int     // optimiser steps done, and in all
	Round       int     // of relabelling
	Decisions   int     // of the pool
	Loss        float64 // mean over the step's windows
	Valid       float64 // mean QoE of the validation sessions, where it was just measured; else NaN
	Best        float64 // the largest so far; NaN before the first
}

// ValuesOptions is what learning values needs beside a pool.
type ValuesOptions struct {
	Valid []Playlist // by which weights are chosen: those with the largest mean QoE

	// Own returns the sessions that the policy plays in a round of relabelling, from 1 on.
	Own func(round int) ([]Playlist, error)

	// Open returns a backend for one of so many players at a time, see [Adapter.Factory].
	Open    func() ops.Backend
	Workers int

	Each func(ValuesProgress) // told after every optimiser step; may be nil
}

// valuesTraining is one adaptation at work.
type valuesTraining struct {
	a       *Adapter
	b       ops.Backend
	opt     ValuesOptions
	data    *dataset
	regrets []float32 // [N, 6], what each quality loses to the best
	trainer *netllm.Trainer
	rng     *rand.Rand
	steps   Steps
	starts  []int

	selection *netllm.Selection
	progress  ValuesProgress
}

// TrainValues trains the adapter on a pool with a planner's values. Between parts of the training the policy plays sessions by
// itself, and what a [Planner] says of its states joins the pool. It ends with those weights that were best on the validation
// sessions. Cancelling ctx ends it with its error. It fails at the first loss or gradient that is not finite.
func (a *Adapter) TrainValues(ctx context.Context, b ops.Backend, pool *netllm.Pool, opt ValuesOptions) error {
	r := a.Recipe
	if err := r.Validate(); err != nil {
		return err
	}
	switch {
	case r.Windows == 0:
		return fmt.Errorf("abr: recipe %q learns no values", r.Name)
	case len(pool.Values) != pool.Len()*Qualities:
		return fmt.Errorf("abr: a pool without a planner's values, which recipe %q learns", r.Name)
	case countSessions(opt.Valid) == 0 || r.Rounds > 0 && opt.Own == nil:
		return fmt.Errorf("abr: learning values: %d validation sessions; rounds of relabelling need sessions", countSessions(opt.Valid))
	}
	t := &valuesTraining{a: a, b: b, opt: opt, rng: rand.New(rand.NewPCG(r.Seed, 0x76616c756573))}
	if err := t.use(pool); err != nil {
		return err
	}
	params := a.Params()
	t.trainer = netllm.NewTrainer(b, params, r.LearningRate, r.Seed)
	defer t.trainer.Free()
	t.trainer.MaxNorm, t.trainer.ClipEach, t.trainer.Optimizer.WeightDecay = r.MaxNorm, r.ClipEach, r.WeightDecay
	t.selection = netllm.NewSelection(b, params, r.Average)
	if err := t.run(ctx); err != nil {
		return err
	}
	return t.selection.Finish()
}

// use takes the transitions of a pool for training.
func (t *valuesTraining) use(pool *netllm.Pool) error {
	r := t.a.Recipe
	data, err := newDataset(pool, r.Gamma, r.Scale, r.MinQuantile)
	if err != nil {
		return err
	}
	data.earlier = r.Network.history() - History
	t.data, t.a.Cond, t.progress.Decisions = data, data.cond, pool.Len()
	t.regrets = append(t.regrets[:0], pool.Values...)
	for i := 0; i < len(t.regrets); i += Qualities {
		row := t.regrets[i : i+Qualities]
		best := row[0]
		for _, v := range row {
			best = max(best, v)
		}
		for q, v := range row {
			row[q] = min(best-v, float32(r.MostRegret))
		}
	}
	return nil
}

func (t *valuesTraining) run(ctx context.Context) error {
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
			if err := t.relabel(ctx); err != nil {
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
func (t *valuesTraining) step() (float64, error) {
	r := t.a.Recipe
	var sum float64
	for range r.Accumulate {
		t.starts = t.starts[:0]
		for range r.Batch {
			t.starts = append(t.starts, t.rng.IntN(t.data.pool.Len()))
		}
		t.data.batch(&t.steps, t.starts, 1)
		loss, err := t.trainer.Accumulate(1/float32(r.Accumulate), t.loss)
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

// loss is that of the batch, see [Recipe].
func (t *valuesTraining) loss(c *ops.Context) tensor.Tensor {
	scores := t.a.Network.Logits(c, t.steps)
	n := scores.Len()
	regrets, ids := make([]float32, 0, n), make([]int32, 0, n)
	for i, at := range t.starts {
		for q := range Qualities {
			regrets, ids = append(regrets, t.regrets[at*Qualities+q]), append(ids, int32(i))
		}
	}
	if t.a.Recipe.Loss == ValueLoss {
		for i := range regrets {
			regrets[i] = -regrets[i]
		}
		return ops.MSE(c, scores, c.Float32s(regrets, len(t.starts), Qualities))
	}
	for i := range regrets {
		regrets[i] /= float32(len(t.starts))
	}
	chances := ops.SegmentSoftmax(c, scores.Reshape(n, 1), c.Int32s(ids, n), len(t.starts))
	return ops.MatMul(c, c.Float32s(regrets, 1, n), chances).Reshape(1)
}

// policy is the adapter as it is now.
func (t *valuesTraining) policy(name string) Factory {
	return t.a.Factory(name, t.a.Cond.MaxReturn, t.opt.Workers, t.opt.Open)
}

// look plays the validation sessions and keeps the weights if they are the best so far.
func (t *valuesTraining) look(ctx context.Context) error {
	lost, err := t.selection.Look(func() (float64, error) {
		sum := 0.0
		for _, p := range t.opt.Valid {
			r, err := Evaluate(ctx, t.policy("validation"), p.Video, p.Sessions, EvalOptions{Workers: t.opt.Workers})
			if err != nil {
				return 0, err
			}
			sum += r.Mean * (float64(len(p.Sessions)) / float64(countSessions(t.opt.Valid))) // of one video: exactly its mean
		}
		return -sum, nil
	})
	t.progress.Valid, t.progress.Best = -lost, -t.selection.Best
	return err
}

// relabel has the policy play, and a planner say what it could have done.
func (t *valuesTraining) relabel(ctx context.Context) error {
	plays, err := t.opt.Own(t.progress.Round)
	if err != nil {
		return err
	}
	return t.selection.Try(func() error {
		all := transitionsOf(t.data.pool)
		for _, p := range plays {
			more, err := Collect(ctx, t.policy("own states"), p.Video, p.Sessions, CollectOptions{Workers: t.opt.Workers, Values: true})
			if err != nil {
				return err
			}
			all.Append(more)
		}
		return t.use(all.Pool(t.data.pool.Meta))
	})
}

// transitionsOf is the inverse of [Transitions.Pool], in memory of its own.
func transitionsOf(p *netllm.Pool) *Transitions {
	t := &Transitions{}
	t.Append(&Transitions{States: p.States, Actions: p.Actions, Rewards: p.Rewards, Done: p.Done, Episodes: p.Episode, Values: p.Values})
	return t
}
