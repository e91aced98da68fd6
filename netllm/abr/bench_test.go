// What a step, a decision and a whole evaluation cost.

package abr

import "testing"

func BenchmarkStep(b *testing.B) {
	env, err := NewEnv(EnvConfig{Video: SynthVideo("x", 1, 1), Sessions: synthSessions(b, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for left := 0; b.Loop(); left-- {
		if left == 0 {
			if _, err := env.Reset(1); err != nil {
				b.Fatal(err)
			}
			left = Decisions
		}
		if _, err := env.Step(2); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	env, err := NewEnv(EnvConfig{Video: SynthVideo("x", 1, 1), Sessions: synthSessions(b, 1)})
	if err != nil {
		b.Fatal(err)
	}
	o, err := env.Reset(1)
	if err != nil {
		b.Fatal(err)
	}
	for range 5 {
		if _, err := env.Step(2); err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range []string{"bba", "mpc"} {
		b.Run("policy="+name, func(b *testing.B) {
			p, err := factory(b, name).New()
			if err != nil {
				b.Fatal(err)
			}
			p.Reset()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Decide(o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEvaluate(b *testing.B) {
	sessions := synthSessions(b, 100)
	video := SynthVideo("x", 1, 1)
	for _, name := range []string{"bba", "mpc"} {
		b.Run("policy="+name, func(b *testing.B) {
			f := factory(b, name)
			for b.Loop() {
				if _, err := Evaluate(b.Context(), f, video, sessions, EvalOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(sessions)*b.N)/b.Elapsed().Seconds(), "sessions/s")
		})
	}
}

// BenchmarkPlanner makes the table of a trace of 320 s.
func BenchmarkPlanner(b *testing.B) {
	set, err := OpenTraces("", "synth:n=1")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := NewPlanner(SynthVideo("synth1", 1, 1), set.Traces[0]); err != nil {
			b.Fatal(err)
		}
	}
}
