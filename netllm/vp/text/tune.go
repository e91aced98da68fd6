// Tuning: a frozen body learns to continue questions with answers.

package text

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// Config is everything that shapes a tuning but the model and the traces.
type Config struct {
	Form Form                   `json:"form"`
	LoRA transformer.LoRAConfig `json:"lora"`

	Windows    int     `json:"windows"`           // seen in all
	Batch      int     `json:"batch"`             // windows per optimiser step
	ValidEvery int     `json:"valid_every"`       // windows between two looks at the validation windows
	Average    float64 `json:"average,omitempty"` // share of the old mean in the running mean of weights, per step; 0: no mean

	LearningRate float32 `json:"learning_rate"`
	WeightDecay  float32 `json:"weight_decay"`
	MaxNorm      float32 `json:"max_norm"`
	WarmUp       int     `json:"warm_up"` // optimiser steps, at most a tenth of all
	Floor        float32 `json:"floor"`   // of the cosine after the warm-up; 1 keeps the rate

	Seed uint64 `json:"seed"`
}

// DefaultConfig returns settings for a model: the form of the paper's windows, and matrices beside every linear layer, of
// a quarter of the smallest one's smaller side. The embedding and the output matrix stay as they are.
func DefaultConfig(model transformer.Adaptable) Config {
	targets := transformer.EveryLinear(model)
	rank := min(32, netllm.QuarterRank(model, targets))
	w := vp.DefaultWindowing()
	return Config{
		Form:    Form{History: w.History, Horizon: w.Horizon},
		LoRA:    transformer.LoRAConfig{Rank: rank, Alpha: 2 * float64(rank), Targets: targets},
		Windows: 40000, Batch: 8, ValidEvery: 10000, Average: 0.99,
		LearningRate: 5e-3, MaxNorm: 1, WarmUp: 50, Floor: 0.02, Seed: 1,
	}
}

// Validate reports every field that makes no tuning.
func (f Config) Validate() error {
	errs := []error{f.Form.Validate(), f.LoRA.Validate()}
	if f.Windows < 1 || f.Batch < 1 || f.ValidEvery < 1 || f.WarmUp < 0 {
		errs = append(errs, fmt.Errorf("text: %d windows in steps of %d, a look every %d, %d steps of warm-up", f.Windows, f.Batch, f.ValidEvery, f.WarmUp))
	}
	if !(f.LearningRate > 0) || !(f.WeightDecay >= 0) || !(f.MaxNorm >= 0) || !(f.Floor >= 0 && f.Floor <= 1) || !(f.Average >= 0 && f.Average < 1) {
		errs = append(errs, fmt.Errorf("text: learning rate %v, decay %v, norm %v, floor %v, average %v", f.LearningRate, f.WeightDecay, f.MaxNorm, f.Floor, f.Average))
	}
	return errors.Join(errs...)
}

// Progress is what a tuning tells as it goes.
type Progress struct {
	Step, Steps int     // optimiser steps done, and in all
	Loss        float64 // mean cross-entropy of the step's answers, nats per token
	Valid       float64 // that of the validation windows, where it was just measured; else NaN
	Best        float64 // the smallest so far; NaN before the first
}

// Tuned is a language model that answers questions in words.
type Tuned struct {
	Config Config
	Model  transformer.Model // with the matrices
	LoRA   *transformer.LoRA
	Coder  *Coder

	backend ops.Backend
}

// Tune gives model, which stays frozen, low-rank matrices and trains these on the windows: cross-entropy of the answers'
// tokens, which follow their questions; those of questions do not count. It ends with the matrices that had the smallest
// loss on valid. each, if not nil, is told after every optimiser step. It fails if the model's vocabulary or positions do
// not do for the form, at the first loss or gradient that is not finite, and when ctx is cancelled.
func Tune(ctx context.Context, b ops.Backend, model transformer.Model, words *tokenizer.Tokenizer, windows, valid []vp.Window, f Config, each func(Progress)) (*Tuned, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if len(windows) == 0 || len(valid) == 0 {
		return nil, fmt.Errorf("text: %d windows to train on and %d to choose by", len(windows), len(valid))
	}
	coder, err := NewCoder(f.Form, words, model)
	if err != nil {
		return nil, err
	}
	adapted, err := netllm.Adapt(b, model, &f.LoRA, f.Seed)
	if err != nil {
		return nil, err
	}
	t, err := assemble(b, adapted, coder, f)
	if err != nil {
		return nil, err
	}
	if err := t.train(ctx, windows, valid, each); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Close gives the matrices back. The model stays as it is. To close it again does nothing.
func (t *Tuned) Close() error {
	if t.LoRA == nil {
		return nil
	}
	t.LoRA.Free(t.backend)
	t.LoRA = nil
	return t.backend.Sync()
}

// Params returns the matrices.
func (t *Tuned) Params() []*ops.Param { return t.LoRA.Params() }

func (t *Tuned) train(ctx context.Context, windows, valid []vp.Window, each func(Progress)) error {
	f := t.Config
	trainer := netllm.NewTrainer(t.backend, t.Params(), f.LearningRate, f.Seed)
	defer trainer.Free()
	trainer.MaxNorm, trainer.Optimizer.WeightDecay = f.MaxNorm, f.WeightDecay
	selection := netllm.NewSelection(t.backend, t.Params(), f.Average)
	looking := ops.NewContext(t.backend)
	defer looking.Arena.Free()
	p := Progress{Steps: (f.Windows + f.Batch - 1) / f.Batch, Best: math.NaN()}
	draws := newDraws(windows, f.Seed)
	for p.Step < p.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		before := p.Step * f.Batch
		examples, err := t.examples(draws.next(min(f.Batch, f.Windows-before)))
		if err != nil {
			return err
		}
		if p.Loss, err = trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor { return t.loss(c, examples) }); err != nil {
			return err
		}
		if err := trainer.Step(ops.WarmUp(p.Step, min(f.WarmUp, p.Steps/10)) * ops.Cosine(p.Step, p.Steps, f.Floor)); err != nil {
			return err
		}
		if err := selection.Stepped(); err != nil {
			return err
		}
		p.Step, p.Valid = p.Step+1, math.NaN()
		if seen := p.Step * f.Batch; seen/f.ValidEvery > before/f.ValidEvery || p.Step == p.Steps {
			if p.Valid, err = selection.Look(func() (float64, error) { return t.meanLoss(looking, valid) }); err != nil {
				return err
			}
			p.Best = selection.Best
		}
		if each != nil {
			each(p)
		}
	}
	return selection.Finish()
}

// draws goes through windows again and again, each time in another order.
type draws struct {
	rng   *rand.Rand
	order []vp.Window
	at    int
}

func newDraws(windows []vp.Window, seed uint64) *draws {
	return &draws{rng: rand.New(rand.NewPCG(seed, 0x74657874)), order: append([]vp.Window{}, windows...), at: len(windows)} // the stream is the drawing's own
}

func (d *draws) next(n int) []vp.Window {
	list := make([]vp.Window, n)
	for i := range list {
		if d.at == len(d.order) {
			d.rng.Shuffle(d.at, func(i, j int) { d.order[i], d.order[j] = d.order[j], d.order[i] })
			d.at = 0
		}
		list[i] = d.order[d.at]
		d.at++
	}
	return list
}

func (t *Tuned) examples(ws []vp.Window) ([]example, error) {
	list := make([]example, len(ws))
	for i, w := range ws {
		var err error
		if list[i], err = t.Coder.example(w); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// loss is the mean cross-entropy of the answers' tokens, a scalar.
func (t *Tuned) loss(c *ops.Context, examples []example) tensor.Tensor {
	length := 0
	for _, e := range examples {
		length = max(length, len(e.tokens)-1) // nothing follows the last
	}
	ids := make([]int32, 0, len(examples)*length)
	var rows, targets []int32
	for i, e := range examples {
		known := e.tokens[:len(e.tokens)-1]
		ids = append(append(ids, known...), make([]int32, length-len(known))...) // which no token before them sees
		for at := e.answer; at < len(e.tokens); at++ {
			rows, targets = append(rows, int32(i*length+at-1)), append(targets, e.tokens[at])
		}
	}
	x := t.Model.Forward(c, t.Model.EmbedTokens(c, c.Int32s(ids, len(examples), length)), nil)
	answers := ops.Gather(c, x.Reshape(len(ids), x.Dim(2)), c.Int32s(rows, len(rows)))
	return ops.CrossEntropy(c, t.Model.Logits(c, answers), c.Int32s(targets, len(targets)))
}

// meanLoss is the mean over windows, batch by batch.
func (t *Tuned) meanLoss(c *ops.Context, ws []vp.Window) (float64, error) {
	var sum float64
	for rest := ws; len(rest) > 0; {
		part := rest[:min(t.Config.Batch, len(rest))]
		rest = rest[len(part):]
		examples, err := t.examples(part)
		if err != nil {
			return 0, err
		}
		c.Reset()
		loss, err := c.ReadScalar(t.loss(c, examples))
		if err != nil {
			return 0, err
		}
		sum += float64(loss) * float64(len(part))
	}
	return sum / float64(len(ws)), nil
}
