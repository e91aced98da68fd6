package transformer

import (
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/ops"
	"netllm/tensor"
)

// Sampling says how tokens are chosen and when to stop.
type Sampling struct {
	Tokens      int     // at most this many
	Temperature float64 // 0: always the likeliest token
	Seed        uint64
	Stop        []int32 // end after one of these

	// Each, if set, is told every token as soon as it is chosen.
	Each func(id int32)
}

// Greedy chooses the likeliest token n times.
func Greedy(n int) Sampling { return Sampling{Tokens: n} }

// Generate continues prompt and returns the new tokens. cache, for one
// sequence, may hold what came before the prompt; the tokens are added to it.
// It ends early when the cache is full. c is reset at every token.
func Generate(c *ops.Context, m *Llama, prompt []int32, cache *Cache, s Sampling) ([]int32, error) {
	if err := checkTokens(m, prompt); err != nil {
		return nil, err
	}
	if len(prompt) == 0 {
		return nil, fmt.Errorf("transformer: an empty prompt")
	}
	if room := cache.Positions() - cache.Len; len(prompt) > room {
		return nil, fmt.Errorf("transformer: %d tokens in the prompt, room for %d", len(prompt), room)
	}
	rng := rand.New(rand.NewPCG(s.Seed, 0x67656e)) // the stream is this function's own
	logits := make([]float32, m.Config.Vocab)
	var out []int32
	next := prompt
	for len(out) < s.Tokens && cache.Len+len(next) <= cache.Positions() {
		c.Reset()
		x := m.Forward(c, m.EmbedTokens(c, c.Int32s(next, 1, len(next))), cache)
		last := x.Slice(1, len(next)-1, len(next))
		if err := c.Read(logits, m.Logits(c, last).Reshape(m.Config.Vocab)); err != nil {
			return out, err
		}
		id := choose(logits, s.Temperature, rng)
		out = append(out, id)
		if s.Each != nil {
			s.Each(id)
		}
		for _, stop := range s.Stop {
			if id == stop {
				return out, nil
			}
		}
		next = out[len(out)-1:]
	}
	return out, nil
}

// TokenLogits returns the logits [len(ids), vocab] of the tokens that follow
// each of ids, computed in one pass from position 0. The result lives in c.
func TokenLogits(c *ops.Context, m *Llama, ids []int32) (tensor.Tensor, error) {
	if err := checkTokens(m, ids); err != nil {
		return tensor.Tensor{}, err
	}
	if len(ids) == 0 || len(ids) > m.MaxPositions() {
		return tensor.Tensor{}, fmt.Errorf("transformer: %d tokens, the model takes 1 to %d", len(ids), m.MaxPositions())
	}
	x := m.Forward(c, m.EmbedTokens(c, c.Int32s(ids, 1, len(ids))), nil)
	return m.Logits(c, x).Reshape(len(ids), m.Config.Vocab), nil
}

func checkTokens(m *Llama, ids []int32) error {
	for i, id := range ids {
		if id < 0 || int(id) >= m.Config.Vocab {
			return fmt.Errorf("transformer: token %d at place %d: the vocabulary has %d", id, i, m.Config.Vocab)
		}
	}
	return nil
}

// choose returns the index of the largest logit, or, at a temperature, one
// drawn from softmax(logits/temperature).
func choose(logits []float32, temperature float64, rng *rand.Rand) int32 {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	if temperature <= 0 {
		return int32(best)
	}
	weights := make([]float64, len(logits))
	var sum float64
	for i, v := range logits {
		weights[i] = math.Exp(float64(v-logits[best]) / temperature)
		sum += weights[i]
	}
	u := rng.Float64() * sum
	for i, w := range weights {
		if u -= w; u < 0 {
			return int32(i)
		}
	}
	return int32(best)
}
