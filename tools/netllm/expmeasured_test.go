package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/pretrain"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// wordModel writes a small random Llama over bytes with room for questions and answers in words.
func wordModel(t *testing.T) string {
	t.Helper()
	b := ops.NewCPU(1)
	defer b.Close()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 16, FFN: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8,
		Vocab: pretrain.Vocab, MaxPositions: 480, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 7)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "words.gguf")
	if err := pretrain.Write(b, path, m, false); err != nil {
		t.Fatal(err)
	}
	return path
}

// publishedViewers writes a few recordings of Jin2022's three splits to a folder of data.
func publishedViewers(t *testing.T, dir string) {
	t.Helper()
	for i, pair := range [][2]int{{1, 50}, {5, 54}, {3, 9}, {4, 83}, {8, 15}} {
		var text strings.Builder
		for k := range 200 {
			yaw := math.Remainder(float64(70*i)+2*float64(k), 360)
			fmt.Fprintf(&text, "%.1f,%d,%.4f,%.4f\n", 0.2*float64(k), i, 10*math.Sin(float64(k)/20), yaw)
		}
		path := filepath.Join(dir, "vp", "Jin2022", fmt.Sprintf("video%d", pair[0]), fmt.Sprintf("user%d.csv", pair[1]))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// runExperiment writes a configuration, runs the experiment twice - the second time nothing is left to do - and returns
// results.json and the lines of results.csv.
func runExperiment(t *testing.T, config *experimentConfig, data string) (run struct {
	Fresh   int             `json:"units_done"`
	Results json.RawMessage `json:"results"`
}, rows [][]string) {
	t.Helper()
	dir, path := t.TempDir(), writeConfig(t, config)
	out, store := filepath.Join(dir, "out"), filepath.Join(dir, "units")
	for i := range 2 {
		succeed(t, "experiment", config.Experiment, "--config", path, "--data", data, "--out", out, "--store", store, "--threads", "2")
		readJSON(t, filepath.Join(out, "results.json"), &run)
		if (run.Fresh > 0) != (i == 0) {
			t.Errorf("run %d did %d units", i+1, run.Fresh)
		}
	}
	page, err := os.ReadFile(filepath.Join(out, "index.html"))
	if err != nil || !strings.Contains(string(page), "<svg") || !strings.Contains(string(page), "How sure the paper") {
		t.Errorf("page of %d bytes, %v", len(page), err)
	}
	f, err := os.Open(filepath.Join(out, "results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if rows, err = csv.NewReader(f).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return run, rows
}

func TestLatency(t *testing.T) {
	data := t.TempDir()
	publishedViewers(t, data)
	run, rows := runExperiment(t, &experimentConfig{
		Experiment: "latency", Budget: "small", Models: []string{wordModel(t)}, Seeds: []uint64{1}, Missing: true, Tasks: map[string]*taskConfig{"vp": {}},
		Latency: &latencyConfig{Windows: 24, Questions: 5, Repeats: 3, Recipe: "best", Forms: textForms, Batch: 8},
	}, data)
	var results struct{ Systems []*latencySystem }
	if err := json.Unmarshal(run.Results, &results); err != nil {
		t.Fatal(err)
	}
	if len(results.Systems) != 3 || len(rows) != 4 {
		t.Fatalf("got %d systems and %d lines", len(results.Systems), len(rows))
	}
	for i, x := range results.Systems {
		a := x.Answers
		invalid := 0
		for _, n := range a.Invalid {
			invalid += n
		}
		if a.N != 5 || len(a.Millis) != 5 || len(a.Valid)+invalid != 5 || len(a.Errors) != len(a.Valid) || !(a.P50 > 0 && a.P50 <= a.P95 && a.P95 <= a.Longest) || x.Trained.Parameters == 0 {
			t.Errorf("%s: got %+v", x.Name, a)
		}
		if head := i == 0; head != (len(a.Tokens) == 0) || head && (invalid > 0 || x.OnValid == nil || x.OnValid[0] != x.OnValid[1] || !(x.OnValid[2] > 0)) {
			t.Errorf("%s: got tokens %v, invalid %d, errors %v", x.Name, a.Tokens, invalid, x.OnValid)
		}
	}
	badLine(t, 2, "windows 0", "experiment", "latency", "--config", configText(t, `{"experiment":"latency","budget":"small","models":["embedded"],"seeds":[1],"tasks":{"vp":{}},"latency":{"windows":0,"questions":5,"repeats":1,"head_recipe":"best","forms":["absolute"]}}`), "--data", data)
	code, _, stderr := command(t, "experiment", "latency", "--out", filepath.Join(t.TempDir(), "x"), "--store", t.TempDir(), "--config",
		configText(t, `{"experiment":"latency","budget":"small","models":["embedded"],"seeds":[1],"allow_missing":true,"tasks":{"vp":{}},"latency":{"windows":8,"questions":5,"repeats":1,"head_recipe":"best","forms":["absolute"]}}`), "--data", data)
	if code != 1 || !strings.Contains(stderr, "the model has 256 positions") || strings.Contains(stderr, "units to do") {
		t.Errorf("a model with too few positions: got code %d, %s", code, stderr)
	}
}

func configText(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCost(t *testing.T) {
	data := clusterData(t)
	publishedViewers(t, data)
	run, rows := runExperiment(t, &experimentConfig{
		Experiment: "cost", Budget: "small", Models: []string{byteModel(t)}, Seeds: []uint64{1}, Missing: true,
		Tasks: map[string]*taskConfig{
			"vp":  {Recipes: []trainConfig{{Recipe: "best"}}},
			"cjs": {Policies: []string{"fifo"}, Recipes: []trainConfig{{Recipe: "best", Windows: 128}}, Jobs: 6, Executors: 4, Episodes: 2, Sequences: 1},
		},
		Cost: &costConfig{Steps: 2, Repeats: 2, Epochs: 3, Large: &largeBody{Layers: 1, Width: 64, Batch: 2, Steps: 1, Repeat: 1}, Plan: true},
	}, data)
	var found costFound
	if err := json.Unmarshal(run.Results, &found); err != nil {
		t.Fatal(err)
	}
	if len(found.Compared) != 3 || len(found.Gathered) != 1 || found.Plan == nil || len(rows) != 1+2*3+4+2 {
		t.Fatalf("got %+v, %d lines", found, len(rows))
	}
	for _, c := range found.Compared {
		for _, s := range []costSide{c.LoRA, c.Full} {
			m := s.Memory
			if !(s.Step > 0) || !(s.Epoch >= s.Step) || m.Total != m.Weights+m.Trained+m.Gradients+m.Moments+m.Activations || m.Activations <= 0 || m.Trained != 4*s.Parameters || !(s.Share > 0 && s.Share <= 100) {
				t.Errorf("%s, %s: got %+v", c.Task, s.Body, s)
			}
		}
		if !(c.LoRA.Parameters < c.Full.Parameters) || !(c.LoRA.Share < c.Full.Share) || c.Random != (c.Model == "random 1x64") {
			t.Errorf("%s: got %+v", c.Task, c)
		}
	}
	g := found.Gathered[0]
	for _, x := range []*gathered{g.Once, g.Anew} {
		var collecting, training float64
		for _, e := range x.ByEpoch {
			collecting, training = collecting+e[0], training+e[1]
		}
		if x.Epochs != 3 || x.Updates != 4 || math.Abs(x.Collect-collecting) > 1e-9 || math.Abs(x.Train-training) > 1e-9 || math.Abs(x.Seconds-x.Collect-x.Train) > 1e-9 || !(x.Score > 0) || !(x.Train > 0) {
			t.Errorf("%s: got %+v", x.Way, x)
		}
	}
	if !(g.Anew.Decisions > g.Once.Decisions) || g.Anew.ByEpoch[2][0] == 0 || g.Once.ByEpoch[2][0] > g.Anew.ByEpoch[2][0] || math.Abs(g.Saved-100*(1-g.Once.Seconds/g.Anew.Seconds)) > 1e-9 {
		t.Errorf("got once %+v, anew %+v, saved %v", g.Once, g.Anew, g.Saved)
	}
	checkPlan(t, found.Plan)
	stdout, _ := succeed(t, "experiment", "cost", "--config", writeConfig(t, &experimentConfig{
		Experiment: "cost", Budget: "small", Models: []string{byteModel(t)}, Seeds: []uint64{1},
		Tasks: map[string]*taskConfig{"cjs": {Recipes: []trainConfig{{Recipe: "best"}}, Jobs: 6, Executors: 4, Episodes: 2}},
		Cost:  &costConfig{Steps: 1, Repeats: 1, Large: &largeBody{Layers: 1, Width: 64, Batch: 2, Steps: 1, Repeat: 1}, Plan: true},
	}), "--data", data, "--out", filepath.Join(t.TempDir(), "out"), "--store", t.TempDir())
	if strings.Contains(stdout, "Llama 2 7B") || strings.Contains(stdout, "random 1x64") || !strings.Contains(stdout, "full fine-tuning") {
		t.Errorf("without viewport prediction: got\n%s", stdout)
	}
	badLine(t, 2, "does not learn from a pool alone", "experiment", "cost", "--config",
		configText(t, `{"experiment":"cost","budget":"small","models":["embedded"],"seeds":[1],"tasks":{"abr":{"recipes":[{"recipe":"best"}]}},"cost":{"timed_steps":1,"repeats":1,"gathering_epochs":1,"explore":0}}`))
}

// checkPlan looks at what training Llama 2 7B would take: the numbers of the published adapter, and memory that follows from
// the shape.
func checkPlan(t *testing.T, p *costPlanned) {
	t.Helper()
	if p.Numbers != 6738415616 || p.Rank != 32 || len(p.Plans) != 4 {
		t.Fatalf("got %d weights, rank %d, %d plans", p.Numbers, p.Rank, len(p.Plans))
	}
	const lora, tables = 16777216, 2 * 32000 * 4096
	full := p.Plans[0]
	for _, plan := range p.Plans[1:] {
		if beside := plan.Parameters - lora; beside != full.Parameters-(p.Numbers-tables) || beside < 1_000_000 || beside > 1_100_000 {
			t.Errorf("%s: %d parameters, of full fine-tuning %d", plan.Weights, plan.Parameters, full.Parameters)
		}
		if !(plan.Saved > 50 && plan.Saved < 99) || !(plan.Share > 0.2 && plan.Share < 0.31) {
			t.Errorf("%s: saved %v %%, share %v %%", plan.Weights, plan.Saved, plan.Share)
		}
	}
	if want := 16*full.Parameters + 4*tables; full.Memory.Total < want || full.Memory.Activations > want/2 {
		t.Errorf("full fine-tuning: got %+v, want at least %d", full.Memory, want)
	}
}

// counting is a CPU that counts what it allocates.
type counting struct {
	*ops.CPU
	held, peak int
	prepared   int
}

func (c *counting) Alloc(size int) *tensor.Storage {
	c.held += size
	c.peak = max(c.peak, c.held)
	return c.CPU.Alloc(size)
}

func (c *counting) Free(s *tensor.Storage) {
	c.held -= s.Size()
	c.CPU.Free(s)
}

func (c *counting) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	n := c.PreparedBytes(w)
	if n == 0 {
		n = w.DType().Bytes(w.Len())
	}
	c.prepared += n
	return c.CPU.Prepare(w)
}

// What is counted without computing is what the CPU really holds at the peak of an optimiser step.
func TestCostMemoryIsTheCPUs(t *testing.T) {
	path := byteModel(t)
	windows := steadyWindows(4)
	for _, recipe := range []string{"best", "paper"} {
		make := func(body transformer.Adaptable, spec netllm.BodySpec) (vp.Recipe, error) {
			r, err := vp.NewRecipe(recipe, body, spec, 1)
			r.Batch, r.Accumulate, r.Rollout = 4, 1, 0
			return r, err
		}
		shape, err := make(transformer.NoBody{Size: 32, Positions: 128}, costBodies[0])
		if err != nil {
			t.Fatal(err)
		}
		cost := vpCost(make, shape, windows)
		load := func(b ops.Backend) (transformer.Model, error) { return transformer.Load(b, path) }
		for _, spec := range costBodies {
			m, params, ofBody, err := cost.countMemory(t.Context(), load, spec)
			if err != nil {
				t.Fatal(err)
			}
			c := &counting{CPU: ops.NewCPU(1)}
			defer c.Close()
			model, err := load(c)
			if err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			before := c.held
			body, done, err := spec.Open(c, model)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			steps := 0
			if err := cost.run(t.Context(), c, body, spec, 3, func([]*ops.Param) bool { steps++; return steps < 3 }); err != nil {
				t.Fatal(err)
			}
			want := c.prepared + c.peak
			if spec.Kind == netllm.TunedBody {
				want = c.peak - before
			}
			if m.Total != want || m.Total != m.Weights+m.Trained+m.Gradients+m.Moments+m.Activations || m.Activations <= 0 || m.Trained != 4*params {
				t.Errorf("%s, %s: got %+v, the CPU held %d", recipe, spec, m, want)
			}
			if (ofBody > 0) != (spec.Kind == netllm.TunedBody) {
				t.Errorf("%s: %d weights of the body are trained", spec, ofBody)
			}
		}
	}
}

// steadyWindows are of viewers who turn.
func steadyWindows(n int) (list []vp.Window) {
	w := vp.Windowing{History: 20, Horizon: 30, Stride: 3, TrimHead: 20, TrimTail: 30}
	for u := range n {
		trace := &vp.Trace{Video: 1, User: u}
		for i := range 120 {
			trace.Rows = append(trace.Rows, vp.Angles{0, float32(u), float32(math.Remainder(float64(3*i+40*u), 360))})
		}
		list = append(list, w.Windows([]*vp.Trace{trace})...)
	}
	return list
}

// Collecting once and anew in adaptive bitrate streaming, on generated data: as many optimiser steps, and times that add up.
func TestABRGathering(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	body, err := transformer.Load(b, byteModel(t))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	set, err := abr.OpenTraces("", "synth:n=3")
	if err != nil {
		t.Fatal(err)
	}
	r, err := abr.NewRecipe("offline", body, costBodies[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Network.Features, r.Epochs = 8, 2
	g := &abrGathering{recipe: r, video: abr.SynthVideo("synth1", 1, 1), explore: 0.2}
	if g.teacher, err = abr.NewFactory("bba", abr.PolicyConfig{}); err != nil {
		t.Fatal(err)
	}
	g.sessions = func(epoch int) ([]abr.Session, error) {
		return set.Sessions(abr.Plan{Start: abr.StartRandom, Episodes: 3, Seed: uint64(epoch)})
	}
	if g.test, err = set.Sessions(abr.Plan{}); err != nil {
		t.Fatal(err)
	}
	var both []*gathered
	for _, way := range []string{collectOnce, collectAnew} {
		x, err := g.run(t.Context(), b, body, way)
		if err != nil {
			t.Fatal(err)
		}
		if x.Way != way || x.Epochs != 2 || len(x.ByEpoch) != 2 || math.Abs(x.Seconds-x.Collect-x.Train) > 1e-9 || math.IsNaN(x.Score) {
			t.Errorf("got %+v", x)
		}
		both = append(both, x)
	}
	if both[0].Decisions != 3*abr.Decisions || both[1].Decisions != 2*3*abr.Decisions || !(both[1].ByEpoch[1][0] > both[0].ByEpoch[1][0]) {
		t.Errorf("got %+v and %+v", both[0], both[1])
	}
	share, err := saved(both[0], both[1])
	if err != nil || math.Abs(share-100*(1-both[0].Seconds/both[1].Seconds)) > 1e-9 {
		t.Errorf("got %v, %v", share, err)
	}
	if both[1].Updates++; !func() bool { _, err := saved(both[0], both[1]); return err != nil }() {
		t.Error("unlike numbers of optimiser steps were compared")
	}
}

// The paper's numbers of both experiments are there, with their sureness.
func TestMeasuredPaper(t *testing.T) {
	for _, name := range []string{"cost", "latency"} {
		table := paperNumbers(name, allTasks...)
		if len(table.Rows) < 4 || slices.ContainsFunc(table.Rows, func(row []string) bool {
			return !slices.Contains([]string{string(experiment.Exact), string(experiment.Measured), string(experiment.Recalled)}, row[4])
		}) {
			t.Errorf("%s: got %v", name, table.Rows)
		}
	}
}
