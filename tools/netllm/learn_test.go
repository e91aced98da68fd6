package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	gold "netllm/internal/golden"
	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/pretrain"
	"netllm/ops"
	"netllm/ops/asm"
	"netllm/transformer"
)

// byteModel writes a small random Llama over bytes and returns its path.
func byteModel(t *testing.T) string {
	t.Helper()
	b := ops.NewCPU(1)
	defer b.Close()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 32, FFN: 64, Heads: 4, KVHeads: 2, HeadDim: 8, RopeDim: 8,
		Vocab: pretrain.Vocab, MaxPositions: 128, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 7)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bytes.gguf")
	if err := pretrain.Write(b, path, m, false); err != nil {
		t.Fatal(err)
	}
	return path
}

// folderSum is the SHA-256 of a folder's files.
func folderSum(t *testing.T, dir string) string {
	t.Helper()
	sum, err := hashDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestCollectAdaptEval goes the whole way, and finds the same adapter with one
// and two threads.
func TestCollectAdaptEval(t *testing.T) {
	model, dir := byteModel(t), t.TempDir()
	pool, adapter, record := filepath.Join(dir, "new", "pool.safetensors"), filepath.Join(dir, "adapter"), filepath.Join(dir, "adapt.json")
	data := []string{"--video", "synth1", "--traces", "synth:n=3"}
	var sums []string
	for _, threads := range []string{"1", "2"} {
		stdout, _ := succeed(t, append([]string{"collect", "abr", "--policy", "bba,mpc", "--out", pool, "--threads", threads, "--force", "--json"}, data...)...)
		var collected collectResult
		decode(t, stdout, &collected)
		if collected.Transitions != 2*3*47 || collected.Episodes != 6 || !(collected.MinReward < collected.MeanReward && collected.MeanReward < collected.MaxReward) {
			t.Errorf("collect: got %+v", collected)
		}
		succeed(t, "adapt", "abr", "--model", model, "--pool", pool, "--out", adapter, "--recipe", "offline", "--epochs", "1", "--threads", threads, "--force", "--json", record)
		sums = append(sums, folderSum(t, adapter))
	}
	if sums[0] != sums[1] {
		t.Error("the adapter differs between 1 and 2 threads")
	}
	p, err := netllm.ReadPool(pool, "abr")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"bba", "mpc"}; !cmp.Equal(p.Meta.Policies, want) || p.Meta.Seeds[0] != evalSeed || !strings.HasPrefix(p.Meta.Command, "netllm collect abr --policy bba,mpc") {
		t.Errorf("metadata of the pool: got %+v", p.Meta)
	}
	var adapted adaptResult
	readJSON(t, record, &adapted)
	if adapted.Recipe.Epochs != 1 || adapted.Recipe.Name != "offline" || adapted.Model != model || adapted.Parameters < 1000 || len(adapted.Loss) == 0 || adapted.Loss[0].Step != 1 || adapted.Pool.Transitions != 2*3*47 {
		t.Errorf("adapt: got %+v", adapted)
	}

	eval := append([]string{"eval", "abr", "--policy", "netllm,bba", "--adapter", adapter, "--json"}, data...)
	var results []evalResult
	for _, threads := range []string{"1", "2"} {
		stdout, _ := succeed(t, append(eval, "--model", model, "--threads", threads)...)
		var r evalResult
		decode(t, stdout, &r)
		r.Command, r.Threads = "", 0
		for i := range r.Results {
			r.Results[i].Seconds = 0
		}
		results = append(results, r)
	}
	if diff := cmp.Diff(results[0], results[1]); diff != "" {
		t.Errorf("1 and 2 threads (-1 +2):\n%s", diff)
	}
	if r := results[0].Results; len(r) != 2 || r[0].Policy != "netllm" || r[0].N != 3 || r[0].Mean == r[1].Mean {
		t.Errorf("eval: got %+v", r)
	}

	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"adapter exists", []string{"adapt", "abr", "--model", model, "--pool", pool, "--recipe", "offline", "--out", adapter}, 1, "--force"},
		{"pool exists", append([]string{"collect", "abr", "--policy", "bba", "--out", pool}, data...), 1, "--force"},
		{"another model", append(eval, "--model", gold.Spec(t, "llama_golden/tiny/tiny-f32.gguf")), 1, "weights"},
		{"no adapter", append([]string{"eval", "abr", "--policy", "netllm", "--adapter", dir, "--model", model}, data...), 1, "netllm_adapter.json"},
		{"no pool", []string{"adapt", "abr", "--model", model, "--pool", model, "--recipe", "offline", "--out", filepath.Join(dir, "x")}, 1, "bytes.gguf"},
	} {
		t.Run(c.name, func(t *testing.T) { badLine(t, c.code, c.want, c.args...) })
	}
	if now := folderSum(t, adapter); now != sums[0] {
		t.Error("a refused command has changed the adapter")
	}
}

// TestBodies adapts the controls and finds them again.
func TestBodies(t *testing.T) {
	model, dir := byteModel(t), t.TempDir()
	pool := filepath.Join(dir, "pool")
	data := []string{"--video", "synth1", "--traces", "synth:n=1"}
	succeed(t, append([]string{"collect", "abr", "--policy", "bba", "--out", pool, "--episodes", "2", "--start", "random", "--noise"}, data...)...)
	for _, body := range []string{"random:3", "trained:3", "none", "attention"} {
		adapter := filepath.Join(dir, strings.TrimSuffix(body, ":3"))
		succeed(t, "adapt", "abr", "--model", model, "--pool", pool, "--out", adapter, "--recipe", "offline", "--epochs", "1", "--body", body)
		succeed(t, append([]string{"eval", "abr", "--policy", "netllm", "--adapter", adapter, "--model", model}, data...)...)
	}
	bad := []string{"adapt", "abr", "--model", model, "--pool", pool, "--out", filepath.Join(dir, "x"), "--body"}
	badLine(t, 2, `body "empty"`, append(bad, "empty")...)
	badLine(t, 2, "is not a seed", append(bad, "random:x")...)
}

// TestValues learns from a planner: on the pool's states, and on those of two rounds.
func TestValues(t *testing.T) {
	model, dir := byteModel(t), t.TempDir()
	pool, adapter, record := filepath.Join(dir, "pool"), filepath.Join(dir, "adapter"), filepath.Join(dir, "adapt.json")
	data := []string{"--video", "synth1", "--traces", "synth:n=8,max=3"}
	succeed(t, append([]string{"collect", "abr", "--policy", "bba,random", "--out", pool, "--start", "random", "--explore", "0.2", "--values", "--without-held-out"}, data...)...)
	p, err := netllm.ReadPool(pool, "abr")
	if err != nil || p.Len() != 2*7*47 || len(p.Values) != 6*p.Len() {
		t.Fatalf("a pool of %d transitions, %d values, %v", p.Len(), len(p.Values), err)
	}
	adapt := append([]string{"adapt", "abr", "--model", model, "--pool", pool, "--out", adapter, "--body", "none", "--windows", "12800", "--rounds", "1", "--round-sessions", "20", "--randomize", "0.25", "--json", record}, data...)
	succeed(t, adapt...)
	var r adaptResult
	readJSON(t, record, &r)
	if r.Recipe.Name != "best" || r.Recipe.Randomized != 0.25 || r.Decisions != p.Len()+20*47 || len(r.Valid) == 0 || r.Best < r.Valid[0].Loss {
		t.Errorf("got %+v", r)
	}
	var e evalResult
	stdout, _ := succeed(t, append([]string{"eval", "abr", "--policy", "netllm,bba", "--adapter", adapter, "--model", model, "--json"}, data...)...)
	decode(t, stdout, &e)
	if got, want := e.Results[0].Mean, e.Results[1].Mean; got < want {
		t.Errorf("got %.3f, BBA has %.3f", got, want)
	}
	for _, c := range []struct {
		name, add string
		want      string
	}{
		{"epochs", "--epochs 2", "has no --epochs"},
		{"offline windows", "--recipe offline --windows 3", "belong to recipes best and replay"},
		{"randomize", "--randomize 2", "--randomize 2: want a share"},
		{"randomize without rounds", "--randomize 0.5 --rounds 0", "--randomize needs"},
	} {
		badLine(t, 2, c.want, append(adapt, strings.Fields(c.add+" --force")...)...)
	}
	plain := filepath.Join(dir, "plain")
	succeed(t, append([]string{"collect", "abr", "--policy", "bba", "--out", plain}, data...)...)
	badLine(t, 1, "no planner's values", append([]string{"adapt", "abr", "--model", model, "--pool", plain, "--out", filepath.Join(dir, "x")}, data...)...)
	badLine(t, 2, "--explore 2", append([]string{"collect", "abr", "--policy", "bba", "--out", filepath.Join(dir, "y"), "--explore", "2"}, data...)...)
}

// TestReplay learns from a pool and nothing else: where no traces lie, from whatever collected it.
func TestReplay(t *testing.T) {
	model, dir := byteModel(t), t.TempDir()
	pool, adapter, record := filepath.Join(dir, "pool"), filepath.Join(dir, "adapter"), filepath.Join(dir, "adapt.json")
	data := []string{"--video", "synth1", "--traces", "synth:n=7,max=3"}
	succeed(t, append([]string{"collect", "abr", "--policy", "bba,mpc", "--out", pool, "--start", "random", "--explore", "0.1"}, data...)...)
	p, err := netllm.ReadPool(pool, "abr")
	if err != nil || len(p.Meta.Recordings) != 14 || p.Meta.Recordings[0] != p.Meta.Recordings[7] {
		t.Fatalf("recordings %v, %v", p.Meta.Recordings, err)
	}
	line := []string{"adapt", "abr", "--model", model, "--pool", pool, "--out", adapter, "--body", "none", "--recipe", "replay", "--windows", "640", "--rounds", "1",
		"--round-sessions", "2", "--video", "synth1", "--threads", "1", "--json", record}
	_, stderr := succeed(t, line...)
	if want := "12 recorded sessions to learn from, 2 held out"; !strings.Contains(stderr, want) {
		t.Errorf("stderr has no %q:\n%s", want, stderr)
	}
	var r adaptResult
	readJSON(t, record, &r)
	if r.Recipe.Name != "replay" || r.Recipe.Randomized != 0 || r.Decisions != (12+2)*47 || r.Pool.Episodes != 12 || len(r.Valid) == 0 {
		t.Errorf("got %+v", r)
	}
	succeed(t, append([]string{"eval", "abr", "--policy", "netllm", "--adapter", adapter, "--model", model}, data...)...)
	badLine(t, 2, "reads no traces: --traces", append(line, "--traces", "synth", "--force")...)
	badLine(t, 2, "needs --pool", "adapt", "abr", "--recipe", "replay", "--out", filepath.Join(dir, "x"))
	badLine(t, 1, pool+": abr: pool: episode 0: chunk 0: the next one has", append(line, "--video", "synth2", "--force")...)
}

// TestPoolOfTheData compares with the numbers of abr_reference.json that do
// not depend on the policy, and covers what a pool says of its data.
func TestPoolOfTheData(t *testing.T) {
	dir := gold.Data(t, ".")
	path := filepath.Join(t.TempDir(), "pool")
	succeed(t, "collect", "abr", "--policy", "bba", "--out", path, "--data", dir)
	p, err := netllm.ReadPool(path, "abr")
	if err != nil {
		t.Fatal(err)
	}
	if p.Len() != 11045 || len(p.Episodes())-1 != 235 {
		t.Errorf("got %d transitions in %d episodes, want 11045 in 235", p.Len(), len(p.Episodes())-1)
	}
	for name, folder := range map[string]string{"video:video1": "abr/videos/video1_sizes", "traces:fcc-train": "abr/traces/fcc-train"} {
		if got, want := p.Meta.Data[name], folderSum(t, filepath.Join(dir, folder)); got != want {
			t.Errorf("hash of %s: got %s, want %s", name, got, want)
		}
	}
	if len(p.Meta.Data) != 2 {
		t.Errorf("data: got %v", p.Meta.Data)
	}
	gold.Cases(t, 1)
}

func TestPretrain(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, "Line %d says that %d is less than %d.\n", i, i, i+1)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, "out", "model.gguf")
	args := []string{"pretrain", "--text", dir, "--out", model, "--steps", "3", "--batch", "2"}
	stdout, stderr := succeed(t, args...)
	var r pretrainRecord
	readJSON(t, model+".json", &r)
	file, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(file)
	if want := hex.EncodeToString(sum[:]); r.SHA256 != want || !strings.Contains(stdout, want) {
		t.Errorf("hash of the model: got %s in the record and %q, want %s", r.SHA256, stdout, want)
	}
	if r.Model != "model.gguf" || r.Go == "" || r.Config.Steps != 3 || r.Config.Batch != 2 || len(r.Loss) != 3 || r.TrainBytes+r.HeldOutBytes != text.Len() || len(r.TextSHA256) != 64 {
		t.Errorf("record: got %+v", r)
	}
	// Three steps teach next to nothing: about eight bits per byte.
	if !(r.BitsPerByte > 6 && r.BitsPerByte < 9) || !(r.Order2BitsPerByte > 0.5 && r.Order2BitsPerByte < 3) || math.Abs(r.Loss[0].Loss-math.Log(pretrain.Vocab)) > 0.2 {
		t.Errorf("got %v bits per byte, order 2 %v, first loss %v", r.BitsPerByte, r.Order2BitsPerByte, r.Loss[0].Loss)
	}
	if !strings.Contains(stderr, "3/3 steps") {
		t.Errorf("no progress in %q", stderr)
	}
	badLine(t, 1, "--force", args...)
	badLine(t, 1, "0 files", "pretrain", "--text", filepath.Dir(model), "--out", filepath.Join(dir, "x"))
	badLine(t, 2, "0 steps", "pretrain", "--text", dir, "--out", filepath.Join(dir, "x"), "--steps", "0")

	// The model's vocabulary is the bytes: it takes text.
	stdout, _ = succeed(t, "generate", "--model", model, "--prompt", "Line", "-n", "5", "--json")
	var g generateResult
	decode(t, stdout, &g)
	if want := []int32{1, 3 + 'L', 3 + 'i', 3 + 'n', 3 + 'e'}; !cmp.Equal(g.Tokens, want) || len(g.Generated) != 5 || g.Text != string(pretrain.Decode(g.Generated)) {
		t.Errorf("generate: got %+v, want the tokens %v", g, want)
	}
}

func TestQuickstart(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run", "quick")
	args := []string{"quickstart", "--model", byteModel(t), "--out", out, "--train-traces", "2", "--test-traces", "3", "--epochs", "1"}
	stdout, stderr := succeed(t, args...)
	for _, want := range []string{"policy", "random", "bba", "mpc", "untrained", "netllm", filepath.Join(out, "report.html")} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout has no %q:\n%s", want, stdout)
		}
	}
	for _, want := range []string{"cpu: ", "model: ", "recipe offline", "collect bba", "collect mpc"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr has no %q:\n%s", want, stderr)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r quickResult
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Eval.Results) != 5 || r.Eval.Results[0].N != 3 || r.Adapt.Pool.Episodes != 4 || r.Eval.Command == "" {
		t.Errorf("results: got %+v", r)
	}
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), "<figure"); n != 4 || !strings.Contains(string(page), fmt.Sprintf("%.4f", r.Eval.Results[4].Mean)) {
		t.Errorf("report: %d drawings, want 4, and the table's numbers", n)
	}
	// The adapter that lies there is the one that was scored.
	stdout, _ = succeed(t, "eval", "abr", "--policy", "netllm", "--adapter", filepath.Join(out, "adapter"), "--model", r.Adapt.Model,
		"--video", quickVideo, "--traces", quickTraces(quickTestSeed, 3), "--json")
	var again evalResult
	decode(t, stdout, &again)
	if diff := cmp.Diff(r.Eval.Results[4].Items, again.Results[0].Items); diff != "" {
		t.Errorf("eval of the adapter (-quickstart +eval):\n%s", diff)
	}
	badLine(t, 1, "--force", args...)
	if entries, err := os.ReadDir(filepath.Dir(out)); err != nil || len(entries) != 1 {
		t.Errorf("left beside the folder: %v (%v)", entries, err)
	}
}

// TestQuickstartLearns asserts what quickstart is to show, with the embedded
// model on fewer traces than by default: the adapted policy beats itself before
// training, and one that chooses at random.
func TestQuickstartLearns(t *testing.T) {
	if testing.Short() || asm.Level() == "generic" {
		t.Skip("skip: training takes seconds, and minutes with generic kernels")
	}
	out := filepath.Join(t.TempDir(), "quick")
	stdout, _ := succeed(t, "quickstart", "--out", out, "--train-traces", "24", "--test-traces", "8", "--json")
	var r quickResult
	decode(t, stdout, &r)
	mean := map[string]float64{}
	for _, p := range r.Eval.Results {
		mean[p.Policy] = p.Mean
	}
	for _, worse := range []string{untrainedPolicy, "random"} {
		if !(mean[learnedPolicy] > mean[worse]+0.2) {
			t.Errorf("mean QoE: got %.3f, want clearly more than %s's %.3f", mean[learnedPolicy], worse, mean[worse])
		}
	}
}

// TestChunkTimes plays a session that outlasts its trace twice.
func TestChunkTimes(t *testing.T) {
	trace, err := abr.NewTrace("short", []float64{0, 30, 60}, []float64{9, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	s := abr.Session{Trace: trace, StartRow: 2}
	f, err := abr.NewFactory("constant:2", abr.PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := abr.Evaluate(t.Context(), f, abr.SynthVideo("v", 1, 1), []abr.Session{s}, abr.EvalOptions{Log: true})
	if err != nil {
		t.Fatal(err)
	}
	chunks := r.Sessions[0].Chunks
	times := chunkTimes(chunks, s)
	var wall float64 // of the player: round-trip times are not on the trace's clock
	for i, c := range chunks {
		wall += (c.DelayMs - 80 + c.SleepMs) / 1000
		if math.Abs(times[i]-wall) > 1e-6 {
			t.Fatalf("chunk %d: got %v s, want %v", i, times[i], wall)
		}
	}
	if times[47] < 120 {
		t.Fatalf("the session lasts %v s: no third lap", times[47])
	}
	link := linkLine(s, 100)
	if want := []float64{0, 30, 60, 90, 100}; !cmp.Equal(link.X, want) || !cmp.Equal(link.Y, []float64{2, 1, 2, 1, 2}) {
		t.Errorf("link: got %v %v, want %v", link.X, link.Y, want)
	}
}

func TestCurve(t *testing.T) {
	var c curve
	const steps = 1000
	for i := 1; i <= steps; i++ {
		c.add(i, steps, float64(i))
	}
	if n := len(c.points); n != curvePoints {
		t.Fatalf("points: got %d, want %d", n, curvePoints)
	}
	if got, want := c.points[1], (curvePoint{10, 8}); got != want { // the mean of 6 to 10
		t.Errorf("second point: got %v, want %v", got, want)
	}
	if last := c.points[curvePoints-1]; last.Step != steps {
		t.Errorf("last point: got %v", last)
	}
}
