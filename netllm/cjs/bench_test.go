// What an episode, and a decision, cost.

package cjs

import (
	"testing"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"

	"netllm/internal/golden"
)

// BenchmarkEpisode plays an episode of 200 jobs on 50 executors, one after the other.
func BenchmarkEpisode(b *testing.B) {
	s, err := Generate(profiles(b), DefaultCluster(), 200, 1)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"fifo", "fair", "target", "decima", "netllm"} {
		b.Run("policy="+name, func(b *testing.B) {
			f := benchFactory(b, name)
			p, err := f.New()
			if err != nil {
				b.Fatal(err)
			}
			player := &player{policy: p}
			if player.env, err = NewEnv(EnvConfig{OnTask: player.task}); err != nil {
				b.Fatal(err)
			}
			var r RunResult
			decisions := 0
			b.ReportAllocs()
			for b.Loop() {
				r = RunResult{}
				if err := player.play(b.Context(), &r, s, 1); err != nil {
					b.Fatal(err)
				}
				decisions += r.Decisions
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(decisions), "ns/decision")
		})
	}
}

// benchFactory returns a policy; netllm is untrained, around a small real model.
func benchFactory(b *testing.B, name string) Factory {
	switch name {
	case "decima":
		return decimaNetwork(b).Factory(false)
	case "netllm":
		cpu := ops.NewCPU(1)
		b.Cleanup(func() { cpu.Close() })
		m, err := transformer.Load(cpu, golden.Data(b, "models/stories260k/stories260k-f32.gguf"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { m.Close() })
		r, err := NewRecipe("best", m, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
		if err != nil {
			b.Fatal(err)
		}
		a, err := NewAdapter(cpu, m, r)
		if err != nil {
			b.Fatal(err)
		}
		return a.Factory(name, 1, func() ops.Backend { return cpu })
	}
	f, err := NewFactory(name, PolicyConfig{})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkDecimaDecide is one decision among 28 stages of 4 jobs, with up to 48 executors to give.
func BenchmarkDecimaDecide(b *testing.B) {
	vectors := decimaVectors(b)
	p := &DecimaPolicy{Network: decimaNetwork(b)}
	o := vectors[2].observation()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Decide(o); err != nil {
			b.Fatal(err)
		}
	}
}
