// Drawn decisions and how a policy gradient moves them.

package netllm

import "math"

// Odds are the probabilities that scores give to alternatives (their softmax), and how likely the one was that was chosen.
type Odds struct {
	P       []float64 // of each alternative
	Chosen  int
	LogP    float64 // log of the probability of the chosen, nats
	Entropy float64 // nats
}

// NewOdds returns the odds of scores when the alternative chosen was taken. It panics if there is no such alternative.
func NewOdds(scores []float32, chosen int) Odds {
	most := math.Inf(-1)
	for _, s := range scores {
		most = max(most, float64(s))
	}
	o := Odds{P: make([]float64, len(scores)), Chosen: chosen}
	sum := 0.0
	for i, s := range scores {
		o.P[i] = math.Exp(float64(s) - most)
		sum += o.P[i]
	}
	for i := range o.P {
		if o.P[i] /= sum; o.P[i] > 0 {
			o.Entropy -= o.P[i] * math.Log(o.P[i])
		}
	}
	o.LogP = float64(scores[chosen]) - most - math.Log(sum)
	return o
}

// Gradient sets g, which has an element for each alternative, to the derivative of pull*LogP - bonus*Entropy by the scores.
func (o Odds) Gradient(g []float32, pull, bonus float64) {
	for i, p := range o.P {
		d := -pull * p
		if i == o.Chosen {
			d += pull
		}
		if p > 0 {
			d += bonus * p * (math.Log(p) + o.Entropy)
		}
		g[i] = float32(d)
	}
}

// Clipped is the loss of proximal policy optimisation of one decision (Schulman et al. 2017, eq. 7): pull is its derivative by
// the log of the decision's probability, which has grown by change, nats, since the decision was made; kl is Schulman's
// estimate of how far the policy has gone since, nats. The gain in advantage does not count beyond a ratio of the
// probabilities of 1 + clip, the loss not below 1 - clip.
func Clipped(change, advantage, clip float64) (pull, kl float64) {
	ratio := math.Exp(change)
	kl = ratio - 1 - change
	if advantage > 0 && ratio > 1+clip || advantage < 0 && ratio < 1-clip {
		return 0, kl
	}
	return -advantage * ratio, kl
}
