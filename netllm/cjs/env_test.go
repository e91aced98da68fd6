package cjs

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"netllm/internal/measure"
)

// script is a policy made of a function.
type script func(o *Observation) (Action, error)

func (script) Reset(uint64)                            {}
func (f script) Decide(o *Observation) (Action, error) { return f(o) }

func scripted(f script) Factory {
	return Factory{Name: "script", New: func() (Policy, error) { return f, nil }}
}

// What the environment cannot do it refuses, with the reason, and nothing changes.
func TestInvalidActions(t *testing.T) {
	s := madeSequences(t, 1, 4, 1)[0]
	env, err := NewEnv(EnvConfig{Sequences: []*Sequence{s}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := env.Step(Action{}); err == nil || !strings.Contains(err.Error(), "without an episode") {
		t.Errorf("before the first episode: got %v", err)
	}
	o, err := env.Reset(1)
	if err != nil {
		t.Fatal(err)
	}
	before := o.Clone()
	for want, a := range map[string]Action{
		"cjs: stage -2":    {-2, 1},
		"cjs: stage 9999":  {9999, 1},
		"cjs: 0 executors": {0, 0},
		"cjs: 7 executors": {0, 7},
	} {
		if _, err := env.Step(a); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s ...", a, err, want)
		}
		_, err := Evaluate(t.Context(), scripted(func(*Observation) (Action, error) { return a, nil }), []*Sequence{s}, EvalOptions{})
		if err == nil || !strings.Contains(err.Error(), "script: sequence seed1, run 0: decision 0: "+want) {
			t.Errorf("%+v evaluated: got %v", a, err)
		}
	}
	if fmt.Sprint(*before) != fmt.Sprint(*o) {
		t.Errorf("what is observed changed from %v to %v", before, o)
	}
	for done := false; !done; {
		step, err := env.Step(Action{0, o.Committable})
		if err != nil {
			t.Fatal(err)
		}
		o, done = step.Obs, step.Terminated
	}
	if len(o.Nodes)+len(o.Jobs)+len(o.Schedulable) > 0 {
		t.Errorf("at the end: got %+v", o)
	}
	if _, err := env.Step(Action{Stage: Nothing}); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("after the end: got %v", err)
	}
}

// A policy that lets executors idle until nothing will happen any more is told of, not waited for.
func TestStall(t *testing.T) {
	sequences := madeSequences(t, 1, 5, 1)
	nothing := scripted(func(*Observation) (Action, error) { return Action{Stage: Nothing}, nil })
	_, err := Evaluate(t.Context(), nothing, sequences, EvalOptions{})
	if !errors.Is(err, ErrStalled) || !strings.Contains(err.Error(), "5 of 5 jobs are not complete") {
		t.Errorf("got %v", err)
	}
	if _, err := Collect(t.Context(), nothing, sequences, CollectOptions{}); !errors.Is(err, ErrStalled) {
		t.Errorf("collecting: got %v", err)
	}
}

// Idle executors are counted only where there was work for them.
func TestIdle(t *testing.T) {
	sequences := madeSequences(t, 1, 8, 1)
	idle := func(name string) float64 {
		f, err := NewFactory(name, PolicyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Evaluate(t.Context(), f, sequences, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r.Sequences[0].Runs[0].Idle
	}
	if greedy, half := idle("sjf"), idle("fifo"); !(greedy >= 0 && greedy < half && half < 1) {
		t.Errorf("got %v where jobs take all, %v where each takes half", greedy, half)
	}
}

// Rewards sum up to minus the jobs' times; discounted ones are smaller.
func TestRewards(t *testing.T) {
	s := madeSequences(t, 1, 12, 5)[0]
	var sums [2]float64
	for i, discount := range []float64{0, 5e-3} {
		env, err := NewEnv(EnvConfig{Discount: discount})
		if err != nil {
			t.Fatal(err)
		}
		o, err := env.ResetSequence(s, 3)
		if err != nil {
			t.Fatal(err)
		}
		p := policy(t, "fair")
		for done := false; !done; {
			a, err := p.Decide(o)
			if err != nil {
				t.Fatal(err)
			}
			step, err := env.Step(a)
			if err != nil {
				t.Fatal(err)
			}
			if step.Reward > 0 || step.Reward != step.Obs.Reward {
				t.Fatalf("got reward %v, observed %v", step.Reward, step.Obs.Reward)
			}
			sums[i] += step.Reward
			o, done = step.Obs, step.Terminated
		}
		if i > 0 {
			break
		}
		want := 0.0
		for k, at := range env.Completions(nil) {
			want -= at - s.Jobs[k].Arrival
		}
		if math.Abs(sums[0]-want) > 1e-6*-want {
			t.Errorf("got %v, want %v", sums[0], want)
		}
	}
	if !(sums[1]*1000 > sums[0] && sums[1] < 0) { // discounted rewards are in seconds
		t.Errorf("got %v discounted, %v not", sums[1], sums[0])
	}
}

// The same seed is the same episode, whatever was played before, and for any number of workers.
func TestDeterminism(t *testing.T) {
	sequences := madeSequences(t, 3, 10, 1)
	run := func(workers int, seed uint64) []float64 {
		f, err := NewFactory("random", PolicyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Evaluate(t.Context(), f, sequences, EvalOptions{Runs: 3, Workers: workers, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		var all []float64
		for _, s := range r.Sequences {
			for _, run := range s.Runs {
				all = append(all, run.Completion...)
			}
		}
		return all
	}
	one := run(1, 1)
	if !slices.Equal(one, run(4, 1)) || slices.Equal(one, run(1, 2)) {
		t.Error("results depend on the number of workers, or not on the seed")
	}
}

// An environment that has seen an episode allocates nothing in another.
func TestStepDoesNotAllocate(t *testing.T) {
	s := madeSequences(t, 1, 20, 1)[0]
	env, err := NewEnv(EnvConfig{Sequences: []*Sequence{s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range PolicyNames() {
		p := policy(t, name)
		play := func() {
			o, err := env.Reset(1)
			if err != nil {
				t.Fatal(err)
			}
			for done := false; !done; {
				a, err := p.Decide(o)
				if err != nil {
					t.Fatal(err)
				}
				step, err := env.Step(a)
				if err != nil {
					t.Fatal(err)
				}
				o, done = step.Obs, step.Terminated || step.Truncated
			}
		}
		p.Reset(1)
		play()
		// The seed's stream, and what else is made once for an episode; the least of three, since what runs beside counts too.
		if bytes := min(measure.Allocated(play), measure.Allocated(play), measure.Allocated(play)); bytes > 1024 {
			t.Errorf("%s: %d bytes in an episode", name, bytes)
		}
	}
}

// Weighted fair share without weights is fair share, decision by decision.
func TestWeightedFair(t *testing.T) {
	zero := 0.0
	even, err := NewFactory("wfair", PolicyConfig{Exponent: &zero})
	if err != nil {
		t.Fatal(err)
	}
	fair, err := NewFactory("fair", PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	sequences := madeSequences(t, 2, 15, 1)
	a, err := Collect(t.Context(), even, sequences, CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Collect(t.Context(), fair, sequences, CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Stage, b.Stage) || !slices.Equal(a.Count, b.Count) {
		t.Error("decisions differ")
	}
	if _, err := NewFactory("oracle", PolicyConfig{}); err == nil || !strings.Contains(err.Error(), `unknown policy "oracle", known: fifo, fair`) {
		t.Errorf("got %v", err)
	}
}

// The rule's numbers, by hand: two jobs of one stage, 8 executors.
func TestTarget(t *testing.T) {
	o := &Observation{Executors: 8, Committable: 3, Source: 2,
		Jobs:        []JobView{{ID: 0, Supply: 1, First: 0, End: 1}, {ID: 1, Supply: 0, First: 1, End: 2}},
		Nodes:       []Node{{Job: 0, Remaining: 100, Recent: 10, Schedulable: true}, {Job: 1, Remaining: 5, Recent: 10, Schedulable: true}},
		Schedulable: []int{0, 1},
	}
	// Job 1 has R = 50 and a = 10, so T(1) = 100.1 and T(2) = 75.1: a second executor is worth 0.33 of the first, less than 0.4. Job
	// 0 has R = 1000: T(1) = 1052, T(2) = 552, T(3) = 385.3: 0.91 and 0.83 of the first.
	var p Target
	a, err := p.Decide(o)
	if err != nil || a != (Action{1, 1}) {
		t.Errorf("got %+v, %v, want one executor for the smaller job", a, err)
	}
	if p.targets[1] != 1 || p.targets[0] != 7 {
		t.Errorf("got targets %v, want 7 and 1", p.targets)
	}
	o.Jobs[1].Supply = 1
	if a, err = p.Decide(o); err != nil || a != (Action{0, 3}) {
		t.Errorf("got %+v, %v, want three executors for the larger job", a, err)
	}
	o.Source, o.Jobs[0].Supply = 0, 16 // 2 above twice its number
	if a, err = p.Decide(o); err != nil || a != (Action{0, 1}) {
		t.Errorf("got %+v, %v, want two of three let go", a, err)
	}
}
