package cjs

import (
	"math"
	"strings"
	"testing"

	"netllm/netllm"
	"netllm/ops"
)

// The gradients by the scores are those of the loss.
func TestPPOGradient(t *testing.T) {
	stages, executors := []float32{0.3, -1, 0.8, 0.1}, []float32{-0.2, 0.5, 1.1}
	for _, advantage := range []float64{1.5, -0.7} {
		for _, played := range []float64{-2.2, -2.6, -1.2} { // about as likely as now, less, more
			w := weights{0.25, 0.2, 0.3}
			loss := func() float64 {
				p, q := netllm.NewOdds(stages, 2), netllm.NewOdds(executors, 0)
				ratio := math.Exp(p.LogP + q.LogP - played)
				clipped := min(max(ratio, 1-w.clip), 1+w.clip)
				return -w.each * (min(ratio*advantage, clipped*advantage) + w.entropy*(p.Entropy+q.Entropy)/math.Log(12))
			}
			s := &sample{advantage: advantage, logp: played}
			g, f := make([]float32, 4), make([]float32, 3)
			var sum passed
			learn(netllm.NewOdds(stages, 2), netllm.NewOdds(executors, 0), s, w, &sum, g, f)
			for _, part := range []struct{ scores, got []float32 }{{stages, g}, {executors, f}} {
				for i := range part.scores {
					was := part.scores[i]
					const by = 1e-2
					part.scores[i] = was + by
					up := loss()
					part.scores[i] = was - by
					want := (up - loss()) / (2 * by)
					part.scores[i] = was
					if got := float64(part.got[i]); math.Abs(got-want) > 1e-3*math.Abs(want)+1e-4 {
						t.Errorf("advantage %v, played at %v, score %d: got %v, want %v", advantage, played, i, got, want)
					}
				}
			}
			if sum.kl < 0 || !(sum.entropy > 0 && sum.entropy < 1) {
				t.Errorf("got divergence %v, entropy %v", sum.kl, sum.entropy)
			}
		}
	}
}

// Returns are compared with the mean of the same jobs' other episodes at the same time.
func TestPPOAdvantages(t *testing.T) {
	made := func(sequence int, times, rewards []float64) *episode {
		p := &Pool{Rewards: rewards, Stage: make([]int32, len(rewards))}
		return &episode{sequence: sequence, pool: p, times: times, logp: make([]float64, len(rewards))}
	}
	list := []*episode{made(0, []float64{0, 10, 20}, []float64{-2, -4}), made(0, []float64{0, 20, 40}, []float64{-6, -2}), made(1, []float64{0, 5}, []float64{-100})}
	samples := (&ppo{}).samples(list)
	// Returns are -6, -4; -8, -2; -100. At 10 ms the second is halfway from -8 to -2, at 20 ms the first has ended.
	want := []float64{1, 0.5, -1, -1, 0}
	var mean, sd float64
	for _, v := range want {
		mean += v / 5
	}
	for _, v := range want {
		sd += (v - mean) * (v - mean) / 4
	}
	for i, s := range samples {
		if w := (want[i] - mean) / math.Sqrt(sd); math.Abs(s.advantage-w) > 1e-6 {
			t.Errorf("decision %d: got %v, want %v", i, s.advantage, w)
		}
	}
}

// Decima that is trained on a small cluster schedules it better than it did, and the same again from the same seed.
func TestPPOLearns(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	f := DefaultPPO()
	f.Epochs, f.Batches, f.LearningRate, f.Sequences, f.Rollouts = 3, 4, 3e-3, 2, 4
	valid := madeSequences(t, 3, 15, 500)
	score := func(d *DecimaNetwork) float64 {
		now, err := d.Decima(b)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Evaluate(t.Context(), now.Factory(false), valid, EvalOptions{Runs: 4})
		if err != nil {
			t.Fatal(err)
		}
		return r.Mean
	}
	train := func(iterations int) (before, after float64) {
		f := f
		f.Iterations = iterations
		d := NewDecimaNetwork(b, 1)
		before = score(d)
		told := 0
		err := d.PPO(t.Context(), b, f, 2, func(i int) ([]*Sequence, error) { return madeSequences(t, f.Sequences, 15, uint64(10*i)), nil }, func(p PPOProgress) {
			if told++; p.Iteration != told || p.JCT <= 0 || p.Decisions == 0 || !(p.KL >= 0 && p.KL < 1) || !(p.Entropy > 0 && p.Entropy <= 1) {
				t.Errorf("got %+v", p)
			}
		})
		if err != nil || told != f.Iterations {
			t.Fatalf("%d iterations, %v", told, err)
		}
		return before, score(d)
	}
	before, after := train(12)
	t.Logf("%.2f s before, %.2f s after", before, after)
	if !(after < 0.93*before) {
		t.Errorf("got %.2f s, %.2f before", after, before)
	}
	_, once := train(2)
	if _, again := train(2); again != once {
		t.Errorf("again: got %v, want %v", again, once)
	}
	f.Rollouts = 1
	err := NewDecimaNetwork(b, 1).PPO(t.Context(), b, f, 1, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "rollouts is 1, want 2 or more") {
		t.Errorf("one rollout: got %v", err)
	}
}

// Policy-gradient steps make an adapter better on sequences that it did not play, or leave it as it was, and do the same again
// from the same seed.
func TestImprove(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	body := tinyBody(t, b, 64)
	valid := madeSequences(t, 3, 15, 500)
	open := func() ops.Backend { return ops.NewCPU(1) }
	improve := func(iterations int, rate float32) (before, after float64) {
		r, err := NewRecipe("best", body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
		if err != nil {
			t.Fatal(err)
		}
		r.Network = networks["best"]
		r.Gradient.Iterations, r.Gradient.Epochs, r.Gradient.Batches, r.Gradient.LearningRate, r.GradientValid = iterations, 2, 4, rate, 1
		a, err := NewAdapter(b, body, r)
		if err != nil {
			t.Fatal(err)
		}
		looks := 0
		err = a.Improve(t.Context(), b, ImproveOptions{Valid: valid, Open: open, Workers: 2,
			Own: func(i int) ([]*Sequence, error) { return madeSequences(t, r.Gradient.Sequences, 15, uint64(10*i)), nil },
			Each: func(p PPOProgress, v, best float64) {
				if looks++; !(v >= best) || p.Iteration != looks {
					t.Errorf("iteration %d: %v, the best %v", p.Iteration, v, best)
				}
				after = best
			},
		})
		if err != nil || looks != iterations {
			t.Fatalf("%d looks, %v", looks, err)
		}
		score, err := Evaluate(t.Context(), a.Factory("netllm", 1, open), valid, EvalOptions{Seed: r.Seed})
		if err != nil {
			t.Fatal(err)
		}
		if score.Mean != after {
			t.Errorf("ended with weights of %v, the best have %v", score.Mean, after)
		}
		untrained, err := NewAdapter(b, body, r)
		if err != nil {
			t.Fatal(err)
		}
		if score, err = Evaluate(t.Context(), untrained.Factory("netllm", 1, open), valid, EvalOptions{Seed: r.Seed}); err != nil {
			t.Fatal(err)
		}
		return score.Mean, after
	}
	before, after := improve(6, 1e-2)
	t.Logf("%.2f s before, %.2f s after", before, after)
	if !(after < before) {
		t.Errorf("got %.2f s, %.2f before", after, before)
	}
	if before, after := improve(1, 10); after > before {
		t.Errorf("weights that were spoiled are kept: %v, %v before", after, before)
	}
}
