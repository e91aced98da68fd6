// How Decima decides, and that it needs no memory for it.

package cjs

import (
	"math"
	"slices"
	"testing"
)

func TestDecimaChooses(t *testing.T) {
	scores := []float32{1, 3 - 0.9e-4, 3, 2.5, 3}
	p := &DecimaPolicy{Greedy: true}
	for _, c := range []struct {
		name   string
		scores []float32
		want   int
	}{
		{"tie", scores, 1},
		{"no tie", []float32{1, 3 - 1.2e-4, 3, 3}, 2},
		{"one", []float32{-1e30}, 0},
	} {
		if got, err := p.choose(c.scores); got != c.want || err != nil {
			t.Errorf("%s: %d, %v, want %d", c.name, got, err, c.want)
		}
	}
	for _, bad := range [][]float32{nil, {1, float32(math.NaN()), 2}, {float32(math.Inf(1))}, {float32(math.Inf(-1))}} {
		if got, err := p.choose(bad); err == nil {
			t.Errorf("%v: %d, want an error", bad, got)
		}
	}

	const draws = 20000
	for _, temperature := range []float64{0, 0.5, 3} {
		p := &DecimaPolicy{Temperature: temperature}
		p.Reset(11)
		counts := make([]float64, len(scores))
		for range draws {
			i, err := p.choose(scores)
			if err != nil {
				t.Fatal(err)
			}
			counts[i]++
		}
		sum, divisor := 0.0, temperature
		if divisor == 0 {
			divisor = 1
		}
		for _, s := range scores {
			sum += math.Exp(float64(s) / divisor)
		}
		for i, s := range scores {
			want := math.Exp(float64(s)/divisor) / sum
			if bound := 4 * math.Sqrt(want*(1-want)/draws); !(math.Abs(counts[i]/draws-want) <= bound) {
				t.Errorf("temperature %v: place %d is drawn with %v, want %v ± %v", temperature, i, counts[i]/draws, want, bound)
			}
		}
	}
}

func TestDecimaNothingToDecide(t *testing.T) {
	p := &DecimaPolicy{Network: decimaNetwork(t)}
	for name, o := range map[string]*Observation{
		"terminal":       {Executors: 5},
		"no executors":   {Executors: 5, Source: 1, Jobs: []JobView{{End: 1}}, Nodes: []Node{{Schedulable: true}}, Schedulable: []int{0}},
		"no schedulable": {Executors: 5, Committable: 2, Source: 1, Jobs: []JobView{{End: 1}}, Nodes: []Node{{}}},
	} {
		if a, err := p.Decide(o); err == nil {
			t.Errorf("%s: %v, want an error", name, a)
		}
	}
}

// TestDecimaReset starts over: a seed gives the same run, another one a different run.
func TestDecimaReset(t *testing.T) {
	sequence, _, _ := goldenFile(t, "g2_ten")
	run := func(seed uint64) []float64 {
		r, err := Evaluate(t.Context(), decimaNetwork(t).Factory(false), []*Sequence{sequence}, EvalOptions{Seed: seed, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		return r.Sequences[0].Runs[0].Completion
	}
	if first := run(1); slices.Equal(run(2), first) || !slices.Equal(run(1), first) {
		t.Error("a seed gives another run, or another seed the same")
	}
}

func TestDecimaDoesNotAllocate(t *testing.T) {
	p := &DecimaPolicy{Network: decimaNetwork(t)}
	p.Reset(1)
	var list []*Observation
	for _, v := range decimaVectors(t) {
		list = append(list, v.observation())
	}
	decide := func() {
		for _, o := range list {
			if _, err := p.Decide(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	decide()
	if got := testing.AllocsPerRun(10, decide); got != 0 {
		t.Errorf("%v allocations in %d decisions, want 0", got, len(list))
	}
}
