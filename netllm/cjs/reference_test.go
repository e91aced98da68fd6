// Comparison with the reference numbers of the specification.

package cjs

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"netllm/internal/golden"
	"netllm/ops/asm"
)

// referenceNumbers are the means of an independent simulator, by sequence.
type referenceNumbers struct {
	SD          float64            `json:"sd_within_sequence"`
	PerSequence map[string]float64 `json:"per_sequence"`
	Runs        int                // of all sequences together
}

func reference(t testing.TB) (sequences []*Sequence, independent map[string]referenceNumbers) {
	t.Helper()
	text, err := os.ReadFile(golden.Spec(t, "cjs_reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Default struct {
			Independent map[string]referenceNumbers
		} `json:"default_200jobs_50executors_six_sizes"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	sequences, err = ReadSequence(golden.Spec(t, "cjs_reference_sequences.json"), profiles(t), DefaultCluster())
	if err != nil || len(sequences) != 8 {
		t.Fatalf("%d sequences, %v", len(sequences), err)
	}
	return sequences, file.Default.Independent
}

// compare wants every sequence's mean of eight runs within three standard errors of the reference.
func compare(t *testing.T, f Factory, sequences []*Sequence, want referenceNumbers) {
	t.Helper()
	const runs = 8
	r, err := Evaluate(t.Context(), f, sequences, EvalOptions{Runs: runs, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	theirs := float64(want.Runs) / float64(len(want.PerSequence))
	for _, s := range r.Sequences {
		stderr := math.Sqrt(max(s.SD, want.SD)*max(s.SD, want.SD)/runs + want.SD*want.SD/theirs) // the listed spread is a mean: fair share on sequence 3 has 0.9 s, not 0.2
		if off := (s.Mean - want.PerSequence[s.ID]) / stderr; math.Abs(off) > 3 {
			t.Errorf("%s, sequence %s: got %.3f s, want %.3f: %.1f standard errors off", f.Name, s.ID, s.Mean, want.PerSequence[s.ID], off)
		}
	}
	golden.Cases(t, len(r.Sequences))
	t.Logf("%s: %.3f s (sd within a sequence %.2f), %d decisions", f.Name, r.Mean, r.Sequences[0].SD, r.Sequences[0].Runs[0].Decisions)
}

func TestReference(t *testing.T) {
	sequences, independent := reference(t)
	for _, name := range []string{"fifo", "fair"} {
		f, err := NewFactory(name, PolicyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, f, sequences, independent[name])
	}
	few := 2
	if asm.Level() == "generic" { // slow there
		few = 1
	}
	compare(t, decimaNetwork(t).Factory(false), sequences[:few], independent["decima_sampled"])
}
