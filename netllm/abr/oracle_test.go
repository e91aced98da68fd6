// The oracle: against all that can be done, against every policy, against the best sessions published.

package abr

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
)

// oracleTraces are links of all kinds: slow, as usual, so fast that buffers are full, and with holes.
func oracleTraces(t testing.TB) []*Trace {
	t.Helper()
	var list []*Trace
	for _, set := range []string{"synth:n=3,max=1", "synth:n=3", "synth:n=2,max=20", "synth:n=2,T=30,max=9"} {
		list = append(list, openTraces(t, "", set).Traces...)
	}
	holes, err := NewTrace("holes", []float64{0.5, 7, 19, 30, 31, 64}, []float64{9, 2.5, 0, 6, 0, 1.2})
	if err != nil {
		t.Fatal(err)
	}
	return append(list, holes)
}

func newOracle(t testing.TB, video *Video) *Oracle {
	t.Helper()
	o, err := NewOracle(video)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Of the last chunks of sessions, all that can still be done is tried out.
func TestOracleEnumeration(t *testing.T) {
	t.Parallel()
	depth := 7
	if testing.Short() {
		depth = 5
	}
	problems, proven := 0, 0
	for v, video := range []*Video{SynthVideo("synth1", 1, 1), SynthVideo("synth2", 2, 1.21)} {
		o := newOracle(t, video)
		for i, trace := range oracleTraces(t) {
			for j, steady := range []int{0, 3, 1} {
				sim, err := o.start(Session{trace, 1 + (5*i+11*j+v)%(trace.Rows()-1)})
				if err != nil {
					t.Fatal(err)
				}
				for sim.chunk < Chunks-depth {
					sim.fetch(steady)
				}
				want := bestRest(sim)
				choices, got := o.best(sim, nil, fullEffort)
				top := o.upperBound(sim, got)
				if math.Abs(got-want) > 1e-9 || math.Abs(worthOf(sim, &choices)-got) > 1e-9 {
					t.Errorf("%s, after %d: got %v, which is worth %v, want %v", trace.Name, steady, got, worthOf(sim, &choices), want)
				}
				if top < want-1e-9 || top > want+0.05*float64(depth) {
					t.Errorf("%s, after %d: an upper bound of %v, the best is %v", trace.Name, steady, top, want)
				}
				problems++
				if top < want+1e-9 {
					proven++
				}
			}
		}
	}
	if t.Logf("%d problems of %d chunks, in %d the upper bound is the optimum", problems, depth, proven); proven < problems*3/4 {
		t.Errorf("an upper bound is the optimum in %d of %d problems only", proven, problems)
	}
}

// Whatever somebody does from some state on, the table allows it.
func TestRelaxedBound(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	video := SynthVideo("synth2", 2, 1.21)
	o := newOracle(t, video)
	most := math.Inf(-1)
	for _, trace := range oracleTraces(t) {
		start, err := o.start(Session{trace, 2})
		if err != nil {
			t.Fatal(err)
		}
		table := &o.beam.table
		table.reset(&start, 0.2)
		for range 200 {
			top, low := 1+rng.IntN(Qualities), rng.IntN(Qualities)
			real, easy := []node{{sim: start}}, []node{{sim: start}}
			for k := 1; k < Chunks; k++ {
				q := max(rng.IntN(top), low)
				a, b := real[k-1], easy[k-1]
				a.fetch(q)
				b.fetchRelaxed(q, table.lowest[k+1]-capSec)
				real, easy = append(real, a), append(easy, b)
				if b.value < a.value-1e-9 || b.clock > a.clock+1e-9 || b.kbps != a.kbps {
					t.Fatalf("%s, chunk %d: the relaxed session has %v at %v s, the real one %v at %v s", trace.Name, k, b.value, b.clock, a.value, a.clock)
				}
				if a.clock < table.earliest[k+1]-1e-9 || a.clock+a.sim.bufMs/1000 < table.lowest[k+1]-1e-9 {
					t.Fatalf("%s, chunk %d: at %v s with a buffer of %v ms", trace.Name, k, a.clock, a.sim.bufMs)
				}
			}
			for _, nodes := range [][]node{real, easy} {
				end := nodes[Decisions].value
				for _, n := range nodes[:Decisions] {
					bound := table.bound(n.sim.chunk, n.sim.prevQ, n.clock, n.sim.bufMs/1000)
					if most = max(most, end-n.value-bound); n.value+bound < end {
						t.Fatalf("%s, before chunk %d: a bound of %v, the rest brings %v", trace.Name, n.sim.chunk, bound, end-n.value)
					}
				}
			}
		}
	}
	if most > -favourQoE/2 { // all rounding of numbers is within what is added for it
		t.Errorf("bounds exceed sessions by %v only", -most)
	}
}

// No policy does better, on any kind of link, and what is promised is what is played, whatever the workers.
func TestOracleAboveAll(t *testing.T) {
	t.Parallel()
	video := SynthVideo("synth1", 1, 1)
	var sessions []Session
	for i, trace := range oracleTraces(t) {
		sessions = append(sessions, Session{trace, 1 + i%3})
	}
	rules, err := OracleRules(PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) != 11 {
		t.Errorf("%d rules", len(rules))
	}
	played := Played{}
	var others []*Result
	for _, name := range append(PolicyNames()[:7], "rate", "bba", "bola", "mpc", "mpc-carry", "mpc-tuned") {
		r, err := Evaluate(t.Context(), factory(t, name), video, sessions, EvalOptions{Log: true})
		if err != nil {
			t.Fatal(err)
		}
		played.AddResult(sessions, r)
		others = append(others, r)
	}
	var results [2]*Result
	for i := range results {
		if results[i], err = Evaluate(t.Context(), OracleFactory("oracle", rules, played), video, sessions, EvalOptions{Workers: 1 + i}); err != nil {
			t.Fatal(err)
		}
		results[i].Seconds = 0
	}
	if diff := cmp.Diff(results[0], results[1]); diff != "" {
		t.Errorf("workers make a difference:\n%s", diff)
	}
	o := newOracle(t, video)
	for i, s := range results[0].Sessions {
		for _, r := range others {
			if r.Sessions[i].MeanQoE > s.MeanQoE+1e-12 {
				t.Errorf("%s: %s has %v, the oracle %v", s.ID, r.Policy, r.Sessions[i].MeanQoE, s.MeanQoE)
			}
		}
		top, err := o.UpperBound(sessions[i], s.MeanQoE)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.4f, at most %.6f more", s.ID, s.MeanQoE, top-s.MeanQoE)
		if top < s.MeanQoE-1e-12 || top > s.MeanQoE+0.05 {
			t.Errorf("%s: the upper bound is %v, the oracle's %v", s.ID, top, s.MeanQoE)
		}
		// Told of no session, the bound comes from the relaxed problem alone.
		if top, err = o.UpperBound(sessions[i], math.Inf(-1)); err != nil || top < s.MeanQoE-1e-9 {
			t.Errorf("%s: on its own the upper bound is %v, the oracle's %v; %v", s.ID, top, s.MeanQoE, err)
		}
	}
}

// A poor search keeps what was known.
func TestOracleKnown(t *testing.T) {
	t.Parallel()
	video := SynthVideo("synth1", 1, 1)
	o, s := newOracle(t, video), Session{oracleTraces(t)[4], 1}
	best, want, err := o.Best(s)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := o.start(s)
	if err != nil {
		t.Fatal(err)
	}
	poor := effort{5, []int{1}}
	if _, got := o.best(sim, nil, poor); got/Decisions > want-1e-6 {
		t.Errorf("a search of width 1 finds %v", got/Decisions)
	}
	if got, value := o.best(sim, []Choices{{}, best, {1}}, poor); got != best || value/Decisions != want {
		t.Errorf("got %v of %v", value/Decisions, got)
	}
}

// Where something else happens than was planned, an oracle finds a way on.
func TestOracleDisturbed(t *testing.T) {
	t.Parallel()
	video, trace := SynthVideo("synth1", 1, 1), oracleTraces(t)[3]
	sessions := []Session{{trace, 1}, {trace, 9}}
	oracle := OracleFactory("oracle", nil, nil)
	exploring, err := Exploring(oracle, 0.2, 1)
	if err != nil {
		t.Fatal(err)
	}
	calm, err := Evaluate(t.Context(), oracle, video, sessions, EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		f     Factory
		noise bool
		least float64
	}{{"noise", oracle, true, calm.Mean - 0.2}, {"other qualities", exploring, false, calm.Mean - 1.5}} {
		got, err := Collect(t.Context(), c.f, video, sessions, CollectOptions{Noise: c.noise, Workers: 1, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		again, err := Collect(t.Context(), c.f, video, sessions, CollectOptions{Noise: c.noise, Workers: 2, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%s: workers make a difference:\n%s", c.name, diff)
		}
		mean := 0.0
		for _, r := range got.Rewards {
			mean += r / float64(got.Len())
		}
		t.Logf("%s: %.4f, undisturbed %.4f", c.name, mean, calm.Mean)
		if mean < c.least {
			t.Errorf("%s: got %v, undisturbed %v", c.name, mean, calm.Mean)
		}
		played := Played{}
		if played.AddTransitions(sessions, got); len(played) != 2 || int32(played[sessions[1]][0][46]) != got.Actions[93] {
			t.Errorf("%s: played %v", c.name, played)
		}
	}
}

func TestOracleFailures(t *testing.T) {
	t.Parallel()
	video, sessions := SynthVideo("x", 1, 1), synthSessions(t, 1)
	o := newOracle(t, video)
	bad := Choices{46: 6}
	_, _, err := o.Best(sessions[0], bad)
	checkError(t, err, "quality 6 at chunk 47, want 0 to 5")
	_, _, err = o.Best(Session{sessions[0].Trace, 0})
	checkError(t, err, "abr: oracle: ", "row 0")
	_, err = o.UpperBound(Session{}, 0)
	checkError(t, err, "abr: oracle: session without a trace")
	_, err = NewOracle(&Video{Name: "none"})
	checkError(t, err, `abr: oracle: video "none"`)
	_, err = Evaluate(t.Context(), OracleFactory("oracle", []Factory{factory(t, "mpc-carry")}, nil), video, sessions, EvalOptions{})
	checkError(t, err, `policy "oracle"`, "mpc-carry, whose sessions know of each other")
	if rules, err := OracleRules(PolicyConfig{Weights: t.TempDir()}); err != nil || len(rules) != 11 {
		t.Errorf("a folder without weights: %d rules, %v", len(rules), err)
	}
	_, err = (&oraclePolicy{}).Decide(new(Observation))
	checkError(t, err, "nobody told it the session")
}

// On the public traces the oracle is no worse than any policy, nor than the best sessions published.
func TestOracleGolden(t *testing.T) {
	t.Parallel()
	golden.Data(t, "abr/traces/fcc-test")
	dir := dataRoot(t)
	var file struct {
		Best map[string]float64 `json:"per_trace_mean_qoe"`
	}
	readJSON(t, "abr_oracle.json", &file)
	video, set := openVideo(t, dir, "video1"), openTraces(t, dir, "fcc-test")
	sessions, err := set.Sessions(Plan{Start: StartIndex})
	if err != nil {
		t.Fatal(err)
	}
	every := 1
	if testing.Short() {
		every = 9
	}
	var some []Session
	for i := 0; i < len(sessions); i += every {
		some = append(some, sessions[i])
	}
	rules, err := OracleRules(PolicyConfig{Weights: golden.Data(t, "abr/genet")})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(rules, func(f Factory) bool { return f.Name == "udr-real" }) {
		t.Error("no agents among the rules")
	}
	played := Played{}
	var others []*Result
	for _, name := range PolicyNames() {
		r, err := Evaluate(t.Context(), factory(t, name), video, some, EvalOptions{Log: true})
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, r)
		if factory(t, name).Stateful {
			played.AddResult(some, r)
		}
	}
	got, err := Evaluate(t.Context(), OracleFactory("oracle", rules, played), video, some, EvalOptions{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	best, n := 0.0, float64(len(some))
	for i, s := range got.Sessions {
		want, ok := file.Best[s.ID]
		if best += want / n; !ok || s.MeanQoE < want-0.005 {
			t.Errorf("%s: got %.5f, the best published is %.5f", s.ID, s.MeanQoE, want)
		}
		for _, r := range others {
			if r.Sessions[i].MeanQoE > s.MeanQoE {
				t.Errorf("%s: %s has %v, the oracle %v", s.ID, r.Policy, r.Sessions[i].MeanQoE, s.MeanQoE)
			}
		}
	}
	if t.Logf("%.6f, the best published %.6f, %.2f s a session", got.Mean, best, got.Seconds/n); got.Mean < best*0.995 {
		t.Errorf("got %.5f, the best published is %.5f", got.Mean, best)
	}
	o := newOracle(t, video)
	bounds, gap, most, proven := 0, 0.0, 0.0, 0
	for i := 0; i < len(some); i += 3 {
		top, err := o.UpperBound(some[i], got.Sessions[i].MeanQoE)
		if err != nil {
			t.Fatal(err)
		}
		d := top - got.Sessions[i].MeanQoE
		if bounds, gap, most = bounds+1, gap+d, max(most, d); d < 1e-9 {
			proven++
		}
		if d < 0 || d > 0.02 {
			t.Errorf("%s: the upper bound is %v more", some[i].Trace.Name, d)
		}
	}
	t.Logf("%d upper bounds are %.6f more, at most %.6f, and the same in %d sessions", bounds, gap/float64(bounds), most, proven)
	golden.Cases(t, len(some))
}
