// Viewport prediction: an answer of the learned predictor.

package work

import (
	"math"

	"netllm/netllm"
	"netllm/netllm/embedded"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/transformer"
)

// Answer is one question about a viewer after another, to the predictor that a recipe shapes
// around a model. The adapter is not trained, which costs as much as one that is.
type Answer struct {
	Recipe string // "paper" or "best"
	Path   string // of the model; "" is the embedded one

	// Caching keeps what the body computed for earlier tokens: recipe paper only, the other
	// answers in one pass.
	Caching bool
}

// New returns the answers as a work on b, for windows of the paper's lengths.
func (a Answer) New(b ops.Backend) (*Work, error) {
	var m transformer.Model
	var err error
	if a.Path == "" {
		name, data := embedded.Model()
		m, err = transformer.ParseGGUF(b, name, data)
	} else {
		m, err = transformer.Load(b, a.Path)
	}
	if err != nil {
		return nil, err
	}
	r, err := vp.NewRecipe(a.Recipe, m, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		return nil, err
	}
	adapter, err := vp.NewAdapter(b, m, r, nil)
	if err != nil {
		return nil, err
	}
	c := ops.NewContext(b)
	p := adapter.NewLearned(c, a.Caching)
	w := vp.DefaultWindowing()
	past := make([]vp.Angles, 100)
	for i := range past {
		past[i] = vp.Angles{float32(i % 5), float32(20 * math.Sin(float64(i)/9)), float32(math.Remainder(3*float64(i), 360))}
	}
	dst, at := [][]vp.Angles{make([]vp.Angles, w.Horizon)}, 0
	question := make([]vp.Window, 1)
	return &Work{Unit: "answers", Units: 1, Latency: true, close: []func(){c.Arena.Free, func() { m.Close() }}, Do: func() error {
		at = (at + 1) % (len(past) - w.History)
		question[0] = vp.Ask(past[at:at+w.History], w.Horizon)
		return p.Predict(dst, question)
	}}, nil
}
