// How TRACK is trained.

package vp

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

// TrackTraining is how a [Track] is trained.
type TrackTraining struct {
	Windows      Windowing `json:"windows"`
	Epochs       int       `json:"epochs"`
	Batch        int       `json:"batch"`
	LearningRate float32   `json:"learning_rate"`
	ValidEvery   int       `json:"valid_every"` // epochs between two looks at the validation windows, from the first on; the last is looked at, too
	Seed         uint64    `json:"seed"`
}

// DefaultTrackTraining is the published training: Adam at a constant rate, 80 epochs.
func DefaultTrackTraining() TrackTraining {
	w := DefaultWindowing()
	w.TrimTail = 60
	return TrackTraining{Windows: w, Epochs: 80, Batch: 64, LearningRate: 5e-4, ValidEvery: 3, Seed: 1}
}

// Validate reports every field that makes no training.
func (r TrackTraining) Validate() error {
	errs := []error{r.Windows.Validate()}
	if r.Epochs < 1 || r.Batch < 1 || r.ValidEvery < 1 || !(r.LearningRate > 0) {
		errs = append(errs, fmt.Errorf("vp: track: epochs %d, batch %d, valid_every %d, learning rate %v", r.Epochs, r.Batch, r.ValidEvery, r.LearningRate))
	}
	return errors.Join(errs...)
}

// Train trains the network and ends with the weights that were best on valid, by the mean of its batches'
// losses. each, if not nil, is told after every step. Cancelling ctx ends it with its error.
func (t *Track) Train(ctx context.Context, b ops.Backend, windows, valid []Window, r TrackTraining, each func(Progress)) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if len(windows) == 0 || len(valid) == 0 {
		return fmt.Errorf("vp: track: %d windows to train on and %d to choose by", len(windows), len(valid))
	}
	trainer := netllm.NewTrainer(b, t.Params(), r.LearningRate, r.Seed)
	defer trainer.Free()
	eval := ops.NewContext(b)
	defer eval.Arena.Free()
	rng := rand.New(rand.NewPCG(r.Seed, 0x7368756666)) // the stream is the shuffling's own
	order := append([]Window{}, windows...)
	p := Progress{Steps: (len(windows) + r.Batch - 1) / r.Batch * r.Epochs, Best: math.NaN()}
	var chosen [][]float32
	for p.Epoch = range r.Epochs {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for rest := order; len(rest) > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			ws := rest[:min(r.Batch, len(rest))]
			rest = rest[len(ws):]
			var failed, err error
			p.Loss, err = trainer.Accumulate(1, func(c *ops.Context) (l tensor.Tensor) {
				if l, failed = t.Loss(c, ws); failed != nil {
					l = c.Float32s([]float32{float32(math.NaN())}, 1)
				}
				return l
			})
			if err := errors.Join(failed, err); err != nil {
				return err
			}
			if err := trainer.Step(1); err != nil {
				return err
			}
			p.Step, p.Valid = trainer.Steps(), math.NaN()
			if len(rest) == 0 && (p.Epoch%r.ValidEvery == 0 || p.Epoch == r.Epochs-1) {
				if p.Valid, err = t.validate(eval, valid, r.Batch); err != nil {
					return err
				}
				if !(p.Valid >= p.Best) {
					p.Best = p.Valid
					if chosen, err = netllm.Snapshot(b, t.Params()); err != nil {
						return err
					}
				}
			}
			if each != nil {
				each(p)
			}
		}
	}
	return netllm.Restore(b, t.Params(), chosen)
}

// validate returns the mean of the losses of batches.
func (t *Track) validate(c *ops.Context, ws []Window, batch int) (float64, error) {
	var sum float64
	n := 0
	for ; len(ws) > 0; n++ {
		part := ws[:min(batch, len(ws))]
		ws = ws[len(part):]
		c.Reset()
		loss, err := t.Loss(c, part)
		if err != nil {
			return 0, err
		}
		value, err := c.ReadScalar(loss)
		if err != nil {
			return 0, err
		}
		sum += float64(value)
	}
	return sum / float64(n), nil
}
