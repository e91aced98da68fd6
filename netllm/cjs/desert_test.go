package cjs

import "testing"

// A job with executors that wait for it, and a stage that could start, is not left by the last ones that could start it.
func TestKept(t *testing.T) {
	o := &Observation{
		Committable: 3, Source: 0,
		Jobs:        []JobView{{ID: 0, First: 0, End: 2, Supply: 9}, {ID: 1, First: 2, End: 3}},
		Nodes:       []Node{{Job: 0, Remaining: 4}, {Job: 0, Remaining: 4, Waiting: true}, {Job: 1, Remaining: 4}},
		Schedulable: []int{1, 0, 2},
	}
	working := *o
	working.Nodes = append([]Node{}, o.Nodes...)
	working.Nodes[1].Running = 1
	nowhere := *o
	nowhere.Source = 2
	for _, c := range []struct {
		name    string
		o       *Observation
		a, want Action
	}{
		{"all leave", o, Action{2, 3}, Action{1, 1}},
		{"all idle", o, Action{Stage: Nothing}, Action{1, 1}},
		{"one stays", o, Action{2, 2}, Action{2, 2}},
		{"own stage", o, Action{0, 3}, Action{0, 3}},
		{"others are at work", &working, Action{2, 3}, Action{2, 3}},
		{"executors of no job", &nowhere, Action{2, 3}, Action{2, 3}},
	} {
		if got := c.o.kept(c.a); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// The target rule once left 33 executors waiting in a job for good: 1500 s for the mean job of this sequence.
func TestTargetDeserts(t *testing.T) {
	s, err := Generate(profiles(t), DefaultCluster(), 200, 1001)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFactory("target", PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Evaluate(t.Context(), f, []*Sequence{s}, EvalOptions{Runs: 4})
	if err != nil {
		t.Fatal(err)
	}
	if r.Mean > 100 || r.Longest > 2000 {
		t.Errorf("mean job completion time %.1f s, the longest %.1f s, want less than 100 and 2000", r.Mean, r.Longest)
	}
}
