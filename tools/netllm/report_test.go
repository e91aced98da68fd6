package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/stats"
	"netllm/netllm/abr"
)

// savedEval has eval abr write a JSON file into dir.
func savedEval(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	succeed(t, append([]string{"eval", "abr", "--json", path}, args...)...)
	return path
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReport makes one page of runs that belong together and of some that do not.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	synth := []string{"--setting", "unseen1", "--video", "synth1"} // custom
	savedEval(t, dir, "rules.json", append(synth, "--policy", "bba,mpc", "--timelines", "1")...)
	savedEval(t, dir, "drawn-1.json", append(synth, "--policy", "random,bba", "--seed", "1")...)
	savedEval(t, dir, "drawn-2.json", append(synth, "--policy", "random", "--seed", "2")...)
	savedEval(t, dir, "elsewhere.json", "--video", "synth2", "--traces", "synth:n=5", "--except", "synth_00[34]", "--policy", "rate")
	put(t, filepath.Join(dir, "training.json"), `{"task": "abr", "model": "m", "body": "none", "recipe": {"name": "best"}, "seed": 3, "parameters": 7, "seconds": 1.5,
		"loss": [{"step": 1, "loss": 2}, {"step": 2, "loss": 1}], "validation": [{"step": 2, "loss": 0.5}], "best_validation": 0.5, "command": "netllm adapt abr"}`)

	out, figures := filepath.Join(t.TempDir(), "page.html"), filepath.Join(t.TempDir(), "figures")
	args := []string{"report", dir, "--out", out, "--figures", figures, "--title", "All <runs>"}
	stdout, stderr := succeed(t, args...)
	if !strings.Contains(stdout, out+": 5 runs, ") || stderr != "" {
		t.Errorf("got %q and %q", stdout, stderr)
	}
	text := readPage(t, out)
	for _, want := range []string{"<title>All &lt;runs&gt;</title>", "Adaptive bitrate streaming: synth1, synth", "Adaptive bitrate streaming: synth2, synth:n=5", "Left out of synth:n=5: 2 traces.",
		"random (drawn-1)", "random (drawn-2)", "Paired differences", "Sessions over time", "Training: Adaptive bitrate streaming", "best validation",
		"netllm eval abr", "prefers-color-scheme: dark", `name="viewport"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if strings.Contains(text, "bba (") { // two runs have the same numbers
		t.Error("the same policy is shown twice")
	}
	if strings.Contains(strings.ReplaceAll(text, "http://www.w3.org/", ""), "http") {
		t.Error("the page knows an address")
	}

	files, err := os.ReadDir(figures)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text, "<figure"); n < 8 || len(files) != n {
		t.Errorf("%d figures for %d charts", len(files), n)
	}
	for _, f := range files {
		if svg := readPage(t, filepath.Join(figures, f.Name())); !strings.HasSuffix(f.Name(), ".svg") || strings.Contains(svg, "var(") {
			t.Errorf("%s: not a figure of its own", f.Name())
		}
	}

	if code, _, stderr := command(t, args...); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("second time: got %d and %q", code, stderr)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := command(t, args...); code != 1 || !strings.Contains(stderr, "01-") {
		t.Errorf("with figures there: got %d and %q", code, stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a page was written all the same")
	}
	succeed(t, append(args, "--force", "--figures-format", "png", "--versus", "mpc")...)
	if text := readPage(t, out); !strings.Contains(text, "What mpc has more than each other policy") {
		t.Error("--versus was not heard")
	}
	badLine(t, 2, `--versus "nobody"`, append(args, "--force", "--versus", "nobody")...)
}

// TestReportOfExperiments reads what experiments write.
func TestReportOfExperiments(t *testing.T) {
	dir := t.TempDir()
	rows := filepath.Join(dir, "general", "results.json")
	row := func(setting, label, a, b string) string {
		return `{"task": "vp", "setting": "` + setting + `", "label": "` + label + `", "metric": "mae_deg", "n": 2, "mean": 1, "stderr": 0.1, "items": [{"id": "a", "value": ` + a + `}, {"id": "b", "value": ` + b + `}]}`
	}
	put(t, rows, `{"experiment": "general", "command": "netllm experiment general", "config": {}, "results": {"rows": [`+
		strings.Join([]string{row("default", "ours", "1", "2"), row("default", "ours", "3", "4"), row("default", "theirs", "5", "7"), row("unseen1", "ours", "2", "2"), row("unseen1", "theirs", "3", "3")}, ", ")+`]}}`)
	put(t, filepath.Join(dir, "general", "config.json"), `{"not": "a result"}`)
	put(t, filepath.Join(dir, "table.json"), `{"experiment": "times", "command": "netllm experiment times", "measured": [{"model": "<small>", "ms": 1.25, "per_step": [1, 2]}, {"model": "large", "ms": 17}]}`)
	out := filepath.Join(dir, "page.html")
	succeed(t, "report", filepath.Join(dir, "general"), filepath.Join(dir, "table.json"), "--out", out)
	text := readPage(t, out)
	for _, want := range []string{"Viewport prediction: default", "Viewport prediction: unseen1", "Viewport prediction in all settings", "sd of seeds", "What ours has more", "-3.5000",
		"table</h2>", "&lt;small&gt;", "1.25", "per step", "netllm experiment times"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page", want)
		}
	}
}

func TestReadRunsErrors(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct{ text, want string }{
		{`{"task": "abr", "setting": "default", "results": []}`, "no results"},
		{`{"task": "abr", "setting": "default", "results": [{"policy": "bba", "items": []}]}`, "no items"},
		{`{"task": "abr", "setting": "default", "results": [{"policy": "bba", "items": [{"id": "x", "value": 1e999}]}]}`, "not a result of eval"},
		{`{"task": "abr", "setting": "default", "results": [{"policy": "bba", "items": [{"id": "x", "value": 1}], "item_parts": [{}, {}]}]}`, "1 items and 2 item_parts"},
		{`{"task": "abr", "setting": "default", "results": [{"policy": "bba", "items": [{"id": "x", "value": 1}]}], "timelines": [{"trace": "x"}]}`, "no players"},
		{`{"task": "abr", "setting": "default", "results": [{"policy": "bba", "items": [{"id": "x", "value": 1}]}], "timelines": [{"trace": "x", "link_s": [1], "link_mbps": [1], "players": [{"policy": "bba", "s": [1]}]}]}`, "1 times and 0 values"},
		{`{"task": "abr", "setting": "default", "results": [{"policy": "bba", "items": [{"id": "x", "value": 1e99}]}]}`, "an item above 1e+12"},
		{`{"loss": [], "command": "x"}`, "without a curve"},
		{`{"results": {"rows": [{"task": "vp"}]}}`, "row 0 of the experiment"},
		{`{"experiment": "x", "measured": []}`, "no result of eval, adapt or an experiment"},
		{`[1, 2]`, "no result of eval"},
		{`{"task": `, "not JSON"},
	} {
		path := filepath.Join(dir, string(rune('a'+i))+".json")
		put(t, path, c.text)
		if _, err := readRuns([]string{path}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want the file's name and %q", c.text, err, c.want)
		}
	}
}

func TestNameRuns(t *testing.T) {
	runs := []*savedRun{{path: "run/a/eval.json"}, {path: "run/b/eval.json"}, {path: "run/c/results.json"}, {path: "x.json"}, {path: "results.json"}}
	nameRuns(runs)
	var names []string
	for _, r := range runs {
		names = append(names, r.name)
	}
	if want := []string{"a/eval", "b/eval", "c", "x", "results"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// TestGroupRuns wants only what was played on the same data in one table, and
// its numbers to be those of eval.
func TestGroupRuns(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--video", "synth1", "--policy"}
	both := savedEval(t, dir, "both.json", append(args, "bba,mpc", "--traces", "synth:n=4")...)
	one := savedEval(t, dir, "one.json", append(args, "bba", "--traces", "synth:n=4")...)
	two := savedEval(t, dir, "two.json", append(args, "mpc", "--traces", "synth:n=4")...)
	other := savedEval(t, dir, "other.json", append(args, "mpc", "--traces", "synth:n=4", "--start", "random")...)
	groups := func(paths ...string) []*runGroup {
		runs, err := readRuns(paths)
		if err != nil {
			t.Fatal(err)
		}
		return groupRuns(runs, "")
	}
	want, got := groups(both)[0].eval, groups(one, two)[0].eval
	if p, q := want.Results[0].Paired[0], got.Results[0].Paired[0]; *p.CI95 != *q.CI95 || p.Mean != q.Mean || p.Wins != q.Wins {
		t.Errorf("apart %+v, together %+v", q, p)
	}
	if list := groups(one, two, other); len(list) != 2 || len(list[0].eval.Results) != 2 {
		t.Errorf("other start rows: %d groups", len(list))
	}
	var saved evalResult
	readJSON(t, both, &saved)
	if want := stats.MeanCI(itemValues(saved.Results[0].Items)); *want != *saved.Results[0].CI95 {
		t.Errorf("eval has %v, its items %v", *saved.Results[0].CI95, *want)
	}
}

// TestReportOfOldFiles reads results from before eval abr had parts.
func TestReportOfOldFiles(t *testing.T) {
	dir := t.TempDir()
	var items []string
	for _, name := range []string{"a", "b", "c"} {
		items = append(items, `{"id": "`+name+`", "value": `+map[string]string{"a": "1", "b": "0.5", "c": "2"}[name]+`}`)
	}
	list := "[" + strings.Join(items, ", ") + "]"
	put(t, filepath.Join(dir, "old.json"), `{"task": "abr", "setting": "default", "command": "c", "results": [{"policy": "bba", "n": 3, "metric": "qoe", "mean": 1.2, "stderr": 0.1, "items": `+list+`}]}`)
	put(t, filepath.Join(dir, "all.json"), `{"task": "all", "setting": "default", "command": "d", "results": [{"task": "cjs", "setting": "default", "metric": "jct_s", "n": 3, "mean": 9, "items": `+list+`},
		{"task": "abr", "setting": "default", "metric": "qoe", "n": 3, "mean": 1.1, "items": `+list+`}]}`)
	out := filepath.Join(dir, "page.html")
	succeed(t, "report", dir, "--out", out)
	text := readPage(t, out)
	for _, want := range []string{"Adaptive bitrate streaming: default", "Cluster job scheduling: default", "less is better", "What netllm has more"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page", want)
		}
	}
}

// TestTimelineOfOneChunk draws the shortest session.
func TestTimelineOfOneChunk(t *testing.T) {
	line := timeline{Trace: "x", LinkSec: []float64{0}, LinkMbps: []float64{1}, Players: []playing{{Policy: "bba", Sec: []float64{1}, Mbps: []float64{1}, MeasuredMbps: []float64{1}, BufferSec: []float64{1}, RebufferedSec: []float64{0}}}}
	if err := line.check(); err != nil {
		t.Fatal(err)
	}
	if _, err := line.chart("c", func(string) int { return 0 }); err != nil {
		t.Error(err)
	}
	if abr.Draws("bba") || abr.Draws("genet") || !abr.Draws("genet-sampled") || !abr.Draws("random") || abr.Draws("x-sampled") {
		t.Error("which policies draw")
	}
}
