// How the next token is chosen from the model's logits.

package transformer

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Sampling says how tokens are chosen. The zero value takes the likeliest token.
type Sampling struct {
	Temperature float64 // logits are divided by it; 0: always the likeliest token
	TopK        int     // choose among the so many likeliest tokens; 0: among all
	TopP        float64 // choose among the likeliest that together have this probability (Holtzman et al. 2020); 0 or 1: among all
	Seed        uint64
}

// Validate reports every field that says nothing.
func (s Sampling) Validate() error {
	var errs []error
	if !(s.Temperature >= 0) || math.IsInf(s.Temperature, 0) {
		errs = append(errs, fmt.Errorf("sampling: temperature is %v", s.Temperature))
	}
	if s.TopK < 0 {
		errs = append(errs, fmt.Errorf("sampling: top-k is %d", s.TopK))
	}
	if !(s.TopP >= 0 && s.TopP <= 1) {
		errs = append(errs, fmt.Errorf("sampling: top-p is %v, want 0 to 1", s.TopP))
	}
	return errors.Join(errs...)
}

// sampler draws tokens one after the other.
type sampler struct {
	Sampling
	rng     *rand.Rand
	logits  []float32 // of the present token
	order   []int32   // the tokens to choose among
	weights []float64 // of these, exp((logit-largest)/temperature)
}

func newSampler(s Sampling) *sampler {
	return &sampler{Sampling: s, rng: rand.New(rand.NewPCG(s.Seed, 0x67656e))} // the stream is this function's own
}

// choose returns the next token: the first of the largest logits, or one drawn from
// softmax(logits/temperature) cut to the top k and then to the top p.
func (s *sampler) choose(logits []float32) int32 {
	s.logits = logits
	best := int32(0)
	for i, v := range logits {
		if v > logits[best] {
			best = int32(i)
		}
	}
	if s.Temperature <= 0 {
		return best
	}
	cut := s.TopK > 0 && s.TopK < len(logits)
	if cut {
		s.likeliest(s.TopK)
	} else {
		s.all()
	}
	sum := s.weigh(logits[best])
	if s.TopP > 0 && s.TopP < 1 {
		if !cut {
			// Tokens below an equal share of what the top p leave out cannot be among
			// them: all of these together have less than that.
			s.drop((1 - s.TopP) * sum / float64(len(logits)))
			slices.SortFunc(s.order, s.compare)
			s.weigh(logits[best])
		}
		sum = s.nucleus(s.TopP * sum)
	}
	u := s.rng.Float64() * sum
	for j, w := range s.weights {
		if u -= w; u < 0 {
			return s.order[j]
		}
	}
	return best
}

// weigh computes the weights of the tokens in order, and returns their sum.
func (s *sampler) weigh(largest float32) (sum float64) {
	s.weights = s.weights[:0]
	for _, i := range s.order {
		w := math.Exp(float64(s.logits[i]-largest) / s.Temperature)
		s.weights = append(s.weights, w)
		sum += w
	}
	return sum
}

// nucleus keeps the first tokens in order that together have at least that weight, and
// returns what they have.
func (s *sampler) nucleus(weight float64) (sum float64) {
	for j, w := range s.weights {
		if sum += w; sum >= weight {
			s.order, s.weights = s.order[:j+1], s.weights[:j+1]
			break
		}
	}
	return sum
}

// compare orders tokens: the likeliest first, and of tokens alike that of smaller number.
func (s *sampler) compare(a, b int32) int {
	if c := cmp.Compare(s.logits[b], s.logits[a]); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}

// all puts all tokens in order.
func (s *sampler) all() {
	s.order = s.order[:0]
	for i := range s.logits {
		s.order = append(s.order, int32(i))
	}
}

// drop takes the tokens of less than that weight out.
func (s *sampler) drop(weight float64) {
	kept := s.order[:0]
	for j, i := range s.order {
		if s.weights[j] >= weight {
			kept = append(kept, i)
		}
	}
	s.order = kept
}

// likeliest puts the k likeliest tokens in order, the likeliest first. Until the end they
// are a heap with the least likely on top.
func (s *sampler) likeliest(k int) {
	s.order = s.order[:0]
	for i := range int32(len(s.logits)) {
		switch {
		case len(s.order) < k:
			s.order = append(s.order, i)
			for j := len(s.order) - 1; j > 0 && s.compare(s.order[j], s.order[(j-1)/2]) > 0; j = (j - 1) / 2 {
				s.order[j], s.order[(j-1)/2] = s.order[(j-1)/2], s.order[j]
			}
		case s.compare(i, s.order[0]) < 0:
			s.order[0] = i
			s.sink()
		}
	}
	slices.SortFunc(s.order, s.compare)
}

// sink moves the top of the heap to its place.
func (s *sampler) sink() {
	for j := 0; 2*j+1 < len(s.order); {
		child := 2*j + 1
		if child+1 < len(s.order) && s.compare(s.order[child+1], s.order[child]) > 0 {
			child++
		}
		if s.compare(s.order[child], s.order[j]) < 0 {
			return
		}
		s.order[j], s.order[child] = s.order[child], s.order[j]
		j = child
	}
}
