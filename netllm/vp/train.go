// Adaptation: how a network is trained on windows.

package vp

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
	Epoch       int     // from 0
	Loss        float64 // mean over the step's windows
	Valid       float64 // the error that the weights are chosen by, where it was just measured; else NaN
	Best        float64 // the smallest so far; NaN before the first
}

// training is one adaptation at work.
type training struct {
	a         *Adapter
	b         ops.Backend
	trainer   *netllm.Trainer
	predictor *Learned // for the validation windows
	rng       *rand.Rand
	valid     []Window
	selection *netllm.Selection
}

// Train trains the adapter's matrices, modules and whatever of the body is not frozen on
// windows, and ends with those weights that were best on valid. each, if not nil, is told after
// every optimiser step. Cancelling ctx ends it with its error. It fails at the first loss or
// gradient that is not finite.
func (a *Adapter) Train(ctx context.Context, b ops.Backend, windows, valid []Window, each func(Progress)) error {
	if err := a.Recipe.Validate(); err != nil {
		return err
	}
	if len(windows) == 0 || len(valid) == 0 {
		return fmt.Errorf("vp: %d windows to train on and %d to choose by", len(windows), len(valid))
	}
	r, params := a.Recipe, a.Trained()
	t := &training{a: a, b: b, valid: valid}
	t.trainer, t.predictor = netllm.NewTrainer(b, params, r.LearningRate, r.Seed), a.NewLearned(ops.NewContext(b), true)
	t.rng = rand.New(rand.NewPCG(r.Seed, 0x7368756666)) // the stream is the shuffling's own
	defer t.trainer.Free()
	defer t.predictor.Close()
	t.trainer.MaxNorm, t.trainer.ClipEach, t.trainer.Optimizer.WeightDecay = r.MaxNorm, r.ClipEach, r.WeightDecay
	if n, ok := a.Network.(*Published); ok && r.ClipHead {
		t.trainer.Clipped, t.trainer.Optimizer.Undecayed = append(a.Body.Params(), n.clipped()...), n.undecayed()
	}
	t.selection = netllm.NewSelection(b, params, r.Average)
	if err := t.run(ctx, windows, each); err != nil {
		return err
	}
	return t.selection.Finish()
}

// run goes through all epochs.
func (t *training) run(ctx context.Context, windows []Window, each func(Progress)) error {
	r := t.a.Recipe
	perStep := r.Batch * r.Accumulate
	p := Progress{Steps: (len(windows) + perStep - 1) / perStep * r.Epochs}
	order := make([]Window, len(windows))
	seen := 0
	for p.Epoch = range r.Epochs {
		copy(order, windows)
		t.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for rest := order; len(rest) > 0; {
			group := rest[:min(perStep, len(rest))]
			rest = rest[len(group):]
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			if p.Loss, err = t.step(group, p.Steps); err != nil {
				return err
			}
			p.Step, p.Valid = t.trainer.Steps(), math.NaN()
			before := seen
			seen += len(group)
			if seen/r.ValidEvery > before/r.ValidEvery || p.Step == p.Steps {
				if p.Valid, err = t.look(ctx); err != nil {
					return err
				}
			}
			p.Best = t.selection.Best
			if each != nil {
				each(p)
			}
		}
	}
	return nil
}

// step does one optimiser step over the windows of group and returns their mean loss.
func (t *training) step(group []Window, total int) (float64, error) {
	r := t.a.Recipe
	var sum float64
	for rest := group; len(rest) > 0; {
		ws := rest[:min(r.Batch, len(rest))]
		rest = rest[len(ws):]
		rollout := r.Rollout > 0 && t.rng.Float64() <= r.Rollout
		if r.MinHistory > 0 {
			history := r.MinHistory + t.rng.IntN(r.Windows.History-r.MinHistory+1)
			for i := range ws {
				ws[i].History = history
			}
		}
		var failed error
		loss, err := t.trainer.Accumulate(1/float32(r.Accumulate), func(c *ops.Context) tensor.Tensor {
			var l tensor.Tensor
			if l, failed = t.a.Network.Loss(c, ws, rollout); failed != nil {
				return c.Float32s([]float32{float32(math.NaN())}, 1)
			}
			return l
		})
		if failed != nil {
			return 0, failed
		}
		if err != nil {
			return 0, err
		}
		sum += loss * float64(len(ws))
	}
	done := t.trainer.Steps()
	if err := t.trainer.Step(ops.WarmUp(done, min(r.WarmUp, total/10)) * ops.Cosine(done, total, r.Floor)); err != nil {
		return 0, err
	}
	return sum / float64(len(group)), t.selection.Stepped()
}

// look measures the error on the validation windows and keeps the weights if it is the smallest
// so far.
func (t *training) look(ctx context.Context) (float64, error) {
	return t.selection.Look(func() (float64, error) {
		f := Factory{Name: "validation", Batch: learnedBatch, New: func() (Predictor, error) { return struct{ Predictor }{t.predictor}, nil }} // which stays
		return t.judge(ctx, f)
	})
}

// judge measures the validation windows: of the published network the mean squared
// error of normalised angles, as published, else the error of the evaluation.
func (t *training) judge(ctx context.Context, f Factory) (float64, error) {
	if t.a.Recipe.Network.Kind != PublishedKind {
		r, err := Evaluate(ctx, f, t.valid, EvalOptions{Workers: 1})
		if err != nil {
			return 0, err
		}
		return r.Mean, nil
	}
	answers := make([]Angles, len(t.valid)*t.valid[0].Horizon)
	if err := predictAll(ctx, f, t.valid, answers, EvalOptions{Workers: 1}); err != nil {
		return 0, err
	}
	var sum float64
	for i, w := range t.valid {
		for k, truth := range w.Future() {
			for axis, g := range truth {
				d := float64(normalise(answers[i*w.Horizon+k][axis], axis) - normalise(g, axis))
				sum += d * d
			}
		}
	}
	return sum / float64(3*len(answers)), nil
}
