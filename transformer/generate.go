package transformer

import (
	"fmt"
	"slices"

	"netllm/ops"
	"netllm/tensor"
)

// Generation says how a text is continued, and when to stop.
type Generation struct {
	Sampling
	Tokens int     // at most this many
	Stop   []int32 // end after one of these

	// Each, if set, is told every token as soon as it is chosen, and says whether to go on.
	Each func(id int32) bool
}

// Greedy chooses the likeliest token n times.
func Greedy(n int) Generation { return Generation{Tokens: n} }

// Generate continues prompt and returns the new tokens. cache, for one
// sequence, may hold what came before the prompt; the tokens are added to it.
// It ends early when the cache is full. c is reset at every token.
func Generate(c *ops.Context, m Model, prompt []int32, cache *Cache, g Generation) ([]int32, error) {
	if err := g.Validate(); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	if err := checkTokens(m, prompt); err != nil {
		return nil, err
	}
	if len(prompt) == 0 {
		return nil, fmt.Errorf("transformer: an empty prompt")
	}
	if room := cache.Positions() - cache.Len; len(prompt) > room {
		return nil, fmt.Errorf("transformer: %d tokens in the prompt, room for %d", len(prompt), room)
	}
	vocab := m.Shape().Vocab
	sampler := newSampler(g.Sampling)
	logits := make([]float32, vocab)
	var out []int32
	next := prompt
	for len(out) < g.Tokens && cache.Len+len(next) <= cache.Positions() {
		c.Reset()
		x := m.Forward(c, m.EmbedTokens(c, c.Int32s(next, 1, len(next))), cache)
		last := x.Slice(1, len(next)-1, len(next))
		if err := c.Read(logits, m.Logits(c, last).Reshape(vocab)); err != nil {
			return out, err
		}
		id := sampler.choose(logits)
		out = append(out, id)
		if g.Each != nil && !g.Each(id) || slices.Contains(g.Stop, id) {
			break
		}
		next = out[len(out)-1:]
	}
	return out, nil
}

// TokenLogits returns the logits [len(ids), vocab] of the tokens that follow
// each of ids, computed in one pass from position 0. The result lives in c.
func TokenLogits(c *ops.Context, m Model, ids []int32) (tensor.Tensor, error) {
	if err := checkTokens(m, ids); err != nil {
		return tensor.Tensor{}, err
	}
	if len(ids) == 0 || len(ids) > m.MaxPositions() {
		return tensor.Tensor{}, fmt.Errorf("transformer: %d tokens, the model takes 1 to %d", len(ids), m.MaxPositions())
	}
	x := m.Forward(c, m.EmbedTokens(c, c.Int32s(ids, 1, len(ids))), nil)
	return m.Logits(c, x).Reshape(len(ids), m.Shape().Vocab), nil
}

func checkTokens(m Model, ids []int32) error {
	for i, id := range ids {
		if vocab := m.Shape().Vocab; id < 0 || int(id) >= vocab {
			return fmt.Errorf("transformer: token %d at place %d: the vocabulary has %d", id, i, vocab)
		}
	}
	return nil
}
