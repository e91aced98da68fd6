package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/stats"
	"netllm/netllm/abr"
)

// tableHas says whether a table has a row with the words of want.
func tableHas(text, want string) bool {
	for line := range strings.Lines(text) {
		if strings.Join(strings.Fields(line), " ") == want {
			return true
		}
	}
	return false
}

func evalJSON(t *testing.T, args ...string) (r evalResult) {
	t.Helper()
	stdout, _ := succeed(t, append([]string{"eval", "abr", "--video", "synth1", "--json=-"}, args...)...)
	decode(t, stdout, &r)
	return r
}

// TestScoreABR checks by hand what two seeds on two traces, each played from
// two rows, add up to.
func TestScoreABR(t *testing.T) {
	play := func(values ...float64) *abr.Result {
		r := &abr.Result{Policy: "random", N: 4, Seconds: 1}
		for i, v := range values {
			r.Mean += v / 4
			r.Sessions = append(r.Sessions, abr.SessionResult{ID: string(rune('a' + i%2)), MeanQoE: v, MeanMbps: 2 * v, MeanRebufferSec: 1, MeanSwitchMbps: 3})
		}
		return r
	}
	got := scoreABR([]*abr.Result{play(1, 2, 3, 4), play(5, 6, 7, 8)}, 2)
	_, sd := stats.MeanSD([]float64{2.5, 6.5})
	want := policyResult{Policy: "random", N: 2, Metric: "qoe", Mean: 4.5, StdErr: 0.5, CI95: &stats.Interval{4, 5}, Seconds: 2,
		Items:     []itemValue{{"a", 4}, {"b", 5}},
		SeedMeans: []float64{2.5, 6.5}, SDSeeds: &sd,
		ABRDetails: &ABRDetails{Sessions: 4, Parts: ABRParts{9, 1, 3},
			ItemParts: []ABRParts{{8, 1, 3}, {10, 1, 3}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPaired(t *testing.T) {
	results := []policyResult{
		{Policy: "a", Metric: "qoe", Items: []itemValue{{"x", 1}, {"y", 5}, {"z", 2}}},
		{Policy: "b", Metric: "qoe", Items: []itemValue{{"x", 0}, {"y", 6}, {"z", 2}}},
		{Policy: "elsewhere", Metric: "qoe", Items: []itemValue{{"x", 0}, {"y", 6}, {"w", 2}}},
	}
	classes := map[string]string{"x": "unseen", "y": "copy", "z": "unseen"}
	results[0].addPaired(results, classes, []string{"copy", "unseen"})
	want := []paired{{Versus: "b", Spread: newSpread([]float64{1, -1, 0}), Wins: 1,
		Classes: []pairedClass{{"copy", newSpread([]float64{-1}), 0}, {"unseen", newSpread([]float64{1, 0}), 1}}}}
	if diff := cmp.Diff(want, results[0].Paired); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := wins([]float64{1, -1, -2, 0}, "jct_s"); got != 2 {
		t.Errorf("lower is better: got %d wins, want 2", got)
	}
}

// TestEvalIntervals wants every number of the JSON to follow from its items.
func TestEvalIntervals(t *testing.T) {
	r := evalJSON(t, "--traces", "synth:n=12", "--policy", "bba,mpc", "--versus", "mpc", "--timelines", "2")
	for i, p := range r.Results {
		values := itemValues(p.Items)
		if *p.CI95 != *stats.MeanCI(values) || !(p.CI95[0] < p.Mean && p.Mean < p.CI95[1]) {
			t.Errorf("%s: interval %v of mean %v", p.Policy, *p.CI95, p.Mean)
		}
		for k, parts := range p.ItemParts {
			if qoe := parts.Mbps - rebufferPenalty*parts.RebufferSec - parts.SwitchMbps; math.Abs(qoe-values[k]) > 1e-9 {
				t.Errorf("%s: parts %+v make %v, the item is %v", p.Policy, parts, qoe, values[k])
			}
		}
		if want := i == 1; (len(p.Paired) == 1) != want {
			t.Errorf("%s: %d comparisons", p.Policy, len(p.Paired))
		}
	}
	pair := r.Results[1].Paired[0]
	differences := stats.Differences(itemValues(r.Results[1].Items), itemValues(r.Results[0].Items))
	if pair.Versus != "bba" || *pair.CI95 != *stats.MeanCI(differences) || math.Abs(pair.Mean-(r.Results[1].Mean-r.Results[0].Mean)) > 1e-12 {
		t.Errorf("got %+v", pair)
	}
	if len(r.Timelines) != 2 || len(r.Timelines[0].Players) != 2 || len(r.Timelines[0].Players[0].Sec) != abr.Chunks {
		t.Errorf("timelines: got %d", len(r.Timelines))
	}
	for _, line := range r.Timelines {
		if err := line.check(); err != nil {
			t.Error(err)
		}
	}
	if one := evalJSON(t, "--traces", "synth:n=1", "--policy", "bba"); one.Results[0].CI95 != nil || one.Timelines != nil {
		t.Errorf("one trace: interval %v, timelines %v", one.Results[0].CI95, one.Timelines)
	}
}

// TestSeeds wants policies that draw to be played with each seed, and others once.
func TestSeeds(t *testing.T) {
	args := []string{"--traces", "synth:n=5", "--policy", "random,bba"}
	r := evalJSON(t, append(args, "--seeds", "3", "--seed", "7")...)
	drawn, ruled := r.Results[0], r.Results[1]
	if len(drawn.SeedMeans) != 3 || drawn.SDSeeds == nil || ruled.SeedMeans != nil || ruled.SDSeeds != nil {
		t.Fatalf("seeds: got %v and %v", drawn.SeedMeans, ruled.SeedMeans)
	}
	var sums [5]float64
	for k, seed := range []string{"7", "8", "9"} {
		one := evalJSON(t, append(args, "--seed", seed)...).Results[0]
		if one.Mean != drawn.SeedMeans[k] {
			t.Errorf("seed %s: got %v, alone %v", seed, drawn.SeedMeans[k], one.Mean)
		}
		for i, item := range one.Items {
			sums[i] += item.Value
		}
	}
	for i, item := range drawn.Items {
		if math.Abs(item.Value-sums[i]/3) > 1e-12 {
			t.Errorf("%s: got %v, want the mean over seeds %v", item.ID, item.Value, sums[i]/3)
		}
	}
	stdout, _ := succeed(t, "eval", "abr", "--video", "synth1", "--traces", "synth:n=5", "--policy", "random,bba", "--seeds", "3")
	if !strings.Contains(stdout, "sd of seeds") || !strings.Contains(stdout, "what random has more, trace by trace:") {
		t.Errorf("got:\n%s", stdout)
	}
}

func TestStarts(t *testing.T) {
	r := evalJSON(t, "--traces", "synth:n=3", "--policy", "bba", "--starts", "4")
	p := r.Results[0]
	if r.Setting != customSetting || r.Starts != 4 || p.N != 3 || p.Sessions != 12 || len(p.Items) != 3 || r.Start != "random" {
		t.Errorf("got %s, %d starts, n %d, %d sessions, start %q", r.Setting, r.Starts, p.N, p.Sessions, r.Start)
	}
	video, err := abr.OpenVideo("", "synth1")
	if err != nil {
		t.Fatal(err)
	}
	set, err := abr.OpenTraces("", "synth:n=3")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(abr.Plan{Start: abr.StartRandom, Episodes: 12, Seed: evalSeed})
	if err != nil {
		t.Fatal(err)
	}
	f, err := abr.NewFactory("bba", abr.PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := abr.Evaluate(t.Context(), f, video, sessions, abr.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for k, item := range p.Items {
		mean := 0.0
		for i := k; i < 12; i += 3 {
			mean += result.Sessions[i].MeanQoE / 4
		}
		if item.ID != set.Traces[k].Name || math.Abs(item.Value-mean) > 1e-12 {
			t.Errorf("got %v, want %s with %v", item, set.Traces[k].Name, mean)
		}
	}
}

func TestTraceChoice(t *testing.T) {
	names := func(r evalResult) (list []string) {
		for _, item := range r.Results[0].Items {
			list = append(list, item.ID)
		}
		return list
	}
	args := []string{"--traces", "synth:n=12", "--policy", "bba"}
	r := evalJSON(t, append(args, "--only", "synth_00[0-3],synth_011", "--except", "*_002")...)
	if got, want := names(r), []string{"synth_000", "synth_001", "synth_003", "synth_011"}; !slices.Equal(got, want) || len(r.LeftOut) != 8 || r.Setting != customSetting {
		t.Errorf("got %q, %d left out, setting %s; want %q", got, len(r.LeftOut), r.Setting, want)
	}

	classes := filepath.Join(t.TempDir(), "classes.json")
	if err := os.WriteFile(classes, []byte(`{"synth_pub_000": "x", "synth_000": "unseen", "synth_001": "copy", "synth_002": "unseen"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	r = evalJSON(t, "--traces", "synth:n=3", "--policy", "bba", "--classes", classes, "--only-class", "unseen")
	if got, want := names(r), []string{"synth_000", "synth_002"}; !slices.Equal(got, want) || !slices.Equal(r.LeftOut, []string{"synth_001"}) || r.Results[0].Classes != nil || r.Classes["synth_002"] != "unseen" {
		t.Errorf("got %q, left out %q, want %q", got, r.LeftOut, want)
	}

	pool := filepath.Join(t.TempDir(), "pool")
	var c collectResult
	stdout, _ := succeed(t, "collect", "abr", "--policy", "bba", "--video", "synth1", "--traces", "synth:n=4", "--only", "synth_00[12]", "--out", pool, "--json")
	decode(t, stdout, &c)
	if want := []string{"synth_000", "synth_003"}; !slices.Equal(c.LeftOut, want) || c.Episodes != 2 {
		t.Errorf("collect: left out %q, %d episodes, want %q and 2", c.LeftOut, c.Episodes, want)
	}

	bad := append([]string{"eval", "abr", "--video", "synth1"}, args...)
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, `--only "fcc*": no trace of synth:n=12 has such a name`, []string{"--only", "fcc*"}},
		{1, `--except "fcc*": no trace`, []string{"--except", "fcc*"}},
		{1, "no trace of synth:n=12 is left", []string{"--except", "*"}},
		{2, `--only "[": not a pattern`, []string{"--only", "["}},
		{2, "have no classes", []string{"--only-class", "unseen"}},
		{2, "--starts are random rows", []string{"--starts", "2", "--start", "row1"}},
		{2, "--seeds 0", []string{"--seeds", "0"}},
		{2, "--starts -1", []string{"--starts", "-1"}},
		{2, `--versus "mpc": not one of`, []string{"--versus", "mpc"}},
	} {
		badLine(t, c.code, c.want, append(bad, c.args...)...)
	}
	badLine(t, 2, `no trace is of class "slice", known: copy, unseen`, "eval", "abr", "--video", "synth1", "--traces", "synth:n=3", "--policy", "bba", "--classes", classes, "--only-class", "slice")
	badLine(t, 2, "--only and --except belong to recipe best", "adapt", "abr", "--recipe", "offline", "--only", "x", "--out", filepath.Join(t.TempDir(), "out"))
}

// TestEvalABRReport looks for what the page must show, and that it needs no network.
func TestEvalABRReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	args := []string{"eval", "abr", "--video", "synth1", "--traces", "synth:n=6", "--policy", "bba,mpc,random,rate", "--seeds", "2", "--report", path}
	succeed(t, args...)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{"Paired differences", "What QoE is made of", "Sessions over time", "Over traces", "95 % interval", "What bba has more", "prefers-color-scheme"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if n := strings.Count(page, "<figure"); n != 3+defaultTimelines {
		t.Errorf("charts: got %d, want %d", n, 3+defaultTimelines)
	}
	if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/", ""), "http") {
		t.Error("the page knows an address")
	}
	if code, _, stderr := command(t, args...); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("second time: got %d and %q", code, stderr)
	}
}

func TestPickSessions(t *testing.T) {
	r := &abr.Result{}
	for _, v := range []float64{3, 1, 5, 2, 4} {
		r.Sessions = append(r.Sessions, abr.SessionResult{MeanQoE: v})
	}
	for n, want := range map[int][]int{1: {0}, 2: {1, 2}, 3: {1, 0, 2}, 9: {1, 3, 0, 4, 2}} {
		if got := pickSessions(r, 5, n); !slices.Equal(got, want) {
			t.Errorf("%d: got %v, want %v", n, got, want)
		}
	}
	if got := pickSessions(r, 1, 3); !slices.Equal(got, []int{0}) {
		t.Errorf("of one: got %v", got)
	}
}
