package main

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gold "netllm/internal/golden"
)

// clusterData writes a data folder with queries of one's own, small enough for a tiny model.
func clusterData(t *testing.T) string {
	t.Helper()
	stage := func(tasks, ms int) map[string]any {
		var first, rest []int
		for i := range tasks {
			if i%2 == 0 {
				first = append(first, ms+i)
			} else {
				rest = append(rest, ms/2+i)
			}
		}
		return map[string]any{"levels": []int{5}, "fresh": [][]int{{ms + 300}}, "first": [][]int{first}, "rest": [][]int{rest}}
	}
	var queries []map[string]any
	for q := 1; q <= 4; q++ {
		queries = append(queries, map[string]any{"query": q, "edges": [][2]int{{0, 1}, {1, 2}},
			"stages": []any{stage(3*q, 2000*q), stage(6*q, 1500*q), stage(2, 1000)}})
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "cjs", "tpch_1g.json.gz")
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if err := json.NewEncoder(z).Encode(map[string]any{"format": "cjs-tpch-1", "size": "1g", "queries": queries}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAdaptCJS goes the whole way: collect, adapt with both recipes, evaluate, report.
func TestAdaptCJS(t *testing.T) {
	model, dir, data := byteModel(t), t.TempDir(), clusterData(t)
	pool := filepath.Join(dir, "pool.safetensors")
	small := []string{"--data", data, "--jobs", "12", "--executors", "4", "--sequences", "2"}
	stdout, _ := succeed(t, append([]string{"collect", "cjs", "--policy", "target,random", "--out", pool, "--json", "-"}, small...)...)
	var collected collectResult
	decode(t, stdout, &collected)
	if collected.Task != "cjs" || collected.Episodes != 4 || collected.Transitions < 100 || len(collected.Policies) != 2 || len(collected.Data["cjs"]) != 64 || !(collected.MeanReward < 0) {
		t.Errorf("got %+v", collected)
	}
	for _, recipe := range []string{"best", "paper"} {
		adapter, record := filepath.Join(dir, recipe), filepath.Join(dir, recipe+".json")
		args := []string{"adapt", "cjs", "--model", model, "--pool", pool, "--out", adapter, "--recipe", recipe, "--windows", "640", "--threads", "1", "--json", record}
		if recipe == "best" {
			args = append(args, "--rounds", "1", "--gradient-iterations", "2")
		}
		succeed(t, append(args, small...)...)
		var made adaptCJSResult
		readJSON(t, record, &made)
		if made.Task != "cjs" || made.Best <= 0 || len(made.Valid) == 0 || made.Recipe.Name != recipe || (made.Decisions > collected.Transitions) != (recipe == "best") {
			t.Errorf("%s: got %+v", recipe, made)
		}
		if recipe == "best" {
			if len(made.Played) != 2 || len(made.Improved) != 1 || made.Best > min(made.Valid[len(made.Valid)-1].Loss, made.Improved[0].Loss) {
				t.Errorf("policy gradient: got %+v", made)
			}
			more := filepath.Join(dir, "more")
			succeed(t, append([]string{"adapt", "cjs", "--model", model, "--from", adapter, "--out", more, "--gradient-iterations", "1", "--threads", "1", "--json", record, "--force"}, small...)...)
			readJSON(t, record, &made)
			if made.From != adapter || len(made.Played) != 1 || made.Recipe.Windows != 640 {
				t.Errorf("from %s: got %+v", adapter, made)
			}
		}
		page := filepath.Join(dir, recipe+".html")
		stdout, _ := succeed(t, append([]string{"eval", "cjs", "--policy", "fifo,target,netllm", "--model", model, "--adapter", adapter, "--runs", "2", "--report", page, "--json", "-"}, small...)...)
		var got evalResult
		decode(t, stdout, &got)
		if got.Task != "cjs" || got.Setting != "custom" || len(got.Results) != 3 || got.Results[2].Policy != "netllm" || got.Results[2].N != 2 || got.Results[2].Metric != "jct_s" || got.Results[2].Runs != 2 || !(got.Results[2].P99 > got.Results[2].P50) {
			t.Errorf("%s: got %+v", recipe, got)
		}
		if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "what each executor works at") || !strings.Contains(string(text), "jobs in the cluster") {
			t.Errorf("%s: the page: %v", recipe, err)
		}
	}
}

// TestAdaptDecima trains the rival, goes on from what came of it, and evaluates it.
func TestAdaptDecima(t *testing.T) {
	dir, data := t.TempDir(), clusterData(t)
	first, second := filepath.Join(dir, "new", "first"), filepath.Join(dir, "second")
	small := []string{"adapt", "decima", "--data", data, "--jobs", "8", "--executors", "4", "--sequences", "2", "--rollouts", "2", "--iterations", "2", "--threads", "1"}
	stdout, _ := succeed(t, append(small, "--out", first, "--json", "-")...)
	var got adaptDecimaResult
	decode(t, stdout, &got)
	if got.Task != "cjs" || len(got.JCT) != 2 || got.JCT[0].Loss <= 0 || got.Training.Rollouts != 2 || got.Executors != 4 || got.Training.LearningRate != 3e-4 {
		t.Errorf("got %+v", got)
	}
	succeed(t, append(small, "--from", first, "--out", second)...)
	stdout, _ = succeed(t, "eval", "cjs", "--policy", "decima,decima-greedy", "--decima", second, "--data", data, "--jobs", "8", "--executors", "4", "--sequences", "1")
	if !strings.Contains(stdout, "decima-greedy") {
		t.Errorf("got %s", stdout)
	}
}

// TestEvalCJS compares with the golden runs: the first sequence of a file, job by job.
func TestEvalCJS(t *testing.T) {
	data, path := gold.Data(t, "."), gold.Spec(t, "cjs_golden/g2_ten.json")
	var want struct {
		Jobs []struct {
			Arrival float64 `json:"arrival_ms"`
		}
		Results []struct {
			Policy     string
			Mean       float64   `json:"avg_jct_s"`
			Completion []float64 `json:"completion_ms"`
		}
	}
	readJSON(t, path, &want)
	stdout, stderr := succeed(t, "eval", "cjs", "--policy", "fifo,fair,decima-greedy", "--sequence", path, "--data", data, "--json", "-")
	var got evalResult
	decode(t, stdout, &got)
	if got.Setting != "custom" || len(got.Results) != 3 || !strings.Contains(stderr, "mean JCT") {
		t.Fatalf("got %+v, stderr %s", got, stderr)
	}
	for i, w := range want.Results {
		r := got.Results[i]
		if r.N != len(want.Jobs) || math.Abs(r.Mean-w.Mean) > 1e-4 || len(r.Items) != r.N {
			t.Errorf("%s: got %v over %d, want %v", w.Policy, r.Mean, r.N, w.Mean)
			continue
		}
		for k, item := range r.Items {
			if jct := (w.Completion[k] - want.Jobs[k].Arrival) / 1000; math.Abs(item.Value-jct) > 1e-6 {
				t.Errorf("%s: job %s took %v s, want %v", w.Policy, item.ID, item.Value, jct)
			}
		}
	}
	gold.Cases(t, len(want.Results))
}

func TestCJSErrors(t *testing.T) {
	dir, data := t.TempDir(), clusterData(t)
	pool := filepath.Join(dir, "pool")
	if err := os.WriteFile(pool, []byte("no pool"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, args, want string
		code             int
	}{
		{"no policy", "eval cjs", "--policy is needed", 2},
		{"policy", "eval cjs --policy fifo,magic", `unknown policy "magic"`, 2},
		{"setting", "eval cjs --policy fifo --setting unseen9", "want default, unseen1, unseen2, unseen3", 2},
		{"executors", "eval cjs --policy fifo --executors 0", "--executors 0: want 1 or more", 2},
		{"jobs", "eval cjs --policy fifo --jobs -3", "--jobs -3: want 1 or more", 2},
		{"runs", "eval cjs --policy fifo --runs 0", "--runs 0: want 1 or more", 2},
		{"jobs of a file", "eval cjs --policy fifo --jobs 3 --sequence x", "--jobs says nothing", 2},
		{"no adapter", "eval cjs --policy netllm", "needs --adapter", 2},
		{"adapter unasked", "eval cjs --policy fifo --adapter x", "which is not asked for", 2},
		{"decima unasked", "eval cjs --policy fifo --decima x", "which are not asked for", 2},
		{"exponent", "eval cjs --policy wfair --wfair-exponent 99", "want -10 to 10", 2},
		{"cap", "eval cjs --policy srpt --srpt-cap 0", "want 1 or more", 2},
		{"no data", "eval cjs --policy fifo", "--data or NETLLM_DATA", 1},
		{"no queries", "eval cjs --policy fifo --data " + dir, "no file tpch_", 1},
		{"no weights", "eval cjs --policy decima --data " + data, "decima.safetensors", 1},
		{"no sequence", "eval cjs --policy fifo --sequence " + dir + "/x.json --data " + data, "x.json", 1},
		{"adapter", "eval cjs --policy netllm --adapter " + dir + " --data " + data, "netllm_adapter.json", 1},
		{"too many executors", "eval cjs --policy fifo --executors 1000000 --data " + data, "1000000 executors, want 1 to", 1},
		{"report", "eval cjs --policy fifo --report " + pool + " --data " + data, "--force replaces it", 1},
		{"no out", "collect cjs --policy fifo", "--out is needed", 2},
		{"out", "collect cjs --policy fifo --out " + pool + " --data " + data, "--force replaces it", 1},
		{"no pool", "adapt cjs --out x", "either --pool or --from is needed", 2},
		{"no pool file", "adapt cjs --out x --pool " + pool + " --data " + data, pool, 1},
		{"recipe", "adapt cjs --out x --pool x --recipe fast", "want paper or best", 2},
		{"no weights to begin with", "adapt decima --out " + dir + "/y --from " + pool + " --data " + data, pool, 1},
		{"rollouts", "adapt decima --out x --rollouts 1", "rollouts is 1, want 2 or more", 2},
		{"decima rate", "adapt decima --out x --learning-rate 0", "learning rate 0", 2},
		{"teacher", "adapt cjs --out x --pool x --teacher decima", `unknown policy "decima"`, 2},
		{"body", "adapt cjs --out x --pool x --body big", `body "big"`, 2},
		{"windows", "adapt cjs --out x --pool x --windows -1", "want 1 or more", 2},
		{"rounds", "adapt cjs --out x --pool x --rounds -2", "want 0 or more", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := command(t, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(strings.TrimSpace(stderr), "\n") > 3 {
				t.Errorf("got exit code %d, %q; want %d, ... %s", code, stderr, c.code, c.want)
			}
		})
	}
}
