package abr

import (
	"math"
	"slices"
	"testing"

	"netllm/internal/golden"
	"netllm/netllm"
)

// follow plays a session by a planner's values and returns its mean QoE.
func follow(t testing.TB, video *Video, s Session) float64 {
	t.Helper()
	p, err := NewPlanner(video, s.Trace)
	if err != nil {
		t.Fatal(err)
	}
	f := Factory{Name: "planner", New: func() (Policy, error) { return planned{p}, nil }}
	r, err := Evaluate(t.Context(), f, video, []Session{s}, EvalOptions{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r.Mean
}

// planned takes the quality that a planner holds to be worth most.
type planned struct{ p *Planner }

func (planned) Reset() {}

func (f planned) Decide(o *Observation) (int, error) {
	var worth [Qualities]float64
	f.p.Values(o, &worth)
	return slices.Index(worth[:], slices.Max(worth[:])), nil
}

// Near the end of a session all that can still be done is tried out in the simulator: what a planner says of each quality
// is near the best of it.
func TestPlannerValues(t *testing.T) {
	const depth = 5
	video := SynthVideo("synth1", 1, 1)
	set, err := OpenTraces("", "synth:n=4,max=3")
	if err != nil {
		t.Fatal(err)
	}
	env, err := NewEnv(EnvConfig{Video: video})
	if err != nil {
		t.Fatal(err)
	}
	var off, most float64
	n := 0
	for i, trace := range set.Traces {
		p, err := NewPlanner(video, trace)
		if err != nil {
			t.Fatal(err)
		}
		for _, steady := range []int{0, 1, 3} {
			o, err := env.ResetSession(Session{Trace: trace, StartRow: 1 + 7*i}, 0)
			if err != nil {
				t.Fatal(err)
			}
			for o.Remaining > depth {
				if _, err := env.Step(steady); err != nil {
					t.Fatal(err)
				}
			}
			var worth [Qualities]float64
			p.Values(o, &worth)
			for q, got := range worth {
				sim := env.sim
				first := sim.fetch(q).Reward
				want := first + bestRest(sim)
				off, most, n = off+math.Abs(got-want), max(most, math.Abs(got-want)), n+1
			}
		}
	}
	t.Logf("%d values, off by %.4f on average, %.4f at most", n, off/float64(n), most)
	if off/float64(n) > 0.08 || most > 1 {
		t.Errorf("off by %.4f on average, %.4f at most", off/float64(n), most)
	}
}

// bestRest is the largest sum of QoE that the rest of a session can bring.
func bestRest(s simulator) float64 {
	if s.chunk == Chunks {
		return 0
	}
	best := math.Inf(-1)
	for q := range Qualities {
		next := s
		best = max(best, next.fetch(q).Reward+bestRest(next))
	}
	return best
}

// What follows a planner comes near the best sessions that are known.
func TestPlannerGolden(t *testing.T) {
	dir := dataRoot(t)
	var file struct {
		Best map[string]float64 `json:"per_trace_mean_qoe"`
	}
	readJSON(t, "abr_oracle.json", &file)
	video, set := openVideo(t, dir, "video1"), openTraces(t, dir, "fcc-test")
	sessions, err := set.Sessions(Plan{})
	if err != nil {
		t.Fatal(err)
	}
	n, lost := 0, 0.0
	for i := 0; i < len(sessions); i += 11 {
		best := file.Best[sessions[i].Trace.Name]
		got := follow(t, video, sessions[i])
		n, lost = n+1, lost+best-got
		if got > best+0.02 || got < best-0.06 {
			t.Errorf("%s: got %.4f, the best known is %.4f", sessions[i].Trace.Name, got, best)
		}
	}
	golden.Cases(t, n)
	if t.Logf("%d sessions lose %.4f", n, lost/float64(n)); lost/float64(n) > 0.015 {
		t.Errorf("%d sessions lose %.4f on average", n, lost/float64(n))
	}
}

// A planner's time goes round as the simulator's does.
func TestLap(t *testing.T) {
	trace, err := NewTrace("t", []float64{0.5, 1, 3, 4.5}, []float64{9, 2, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	l := newLap(trace)
	s := simulator{trace: trace}
	for _, start := range []struct {
		row int
		sec float64
	}{{1, 0}, {1, 0.75}, {2, 1}, {2, 2.5}, {3, 4}} {
		for _, bytes := range []float64{1, 1000, 100000, 237500, 400000, 3e6} {
			s.row, s.sec = start.row, start.sec
			want := s.download(bytes)
			if got := l.after(start.sec, bytes) - start.sec; math.Abs(got-want) > 1e-9*max(1, want) {
				t.Errorf("%v bytes from %v s: got %v s, want %v", bytes, start.sec, got, want)
			}
		}
	}
}

// Exploring policies do by chance something else, as often as they should, and the same again.
func TestExploring(t *testing.T) {
	video := SynthVideo("synth1", 1, 1)
	set, err := OpenTraces("", "synth:n=9")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(Plan{Start: StartRow1})
	if err != nil {
		t.Fatal(err)
	}
	collect := func(seed uint64, workers int) *Transitions {
		f, err := Exploring(factory(t, "constant:2"), 0.3, seed)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Collect(t.Context(), f, video, sessions, CollectOptions{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two, other := collect(1, 1), collect(1, 2), collect(2, 1)
	if !slices.Equal(one.Actions, two.Actions) || slices.Equal(one.Actions, other.Actions) {
		t.Error("actions do not follow from the seed alone")
	}
	var counts [Qualities]int
	for _, q := range one.Actions {
		counts[q]++
	}
	n := len(one.Actions)
	for q, c := range counts {
		share := 0.05
		if q == 2 {
			share = 0.75
		}
		if d := float64(c) - share*float64(n); math.Abs(d) > 4*math.Sqrt(share*(1-share)*float64(n)) {
			t.Errorf("quality %d: %d of %d decisions", q, c, n)
		}
	}
	if _, err := Exploring(Factory{}, 1.5, 0); err == nil {
		t.Error("a share of 1.5: no error")
	}
}

// Labelled transitions have the planner's values; a pool keeps them.
func TestCollectValues(t *testing.T) {
	video := SynthVideo("synth1", 1, 1)
	set, err := OpenTraces("", "synth:n=2")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(Plan{Start: StartRandom, Episodes: 4, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	ByTrace(sessions)
	c, err := Collect(t.Context(), factory(t, "bba"), video, sessions, CollectOptions{Workers: 2, Values: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sessions {
		p, err := NewPlanner(video, s.Trace)
		if err != nil {
			t.Fatal(err)
		}
		env, err := NewEnv(EnvConfig{Video: video})
		if err != nil {
			t.Fatal(err)
		}
		o, err := env.ResetSession(s, 0)
		if err != nil {
			t.Fatal(err)
		}
		for at := i * Decisions; at < (i+1)*Decisions; at++ {
			var worth [Qualities]float64
			p.Values(o, &worth)
			for q, w := range worth {
				if got := c.Values[at*Qualities+q]; got != float32(w) {
					t.Fatalf("transition %d, quality %d: got %v, want %v", at, q, got, w)
				}
			}
			if _, err := env.Step(int(c.Actions[at])); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := t.TempDir() + "/pool.safetensors"
	if err := c.Pool(netllm.PoolMeta{}).Write(path, false); err != nil {
		t.Fatal(err)
	}
	back, err := netllm.ReadPool(path, "abr")
	if err != nil || !slices.Equal(back.Values, c.Values) {
		t.Errorf("read back: %d of %d values, %v", len(back.Values), len(c.Values), err)
	}
}
