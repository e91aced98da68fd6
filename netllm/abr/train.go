// Adaptation: how the learned policy is trained from a pool.

package abr

import (
	"context"
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// Progress is what an adaptation tells as it goes.
type Progress struct {
	Step, Steps int     // optimiser steps done, and in all
	Epoch       int     // from 0
	Loss        float64 // mean cross-entropy of the step, nats per decision
}

// Train trains network and body's parameters on pool as r says; nothing else changes. each,
// if not nil, is told after every optimiser step. Cancelling ctx ends it with
// its error. It fails at the first loss or gradient that is not finite.
func Train(ctx context.Context, b ops.Backend, network *Network, body []*ops.Param, pool *netllm.Pool, r Recipe, each func(Progress)) (cond Conditioning, err error) {
	err = trainEpochs(ctx, b, network, body, r, func(int) (*netllm.Pool, error) { return pool, nil }, func(f Conditioning) { cond = f }, each)
	return cond, err
}

// trainEpochs goes over the pool that next gives for each epoch, from 0 on, all with as many windows. told has the
// conditioning of each pool that is not the one before.
func trainEpochs(ctx context.Context, b ops.Backend, network *Network, body []*ops.Param, r Recipe,
	next func(epoch int) (*netllm.Pool, error), told func(Conditioning), each func(Progress)) error {
	if err := r.Validate(); err != nil {
		return err
	}
	trainer := netllm.NewTrainer(b, append(body, network.Params()...), r.LearningRate, r.Seed)
	defer trainer.Free()
	trainer.MaxNorm, trainer.ClipEach, trainer.Optimizer.WeightDecay = r.MaxNorm, r.ClipEach, r.WeightDecay
	rng := rand.New(rand.NewPCG(r.Seed, 0x7368756666)) // the stream is the shuffling's own
	w := network.Config.Window
	perStep := r.Batch * r.Accumulate
	var known *netllm.Pool
	var data *dataset
	var starts []int
	total := 0
	var steps Steps
	for epoch := range r.Epochs {
		pool, err := next(epoch)
		if err != nil {
			return err
		}
		if pool != known {
			if data, err = newDataset(pool, r.Gamma, r.Scale, r.MinQuantile); err != nil {
				return err
			}
			windows := data.windows(w, r.Stride, r.WholeEpisodes)
			switch {
			case len(windows) == 0:
				return fmt.Errorf("abr: a pool of %d transitions has no window of %d steps", pool.Len(), w)
			case known != nil && len(windows) != len(starts):
				return fmt.Errorf("abr: epoch %d: a pool of %d windows after one of %d", epoch+1, len(windows), len(starts))
			}
			known, starts = pool, windows
			total = (len(starts) + perStep - 1) / perStep * r.Epochs
			told(data.cond)
		}
		shuffle(rng, starts)
		for rest := starts; len(rest) > 0; {
			group := rest[:min(perStep, len(rest))]
			rest = rest[len(group):]
			if err := ctx.Err(); err != nil {
				return err
			}
			loss, err := accumulate(trainer, network, data, &steps, group, w, r)
			if err != nil {
				return err
			}
			done := trainer.Steps()
			if err := trainer.Step(ops.WarmUp(done, r.WarmUp) * ops.Cosine(done, total, r.Floor)); err != nil {
				return err
			}
			if each != nil {
				each(Progress{Step: done + 1, Steps: total, Epoch: epoch, Loss: loss})
			}
		}
	}
	return nil
}

// accumulate gathers the gradients of one optimiser step over the windows of
// group and returns their mean loss.
func accumulate(t *netllm.Trainer, network *Network, data *dataset, steps *Steps, group []int, w int, r Recipe) (float64, error) {
	var sum float64
	weight := 1 / float32(r.Accumulate)
	for rest := group; len(rest) > 0; {
		windows := rest[:min(r.Batch, len(rest))]
		rest = rest[len(windows):]
		actions := data.batch(steps, windows, w)
		loss, err := t.Accumulate(weight, func(c *ops.Context) tensor.Tensor {
			return ops.CrossEntropy(c, network.Logits(c, *steps), c.Int32s(actions, len(actions)))
		})
		if err != nil {
			return 0, err
		}
		sum += loss * float64(len(windows))
	}
	return sum / float64(len(group)), nil
}
