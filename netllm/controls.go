// The bodies that a task's adaptation is compared with.

package netllm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"netllm/ops"
	"netllm/transformer"
)

// BodyKind says what stands between encoder and head.
type BodyKind string

// The model as it is, and the four controls that say what it is good for.
const (
	PretrainedBody BodyKind = "pretrained" // frozen, with low-rank matrices
	RandomBody     BodyKind = "random"     // the same shape with random weights, frozen, with low-rank matrices
	TrainedBody    BodyKind = "trained"    // the same shape, from random weights, all of them trained
	NoneBody       BodyKind = "none"       // nothing: the encoder straight to the head
	AttentionBody  BodyKind = "attention"  // one attention layer of the same width, trained
)

// TunedBody is the model as it is, with every weight of its body trained: full fine-tuning, which low-rank matrices save. It
// is no control of what the model is good for, so that [BodyKinds] does not list it.
const TunedBody BodyKind = "tuned"

// BodyKinds lists them all.
var BodyKinds = []BodyKind{PretrainedBody, RandomBody, TrainedBody, NoneBody, AttentionBody}

// BodySpec is a kind of body and the seed of its random weights.
type BodySpec struct {
	Kind BodyKind `json:"kind"`
	Seed uint64   `json:"seed,omitempty"`
}

// ParseBody reads "pretrained", "random", "trained", "none", "attention" or "tuned", with ":SEED" behind
// those that draw weights (1 without).
func ParseBody(text string) (BodySpec, error) {
	kind, number, seeded := strings.Cut(text, ":")
	s := BodySpec{Kind: BodyKind(kind)}
	switch s.Kind {
	case PretrainedBody, NoneBody, TunedBody:
		if seeded {
			return s, fmt.Errorf("body %q draws no weights: it has no seed", kind)
		}
		return s, nil
	case RandomBody, TrainedBody, AttentionBody:
		s.Seed = 1
		if seeded {
			var err error
			if s.Seed, err = strconv.ParseUint(number, 10, 64); err != nil {
				return s, fmt.Errorf("body %q: %q is not a seed", text, number)
			}
		}
		return s, nil
	}
	return s, fmt.Errorf("body %q: want one of %q", text, append(slices.Clone(BodyKinds), TunedBody))
}

// String is what [ParseBody] reads.
func (s BodySpec) String() string {
	if s.Seed == 0 || s.Kind == PretrainedBody || s.Kind == NoneBody || s.Kind == TunedBody {
		return string(s.Kind)
	}
	return fmt.Sprintf("%s:%d", s.Kind, s.Seed)
}

// FullBody is a body whose own weights are trained.
type FullBody struct {
	transformer.Adaptable
	params []*ops.Param
	hash   string
}

// Params returns the body's trained weights.
func (f *FullBody) Params() []*ops.Param { return f.params }

// Linears says that no layer can be given low-rank matrices: all are trained as they are.
func (f *FullBody) Linears() []transformer.LinearInfo { return nil }

// Hash is that of the weights before training.
func (f *FullBody) Hash(ops.Backend) (string, error) { return f.hash, nil }

// Open returns the body in the shape of model. Of [RandomBody], [TrainedBody] and [TunedBody] it is a model of its
// own; model itself is only asked for its shape then, or for the weights that training begins with. close gives back what
// it holds beside model.
func (s BodySpec) Open(b ops.Backend, model transformer.Model) (body transformer.Adaptable, close func() error, err error) {
	shape := model.Shape()
	close = func() error { return nil }
	switch s.Kind {
	case PretrainedBody:
		return model, close, nil
	case NoneBody:
		return transformer.NoBody{Size: model.Width(), Positions: model.MaxPositions()}, close, nil
	case AttentionBody:
		body, err = transformer.NewOneAttention(b, model.Width(), shape.Heads, model.MaxPositions(), s.Seed)
		return body, close, err
	case TunedBody:
		tuned, err := model.Copy(b)
		if err != nil {
			return nil, nil, err
		}
		body, err := newFullBody(b, tuned, tuned.TrainableBody)
		return body, tuned.Close, err
	}
	random, err := transformer.New(b, shape, s.Seed)
	if err != nil {
		return nil, nil, err
	}
	if s.Kind == RandomBody {
		return random, random.Close, nil
	}
	f, err := newFullBody(b, random, random.Trainable)
	return f, random.Close, err
}

// newFullBody returns model as a body of which trainable's weights are trained.
func newFullBody(b ops.Backend, model transformer.Model, trainable func(ops.Backend) ([]*ops.Param, error)) (f *FullBody, err error) {
	f = &FullBody{Adaptable: model}
	if f.hash, err = model.Hash(b); err == nil {
		f.params, err = trainable(b)
	}
	for _, p := range f.params {
		p.Name = "body." + p.Name
	}
	return f, err
}

// TrainedParams returns the weights of a body that are trained themselves: none of a frozen
// one.
func TrainedParams(body transformer.Body) []*ops.Param {
	if t, ok := body.(interface{ Params() []*ops.Param }); ok {
		return t.Params()
	}
	return nil
}
