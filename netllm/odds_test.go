package netllm

import (
	"math"
	"testing"
)

// The gradient by the scores is that of the loss, whichever side of the clipped range the ratio is on.
func TestOddsGradient(t *testing.T) {
	t.Parallel()
	scores := []float32{0.3, -1, 0.8, 0.1}
	const clip, bonus = 0.2, 0.3
	for _, advantage := range []float64{1.5, -0.7} {
		for _, played := range []float64{-0.9, -1.4, -0.3} { // about as likely as now, less, more
			loss := func() float64 {
				o := NewOdds(scores, 2)
				ratio := math.Exp(o.LogP - played)
				return -min(ratio*advantage, min(max(ratio, 1-clip), 1+clip)*advantage) - bonus*o.Entropy
			}
			o := NewOdds(scores, 2)
			pull, kl := Clipped(o.LogP-played, advantage, clip)
			if kl < 0 {
				t.Errorf("divergence %v", kl)
			}
			got := make([]float32, len(scores))
			o.Gradient(got, pull, bonus)
			for i, was := range scores {
				const by = 1e-2
				scores[i] = was + by
				up := loss()
				scores[i] = was - by
				want := (up - loss()) / (2 * by)
				scores[i] = was
				if math.Abs(float64(got[i])-want) > 1e-3*math.Abs(want)+1e-4 {
					t.Errorf("advantage %v, played at %v, score %d: got %v, want %v", advantage, played, i, got[i], want)
				}
			}
		}
	}
}

// Scores that are far apart have odds all the same.
func TestOddsOfExtremes(t *testing.T) {
	t.Parallel()
	o := NewOdds([]float32{-3e38, 3e38}, 1)
	if o.P[0] != 0 || o.P[1] != 1 || o.LogP != 0 || o.Entropy != 0 {
		t.Errorf("got %+v", o)
	}
	g := make([]float32, 2)
	if o.Gradient(g, 1, 1); g[0] != 0 || g[1] != 0 {
		t.Errorf("got %v", g)
	}
}
