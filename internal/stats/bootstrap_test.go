package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBootstrapExact compares with all resamples of four values, one by one.
func TestBootstrapExact(t *testing.T) {
	values := []float64{1, 2, 4, 8}
	var all []float64
	for i := range 256 {
		sum := 0.0
		for k := range 4 {
			sum += values[i>>(2*k)&3]
		}
		all = append(all, sum/4)
	}
	slices.Sort(all)
	for _, confidence := range []float64{0.5, 0.8, 0.95} {
		out := (1 - confidence) / 2
		got := Bootstrap(values, confidence, 200_000, 7)
		if want := (Interval{Quantile(all, out), Quantile(all, 1-out)}); math.Abs(got[0]-want[0]) > 0.06 || math.Abs(got[1]-want[1]) > 0.06 {
			t.Errorf("%v: got %v, want %v", confidence, got, want)
		}
	}
}

// TestBootstrapNormal compares with the interval of many values, which is
// known: their mean is nearly normal.
func TestBootstrapNormal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 400)
	for i := range values {
		values[i] = 3 + 2*rng.NormFloat64()
	}
	mean, stderr := MeanStdErr(values)
	got := *MeanCI(values)
	for i, want := range []float64{mean - 1.96*stderr, mean + 1.96*stderr} {
		if math.Abs(got[i]-want) > 0.1*stderr {
			t.Errorf("end %d: got %v, want about %v", i, got[i], want)
		}
	}
}

// TestBootstrapCovers counts how often the interval of 40 skewed values has the
// mean they were drawn from.
func TestBootstrapCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const trials = 400
	hit := 0
	for i := range trials {
		values := make([]float64, 40)
		for j := range values {
			values[j] = rng.ExpFloat64()
		}
		if ci := Bootstrap(values, 0.95, 500, uint64(i)); ci[0] <= 1 && 1 <= ci[1] {
			hit++
		}
	}
	if share := float64(hit) / trials; share < 0.89 || share > 0.98 {
		t.Errorf("got the mean in %.3f of the intervals, want about 0.93", share)
	}
}

func TestMeanCI(t *testing.T) {
	if MeanCI(nil) != nil || MeanCI([]float64{1}) != nil {
		t.Error("less than two values have an interval")
	}
	if got := *MeanCI([]float64{0, 1}); got != (Interval{0, 1}) {
		t.Errorf("of 0 and 1: got %v, want all of it", got)
	}
	if got := *MeanCI([]float64{2, 2, 2}); got != (Interval{2, 2}) {
		t.Errorf("of the same value: got %v", got)
	}
	values := []float64{3, 1, 4, 1, 5, 9, 2, 6}
	if a, b := *MeanCI(values), *MeanCI(values); a != b {
		t.Errorf("two times: %v and %v", a, b)
	}
	if a, b := Bootstrap(values, 0.95, 100, 1), Bootstrap(values, 0.95, 100, 2); a == b {
		t.Error("two seeds, one interval")
	}
}

func TestDifferences(t *testing.T) {
	if got := Differences([]float64{3, 1}, []float64{1, 5}); !slices.Equal(got, []float64{2, -4}) {
		t.Errorf("got %v", got)
	}
}
