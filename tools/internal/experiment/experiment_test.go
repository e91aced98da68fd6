package experiment

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/report"
)

// work is a plan of five units: two that make files, two that read these, and one that reads all. did counts what was
// done, in order.
type work struct {
	units []*Unit
	did   atomic.Int32
}

// newWork makes the plan; stop is called before the unit of that number, from 1, ends.
func newWork(scale int, stop func(n int32)) *work {
	w := &work{}
	count := func() {
		if n := w.did.Add(1); stop != nil {
			stop(n)
		}
	}
	var sums []*Unit
	for i := range 2 {
		files := &Unit{Kind: "make", Label: fmt.Sprint("make ", i), Key: map[string]int{"i": i, "scale": scale}, Files: true, Seconds: float64(i),
			Do: func(_ context.Context, job Job) (any, error) {
				defer count()
				return i, os.WriteFile(filepath.Join(job.Dir, "n"), []byte(strings.Repeat("x", scale*(i+1))), 0o666)
			}}
		sum := &Unit{Kind: "sum", Label: fmt.Sprint("sum ", i), Key: "length", Needs: []*Unit{files},
			Do: func(context.Context, Job) (any, error) {
				defer count()
				text, err := os.ReadFile(filepath.Join(files.Dir(), "n"))
				return map[string]int{"n": len(text)}, err
			}}
		sums = append(sums, sum)
	}
	total := &Unit{Kind: "total", Label: "total", Key: nil, Needs: sums, Do: func(context.Context, Job) (any, error) {
		defer count()
		n := 0
		for _, s := range sums {
			got, err := Get[map[string]int](s)
			if err != nil {
				return nil, err
			}
			n += got["n"]
		}
		return n, nil
	}}
	w.units = append(sums, total)
	return w
}

func newRunner(dir string, workers int) *Runner {
	return &Runner{Store: Store(dir), Workers: workers, Open: func() ops.Backend { return ops.NewCPU(1) }, Chatter: io.Discard, Version: "v1", CPU: "test"}
}

func total(t *testing.T, w *work) int {
	t.Helper()
	n, err := Get[int](w.units[2])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestResume stops the work after each of its units: what is done is not done again, and the end is the same.
func TestResume(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for stopAt := int32(1); stopAt <= 5; stopAt++ {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			first := newWork(10, func(n int32) {
				if n == stopAt {
					cancel()
				}
			})
			if err := newRunner(dir, workers).Do(ctx, first.units...); !errors.Is(err, context.Canceled) {
				t.Fatalf("%d workers, stopped at %d: got %v, want that it was cancelled", workers, stopAt, err)
			}
			kept := records(t, dir)
			if workers == 1 && len(kept) != int(stopAt)-1 {
				t.Errorf("stopped at %d: got records %v", stopAt, kept)
			}
			second, r := newWork(10, nil), newRunner(dir, workers)
			if err := r.Do(t.Context(), second.units...); err != nil {
				t.Fatal(err)
			}
			if got := int(second.did.Load()); got != 5-len(kept) || r.Fresh() != got || len(r.Units()) != 5 || total(t, second) != 30 {
				t.Errorf("%d workers, stopped at %d: got %d of %d units done anew after %v, total %d", workers, stopAt, got, len(r.Units()), kept, total(t, second))
			}
			third, again := newWork(10, nil), newRunner(dir, workers)
			if err := again.Do(t.Context(), third.units[2]); err != nil || third.did.Load() != 0 || len(again.Units()) != 5 || total(t, third) != 30 {
				t.Errorf("all there: got %v, %d done", err, third.did.Load())
			}
			changed := newWork(20, nil)
			if err := newRunner(dir, workers).Do(t.Context(), changed.units...); err != nil || changed.did.Load() != 5 || total(t, changed) != 60 {
				t.Errorf("another configuration: got %v, %d done, total %d", err, changed.did.Load(), total(t, changed))
			}
		}
	}
}

// records are the names of units that a store has.
func records(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names
}

// TestMain is a program that dies in the middle of its work, if TestKill asks for it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_EXPERIMENT_DIES_IN"); dir != "" {
		w := newWork(10, func(n int32) {
			if n == 3 {
				p, _ := os.FindProcess(os.Getpid())
				_ = p.Kill()
				time.Sleep(time.Minute)
			}
		})
		_ = newRunner(dir, 1).Do(context.Background(), w.units...)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestKill kills a process while a unit is at work, and goes on.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_EXPERIMENT_DIES_IN="+dir)
	if err := cmd.Run(); err == nil {
		t.Fatal("the process was not killed")
	}
	if kept := records(t, dir); len(kept) != 2 {
		t.Fatalf("got records %v, want two", kept)
	}
	w := newWork(10, nil)
	if err := newRunner(dir, 2).Do(t.Context(), w.units...); err != nil || w.did.Load() != 3 || total(t, w) != 30 {
		t.Errorf("got %v, %d done, total %d", err, w.did.Load(), total(t, w))
	}
}

// TestDamage makes anew what cannot be used.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(path string) error
		did    int32
	}{
		{"half a record", func(path string) error { return os.WriteFile(path+".json", []byte(`{"kind":"make","key`), 0o666) }, 1},
		{"another key", func(path string) error {
			text, err := os.ReadFile(path + ".json")
			return errors.Join(err, os.WriteFile(path+".json", []byte(strings.Replace(string(text), `"scale":10`, `"scale":11`, 1)), 0o666))
		}, 1},
		{"no files", os.RemoveAll, 1},
		{"files without a record", func(path string) error { return os.Remove(path + ".json") }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			first := newWork(10, nil)
			if err := newRunner(dir, 1).Do(t.Context(), first.units...); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(first.units[0].Needs[0].Dir()); err != nil {
				t.Fatal(err)
			}
			second := newWork(10, nil)
			if err := newRunner(dir, 1).Do(t.Context(), second.units[0].Needs[0], second.units[2]); err != nil || second.did.Load() != c.did {
				t.Errorf("got %v, %d units done", err, second.did.Load())
			}
		})
	}
}

// TestFailure names the unit, keeps what was done before, and does nothing that needs it.
func TestFailure(t *testing.T) {
	dir := t.TempDir()
	w := newWork(10, nil)
	broken := errors.New("broken")
	w.units[1].Needs[0].Do = func(context.Context, Job) (any, error) { return nil, broken }
	err := newRunner(dir, 1).Do(t.Context(), w.units...)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "make 1") {
		t.Errorf("got %v", err)
	}
	if w.units[2].Done() || slices.ContainsFunc(records(t, dir), func(n string) bool { return strings.HasPrefix(n, "total") }) {
		t.Error("what needed the unit was done")
	}
}

// TestSameName does units of one name once, and gives all their result.
func TestSameName(t *testing.T) {
	w := newWork(10, nil)
	other := newWork(10, nil)
	r := newRunner(t.TempDir(), 2)
	if err := r.Do(t.Context(), append(w.units, other.units...)...); err != nil {
		t.Fatal(err)
	}
	if w.did.Load()+other.did.Load() != 5 || total(t, w) != 30 || total(t, other) != 30 || len(r.Units()) != 5 {
		t.Errorf("got %d and %d done, %d units", w.did.Load(), other.did.Load(), len(r.Units()))
	}
}

// TestOutcome writes all files, again for the same configuration, and over another one only if it is told to.
func TestOutcome(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "out")
	r := newRunner(filepath.Join(dir, "..", "units"), 1)
	w := newWork(10, nil)
	write := func(config any, force bool) error {
		run, err := Begin(dir, "test", "netllm experiment test", config, force)
		if err != nil {
			return err
		}
		if err := r.Do(t.Context(), w.units...); err != nil {
			return err
		}
		o := &Outcome{Title: "A test", Columns: []string{"a", "b"}, Rows: [][]string{{"1", "x,y"}}, Results: map[string]int{"n": 3}, Tables: []*cli.Table{}, Sections: []report.Section{{Title: "Part"}}}
		return o.Write(dir, run, r)
	}
	for range 2 {
		if err := write(map[string]int{"a": 1}, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(map[string]int{"a": 2}, false); err == nil || !strings.Contains(err.Error(), "another configuration") {
		t.Errorf("another configuration: got %v", err)
	}
	if err := write(map[string]int{"a": 2}, true); err != nil {
		t.Errorf("with force: %v", err)
	}
	var got Run
	text, err := os.ReadFile(filepath.Join(dir, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Experiment != "test" || len(got.Units) != 5 || got.Fresh != 5 || got.Version != "v1" || got.CPU != "test" || fmt.Sprint(got.Config, got.Results) != "map[a:2] map[n:3]" {
		t.Errorf("got %+v", got)
	}
	f, err := os.Open(filepath.Join(dir, CSVFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][1] != "x,y" {
		t.Errorf("got %q, %v", rows, err)
	}
	page, err := os.ReadFile(filepath.Join(dir, PageFile))
	if err != nil || !strings.Contains(string(page), "netllm experiment test") || !strings.Contains(string(page), "A test") {
		t.Errorf("the page lacks the command or the title (%v)", err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Begin(full, "test", "", 1, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a folder of other things: got %v", err)
	}
}

// TestPaper holds the table to what it is made of.
func TestPaper(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Paper {
		key := fmt.Sprint(f.Experiment, f.Task, f.Setting, f.System)
		if seen[key] || !slices.Contains([]Sureness{Exact, Measured, Recalled}, f.Sure) || (f.Gain != 0) != (f.GainSure != "") || f.Mean == 0 {
			t.Errorf("got %+v", f)
		}
		seen[key] = true
		if f.Experiment != "general" || f.Gain == 0 {
			continue
		}
		ours := PaperFigure("general", f.Task, "netllm").Mean
		gain := 100 * (f.Mean - ours) / f.Mean
		if f.Task == "abr" {
			gain = -gain
		}
		if d := gain - f.Gain; d < -0.6 || d > 0.6 { // the means were read off figures
			t.Errorf("%s %s: the means make %.1f %%, the table says %.1f", f.Task, f.System, gain, f.Gain)
		}
	}
	if len(PaperFor("general", "vp")) != 4 || PaperFigure("general", "vp", "bba") != nil {
		t.Error("figures are not found by task and system")
	}
}
