// Answers, token by token.

package text

import (
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/transformer"
)

// Answer is what a model said to a window.
type Answer struct {
	Text    string
	Tokens  int         // generated, the end included
	Rows    []vp.Angles // positions in degrees; nil of an invalid answer
	Invalid error       // an [Invalid], or nil
}

// Predictor has a tuned model answer. One goroutine at a time uses it. As a [vp.Predictor] it repeats the last row where
// an answer is invalid, and counts these.
type Predictor struct {
	Asked   int
	Invalid map[Kind]int // how many answers were

	tuned *Tuned
	c     *ops.Context
	cache *transformer.Cache
}

// NewPredictor returns a predictor that computes in c, which is its own.
func (t *Tuned) NewPredictor(c *ops.Context) *Predictor {
	return &Predictor{Invalid: map[Kind]int{}, tuned: t, c: c, cache: t.Model.NewCache(c.Backend, 1, t.Coder.positions)}
}

// Close gives the cache and the context's memory back; the model stays. The predictor cannot be used any more; to close
// it again does nothing. The error is one that the context's backend had met before.
func (p *Predictor) Close() error {
	if p.c == nil {
		return nil
	}
	b := p.c.Backend
	p.cache.Free()
	p.c.Arena.Free()
	p.c = nil
	return b.Sync()
}

// Answer asks one question: the likeliest token follows, until one ends the answer or there are as many as the longest
// has. The error is not about what the answer says, which is Invalid's.
func (p *Predictor) Answer(w vp.Window) (Answer, error) {
	coder := p.tuned.Coder
	ids, err := coder.question(w)
	if err != nil {
		return Answer{}, err
	}
	p.cache.Truncate(0)
	g := transformer.Greedy(coder.answer)
	g.Stop = coder.stops
	said, err := transformer.Generate(p.c, p.tuned.Model, ids, p.cache, g)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Tokens: len(said)}
	if a.Text, a.Invalid = coder.read(said); a.Invalid == nil {
		a.Rows, a.Invalid = coder.Form.Parse(a.Text, w)
	}
	return a, nil
}

// Predict implements [vp.Predictor].
func (p *Predictor) Predict(dst [][]vp.Angles, ws []vp.Window) error {
	for i, w := range ws {
		a, err := p.Answer(w)
		if err != nil {
			return err
		}
		p.Asked++
		past := w.Past()
		for k := range dst[i] {
			switch {
			case a.Invalid != nil:
				dst[i][k] = past[len(past)-1]
			default: // beyond the form's last row, that again
				dst[i][k] = a.Rows[min(k, len(a.Rows)-1)]
			}
		}
		if a.Invalid != nil {
			p.Invalid[KindOf(a.Invalid)]++
		}
	}
	return nil
}
