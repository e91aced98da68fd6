// Taking one of several scores.

package cjs

import (
	"errors"
	"math"
	"math/rand/v2"
)

// tieTolerance is how far below the best score one counts as equally good to a greedy policy: orders of summation
// must not decide.
const tieTolerance = 1e-4

// chooser takes one of several scores: drawn from their softmax, or the best.
type chooser struct {
	weights []float64
	source  rand.PCG
	logp    float64 // of what was drawn
}

// choose returns the place of one of scores: the first of the best, with a tolerance, or one that is drawn after they were
// divided by temperature, 0 being 1. It fails if a score is no finite number.
func (c *chooser) choose(scores []float32, greedy bool, temperature float64) (int, error) {
	best := float32(math.Inf(-1))
	for _, s := range scores {
		best = max(best, s) // NaN stays
	}
	if b := float64(best); math.IsNaN(b) || math.IsInf(b, 0) {
		return 0, errors.New("scores are no numbers, or there are none")
	}
	if greedy {
		for i, s := range scores {
			if s >= best-tieTolerance {
				return i, nil
			}
		}
	}
	if temperature == 0 {
		temperature = 1
	}
	c.weights = sized(c.weights, len(scores))
	sum := 0.0
	for i, s := range scores {
		sum += math.Exp(float64(s-best) / temperature)
		c.weights[i] = sum
	}
	u := float64(c.source.Uint64()>>11) * 0x1p-53 * sum
	drawn := len(scores) - 1
	for i, w := range c.weights {
		if u < w {
			drawn = i
			break
		}
	}
	c.logp = float64(scores[drawn]-best)/temperature - math.Log(sum)
	return drawn, nil
}
