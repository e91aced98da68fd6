// Trace files: what is read, and how each kind of bad file is refused.

package abr

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
)

func TestParseTrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		text string
		rows int    // if good
		want string // in the error, if bad
	}{
		{"two rows", "0\t1\n1\t2\n", 2, ""},
		{"any white space", " 0.5   1e0\t\n2\v3\n", 2, ""},
		{"windows line ends", "0\t1\r\n1\t2\r\n", 2, ""},
		{"no end of line", "0 1\n1 2", 2, ""},
		{"blank lines at the end", "0 1\n1 2\n\n  \n", 2, ""},
		{"zero rows", "0 0\n1 0\n2 0.5\n3 0\n", 4, ""},
		{"nothing", "", 0, "line 1: the file ends after 0 rows"},
		{"one row", "0 1\n", 0, "line 1: the file ends after 1 rows"},
		{"one field", "0 1\n1\n", 0, "line 2: want two numbers, time and bandwidth; got 1 fields"},
		{"three fields", "0 1\n1 2 3\n", 0, "line 2: want two numbers, time and bandwidth; got 3 fields"},
		{"time not a number", "0 1\nx 2\n", 0, `line 2: time "x" is not a number`},
		{"bandwidth not a number", "0 1\n1 2,5\n", 0, `line 2: bandwidth "2,5" is not a number`},
		{"long field", "0 1\n1 " + strings.Repeat("x", 99) + "\n", 0, `line 2: bandwidth "` + strings.Repeat("x", 40) + `..." is not`},
		{"out of range", "0 1\n1 1e999\n", 0, `line 2: bandwidth "1e999" is out of range`},
		{"time nan", "nan 1\n1 2\n", 0, "line 1: time NaN is not finite"},
		{"time infinite", "0 1\ninf 2\n", 0, "line 2: time +Inf is not finite"},
		{"time negative", "-1 1\n1 2\n", 0, "line 1: time -1 is negative"},
		{"time too large", "0 1\n1e9 2\n", 0, "line 2: time 1e+09 s is beyond"},
		{"time repeated", "0 1\n1 2\n1 3\n", 0, "line 3: time 1 does not increase (the row before has 1)"},
		{"time goes back", "0 1\n2 2\n1 3\n", 0, "line 3: time 1 does not increase"},
		{"bandwidth negative", "0 1\n1 -0.5\n", 0, "line 2: bandwidth -0.5 is negative"},
		{"bandwidth nan", "0 NaN\n1 2\n", 0, "line 1: bandwidth NaN is not finite"},
		{"bandwidth infinite", "0 1\n1 Inf\n", 0, "line 2: bandwidth +Inf is not finite"},
		{"bandwidth too large", "0 1\n1 1e7\n", 0, "line 2: bandwidth 1e+07 Mbit/s is beyond"},
		{"blank line inside", "0 1\n\n1 2\n", 0, "line 2: blank line between rows"},
		{"line too long", "0 1\n1 2" + strings.Repeat(" ", maxTraceLine) + "\n", 0, "line 2: longer than 4096 bytes"},
		{"all zero after row 0", "0 5\n1 0\n2 0\n", 0, "carries 0 bytes after row 0"},
		{"next to nothing", "0 5\n1 2e-9\n", 0, "carries 0.0002375 bytes after row 0"},
		{"over at once", "0 5\n0.001 1000\n", 0, "lasts 0.001 s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseTrace(strings.NewReader(c.text), "some trace")
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got.Rows() != c.rows || got.Name != "some trace" {
					t.Errorf("got %d rows of %q, want %d", got.Rows(), got.Name, c.rows)
				}
				if err := got.Validate(); err != nil {
					t.Errorf("accepted, but not valid: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("got %v, want an error with %q", got, c.want)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"some trace"`) {
				t.Errorf("got error %q, want one with the name and %q", err, c.want)
			}
		})
	}
}

func TestParseTraceValues(t *testing.T) {
	t.Parallel()
	got, err := ParseTrace(strings.NewReader("0.0\t0.815568\n5.0\t0.820312\n"), "x")
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{0, 5}; !slices.Equal(got.TimeSec, want) {
		t.Errorf("times: got %v, want %v", got.TimeSec, want)
	}
	if want := []float64{0.815568, 0.820312}; !slices.Equal(got.Mbps, want) {
		t.Errorf("bandwidths: got %v, want %v", got.Mbps, want)
	}
}

func TestNewTrace(t *testing.T) {
	t.Parallel()
	if _, err := NewTrace("x", []float64{0, 1}, []float64{1, 1}); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name      string
		sec, mbps []float64
		want      string
	}{
		{"lengths", []float64{0, 1}, []float64{1}, "2 times, 1 bandwidths"},
		{"rows", []float64{0}, []float64{1}, "1 rows"},
		{"order", []float64{0, 1, 1}, []float64{1, 1, 1}, "row 2: time 1 does not increase"},
		{"nan", []float64{0, 1}, []float64{1, math.NaN()}, "row 1: bandwidth NaN"},
		{"dead", []float64{0, 1}, []float64{1, 0}, "carries 0 bytes"},
		{"too many", make([]float64, maxTraceRows+1), make([]float64, maxTraceRows+1), "16777217 rows, at most"},
	} {
		_, err := NewTrace("x", c.sec, c.mbps)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `trace "x"`) {
			t.Errorf("%s: got error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestReadTraceDir(t *testing.T) {
	t.Parallel()
	write := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const good = "0 1\n1 2\n"
	dir := t.TempDir()
	for _, name := range []string{"b", "B", "a10", "a9", ".hidden"} {
		write(dir, name, good)
	}
	traces, err := ReadTraceDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tr := range traces {
		names = append(names, tr.Name)
	}
	if want := []string{"B", "a10", "a9", "b"}; !slices.Equal(names, want) {
		t.Errorf("got order %q, want %q", names, want)
	}

	write(dir, "c", "0 1\nbad\n")
	_, err = ReadTraceDir(dir)
	if want := filepath.Join(dir, "c") + ": line 2"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err = ReadTraceDir(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder inside: got error %v", err)
	}
	if _, err = ReadTraceDir(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no files") {
		t.Errorf("empty folder: got error %v", err)
	}
	if _, err = ReadTraceDir(filepath.Join(dir, "missing")); err == nil {
		t.Error("missing folder: no error")
	}
	if _, err = ReadTrace(filepath.Join(dir, "missing")); err == nil {
		t.Error("missing file: no error")
	}
}

// TestReadAllTraces reads every trace of the data sets.
func TestReadAllTraces(t *testing.T) {
	t.Parallel()
	cases := 0
	for _, c := range []struct {
		set    string
		traces int
		rows   int // of the longest
	}{{"fcc-test", 68, 320}, {"fcc-train", 235, 3963}, {"fcc-valid", 150, 320}} {
		traces, err := ReadTraceDir(golden.Data(t, "abr/traces/"+c.set))
		if err != nil {
			t.Fatal(err)
		}
		longest := 0
		for _, tr := range traces {
			longest = max(longest, tr.Rows())
		}
		if len(traces) != c.traces || longest != c.rows {
			t.Errorf("%s: got %d traces of up to %d rows, want %d of up to %d", c.set, len(traces), longest, c.traces, c.rows)
		}
		cases += len(traces)
	}
	golden.Cases(t, cases)
}

// FuzzTrace feeds the parser anything: it must not panic, and what it accepts
// must be valid, survive a round trip, and play to a session's end.
func FuzzTrace(f *testing.F) {
	for _, text := range []string{
		"0\t1\n1\t2\n", "0 0\r\n0.5 0\r\n1.25 3\r\n", "", "0 1", "nan inf\n", "0 1\n1 1e-3\n\n", "5 1\n6 0\n7 1000000\n",
		hsdpaLog, mahimahiFile, fccCSV, pufferCSV, plainCSV, "0\n99999999999\n", "time,mbps\n\"1\",\"2\"\"\"\n",
	} {
		f.Add([]byte(text))
	}
	video := SynthVideo("fuzz", 1, 1)
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseTrace(strings.NewReader(string(text)), "fuzz")
		if err != nil {
			return
		}
		if err := got.Validate(); err != nil {
			t.Fatalf("accepted, but not valid: %v", err)
		}
		if got.Rows() > len(text)+1 { // row 0 of a Mahimahi file is not in it
			t.Fatalf("%d rows of %d bytes", got.Rows(), len(text))
		}
		again := new(strings.Builder)
		for i := range got.Rows() {
			fmt.Fprintln(again, got.TimeSec[i], got.Mbps[i])
		}
		back, err := ParseTrace(strings.NewReader(again.String()), "fuzz")
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if !slices.Equal(back.TimeSec, got.TimeSec) || !slices.Equal(back.Mbps, got.Mbps) {
			t.Fatal("written again: other rows")
		}

		env, err := NewEnv(EnvConfig{Video: video, Sessions: []Session{{got, got.Rows() - 1}}})
		if got.checkSession(video) != nil {
			if err == nil {
				t.Fatal("a session without an end was begun")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := env.Reset(1); err != nil {
			t.Fatal(err)
		}
		for n := 1; ; n++ {
			step, err := env.Step(n % 2)
			if err != nil {
				t.Fatal(err)
			}
			if c := step.Obs.Last; !(c.DelayMs >= rttMs) || !(c.BufferSec >= 0 && c.BufferSec <= bufferCapMs/1000) || math.IsInf(c.Reward, 0) {
				t.Fatalf("chunk %+v", c)
			}
			if step.Terminated {
				break
			}
		}
	})
}
