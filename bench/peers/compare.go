// Rounds, medians and ratios.

package main

import (
	"math"
	"slices"
)

// median returns the middle of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// geomean returns the geometric mean.
func geomean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

// comparison is the outcome of several rounds: rates, the larger the better.
type comparison struct {
	ours, peer float64 // medians
	ratio      float64 // median of the rounds' ratios
	low, high  float64 // smallest and largest of them
}

// compare measures both sides in every round, the side that was first being the
// second in the next round. Each function returns a rate.
func compare(rounds int, ours, peer func() (float64, error)) (comparison, error) {
	var a, b, ratios []float64
	for round := range rounds {
		var x, y float64
		var err error
		for side := range 2 {
			if side == round%2 {
				x, err = ours()
			} else {
				y, err = peer()
			}
			if err != nil {
				return comparison{}, err
			}
		}
		a, b, ratios = append(a, x), append(b, y), append(ratios, x/y)
	}
	return comparison{
		ours: median(a), peer: median(b), ratio: median(ratios),
		low: slices.Min(ratios), high: slices.Max(ratios),
	}, nil
}
