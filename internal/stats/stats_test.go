package stats

import (
	"math"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

func TestMeanStdErr(t *testing.T) {
	for _, c := range []struct {
		values       []float64
		mean, stderr float64
	}{
		{[]float64{3}, 3, 0},
		{[]float64{1, 3}, 2, 1},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 5, math.Sqrt(32.0 / 7 / 8)},
	} {
		if mean, stderr := MeanStdErr(c.values); !near(mean, c.mean) || !near(stderr, c.stderr) {
			t.Errorf("%v: got %v +- %v, want %v +- %v", c.values, mean, stderr, c.mean, c.stderr)
		}
	}
}

func TestQuantile(t *testing.T) {
	sorted := []float64{1, 2, 4, 8}
	for q, want := range map[float64]float64{0: 1, 1: 8, 0.5: 3, 1. / 3: 2, 0.9: 6.8} {
		if got := Quantile(sorted, q); !near(got, want) {
			t.Errorf("%v: got %v, want %v", q, got, want)
		}
	}
	if got := Quantile([]float64{5}, 0.3); got != 5 {
		t.Errorf("of one: got %v", got)
	}
}
