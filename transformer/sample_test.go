package transformer

import (
	"math"
	"slices"
	"testing"
)

// logProbabilities are the logits of probabilities .4 .3 .2 .1, in another order.
var logProbabilities = []float32{float32(math.Log(.2)), float32(math.Log(.4)), float32(math.Log(.1)), float32(math.Log(.3))}

func TestSampling(t *testing.T) {
	const n = 40000
	for _, test := range []struct {
		name string
		s    Sampling
		want [4]float64
	}{
		{"greedy", Sampling{}, [4]float64{0, 1, 0, 0}},
		{"greedy whatever is cut", Sampling{TopK: 3, TopP: 0.9}, [4]float64{0, 1, 0, 0}},
		{"temperature 1", Sampling{Temperature: 1}, [4]float64{.2, .4, .1, .3}},
		{"temperature 0.5", Sampling{Temperature: .5}, [4]float64{.04 / .3, .16 / .3, .01 / .3, .09 / .3}},
		{"top 1", Sampling{Temperature: 1, TopK: 1}, [4]float64{0, 1, 0, 0}},
		{"top 2", Sampling{Temperature: 1, TopK: 2}, [4]float64{0, 4. / 7, 0, 3. / 7}},
		{"more than all", Sampling{Temperature: 1, TopK: 9}, [4]float64{.2, .4, .1, .3}},
		{"top p 0.3", Sampling{Temperature: 1, TopP: .3}, [4]float64{0, 1, 0, 0}},
		{"top p 0.65", Sampling{Temperature: 1, TopP: .65}, [4]float64{0, 4. / 7, 0, 3. / 7}},
		{"top p 0.85", Sampling{Temperature: 1, TopP: .85}, [4]float64{2. / 9, 4. / 9, 0, 3. / 9}},
		{"top p 1", Sampling{Temperature: 1, TopP: 1}, [4]float64{.2, .4, .1, .3}},
		{"top p of the top 3", Sampling{Temperature: 1, TopK: 3, TopP: .7}, [4]float64{0, 4. / 7, 0, 3. / 7}},
		{"top p at temperature 0.5", Sampling{Temperature: .5, TopP: .8}, [4]float64{0, .64, 0, .36}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.s.Validate(); err != nil {
				t.Fatal(err)
			}
			test.s.Seed = 5
			s := newSampler(test.s)
			var count [4]int
			for range n {
				count[s.choose(logProbabilities)]++
			}
			for i, want := range test.want {
				got := float64(count[i]) / n
				if want == 0 && got != 0 || math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/n) {
					t.Errorf("token %d: got a share of %.4f, want %.4f", i, got, want)
				}
			}
		})
	}
}

func TestSamplingIsRepeatable(t *testing.T) {
	draw := func(seed uint64) (ids []int32) {
		s := newSampler(Sampling{Temperature: 1, TopK: 3, Seed: seed})
		for range 50 {
			ids = append(ids, s.choose(logProbabilities))
		}
		return ids
	}
	if a, b := draw(1), draw(1); !slices.Equal(a, b) {
		t.Errorf("one seed: got %v and %v", a, b)
	}
	if a, b := draw(1), draw(2); slices.Equal(a, b) {
		t.Errorf("two seeds: got %v twice", a)
	}
}

func TestSamplingValidate(t *testing.T) {
	for _, s := range []Sampling{{Temperature: -1}, {Temperature: math.NaN()}, {Temperature: math.Inf(1)}, {TopK: -1}, {TopP: -.1}, {TopP: 1.1}, {TopP: math.NaN()}} {
		if err := s.Validate(); err == nil {
			t.Errorf("%+v: got no error", s)
		}
	}
}
