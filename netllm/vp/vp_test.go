package vp

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// sameRows reports whether angles agree to the digits that golden files have.
func sameRows(a, b []Angles) bool {
	return slices.EqualFunc(a, b, func(x, y Angles) bool {
		for i := range x {
			if math.Abs(float64(x[i]-y[i])) > 1e-4 {
				return false
			}
		}
		return true
	})
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// rows is the text of n rows that turn a degree of yaw each.
func rows(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strconv.FormatFloat(0.2*float64(i), 'f', 6, 64) + ",1.000000,-2.000000," + strconv.Itoa(i%180) + ".000000\n")
	}
	return b.String()
}

func TestReadTrace(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "user1.csv"), "0.0,1.5,-2.25,179.5\r\n0.4,-180,90,-180\n0.2, 1,2,3\n")
	got, err := ReadTrace(path)
	if want := []Angles{{1.5, -2.25, 179.5}, {-180, 90, -180}, {1, 2, 3}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "user2.csv: no rows"},
		{"columns", "0,1,2,3\n0,1,2\n", "user2.csv:2: 3 columns, want 4"},
		{"five columns", "0,1,2,3,4\n", "user2.csv:1: 5 columns"},
		{"text", "0,1,2,3\n0,1,x,3\n", `user2.csv:2: column 3: "x" is not a number`},
		{"time", "t,roll,pitch,yaw\n", `user2.csv:1: column 1: "t"`},
		{"NaN", "0,NaN,2,3\n", `user2.csv:1: column 2: "NaN"`},
		{"infinite", "0,1,2,1e999\n", `user2.csv:1: column 4: "1e999"`},
		{"pitch", "0,1,90.5,3\n", "user2.csv:1: column 3: pitch is 90.5 degrees, beyond 90"},
		{"yaw", "0,1,2,-180.1\n", "yaw is -180.1 degrees, beyond 180"},
		{"blank line", "0,1,2,3\n\n0,1,2,3\n", "user2.csv:2: 1 columns"},
		{"long line", strings.Repeat("1", 1<<17), "user2.csv:1: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadTrace(write(t, filepath.Join(t.TempDir(), "user2.csv"), c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ... %s", err, c.want)
			}
		})
	}
	if _, err := ReadTrace(filepath.Join(t.TempDir(), "none.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
}

func TestDataset(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"video1/user1.csv", "video1/user2.csv", "video2/user2.csv", "video10/user7.csv"} {
		write(t, filepath.Join(dir, name), rows(70))
	}
	d, err := OpenDataset("", dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Split(AllTraces)
	if err != nil || !slices.Equal(s.Videos, []int{1, 2, 10}) || !slices.Equal(s.Users, []int{1, 2, 7}) {
		t.Fatalf("got %v, %v", s, err)
	}
	if _, err := d.Split("test"); err == nil || !strings.Contains(err.Error(), `no split "test", known: ["all"]`) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Traces(s, false); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join("video1", "user7.csv")) {
		t.Errorf("a missing pair: got %v", err)
	}
	traces, err := d.Traces(s, true)
	if err != nil || len(traces) != 4 || traces[3].ID() != "video10/user7" || len(traces[3].Rows) != 70 {
		t.Fatalf("got %v, %v", traces, err)
	}
	if _, err := d.Traces(Split{[]int{3}, []int{1}}, true); err == nil || !strings.Contains(err.Error(), "none of the traces") {
		t.Errorf("nothing there: got %v", err)
	}
	write(t, filepath.Join(dir, "splits.json"), `{"train": {"videos": [1], "users": [1, 2]}, "test": {"videos": [10], "users": [7]}}`)
	if d, err = OpenDataset("", dir); err != nil || !slices.Equal(d.Splits(), []string{"test", "train"}) {
		t.Fatalf("got %v, %v", d, err)
	}
	if err := d.CheckTraining(traces[:2]); err != nil {
		t.Error(err)
	}
	for _, bad := range []*Trace{{Video: 10, User: 1}, {Video: 1, User: 7}} {
		if err := d.CheckTraining([]*Trace{traces[0], bad}); err == nil || !strings.Contains(err.Error(), bad.ID()+" is not to be trained on") {
			t.Errorf("%s: got %v", bad.ID(), err)
		}
	}
	for text, want := range map[string]string{
		`{"train": {"videos": [1, 10], "users": [1]}, "test": {"videos": [10], "users": [7]}}`: `"train" and "test" share videos [10] and users []`,
		`{"train": `: "splits.json: ",
	} {
		write(t, filepath.Join(dir, "splits.json"), text)
		if _, err := OpenDataset("", dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ... %s", text, err, want)
		}
	}
	if _, err := OpenDataset(t.TempDir(), "jin2023"); err == nil || !strings.Contains(err.Error(), "neither one of") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenDataset(t.TempDir(), "Jin2022"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	write(t, filepath.Join(dir, "video1x", "user1.csv"), rows(3))
	write(t, filepath.Join(dir, "splits.json"), `{}`)
	if d, err = OpenDataset("", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Split(AllTraces); err == nil || !strings.Contains(err.Error(), "is not videoN/userM.csv") {
		t.Errorf("got %v", err)
	}
}

func TestWindowing(t *testing.T) {
	if err := DefaultWindowing().Validate(); err != nil {
		t.Error(err)
	}
	bad := Windowing{History: 40, Horizon: 50, Stride: 0, TrimHead: 30, TrimTail: 30}
	if err := bad.Validate(); err == nil || strings.Count(err.Error(), "vp: windows") != 3 {
		t.Errorf("got %v, want three errors", err)
	}
	w := Windowing{History: 2, Horizon: 3, Stride: 4, TrimHead: 5, TrimTail: 3}
	for n, want := range map[int][]int{8: nil, 9: {5}, 12: {5}, 13: {5, 9}} {
		var got []int
		for _, q := range w.Windows([]*Trace{{Rows: make([]Angles, n)}}) {
			if len(q.Past()) != 2 || len(q.Future()) != 3 {
				t.Errorf("%d rows: got %v", n, q)
			}
			got = append(got, q.At)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d rows: got windows at %v, want %v", n, got, want)
		}
	}
}

// Turning at a degree a row through the wrap: what each rule makes of it.
func TestRules(t *testing.T) {
	past := []Angles{{179, 0, 178}, {-180, 1, 179}, {-179, 2, -180}, {-178, 3, -179}}
	for _, c := range []struct {
		name string
		want Angles // of the second row to come
	}{
		{"hold-last", Angles{-178, 3, -179}},
		{"lr-unwrapped", Angles{-176, 5, -177}},
		{"velocity-unwrapped", Angles{-176, 5, -177}},
		{"velocity-damped", Angles{-178 + 0.7 + 0.21, 3 + 0.7 + 0.21, -179 + 0.7 + 0.21}},
		{"velocity", Angles{-178 - 2*119, 5, -179 - 2*119}},
	} {
		f, err := NewFactory(c.name)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := f.New()
		got := [][]Angles{make([]Angles, 2)}
		if err := p.Predict(got, []Window{Ask(past, 2)}); err != nil || !sameRows(got[0][1:], []Angles{c.want}) {
			t.Errorf("%s: got %v, %v, want %v", c.name, got[0][1], err, c.want)
		}
	}
	for _, name := range Baselines { // a single row, and an axis at rest
		f, _ := NewFactory(name)
		p, _ := f.New()
		got := [][]Angles{make([]Angles, 3)}
		if err := p.Predict(got, []Window{Ask([]Angles{{1, 2, 3}}, 3)}); err != nil || !sameRows(got[0], []Angles{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}}) {
			t.Errorf("%s of one row: got %v, %v", name, got[0], err)
		}
	}
	if _, err := NewFactory("magic"); err == nil || !strings.Contains(err.Error(), `"hold-last"`) {
		t.Errorf("got %v", err)
	}
}

// predictorFunc is a predictor made of a function.
type predictorFunc func(dst [][]Angles, ws []Window) error

func (f predictorFunc) Predict(dst [][]Angles, ws []Window) error { return f(dst, ws) }

func TestEvaluate(t *testing.T) {
	trace := &Trace{Video: 3, User: 4, Rows: make([]Angles, 400)}
	other := &Trace{Video: 3, User: 5, Rows: make([]Angles, 100)}
	for i := range trace.Rows {
		trace.Rows[i] = Angles{float32(i % 7), float32(i % 5), float32(i%360 - 180)}
	}
	ws := DefaultWindowing().Windows([]*Trace{trace, other})
	one := evaluate(t, "velocity-damped", ws, EvalOptions{Workers: 1})
	last := 0
	many := evaluate(t, "velocity-damped", ws, EvalOptions{Workers: 3, Progress: func(done, total int) { last = max(last, done*len(ws)/total) }})
	one.Seconds, many.Seconds = 0, 0
	if !slices.Equal(one.Windows, many.Windows) || one.Mean != many.Mean || one.StdErr != many.StdErr {
		t.Errorf("three workers: got %v, want %v", many.Mean, one.Mean)
	}
	if last != len(ws) || one.N != len(ws) || len(one.Pairs) != 2 || len(one.Videos) != 1 || one.Videos[0].N != len(ws) || one.P99 < one.P90 || one.P90 < one.P50 {
		t.Errorf("progress %d of %d, result %+v", last, len(ws), one)
	}
	custom := func(f predictorFunc) Factory {
		return Factory{Name: "custom", New: func() (Predictor, error) { return f, nil }}
	}
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		f    Factory
		ws   []Window
		want string
	}{
		"no windows":   {custom(nil), nil, "no windows"},
		"two horizons": {custom(nil), []Window{{Horizon: 2}, {Horizon: 3}}, "of 2 and of 3 rows"},
		"failure":      {custom(func([][]Angles, []Window) error { return boom }), ws, "custom: boom"},
		"not finite": {custom(func(dst [][]Angles, _ []Window) error {
			dst[0][3][Yaw] = float32(math.NaN())
			return nil
		}), ws, "video3/user4, row 30, step 4: yaw is NaN"},
		"no predictor": {Factory{Name: "none", New: func() (Predictor, error) { return nil, boom }}, ws, "boom"},
	} {
		if _, err := Evaluate(t.Context(), c.f, c.ws, EvalOptions{Workers: 2}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want ... %s", name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Evaluate(ctx, custom(func([][]Angles, []Window) error { return nil }), ws, EvalOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestFolds(t *testing.T) {
	d := published["jin2022"]
	folds := Folds([]Split{d.splits["train"], d.splits["valid"]}, 5)
	videos, users := map[int]int{}, map[int]int{}
	for _, f := range folds {
		if common(f.Train.Videos, f.Valid.Videos) != nil || common(f.Train.Users, f.Valid.Users) != nil {
			t.Errorf("%v: the parts share something", f)
		}
		if len(f.Train.Videos)+len(f.Valid.Videos) != 21 || len(f.Train.Users)+len(f.Valid.Users) != 63 {
			t.Errorf("got %d and %d videos, %d and %d users", len(f.Train.Videos), len(f.Valid.Videos), len(f.Train.Users), len(f.Valid.Users))
		}
		if common(f.Train.Videos, d.splits["test"].Videos) != nil || common(f.Valid.Users, d.splits["test"].Users) != nil {
			t.Errorf("%v: something of the test split", f)
		}
		for _, v := range f.Valid.Videos {
			videos[v]++
		}
		for _, u := range f.Valid.Users {
			users[u]++
		}
	}
	if len(videos) != 21 || len(users) != 63 {
		t.Errorf("got %d videos and %d users validated, want each once", len(videos), len(users))
	}
}
