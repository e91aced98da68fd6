// Whole models: prompts, generation, a training step.

package work

import (
	"fmt"
	"math/rand/v2"

	"netllm/bench/model"
	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// Model is an open model and what a token costs with it.
type Model struct {
	transformer.Model
	path  string
	bytes float64 // of all matrices that every token is multiplied by
	terms float64 // numbers in them
}

// Open loads the GGUF file at path.
func Open(b ops.Backend, path string) (*Model, error) {
	m := &Model{path: path}
	var err error
	if m.bytes, m.terms, err = sizeOf(path); err != nil {
		return nil, err
	}
	m.Model, err = transformer.Load(b, path)
	return m, err
}

// DecodeBytes returns the bytes of weights in the file at path that every token is
// multiplied by: all matrices, but for the embeddings unless they are the output too.
func DecodeBytes(path string) (float64, error) {
	bytes, _, err := sizeOf(path)
	return bytes, err
}

func sizeOf(path string) (bytes, terms float64, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	_, untied := f.Info("output.weight")
	for _, info := range f.Tensors() {
		if len(info.Shape) == 2 && !(untied && info.Name == "token_embd.weight") {
			bytes += float64(info.Bytes)
			terms += float64(info.Shape[0]) * float64(info.Shape[1])
		}
	}
	return bytes, terms, nil
}

// prompt returns n tokens of the vocabulary: any will do, but not always the same.
func (m *Model) prompt(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(3 + i*7919%(m.Shape().Vocab-3))
	}
	ids[0] = 1
	return ids
}

// Prefill returns the pass over a prompt of n tokens, which fills a cache and ends
// with the logits of the last token.
func (m *Model) Prefill(b ops.Backend, n int) (*Work, error) {
	if n > m.MaxPositions() {
		return nil, fmt.Errorf("work: %s: prompt of %d tokens, the model takes %d", m.path, n, m.MaxPositions())
	}
	c, cache, ids := ops.NewContext(b), m.NewCache(b, 1, n), m.prompt(n)
	logits := make([]float32, m.Shape().Vocab)
	shape := m.Shape()
	head := float64(shape.Vocab) * float64(shape.Width)
	pairs := float64(n) * float64(n+1) / 2
	return &Work{
		Unit: "tokens", Units: float64(n), Bytes: m.bytes,
		FLOP: 2*(m.terms-head)*float64(n) + 2*head + 4*pairs*float64(shape.Layers*shape.Heads*shape.HeadDim),
		Do: func() error {
			cache.Truncate(0)
			return m.next(c, cache, ids, logits)
		},
		close: []func(){cache.Free, c.Arena.Free},
	}, nil
}

// next computes the logits after ids.
func (m *Model) next(c *ops.Context, cache *transformer.Cache, ids []int32, logits []float32) error {
	c.Reset()
	x := m.Forward(c, m.EmbedTokens(c, c.Int32s(ids, 1, len(ids))), cache)
	last := ops.Contiguous(c, x.Slice(1, len(ids)-1, len(ids))).Reshape(1, m.Width())
	return c.Read(logits, m.Logits(c, last).Reshape(m.Shape().Vocab))
}

// Decode returns the computation of one token after another, from past tokens on;
// after n of them the cache is cut back to past.
func (m *Model) Decode(b ops.Backend, past, n int) (*Work, error) {
	if past+n > m.MaxPositions() {
		return nil, fmt.Errorf("work: %s: %d tokens, the model takes %d", m.path, past+n, m.MaxPositions())
	}
	c, cache, ids := ops.NewContext(b), m.NewCache(b, 1, past+n), m.prompt(past+n)
	logits := make([]float32, m.Shape().Vocab)
	w := &Work{
		Unit: "tokens", Units: 1, FLOP: 2 * m.terms, Bytes: m.bytes,
		Do: func() error {
			if cache.Len == past+n {
				cache.Truncate(past)
			}
			return m.next(c, cache, ids[cache.Len:cache.Len+1], logits)
		},
		close: []func(){cache.Free, c.Arena.Free},
	}
	if past > 0 {
		if err := m.next(c, cache, ids[:past], logits); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// LoRAStep is a training step of low-rank matrices beside the query and value
// projections of a frozen model, with a linear head of three outputs: forward,
// backward and AdamW on the mean squared error, for sequences of token vectors
// whose gradient is wanted too, since encoders below the model need it.
type LoRAStep struct {
	Batch, Seq, Rank int
	Checkpoints      bool // see [ops.Context.Checkpointing]
}

// TrainingModel returns the file of the model that LoRA steps are measured on, an
// f32 body of 8 layers of width 512, in dir (see [model.Cached]).
func TrainingModel(dir string) (string, error) { return model.Cached(dir, "lora", "F32") }

// New returns the step as a work on b with the given model.
func (s LoRAStep) New(b ops.Backend, m *Model) (*Work, error) {
	const outputs = 3
	lora, err := transformer.NewLoRA(b, m.Model, transformer.LoRAConfig{Rank: s.Rank, Alpha: float64(s.Rank), Targets: []string{"q_proj", "v_proj"}}, 1)
	if err != nil {
		return nil, err
	}
	body, err := m.WithLoRA(lora)
	if err != nil {
		return nil, err
	}
	width := m.Width()
	head := netllm.NewDense(b, "head", outputs, width, rand.New(rand.NewPCG(1, 1)))
	trainer := netllm.NewTrainer(b, append(lora.Params(), head.Params()...), 1e-4, 1)
	trainer.Optimizer.WeightDecay = 0.01
	trainer.Context.Checkpointing = s.Checkpoints
	input := []*ops.Param{ops.NewParam(b, "input", s.Batch, s.Seq, width)}
	b.Upload(input[0].Value, random(1, s.Batch, s.Seq, width).Bytes())
	target := random(2, s.Batch, s.Seq, outputs).Float32s()

	f := m.Shape()
	attention := float64(s.Batch*f.Layers*f.Heads) * float64(s.Seq*s.Seq) * float64(f.HeadDim)
	tokens, base, low := float64(s.Batch*s.Seq), 0.0, 0.0
	for _, l := range body.Linears() {
		base += float64(l.Out) * float64(l.In)
		if transformer.MatchesTarget(l.Name, lora.Config.Targets) {
			low += float64(s.Rank) * float64(l.Out+l.In)
		}
	}
	return &Work{
		Unit: "steps", Units: 1, Bytes: m.bytes,
		// Forward and the gradient of the input, for LoRA that of the weights
		// too; attention counted in full, as usual.
		FLOP: tokens*(2*2*base+3*2*low) + 12*attention,
		Do: func() error {
			_, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
				ops.ZeroGrad(c, input)
				c.Tape.Watch(input...)
				y := head.Forward(c, body.Forward(c, input[0].Value, nil))
				return ops.MSE(c, y, c.Float32s(target, s.Batch, s.Seq, outputs))
			})
			if err != nil {
				return err
			}
			return trainer.Step(1)
		},
		close: []func(){trainer.Context.Arena.Free},
	}, nil
}
