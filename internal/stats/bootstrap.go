// How sure a mean is, without a belief about how values are distributed.

package stats

import (
	"math/rand/v2"
	"slices"
)

// What [MeanCI] does if it is not told otherwise.
const (
	Confidence = 0.95
	Resamples  = 10_000
	Seed       = 1
)

// Interval is what a number lies in: its low and its high end. As JSON it is an
// array of the two.
type Interval [2]float64

// MeanCI returns the interval in which the mean of what values were drawn from
// lies with 95 % confidence, by [Bootstrap] with the constants of this package:
// the same values give the same interval. It is nil for less than two values,
// which say nothing of their spread.
//
// Values must be independent of each other: where several belong together, such
// as sessions over one trace, their means are the values.
func MeanCI(values []float64) *Interval {
	if len(values) < 2 {
		return nil
	}
	ci := Bootstrap(values, Confidence, Resamples, Seed)
	return &ci
}

// Bootstrap returns the percentile bootstrap interval of the mean: as many
// values as there are are drawn from them with replacement, resamples times, and
// the interval holds the middle share, confidence, of the means. Draws come from
// a PCG of the seed. Source: Efron, "Better Bootstrap Confidence Intervals",
// JASA 82, 1987, section 1.
//
// For few values (below about 20) it is too narrow: its share is that of the
// values seen. It panics if there are no values or no resamples, or if
// confidence is not between 0 and 1.
func Bootstrap(values []float64, confidence float64, resamples int, seed uint64) Interval {
	if len(values) == 0 || resamples < 1 || !(confidence > 0 && confidence < 1) {
		panic("stats: Bootstrap: no values, no resamples, or a confidence that is none")
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(values))))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	slices.Sort(means)
	out := (1 - confidence) / 2
	return Interval{Quantile(means, out), Quantile(means, 1-out)}
}

// Differences returns a[i]-b[i]. It panics if the lengths differ.
func Differences(a, b []float64) []float64 {
	if len(a) != len(b) {
		panic("stats: Differences: lengths differ")
	}
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}
