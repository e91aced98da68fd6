// Trace sets, start rows, plans, and the synthetic generator's settings.

package abr

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
)

// checkError fails t unless err has all the parts in its text.
func checkError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one with %q", err, part)
		}
	}
}

func TestOpenTracesData(t *testing.T) {
	t.Parallel()
	golden.Data(t, "abr/traces/fcc-test")
	dir := dataRoot(t)
	test := openTraces(t, dir, "fcc-test")
	if len(test.Traces) != 68 || len(test.StartRows) != 68 {
		t.Errorf("fcc-test: got %d traces, %d start rows, want 68", len(test.Traces), len(test.StartRows))
	}
	if got := test.StartRows["003_trace_215252_http---www.msn.com_640"]; got != 27 {
		t.Errorf("start row: got %d, want 27", got)
	}
	valid := openTraces(t, dir, "fcc-valid")
	if len(valid.Traces) != 150 || valid.StartRows != nil {
		t.Errorf("fcc-valid: got %d traces, start rows %v", len(valid.Traces), valid.StartRows)
	}
	byPath := openTraces(t, "", filepath.Join(dir, "abr", "traces", "fcc-test")+"/")
	if len(byPath.Traces) != 68 || len(byPath.StartRows) != 68 {
		t.Errorf("by path: got %d traces, %d start rows, want 68", len(byPath.Traces), len(byPath.StartRows))
	}
	golden.Cases(t, 3)
}

func TestOpenTracesDir(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "set")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("0 1\n1 2\n2 3\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		index string
		want  []string // in the error; nil = good
	}{
		{"good", `{"a": 1, "b": 2, "other": 99}`, nil},
		{"missing trace", `{"a": 1}`, []string{`no entry for trace "b"`}},
		{"row 0", `{"a": 0, "b": 1}`, []string{`trace "a": row 0, want 1 to 2`}},
		{"row too large", `{"a": 1, "b": 3}`, []string{`trace "b": row 3, want 1 to 2`}},
		{"fraction", `{"a": 1.5, "b": 1}`, []string{"cannot unmarshal"}},
		{"not an object", `[1, 2]`, []string{"cannot unmarshal"}},
		{"null", `null`, []string{"an object was expected"}},
		{"cut off", `{"a": 1`, []string{"unexpected end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(root, "set_start_index.json")
			if err := os.WriteFile(path, []byte(c.index), 0o644); err != nil {
				t.Fatal(err)
			}
			s, err := OpenTraces("", dir)
			if c.want != nil {
				checkError(t, err, append(c.want, "set_start_index.json")...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sessions, err := s.Sessions(Plan{})
			if err != nil {
				t.Fatal(err)
			}
			if sessions[0].StartRow != 1 || sessions[1].StartRow != 2 {
				t.Errorf("got start rows %d, %d, want 1, 2", sessions[0].StartRow, sessions[1].StartRow)
			}
		})
	}
}

func TestOpenTracesBad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ set, want string }{
		{"", "no trace set named"},
		{"fcc-test", filepath.Join("nowhere", "abr", "traces", "fcc-test")},
		{"no-such-folder", "no-such-folder"},
		{"synth:", "nothing after the colon"},
		{"synth:n", `"n" is not key=value`},
		{"synth:n=1,", `"" is not key=value`},
		{"synth:n=1,n=2", `"n" is given twice`},
		{"synth:N=1", `unknown key "N"`},
		{"synth:n=x", "n: strconv"},
		{"synth:seed=-1", "seed: strconv"},
		{"synth:seed=4294967296", "seed: strconv"},
		{"synth:n=0", "n = 0, at least 1"},
		{"synth:T=0", "T = 0, want 1 to"},
		{"synth:dur=3.5", "dur = 3.5 s, more than 3.5"},
		{"synth:dur=nan", "dur = NaN"},
		{"synth:dur=1e300", "at most"},
		{"synth:n=9999999", "at most"},
		{"synth:min=-1", "min = -1"},
		{"synth:max=0.1", "max = 0.1"},
		{"synth:max=inf", "max = +Inf"},
		{"synth:min=0,max=0.004", "synth_000"}, // every level rounds to zero
	} {
		_, err := OpenTraces("nowhere", c.set)
		checkError(t, err, "abr: ", c.want)
	}
	_, err := SynthTraces(SynthConfig{})
	checkError(t, err, "n = 0", "T = 0", "dur = 0", "max = 0") // all at once
}

func TestSynthTraces(t *testing.T) {
	t.Parallel()
	s := openTraces(t, "", "synth")
	if len(s.Traces) != 10 || s.Traces[0].Name != "synth_pub_000" || s.Traces[9].Name != "synth_pub_009" {
		t.Errorf("got %d traces from %q on", len(s.Traces), s.Traces[0].Name)
	}
	longer := openTraces(t, "", "synth:n=1001")
	for i, tr := range s.Traces {
		if !slices.Equal(tr.TimeSec, longer.Traces[i].TimeSec) || !slices.Equal(tr.Mbps, longer.Traces[i].Mbps) {
			t.Errorf("trace %d is another one in the longer set", i)
		}
	}
	if !slices.IsSortedFunc(longer.Traces, func(a, b *Trace) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("names are not in byte order")
	}
	for _, tr := range openTraces(t, "", "synth:seed=3,n=5,T=1,dur=50,min=1,max=2").Traces {
		if end := tr.TimeSec[tr.Rows()-1]; end < 50 || end >= 53.5 {
			t.Errorf("%s ends at %v s, want 50 to 53.5", tr.Name, end)
		}
		if lo, hi := slices.Min(tr.Mbps), slices.Max(tr.Mbps); lo < 1 || hi > 2 {
			t.Errorf("%s has levels %v to %v, want 1 to 2", tr.Name, lo, hi)
		}
	}
}

func TestRound2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ x, want float64 }{
		{1.005, 1}, // 1.00499999999999989...
		{2.675, 2.67},
		{0.125, 0.12}, // an exact tie goes to even
		{0.375, 0.38},
		{1234.5678, 1234.57},
		{0, 0},
	} {
		if got := round2(c.x); got != c.want {
			t.Errorf("round2(%v): got %v, want %v", c.x, got, c.want)
		}
	}
}

func TestIntRange(t *testing.T) {
	t.Parallel()
	g, h := NewMT19937(1), NewMT19937(1)
	if got := g.IntRange(4, 4); got != 4 {
		t.Errorf("IntRange(4, 4): got %d", got)
	}
	if g.Uint32() != h.Uint32() {
		t.Error("IntRange(4, 4) draws")
	}
	seen := map[int]int{}
	for range 3000 {
		seen[g.IntRange(-2, 3)]++
	}
	for v := -2; v <= 3; v++ {
		if n := seen[v]; n < 400 || n > 600 {
			t.Errorf("IntRange(-2, 3): %d came %d times of 3000", v, n)
		}
	}
	if len(seen) != 6 {
		t.Errorf("IntRange(-2, 3): values %v", seen)
	}
	defer func() {
		if recover() == nil {
			t.Error("IntRange(1, 0) does not panic")
		}
	}()
	g.IntRange(1, 0)
}

func TestSessions(t *testing.T) {
	t.Parallel()
	set := openTraces(t, "", "synth:n=4")
	plan := func(p Plan) []Session {
		t.Helper()
		s, err := set.Sessions(p)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for i, s := range plan(Plan{}) {
		if s.Trace != set.Traces[i] || s.StartRow != 1 {
			t.Errorf("session %d: got %s from row %d", i, s.Trace.Name, s.StartRow)
		}
	}
	for i, s := range plan(Plan{Episodes: 9}) {
		if s.Trace != set.Traces[i%4] {
			t.Errorf("session %d of 9: got %s", i, s.Trace.Name)
		}
	}

	shuffled := plan(Plan{Episodes: 400, Shuffle: true, Start: StartRandom, Seed: 5})
	if !slices.Equal(shuffled, plan(Plan{Episodes: 400, Shuffle: true, Start: StartRandom, Seed: 5})) {
		t.Error("the same plan gives other sessions")
	}
	if slices.Equal(shuffled, plan(Plan{Episodes: 400, Shuffle: true, Start: StartRandom, Seed: 6})) {
		t.Error("another seed gives the same sessions")
	}
	count, inOrder, least, most := map[*Trace]int{}, 0, math.MaxInt, 0
	for i, s := range shuffled {
		count[s.Trace]++
		if s.Trace == set.Traces[i%4] {
			inOrder++
		}
		least, most = min(least, s.StartRow), max(most, s.StartRow)
		if s.StartRow < 1 || s.StartRow >= s.Trace.Rows() {
			t.Fatalf("session %d: row %d of %d", i, s.StartRow, s.Trace.Rows())
		}
	}
	for tr, n := range count {
		if n != 100 {
			t.Errorf("%s came %d times, want 100", tr.Name, n)
		}
	}
	if inOrder > 150 {
		t.Errorf("%d of 400 sessions are in place after shuffling", inOrder)
	}
	if least > 10 || most < 150 {
		t.Errorf("start rows %d to %d are not spread", least, most)
	}

	_, err := set.Sessions(Plan{Start: StartIndex})
	checkError(t, err, "without start rows")
	_, err = set.Sessions(Plan{Start: "row2"})
	checkError(t, err, `unknown start rule "row2"`, "index, row1, random")
	_, err = set.Sessions(Plan{Episodes: -1})
	checkError(t, err, "-1 episodes")
	_, err = (&TraceSet{Name: "none"}).Sessions(Plan{})
	checkError(t, err, `"none" is empty`)
	bad := &TraceSet{Traces: set.Traces[:1], StartRows: map[string]int{}}
	_, err = bad.Sessions(Plan{})
	checkError(t, err, "start row 0, want 1 to")
}

func TestParseStartRule(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "index", "row1", "random"} {
		if got, err := ParseStartRule(text); err != nil || string(got) != text {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}
