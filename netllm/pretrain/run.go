package pretrain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// The byte vocabulary is that of Llama's tokenizer without its merges: three
// special tokens and then the bytes.
const (
	TokenUnknown = 0
	TokenBegin   = 1
	TokenEnd     = 2
	FirstByte    = 3
	Vocab        = FirstByte + 256
)

// Config is what a run does.
type Config struct {
	Model        transformer.Config `json:"model"`
	Steps        int                `json:"steps"`
	Batch        int                `json:"batch"`  // sequences per step
	Length       int                `json:"length"` // tokens per sequence
	LearningRate float32            `json:"learning_rate"`
	WarmUp       int                `json:"warm_up"` // steps
	Floor        float32            `json:"floor"`   // of the cosine that the rate falls along
	WeightDecay  float32            `json:"weight_decay"`
	MaxNorm      float32            `json:"max_norm"`
	Seed         uint64             `json:"seed"`
}

// Default returns the settings of the embedded model.
func Default() Config {
	return Config{
		Model: transformer.Config{
			Arch:   "llama",
			Layers: 4, Width: 128, FFN: 352, Heads: 8, KVHeads: 4, HeadDim: 16, RopeDim: 16, Vocab: Vocab,
			MaxPositions: 256, NormEps: 1e-5, RopeTheta: 10000, Tied: true,
		},
		Steps: 4000, Batch: 16, Length: 256, LearningRate: 3e-3, WarmUp: 200, Floor: 0.02, WeightDecay: 0.1, MaxNorm: 1,
		Seed: 1,
	}
}

// Validate reports every setting that makes no run.
func (f Config) Validate() error {
	errs := []error{f.Model.Validate()}
	if f.Steps < 1 || f.Batch < 1 || f.Length < 1 || f.Length > f.Model.MaxPositions {
		errs = append(errs, fmt.Errorf("pretrain: %d steps of %d sequences of %d tokens, the model takes %d", f.Steps, f.Batch, f.Length, f.Model.MaxPositions))
	}
	if f.Model.Vocab != Vocab {
		errs = append(errs, fmt.Errorf("pretrain: a vocabulary of %d, bytes need %d", f.Model.Vocab, Vocab))
	}
	if !(f.LearningRate > 0) {
		errs = append(errs, fmt.Errorf("pretrain: learning rate is %v", f.LearningRate))
	}
	return errors.Join(errs...)
}

// Run trains a model from nothing. each, if not nil, is told the number of
// steps done and the last one's loss in nats per byte. Cancelling ctx ends the
// run with its error.
func Run(ctx context.Context, b ops.Backend, corpus *Corpus, f Config, each func(step int, loss float64)) (transformer.Model, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if len(corpus.Train) < f.Length+1 {
		return nil, fmt.Errorf("pretrain: %d bytes of text for sequences of %d", len(corpus.Train), f.Length)
	}
	model, err := transformer.New(b, f.Model, f.Seed)
	if err != nil {
		return nil, err
	}
	params, err := model.Trainable(b)
	if err != nil {
		return nil, err
	}
	trainer := netllm.NewTrainer(b, params, f.LearningRate, f.Seed)
	trainer.MaxNorm = f.MaxNorm
	trainer.Optimizer.WeightDecay, trainer.Optimizer.Beta2 = f.WeightDecay, 0.95
	rng := rand.New(rand.NewPCG(f.Seed, 0x74657874)) // the stream is this function's own
	inputs, targets := make([]int32, f.Batch*f.Length), make([]int32, f.Batch*f.Length)
	for step := range f.Steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i := range f.Batch {
			at := rng.IntN(len(corpus.Train) - f.Length)
			sequence(inputs[i*f.Length:(i+1)*f.Length], targets[i*f.Length:(i+1)*f.Length], corpus.Train[at:])
		}
		loss, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
			return lossOf(c, model, inputs, targets, f.Batch)
		})
		if err != nil {
			return nil, err
		}
		rate := ops.WarmUp(step, f.WarmUp) * ops.Cosine(step, f.Steps, f.Floor)
		if err := trainer.Step(rate); err != nil {
			return nil, err
		}
		if each != nil {
			each(step+1, loss)
		}
	}
	return model, nil
}

// sequence fills inputs with the begin token and all but the last byte of
// text, and targets with the bytes that follow.
func sequence(inputs, targets []int32, text []byte) {
	inputs[0] = TokenBegin
	for i := range targets {
		targets[i] = FirstByte + int32(text[i])
		if i+1 < len(inputs) {
			inputs[i+1] = targets[i]
		}
	}
}

func lossOf(c *ops.Context, m transformer.Model, inputs, targets []int32, batch int) tensor.Tensor {
	x := m.EmbedTokens(c, c.Int32s(inputs, batch, len(inputs)/batch))
	logits := m.Logits(c, m.Forward(c, x, nil))
	return ops.CrossEntropy(c, logits, c.Int32s(targets, len(targets)))
}

// BitsPerByte returns what held-out text costs under the model, in windows of
// the model's length that follow each other; the bytes of a window know only
// what stands before them in it.
func BitsPerByte(ctx context.Context, b ops.Backend, m transformer.Model, text []byte) (float64, error) {
	const batch = 8
	length := m.MaxPositions()
	c := ops.NewContext(b)
	defer c.Arena.Free()
	var bits float64
	for rest := text; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, rows := length, min(batch, len(rest)/length)
		if rows == 0 { // the end of the text is one shorter window
			n, rows = len(rest), 1
		}
		inputs, targets := make([]int32, rows*n), make([]int32, rows*n)
		for i := range rows {
			sequence(inputs[i*n:(i+1)*n], targets[i*n:(i+1)*n], rest[i*n:])
		}
		c.Reset()
		loss, err := c.ReadScalar(lossOf(c, m, inputs, targets, rows))
		if err != nil {
			return 0, err
		}
		bits += float64(loss) / math.Ln2 * float64(rows*n)
		rest = rest[rows*n:]
	}
	return bits / float64(len(text)), nil
}
