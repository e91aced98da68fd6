// The rate-based rule and BOLA, on observations made by hand.

package abr

import (
	"math"
	"testing"
)

func TestRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		mbps []float64 // oldest to newest
		want int
	}{
		{"below the ladder", []float64{0.1}, 0},
		{"not below the first step", []float64{0.75}, 0},
		{"just above it", []float64{0.7501}, 1},
		{"above the ladder", []float64{100}, 5},
		{"harmonic, not arithmetic", []float64{1, 4}, 2}, // 1.6, not 2.5
		{"last five of six", []float64{0.01, 2, 2, 2, 2, 2}, 3},
	} {
		o := &Observation{}
		for i, v := range c.mbps {
			o.State[RowThroughput][History-len(c.mbps)+i] = v / 8
		}
		if got, err := (Rate{}).Decide(o); got != c.want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", c.name, got, err, c.want)
		}
	}
	for _, x := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		o := &Observation{}
		o.State[RowThroughput][History-1] = x
		_, err := Rate{}.Decide(o)
		checkError(t, err, "abr: rate: throughput")
	}
}

// TestBOLA: qualities rise with the buffer, and change where the scores of two
// neighbours meet: Q = V (S_m (v_n + g) - S_n (v_m + g)) / (S_m - S_n) for the
// qualities m, n.
func TestBOLA(t *testing.T) {
	t.Parallel()
	const v = 14 / (2.6625878270254534 + 5) // (15-1) / (ln(4300/300) + 5)
	score := func(q int, level float64) float64 {
		return (v*(math.Log(float64(BitratesKbps[q])/300)+5) - level) / float64(BitratesKbps[q])
	}
	seen, prev := map[int]bool{}, 0
	for level := 0.0; level <= 15; level += 0.01 {
		got, err := BOLA{}.Decide(&Observation{Last: Chunk{BufferSec: level * 4}})
		if err != nil || got < prev {
			t.Fatalf("%.2f chunks: got %d after %d, %v", level, got, prev, err)
		}
		for q := range Qualities {
			if score(q, level) > score(got, level)+1e-12 {
				t.Errorf("%.2f chunks: got quality %d of score %v, quality %d has %v", level, got, score(got, level), q, score(q, level))
			}
		}
		seen[got], prev = true, got
	}
	if !seen[0] || !seen[Qualities-1] || len(seen) < 5 {
		t.Errorf("qualities %v between an empty buffer and a full one", seen)
	}
}
