// Comparison with the reference numbers and session logs of the specification.

package abr

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
)

func readJSON(t testing.TB, rel string, into any) {
	t.Helper()
	text, err := os.ReadFile(golden.Spec(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", rel, err)
	}
}

// dataRoot is the folder that holds abr/.
func dataRoot(t testing.TB) string {
	t.Helper()
	return golden.Data(t, ".")
}

func close9(got, want float64) bool { return math.Abs(got-want) <= 1e-9 }

func openTraces(t testing.TB, dir, set string) *TraceSet {
	t.Helper()
	s, err := OpenTraces(dir, set)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openVideo(t testing.TB, dir, name string) *Video {
	t.Helper()
	v, err := OpenVideo(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func factory(t testing.TB, name string) Factory {
	t.Helper()
	return seededFactory(t, name, 100003)
}

func seededFactory(t testing.TB, name string, seed uint64) Factory {
	t.Helper()
	config := PolicyConfig{Seed: seed}
	if NeedsWeights(name) {
		config.Weights = golden.Data(t, "abr/genet")
	}
	f, err := NewFactory(name, config)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestReference runs every entry of the reference through Evaluate and compares each trace's score.
func TestReference(t *testing.T) {
	t.Parallel()
	dir := dataRoot(t)
	golden.Data(t, "abr/traces/fcc-test")
	var ref struct {
		Results []struct {
			Video    string
			TraceSet string `json:"trace_set"`
			Start    string
			Policy   string
			Variant  string
			Mean     float64            `json:"mean_qoe"`
			Traces   int                `json:"n_traces"`
			Mbps     float64            `json:"mean_bitrate_mbps"`
			Rebuffer float64            `json:"mean_rebuffer_s_per_chunk"`
			PerTrace map[string]float64 `json:"per_trace_mean_qoe"`
		}
	}
	readJSON(t, "abr_reference.json", &ref)
	names := map[string]string{"bba/deterministic": "bba", "mpc/reset_per_trace": "mpc", "mpc/carry_over": "mpc-carry"}
	for _, a := range agents {
		file := strings.TrimSuffix(a.file, ".safetensors")
		names[file+"/greedy"], names[file+"/sampled_seed100003"] = a.name, a.name+sampledSuffix
	}
	sets := map[string]string{"fcc-test-visible": "fcc-test", "synth_pub": "synth"}
	starts := map[string]StartRule{"index_file": StartIndex, "index_1": StartRow1}

	entries, values := 0, 0
	for _, want := range ref.Results {
		name, ok := names[want.Policy+"/"+want.Variant]
		if !ok {
			t.Errorf("entry of unknown policy %s/%s", want.Policy, want.Variant)
			continue
		}
		set, rule := sets[want.TraceSet], starts[want.Start]
		if set == "" || rule == "" {
			t.Errorf("unknown trace set %q or start %q", want.TraceSet, want.Start)
			continue
		}
		entries++
		t.Run(want.Video+"/"+set+"/"+want.Start+"/"+name, func(t *testing.T) {
			sessions, err := openTraces(t, dir, set).Sessions(Plan{Start: rule})
			if err != nil {
				t.Fatal(err)
			}
			got, err := Evaluate(t.Context(), factory(t, name), openVideo(t, dir, want.Video), sessions, EvalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got.N != want.Traces || len(want.PerTrace) != want.Traces {
				t.Fatalf("got %d sessions, want %d (%d listed)", got.N, want.Traces, len(want.PerTrace))
			}
			var mbps, rebuffer float64
			for _, s := range got.Sessions {
				w, ok := want.PerTrace[s.ID]
				if !ok {
					t.Errorf("trace %q is not in the reference", s.ID)
				} else if !close9(s.MeanQoE, w) {
					t.Errorf("trace %q: got %.12f, want %.9f", s.ID, s.MeanQoE, w)
				}
				values++
				mbps += s.MeanMbps / float64(got.N)
				rebuffer += s.MeanRebufferSec / float64(got.N)
				parts := s.MeanMbps - rebufferPenalty*s.MeanRebufferSec - s.MeanSwitchMbps
				if !close9(parts, s.MeanQoE) {
					t.Errorf("trace %q: parts add up to %v, want the score %v", s.ID, parts, s.MeanQoE)
				}
			}
			if !close9(got.Mean, want.Mean) {
				t.Errorf("mean: got %.12f, want %.9f", got.Mean, want.Mean)
			}
			if !close9(mbps, want.Mbps) || !close9(rebuffer, want.Rebuffer) {
				t.Errorf("got %.12f Mbit/s and %.12f s stall, want %.9f and %.9f", mbps, rebuffer, want.Mbps, want.Rebuffer)
			}
			values += 3
		})
	}
	t.Logf("%d entries compared", entries)
	golden.Cases(t, values)
}

type goldenSession struct {
	Policy  string
	Video   string
	Trace   string
	Start   int `json:"start_index"`
	Options struct{ Mode string }
	MeanQoE float64 `json:"mean_qoe_chunks_1_to_47"`
	Chunks  []struct {
		Chunk     int
		Quality   int
		Kbps      int      `json:"bitrate_kbps"`
		Bytes     int      `json:"size_bytes"`
		DelayMs   float64  `json:"delay_ms"`
		BufferSec float64  `json:"buffer_s"`
		Rebuffer  float64  `json:"rebuffer_s"`
		Reward    float64  `json:"reward"`
		Sleep     float64  `json:"sleep_ms_true"`
		Returned  float64  `json:"sleep_ms_returned"`
		Row       *int     `json:"trace_index_after"`
		Sec       *float64 `json:"trace_time_after_s"`
	}
}

// TestSessionLogs compares each step of the logged sessions in every field.
func TestSessionLogs(t *testing.T) {
	t.Parallel()
	dir := dataRoot(t)
	golden.Data(t, "abr/traces/fcc-test")
	var file struct{ Sessions []goldenSession }
	readJSON(t, "abr_golden.json", &file)
	names := map[string]string{
		"constant_0_after_first_chunk": "constant:0", "constant_5_after_first_chunk": "constant:5",
		"bba": "bba", "mpc": "mpc", "genet greedy": "genet", "genet sample": "genet-sampled",
	}
	set := openTraces(t, dir, "fcc-test")
	steps := 0
	for _, want := range file.Sessions {
		name, ok := names[strings.TrimSpace(want.Policy+" "+want.Options.Mode)]
		if !ok {
			t.Errorf("session of unknown policy %q, mode %q", want.Policy, want.Options.Mode)
			continue
		}
		f := factory(t, name)
		t.Run(name+"/"+want.Trace, func(t *testing.T) {
			i := slices.IndexFunc(set.Traces, func(tr *Trace) bool { return tr.Name == want.Trace })
			if i < 0 {
				t.Fatalf("no trace %q", want.Trace)
			}
			sessions := []Session{{set.Traces[i], want.Start}}
			got, err := Evaluate(t.Context(), f, openVideo(t, dir, want.Video), sessions, EvalOptions{Log: true})
			if err != nil {
				t.Fatal(err)
			}
			if !close9(got.Mean, want.MeanQoE) {
				t.Errorf("mean: got %v, want %v", got.Mean, want.MeanQoE)
			}
			if len(got.Sessions[0].Chunks) != len(want.Chunks) {
				t.Fatalf("got %d chunks, want %d", len(got.Sessions[0].Chunks), len(want.Chunks))
			}
			for i, g := range got.Sessions[0].Chunks {
				w := want.Chunks[i]
				if g.Index != w.Chunk || g.Quality != w.Quality || g.BitrateKbps != w.Kbps || g.SizeBytes != w.Bytes {
					t.Fatalf("chunk %d: got %+v, want %+v", i, g, w)
				}
				if g.DelayMs != w.DelayMs || g.BufferSec != w.BufferSec || g.RebufferSec != w.Rebuffer ||
					g.Reward != w.Reward || g.SleepMs != w.Sleep || g.SleepReturnedMs != w.Returned {
					t.Errorf("chunk %d: got %+v, want %+v", i, g, w)
				}
				if (w.Row == nil) != (i == Chunks-1) || (w.Sec == nil) != (i == Chunks-1) {
					t.Errorf("chunk %d: the log's place in the trace is missing, or there too much", i)
				} else if w.Row != nil && (g.TraceRow != *w.Row || g.TraceSec != *w.Sec) {
					t.Errorf("chunk %d: got row %d at %v s, want row %d at %v s", i, g.TraceRow, g.TraceSec, *w.Row, *w.Sec)
				}
				steps++
			}
		})
	}
	golden.Cases(t, steps)
}

// TestStateGolden compares the state matrix, bit for bit as float32, with those
// logged beside the network's vectors. The log does not name their session; it
// is trace 009 from row 294, and runs are its qualities, found by a search for
// the only sequence that passes through these states.
func TestStateGolden(t *testing.T) {
	t.Parallel()
	dir := dataRoot(t)
	golden.Data(t, "abr/traces/fcc-test")
	var file struct {
		Genet struct {
			Vectors []struct {
				After int `json:"after_chunk"`
				State [Features][History]float32
			}
		} `json:"genet_vectors"`
	}
	readJSON(t, "abr_golden.json", &file)
	var qualities []int
	for _, run := range [][2]int{{19, 0}, {1, 1}, {3, 0}, {3, 1}, {13, 2}, {3, 1}, {4, 0}, {1, 1}} {
		for range run[0] {
			qualities = append(qualities, run[1])
		}
	}

	const name = "009_test_fcc_trace_27175_http---www.amazon.com_420_0"
	set := openTraces(t, dir, "fcc-test")
	i := slices.IndexFunc(set.Traces, func(tr *Trace) bool { return tr.Name == name })
	if i < 0 {
		t.Fatalf("no trace %q", name)
	}
	env, err := NewEnv(EnvConfig{Video: openVideo(t, dir, "video1")})
	if err != nil {
		t.Fatal(err)
	}
	o, err := env.ResetSession(Session{set.Traces[i], 294}, 0)
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for n, q := range qualities {
		if n > 0 {
			step, err := env.Step(q)
			if err != nil {
				t.Fatal(err)
			}
			o = step.Obs
		}
		var got [Features * History]float32
		o.StateFloat32(got[:])
		for _, v := range file.Genet.Vectors {
			if v.After != n {
				continue
			}
			cases++
			for f := range v.State {
				if row := got[f*History : (f+1)*History]; !slices.Equal(row, v.State[f][:]) {
					t.Errorf("after chunk %d, row %d: got %v, want %v", n, f, row, v.State[f])
				}
			}
		}
	}
	if cases != len(file.Genet.Vectors) {
		t.Errorf("met %d of the %d logged states", cases, len(file.Genet.Vectors))
	}
	golden.Cases(t, cases)
}

func TestRandomNumbersGolden(t *testing.T) {
	t.Parallel()
	var file struct {
		RNG struct {
			Twister struct {
				Seed    uint32
				U32     []uint32
				Double  []float64
				Integer []int `json:"randint_1_1000"`
			} `json:"mt19937"`
			Synth struct {
				Seed   uint32
				TS     int     `json:"T_s"`
				Dur    float64 `json:"duration"`
				Min    float64 `json:"min_mbps"`
				Max    float64 `json:"max_mbps"`
				Traces []struct {
					N    int
					Time []float64
					BW   []float64
				}
			} `json:"synthtrace"`
		}
	}
	readJSON(t, "abr_golden.json", &file)
	cases := 0
	w := file.RNG.Twister
	for i, g := 0, NewMT19937(w.Seed); i < len(w.U32); i++ {
		if got := g.Uint32(); got != w.U32[i] {
			t.Errorf("word %d: got %d, want %d", i, got, w.U32[i])
		}
		cases++
	}
	for i, g := 0, NewMT19937(w.Seed); i < len(w.Double); i++ {
		if got := g.Float64(); got != w.Double[i] {
			t.Errorf("double %d: got %v, want %v", i, got, w.Double[i])
		}
		cases++
	}
	for i, g := 0, NewMT19937(w.Seed); i < len(w.Integer); i++ {
		if got := g.IntRange(1, 999); got != w.Integer[i] {
			t.Errorf("integer %d: got %d, want %d", i, got, w.Integer[i])
		}
		cases++
	}

	s := file.RNG.Synth
	traces, err := SynthTraces(SynthConfig{
		Seed: s.Seed, Count: len(s.Traces), ChangeRows: s.TS,
		DurationSec: s.Dur, MinMbps: s.Min, MaxMbps: s.Max,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range s.Traces {
		if traces[i].Rows() != want.N {
			t.Errorf("trace %d: got %d rows, want %d", i, traces[i].Rows(), want.N)
		}
		if !slices.Equal(traces[i].TimeSec, want.Time) || !slices.Equal(traces[i].Mbps, want.BW) {
			t.Errorf("trace %d: rows differ", i)
		}
		cases += want.N
	}
	golden.Cases(t, cases)
}
