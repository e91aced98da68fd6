package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// allAdapters trains a small adapter of each task around model, and returns the flags that name them and their data.
func allAdapters(t *testing.T, model string) (adapters, data []string) {
	t.Helper()
	dir, cluster, watched := t.TempDir(), clusterData(t), viewers(t)
	pool, jobs := filepath.Join(dir, "pool"), filepath.Join(dir, "jobs")
	synth := []string{"--video", "synth1", "--traces", "synth:n=2,T=60"}
	small := []string{"--data", cluster, "--jobs", "8", "--executors", "4", "--sequences", "1"}
	succeed(t, append([]string{"collect", "abr", "--policy", "bba", "--episodes", "2", "--out", pool}, synth...)...)
	succeed(t, append([]string{"collect", "cjs", "--policy", "target", "--out", jobs}, small...)...)
	learn := func(task string, args ...string) {
		out := filepath.Join(dir, task)
		succeed(t, append([]string{"adapt", task, "--model", model, "--out", out, "--threads", "1"}, args...)...)
		adapters = append(adapters, "--adapter", task+"="+out)
	}
	learn("vp", "--dataset", watched, "--epochs", "1")
	learn("abr", "--pool", pool, "--recipe", "offline", "--epochs", "1")
	learn("cjs", append([]string{"--pool", jobs, "--windows", "64", "--rounds", "0", "--gradient-iterations", "0"}, small...)...)
	return adapters, append(append(small, synth...), "--dataset", watched)
}

// TestEvalAll has one model answer three tasks, then one of them.
func TestEvalAll(t *testing.T) {
	model := byteModel(t)
	adapters, data := allAdapters(t, model)
	base := append([]string{"eval", "all", "--model", model, "--json", "-"}, data...)
	stdout, stderr := succeed(t, append(base, adapters...)...)
	var got evalAllResult
	decode(t, stdout, &got)
	info, err := os.Stat(model)
	if err != nil {
		t.Fatal(err)
	}
	if got.Task != "all" || got.ModelBytes != info.Size() || len(got.WeightsBefore) != 64 || got.WeightsBefore != got.WeightsAfter || len(got.Results) != 3 {
		t.Errorf("got %+v", got)
	}
	for i, want := range []allResult{{Task: "vp", Metric: "mae_deg", Setting: "custom", N: 12, Questions: 12}, {Task: "abr", Metric: "qoe", Setting: "custom", N: 2, Questions: 2 * 48}, {Task: "cjs", Metric: "jct_s", Setting: "custom", N: 8}} {
		r := got.Results[i]
		if r.Task != want.Task || r.Metric != want.Metric || r.Setting != want.Setting || !r.Equal || r.AttachSeconds <= 0 || want.N > 0 && r.N != want.N ||
			r.Questions < 1 || want.Questions > 0 && r.Questions != want.Questions || len(r.Items) == 0 {
			t.Errorf("got %+v, want %+v", r, want)
		}
	}
	if _, err := os.Stat("/proc/self/statm"); err == nil {
		if m := got.Resident; m.Start <= 0 || m.Body <= 0 || m.Attached <= 0 || m.Detached <= 0 {
			t.Errorf("resident memory: got %+v", m)
		}
	}
	for _, word := range []string{"as alone", "the same after all questions", "with 3 adapters attached"} {
		if !strings.Contains(stderr, word) {
			t.Errorf("no %q in:\n%s", word, stderr)
		}
	}

	// What each task's own command says of the same questions.
	for i, task := range []string{"vp", "abr", "cjs"} {
		flags := map[string][]string{"vp": data[len(data)-2:], "abr": data[8:12], "cjs": data[:8]}[task]
		_, dir, _ := strings.Cut(adapters[2*i+1], "=")
		stdout, _ := succeed(t, append([]string{"eval", task, "--policy", "netllm", "--model", model, "--adapter", dir, "--json", "-"}, flags...)...)
		var own evalResult
		decode(t, stdout, &own)
		if own.Results[0].Mean != got.Results[i].Mean || own.Results[0].N != got.Results[i].N {
			t.Errorf("eval %s: got %v over %d, eval all has %v over %d", task, own.Results[0].Mean, own.Results[0].N, got.Results[i].Mean, got.Results[i].N)
		}
	}

	stdout, _ = succeed(t, append(base, adapters[2:4]...)...)
	var one evalAllResult
	decode(t, stdout, &one)
	if len(one.Results) != 1 || one.Results[0].Mean != got.Results[1].Mean {
		t.Errorf("abr without the others: got %+v, want %+v", one.Results, got.Results[1])
	}

	control := filepath.Join(t.TempDir(), "none")
	succeed(t, "adapt", "vp", "--model", model, "--body", "none", "--out", control, "--epochs", "1", "--threads", "1", "--dataset", data[len(data)-1])
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a control's", []string{"--adapter", "vp=" + control}, 1, `trained around the control "none"`},
		{"no adapter", nil, 2, "--adapter is needed"},
		{"no task", []string{"--adapter", "run/vp"}, 2, "want TASK=DIR with one of the tasks vp, abr, cjs"},
		{"unknown task", []string{"--adapter", "xyz=run"}, 2, "want TASK=DIR"},
		{"twice", []string{"--adapter", "vp=a", "--adapter", "vp=b"}, 2, "task vp is given twice"},
		{"windows", append([]string{"--windows", "-1"}, adapters...), 2, "--windows -1"},
		{"batch", append([]string{"--batch", "0"}, adapters...), 2, "--batch 0"},
		{"setting", append([]string{"--setting", "seen"}, adapters...), 2, `"seen"`},
		{"missing", []string{"--adapter", "abr=" + filepath.Join(t.TempDir(), "x")}, 1, "netllm_adapter.json"},
		{"another task's", []string{"--adapter", "abr=" + strings.TrimPrefix(adapters[1], "vp=")}, 1, `for task "vp"`},
		{"another model's", append(adapters[:2:2], "--model="), 1, "the model has"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := command(t, append(base, c.args...)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("got code %d, stdout %q, stderr %q; want %d and %q", code, stdout, stderr, c.code, c.want)
			}
		})
	}
}

// Answers that differ are found, and where.
func TestDiffers(t *testing.T) {
	of := func(mean float64, answers ...[]uint32) *played {
		return &played{policyResult{Mean: mean}, answers}
	}
	a := of(1, []uint32{1, 2}, []uint32{3})
	for _, c := range []struct {
		name string
		b    *played
		want string // "" for none
	}{
		{"same", of(1, []uint32{1, 2}, []uint32{3}), ""},
		{"one bit", of(1, []uint32{1, 2}, []uint32{2}), "answer 2 of 2 is not"},
		{"fewer", of(1, []uint32{1, 2}), "2 questions were answered, alone 1"},
		{"mean", of(2, []uint32{1, 2}, []uint32{3}), "the mean is 1, alone 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := a.differs(c.b)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A task that fails ends the others, and its error is the one that is told.
func TestInTurnFails(t *testing.T) {
	boom := errors.New("boom")
	forever := &player{play: func(_ context.Context, turn turn) (*played, error) {
		for {
			if err := turn(func() error { return nil }); err != nil {
				return nil, err
			}
		}
	}}
	n := 0
	failing := &player{play: func(_ context.Context, turn turn) (*played, error) {
		for {
			if err := turn(func() error {
				if n++; n == 5 {
					return boom
				}
				return nil
			}); err != nil {
				return nil, err
			}
		}
	}}
	if _, err := inTurn(t.Context(), []*player{forever, failing, forever}); !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
}
