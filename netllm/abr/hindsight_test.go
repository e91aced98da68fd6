package abr

import (
	"math"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// hindsight compares values in hindsight of what a policy recorded with those of planners that know the links: the share of states with
// the same best quality, and what is lost to the best by the one that hindsight takes for it.
func hindsight(t *testing.T, video *Video, sessions []Session, policy, weights string) (same, lost float64) {
	t.Helper()
	f, err := NewFactory(policy, PolicyConfig{Seed: 1, Weights: weights})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Collect(t.Context(), f, video, sessions, CollectOptions{Values: true})
	if err != nil {
		t.Fatal(err)
	}
	recordings, err := Rebuild(c.Pool(netllm.PoolMeta{}), video)
	if err != nil {
		t.Fatal(err)
	}
	h := *c
	h.Values = make([]float32, len(c.Values))
	for e := range recordings {
		if err := recordings[e].values(&h, e*Decisions, video); err != nil {
			t.Fatal(err)
		}
	}
	n := float64(c.Len())
	for i := range c.Len() {
		truth, got := c.Values[i*Qualities:][:Qualities], h.Values[i*Qualities:][:Qualities]
		best, chosen := slices.Index(truth, slices.Max(truth)), slices.Index(got, slices.Max(got))
		if best == chosen {
			same += 1 / n
		}
		lost += math.Min(float64(truth[best]-truth[chosen]), 8) / n
	}
	t.Logf("%s: the same best quality in %.3f of %v states, %.4f lost by the others", policy, same, n, lost)
	return same, lost
}

// Values in hindsight are near those of a planner that knows the links themselves.
func TestHindsightIsNearTheTruth(t *testing.T) {
	set, err := OpenTraces("", "synth:n=5,T=20,max=3")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(Plan{Start: StartRow1})
	if err != nil {
		t.Fatal(err)
	}
	if same, lost := hindsight(t, SynthVideo("synth1", 1, 1), sessions, "bba", ""); same < 0.8 || lost > 0.1 {
		t.Errorf("the same best quality in %.3f of the states, %.4f lost by the others", same, lost)
	}
}

// The same for the recorded traces, and for the policies of the pool in docs/abr.md.
func TestHindsightGolden(t *testing.T) {
	dir := dataRoot(t)
	video, set := openVideo(t, dir, "video1"), openTraces(t, dir, "fcc-train")
	all, err := set.Sessions(Plan{Start: StartRandom, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var sessions []Session
	for i := 0; i < len(all); i += 40 {
		sessions = append(sessions, all[i])
	}
	policies := []string{"bba", "mpc-tuned", "mpc", "udr1", "genet"}
	for _, policy := range policies {
		if same, lost := hindsight(t, video, sessions, policy, golden.Data(t, "abr/genet")); same < 0.6 || lost > 0.25 {
			t.Errorf("%s: the same best quality in %.3f of the states, %.4f lost by the others", policy, same, lost)
		}
	}
	golden.Cases(t, len(policies))
}

// Recordings are held out with all their episodes, whatever tells them apart.
func TestHoldOut(t *testing.T) {
	video := SynthVideo("synth1", 1, 1)
	pool, sessions := recordedPool(t, video, "synth:n=10", 20, "bba", "mpc")
	heldNames := func() map[string]bool {
		held, err := holdOut(pool)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for e, h := range held {
			s := sessions[e%20]
			name := s.Trace.Name
			if pool.Meta.Recordings == nil { // episodes of one start are one recording
				name = string(rune('0'+s.StartRow)) + name
			}
			if was, ok := names[name]; ok && was != h {
				t.Fatalf("episode %d of %s, row %d: held out %v, another one %v", e, name, s.StartRow, h, was)
			}
			names[name] = h
		}
		for name, h := range names {
			if !h {
				delete(names, name)
			}
		}
		return names
	}
	if got := heldNames(); len(got) < 2 || len(got) > 3 { // of 20 starts
		t.Errorf("by states: %d starts held out", len(got))
	}
	for range 2 {
		for _, s := range sessions {
			pool.Meta.Recordings = append(pool.Meta.Recordings, s.Trace.Name)
		}
	}
	if got := heldNames(); len(got) != 1 { // of 10 traces
		t.Errorf("by names: %d recordings held out", len(got))
	}
	for _, c := range []struct{ name, recording, want string }{
		{"one recording", "a", "one recording"},
		{"names missing", "", "names of 1 recordings for 40 episodes"},
	} {
		pool.Meta.Recordings = slices.Repeat([]string{c.recording}, 40)
		if c.recording == "" {
			pool.Meta.Recordings = []string{"a"}
		}
		if _, err := NewReplay(t.Context(), pool, video, 1, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

// TestReplayLearns trains on nothing but what two policies recorded, and beats the better one on other links.
func TestReplayLearns(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: training takes seconds")
	}
	video := SynthVideo("synth1", 1, 1)
	pool, _ := recordedPool(t, video, "synth:n=30,T=20,max=3", 30, "bba", "random")
	b := ops.NewCPU(1)
	defer b.Close()
	body := transformer.NoBody{Size: 32, Positions: 128}
	r, err := NewRecipe("replay", body, netllm.BodySpec{Kind: netllm.NoneBody}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Windows, r.ValidEvery, r.Rounds, r.RoundSessions, r.Average, r.Network.Features = 12800, 3200, 1, 10, 0.98, 16
	replay, err := NewReplay(t.Context(), pool, video, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAdapter(b, body, replay.Pool, r)
	if err != nil {
		t.Fatal(err)
	}
	opt, err := replay.Options(r, video)
	if err != nil {
		t.Fatal(err)
	}
	opt.Open, opt.Workers = func() ops.Backend { return b }, 1
	var last ValuesProgress
	opt.Each = func(p ValuesProgress) { last = p }
	if err := a.TrainValues(t.Context(), b, replay.Pool, opt); err != nil {
		t.Fatal(err)
	}
	if want := replay.Pool.Len() + 10*Decisions; last.Decisions != want {
		t.Errorf("%d decisions in the end, want %d", last.Decisions, want)
	}
	set, err := OpenTraces("", "synth:seed=99,n=20,T=20,max=3")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(Plan{Start: StartRow1})
	if err != nil {
		t.Fatal(err)
	}
	mean := func(f Factory) float64 {
		result, err := Evaluate(t.Context(), f, video, sessions, EvalOptions{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		return result.Mean
	}
	got, bba := mean(a.Factory("netllm", 0, 1, opt.Open)), mean(factory(t, "bba"))
	t.Logf("got %.3f, BBA has %.3f", got, bba)
	if !(got > bba) {
		t.Errorf("got %.3f, BBA has %.3f", got, bba)
	}
}
