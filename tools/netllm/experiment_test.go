package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
)

// experimentData is a folder with little of the data of all three tasks, generated.
func experimentData(t *testing.T) string {
	t.Helper()
	dir := clusterData(t)
	for _, name := range []string{"Jin2022", "Wu2017"} {
		viewersOf(t, filepath.Join(dir, "vp", name))
	}
	for _, name := range []string{"fcc-train", "fcc-test"} {
		for i := range 8 {
			var text strings.Builder
			for s := range 60 {
				fmt.Fprintf(&text, "%d %.3f\n", s, 0.5+float64((s*(i+3)+len(name))%7)/2)
			}
			put(t, filepath.Join(dir, "abr", "traces", name, fmt.Sprint("trace", i)), text.String())
		}
	}
	for i, name := range []string{"video1", "video2"} {
		video := abr.SynthVideo(name, uint32(i)+1, 1)
		for q := range abr.Qualities {
			var text strings.Builder
			for _, n := range video.ChunkBytes[q] {
				fmt.Fprintln(&text, n)
			}
			put(t, filepath.Join(dir, "abr", "videos", name+"_sizes", fmt.Sprint("video_size_", q)), text.String())
		}
	}
	b := ops.NewCPU(1)
	defer b.Close()
	if err := cjs.NewDecimaNetwork(b, 1).Write(b, filepath.Join(dir, "cjs", "decima.safetensors"), nil, false); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tinyTasks are tasks that take seconds.
func tinyTasks() map[string]*taskConfig {
	return map[string]*taskConfig{
		"vp":  {Policies: []string{"hold-last", "lr"}, Recipes: []trainConfig{{Recipe: "best", Epochs: 1}}},
		"abr": {Policies: []string{"bba"}, Recipes: []trainConfig{{Recipe: "best", Windows: 64, Rounds: -1}}, Episodes: 2},
		"cjs": {Policies: []string{"fifo", "target"}, Recipes: []trainConfig{{Recipe: "best", Windows: 64, Rounds: -1, Steps: -1}}, Sequences: 2, Runs: 1, Jobs: 4, Executors: 4, Validation: 1, Episodes: 1},
	}
}

// tinyConfig is an experiment that takes seconds.
func tinyConfig(t *testing.T, name string) *experimentConfig {
	t.Helper()
	c := &experimentConfig{Experiment: name, Budget: smallBudget, Models: []string{byteModel(t)}, Seeds: firstSeeds(1), Settings: []string{"default"}, Missing: true, Tasks: tinyTasks()}
	switch name {
	case "general":
		c.Seeds = firstSeeds(2)
		c.Tasks["vp"].Recipes = append(c.Tasks["vp"].Recipes, trainConfig{Recipe: "paper", Epochs: 1, Seeds: 1})
		c.Tasks["abr"].Recipes = append(c.Tasks["abr"].Recipes, trainConfig{Recipe: "offline", Epochs: 1, Seeds: 1})
		c.Tasks["cjs"].Recipes = []trainConfig{{Recipe: "best", Windows: 64, Rounds: 1, Plays: 1, Steps: 1}, {Recipe: "paper", Windows: 32, Seeds: 1}}
	case "generalization":
		c.Settings = settingNames[1:]
		c.Tasks["vp"].Policies, c.Tasks["vp"].TrackEpochs = []string{"hold-last", trackPolicy}, 1
		delete(c.Tasks, "cjs")
	case "pretrained":
		c.Bodies = []string{"pretrained", "random", "none"}
		for _, task := range c.Tasks {
			task.Recipes[0].Rates = []float64{1e-3, 4e-3}
		}
	case "llms", "sizes":
		c.Models = append(c.Models, embeddedName)
		delete(c.Tasks, "cjs")
	case "rank":
		for _, task := range c.Tasks {
			task.Ranks = []int{2, 0}
		}
	case "window":
		c.Tasks["vp"].Windows, c.Tasks["abr"].Windows, c.Tasks["cjs"].Windows = []int{10, 5}, []int{2, 1}, []int{2, 1}
		c.Tasks["abr"].Recipes, c.Tasks["cjs"].Recipes = []trainConfig{{Recipe: "offline", Epochs: 1}}, []trainConfig{{Recipe: "paper", Windows: 32}}
	}
	return c
}

// writeConfig writes a configuration and returns its path.
func writeConfig(t *testing.T, c *experimentConfig) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := cli.WriteFile(path, false, func(w io.Writer) error { return cli.EncodeJSON(w, c) }); err != nil {
		t.Fatal(err)
	}
	return path
}

// experimentFiles is what a folder of results has to say.
type experimentFiles struct {
	run     experiment.Run
	results compared
	rows    []map[string]string
	page    string
}

func readExperiment(t *testing.T, dir string) (f experimentFiles) {
	t.Helper()
	readJSON(t, filepath.Join(dir, experiment.JSONFile), &f.run)
	text, err := json.Marshal(f.run.Results)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, string(text), &f.results)
	table, err := os.Open(filepath.Join(dir, experiment.CSVFile))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	lines, err := csv.NewReader(table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		f.rows = append(f.rows, row)
	}
	page, err := os.ReadFile(filepath.Join(dir, experiment.PageFile))
	if err != nil {
		t.Fatal(err)
	}
	f.page = string(page)
	return f
}

// TestExperiments runs each experiment from end to end. All share a store.
func TestExperiments(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings")
	}
	data, store := experimentData(t), t.TempDir()
	for _, c := range []struct {
		name         string
		rows, tables int
		want         []string // on the page
	}{
		{"general", 2 + 3 + 1 + 3 + 2 + 3, 3, []string{"netllm best less", "paper&#39;s gain", "18.9", "Llama2-7B"}},
		{"generalization", 3 * (3 + 2), 8, []string{"all unseen", "5.2, 9.5, 19.4", "median"}},
		{"pretrained", 2 + 3 + 1 + 3 + 2 + 3, 3, []string{"Learning rates", "17.4"}},
		{"llms", 2 + 2 + 1 + 2, 2, []string{"Mistral-7B", "13.22"}},
		{"sizes", 2 + 2 + 1 + 2, 2, []string{"powers of ten"}},
		{"rank", 2 + 2 + 1 + 2 + 2 + 2, 3, []string{"no matrices", "rank 2 less"}},
		{"window", 2 + 2 + 1 + 2 + 2 + 2, 3, []string{"2 of the past"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, out := tinyConfig(t, c.name), filepath.Join(t.TempDir(), "out")
			args := []string{"experiment", c.name, "--config", writeConfig(t, config), "--data", data, "--store", store, "--out", out}
			stdout, _ := succeed(t, args...)
			got := readExperiment(t, out)
			if len(got.rows) != c.rows || len(got.results.Rows) != c.rows {
				t.Errorf("got %d rows in the table and %d in JSON, want %d", len(got.rows), len(got.results.Rows), c.rows)
			}
			if n := strings.Count(stdout, "seeds  mean"); n != c.tables {
				t.Errorf("got %d tables, want %d:\n%s", n, c.tables, stdout)
			}
			for _, want := range append(c.want, "netllm experiment "+c.name, "E is printed", config.Models[0]) {
				if !strings.Contains(got.page, want) {
					t.Errorf("no %q on the page", want)
				}
			}
			for _, r := range got.rows {
				if learned := r["policy"] == learnedPolicy; learned != (r["parameters"] != "") || learned != (r["seed"] != "") || r["mean"] == "" || r["unit"] == "" || r["n"] == "0" {
					t.Errorf("got row %v", r)
				}
			}
			if got.run.Experiment != c.name || len(got.run.Units) < c.rows || got.run.Command == "" || got.run.Config == nil {
				t.Errorf("got %+v", got.run)
			}
			if stdoutAgain, _ := succeed(t, args...); stdoutAgain != stdout {
				t.Errorf("the second time it prints\n%s, the first time\n%s", stdoutAgain, stdout)
			}
			if again := readExperiment(t, out); again.run.Fresh != 0 || fmt.Sprint(again.rows) != fmt.Sprint(got.rows) {
				t.Errorf("the second time %d units were done anew, or the table is another", again.run.Fresh)
			}
			replay := filepath.Join(t.TempDir(), "replay")
			succeed(t, "experiment", c.name, "--config", filepath.Join(out, experiment.ConfigFile), "--data", data, "--store", store, "--out", replay)
			if again := readExperiment(t, replay); fmt.Sprint(again.rows) != fmt.Sprint(got.rows) {
				t.Error("its own config.json gives another table")
			}
			checkResults(t, c.name, &got.results)
		})
	}
}

// checkResults is about what is particular to an experiment.
func checkResults(t *testing.T, name string, c *compared) {
	t.Helper()
	switch name {
	case "general":
		g := c.of("vp", "default", "netllm best")
		if g == nil || g.Seeds != 2 || g.CI == nil || g.Less != nil {
			t.Fatalf("got %+v", g)
		}
		other := c.of("vp", "default", "lr")
		if other.Seeds != 0 || other.Less == nil || other.Less.Reference != g.Label || other.Less.CI == nil || (other.Less.Gain > 0) != (g.Mean < other.Mean) {
			t.Errorf("got %+v with %+v", other, other.Less)
		}
		if abr := c.of("abr", "default", "bba"); (abr.Less.Gain > 0) != (c.of("abr", "default", "netllm best").Mean > abr.Mean) {
			t.Errorf("abr: got %+v", abr.Less)
		}
	case "generalization":
		if all := c.of("vp", experiment.Unseen, trackPolicy); all == nil || all.Box[0] > all.Box[1] || all.Box[1] > all.Box[2] {
			t.Errorf("got %+v", all)
		}
	case "pretrained":
		if len(c.Tried) != 3*3*2 {
			t.Errorf("got %d tried", len(c.Tried))
		}
		for i := 0; i < len(c.Tried); i += 2 {
			a, b := c.Tried[i], c.Tried[i+1]
			if a.Chosen == b.Chosen || a.Chosen != (a.Validation == b.Validation || (a.Validation < b.Validation) != larger(a.Task)) {
				t.Errorf("got %+v and %+v", a, b)
			}
		}
	case "rank":
		for _, r := range c.Rows {
			if r.Policy == learnedPolicy && (r.Rank == 0) != (r.Label == "no matrices") {
				t.Errorf("got %+v", r)
			}
		}
	case "sizes":
		var weights []int
		for _, r := range c.Rows {
			if r.Task == "vp" && r.ModelWeights > 0 {
				weights = append(weights, r.ModelWeights)
			}
		}
		if len(weights) != 2 || !slices.IsSorted(weights) {
			t.Errorf("got models of %v weights", weights)
		}
	}
}

// TestExperimentInterrupted goes on where Ctrl-C stopped it, and says what is in the way of another configuration.
func TestExperimentInterrupted(t *testing.T) {
	data, dir := experimentData(t), t.TempDir()
	c := tinyConfig(t, "general")
	delete(c.Tasks, "cjs")
	delete(c.Tasks, "vp")
	args := []string{"experiment", "general", "--config", writeConfig(t, c), "--data", data, "--threads", "1", "--store", filepath.Join(dir, "units"), "--out", filepath.Join(dir, "out")}
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, log strings.Builder
	if code := run(ctx, args, &stdout, writer(func(text []byte) (int, error) {
		if log.Write(text); strings.Contains(string(text), "2 of") {
			cancel()
		}
		return len(text), nil
	})); code != 1 || !strings.Contains(log.String(), "interrupted") || !strings.Contains(log.String(), "goes on from there") {
		t.Fatalf("got exit code %d and %s", code, log.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "out", experiment.PageFile)); err == nil {
		t.Error("there is a page all the same")
	}
	succeed(t, args...)
	if got := readExperiment(t, filepath.Join(dir, "out")); got.run.Fresh == 0 || got.run.Fresh == len(got.run.Units) {
		t.Errorf("the second time %d of %d units were done", got.run.Fresh, len(got.run.Units))
	}
	c.Seeds = firstSeeds(1)
	c.Tasks["abr"].Recipes = c.Tasks["abr"].Recipes[:1]
	args[3] = writeConfig(t, c)
	badLine(t, 1, "another configuration", args...)
	succeed(t, append(args, "--force")...)
}

// writer is a function that is written to.
type writer func(text []byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

func TestExperimentList(t *testing.T) {
	stdout, _ := succeed(t, "experiment", "list")
	for _, k := range experimentKinds() {
		if !regexp.MustCompile(`(?m)^` + k.name + ` .*` + regexp.QuoteMeta(k.takes[smallBudget])).MatchString(stdout) {
			t.Errorf("%s is missing or without a time in\n%s", k.name, stdout)
		}
		for _, budget := range budgets {
			c := &experimentConfig{Experiment: k.name, Budget: budget, Models: k.models}
			if k.defaults(c); c.Validate() != nil {
				t.Errorf("%s, %s: the defaults are not valid: %v", k.name, budget, c.Validate())
			}
		}
	}
}

// TestExperimentEnvironment wants the folder of a sequence that lies nowhere else in front of the command.
func TestExperimentEnvironment(t *testing.T) {
	here := filepath.Join(t.TempDir(), "jobs.json")
	put(t, here, "{}")
	t.Setenv("NETLLM_SPEC", "a folder")
	for sequence, want := range map[string]string{"": "", referenceSequences: "NETLLM_SPEC='a folder' ", here: ""} {
		c := &experimentConfig{Tasks: map[string]*taskConfig{"vp": {}, "cjs": {Sequence: sequence}}}
		if got := c.environment(); got != want {
			t.Errorf("%q: got %q, want %q", sequence, got, want)
		}
	}
}

// TestExperimentConfig wants every bad field in one line.
func TestExperimentConfig(t *testing.T) {
	c := tinyConfig(t, "general")
	c.Budget, c.Seeds, c.Bodies, c.Settings = "huge", nil, []string{"soul"}, []string{"seen"}
	c.Tasks["vp"].Recipes[0].Recipe, c.Tasks["abr"].Policies, c.Tasks["cjs"].Runs = "better", []string{"bba", "abb", learnedPolicy}, -1
	c.Tasks["abr"].Recipes = []trainConfig{{Recipe: "offline", Rates: []float64{1, 2}, Randomized: 0.5}}
	c.Tasks["tcp"] = &taskConfig{}
	err := c.Validate()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{`budget "huge"`, "seeds []", `"soul"`, `setting "seen"`, `recipe "better"`, `policy "abb"`, `policy "netllm"`, "runs -1", "learning_rates", "randomized 0.5", `task "tcp"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in %v", want, err)
		}
	}
	bad := writeConfig(t, c)
	unknown := filepath.Join(t.TempDir(), "unknown.json")
	put(t, unknown, `{"experiment": "general", "colour": 3}`)
	good := writeConfig(t, tinyConfig(t, "general"))
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		name string
		code int
		want string
		args []string
	}{
		{"bad fields", 2, `budget "huge"`, []string{"general", "--config", bad}},
		{"unknown field", 1, `"colour"`, []string{"general", "--config", unknown}},
		{"no file", 1, "--config", []string{"general", "--config", filepath.Join(out, "none")}},
		{"another experiment", 2, "is of experiment general", []string{"rank", "--config", good}},
		{"flags beside it", 2, "--seeds says nothing beside --config", []string{"general", "--config", good, "--seeds", "3"}},
		{"budget", 2, `--budget "huge"`, []string{"general", "--budget", "huge"}},
		{"task", 2, `no task "tcp"`, []string{"general", "--tasks", "tcp"}},
		{"seeds", 2, "--seeds -1", []string{"general", "--seeds", "-1"}},
		{"model", 1, "none.gguf", []string{"general", "--tasks", "vp", "--model", "none.gguf"}},
		{"models", 2, "each once", []string{"general", "--tasks", "vp", "--model", "a,a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NETLLM_DATA", "")
			code, stdout, stderr := command(t, append([]string{"experiment"}, append(c.args, "--out", filepath.Join(t.TempDir(), "out"), "--store", filepath.Join(t.TempDir(), "units"))...)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("got exit code %d, stdout %q and %q, want %d and %q", code, stdout, stderr, c.code, c.want)
			}
		})
	}
}
