package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	gold "netllm/internal/golden"
	"netllm/netllm/abr"
)

// abrReference is the part of abr_reference.json that the tests read.
type abrReference struct {
	Overlap struct {
		Classes map[string]string `json:"classes"`
	} `json:"overlap_with_train_or_valid"`
	Results []referenceResult `json:"results"`
}

type referenceResult struct {
	Video    string             `json:"video"`
	TraceSet string             `json:"trace_set"`
	Start    string             `json:"start"`
	Policy   string             `json:"policy"`
	Variant  string             `json:"variant"`
	Mean     float64            `json:"mean_qoe"`
	PerTrace map[string]float64 `json:"per_trace_mean_qoe"`
}

func readReference(t *testing.T) abrReference {
	t.Helper()
	var ref abrReference
	readJSON(t, gold.Spec(t, "abr_reference.json"), &ref)
	return ref
}

// TestEvalABR compares with the reference, whose numbers have nine digits after
// the point.
func TestEvalABR(t *testing.T) {
	ref := readReference(t)
	data := gold.Data(t, ".")
	const tolerance = 1e-9
	compared := 0
	for _, c := range []struct {
		set, start, variant string
		args                []string
		setting             string
	}{
		{"fcc-test-visible", "index_file", "reset_per_trace", nil, "default"},
		{"fcc-test-visible", "index_1", "reset_per_trace", []string{"--start", "row1"}, "custom"},
		{"synth_pub", "index_1", "reset_per_trace", []string{"--setting", "unseen1"}, "unseen1"},
	} {
		for _, threads := range []string{"1", "2"} {
			args := append([]string{"eval", "abr", "--policy", "bba,mpc", "--data", data, "--json=-", "--threads", threads}, c.args...)
			stdout, stderr := succeed(t, args...)
			var got evalResult
			decode(t, stdout, &got)
			if got.Task != "abr" || got.Setting != c.setting || got.Device != "cpu" || got.CPU == "" || got.Seed != evalSeed ||
				!strings.HasPrefix(got.Command, "netllm eval abr --policy bba,mpc") || len(got.Results) != 2 {
				t.Errorf("%s: got %+v", c.set, got)
			}
			if !strings.Contains(stderr, "mean QoE") {
				t.Errorf("no table on stderr: %q", stderr)
			}
			for _, r := range got.Results {
				i := slices.IndexFunc(ref.Results, func(w referenceResult) bool {
					return w.Policy == r.Policy && w.TraceSet == c.set && w.Start == c.start && w.Video == "video1" &&
						(w.Variant == c.variant || w.Variant == "deterministic")
				})
				if i < 0 {
					t.Fatalf("no reference for %s on %s", r.Policy, c.set)
				}
				want := ref.Results[i]
				if r.Metric != "qoe" || r.N != len(want.PerTrace) || len(r.Items) != r.N || math.Abs(r.Mean-want.Mean) > tolerance {
					t.Errorf("%s on %s: got %v over %d (%q), want %v over %d", r.Policy, c.set, r.Mean, r.N, r.Metric, want.Mean, len(want.PerTrace))
				}
				if !slices.IsSortedFunc(r.Items, func(a, b itemValue) int { return strings.Compare(a.ID, b.ID) }) {
					t.Error("items are not in the order of their names")
				}
				var sum, squares float64
				for _, item := range r.Items {
					if v, ok := want.PerTrace[item.ID]; !ok || math.Abs(item.Value-v) > tolerance {
						t.Errorf("%s on %s: got %v, want %v", r.Policy, item.ID, item.Value, v)
					}
					sum += item.Value
					squares += (item.Value - r.Mean) * (item.Value - r.Mean)
				}
				n := float64(r.N)
				if stderr := math.Sqrt(squares / (n - 1) / n); math.Abs(sum/n-r.Mean) > 1e-12 || math.Abs(stderr-r.StdErr) > 1e-12 {
					t.Errorf("%s: got %v +- %v, the items have %v +- %v", r.Policy, r.Mean, r.StdErr, sum/n, stderr)
				}
				compared++
			}
		}
	}
	gold.Cases(t, compared/2)
}

func TestOverlapClasses(t *testing.T) {
	want := readReference(t).Overlap.Classes
	dir := gold.Data(t, ".")
	set, err := abr.OpenTraces(dir, "fcc-test")
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&abrData{set: set, dir: dir}).traceClasses("", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	gold.Cases(t, len(want))

	stdout, _ := succeed(t, "eval", "abr", "--policy", "bba", "--data", dir)
	if !tableHas(stdout, "policy copy (35) 95 % interval slice (26) 95 % interval unseen (7) 95 % interval") {
		t.Errorf("no columns of classes in:\n%s", stdout)
	}
}

func TestClassesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "classes.json")
	if err := os.WriteFile(path, []byte(`{"synth_pub_000": "unseen", "synth_001": "odd", "synth_000": "unseen"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"eval", "abr", "--policy", "bba", "--video", "synth", "--classes", path, "--traces"}
	stdout, _ := succeed(t, append(args, "synth:n=2")...)
	if !tableHas(stdout, "policy unseen (1) 95 % interval odd (1) 95 % interval") {
		t.Errorf("got %q", stdout)
	}
	if code, _, stderr := command(t, append(args, "synth:n=3")...); code != 1 || !strings.Contains(stderr, `no class for trace "synth_002"`) {
		t.Errorf("a trace without class: got %d and %q", code, stderr)
	}
}

// TestRandomStartIsSeeded also covers a policy that draws.
func TestRandomStartIsSeeded(t *testing.T) {
	play := func(seed, threads string) evalResult {
		stdout, _ := succeed(t, "eval", "abr", "--policy", "random,mpc-carry", "--video", "synth2", "--traces", "synth:n=6", "--start", "random",
			"--seed", seed, "--threads", threads, "--json")
		var r evalResult
		decode(t, stdout, &r)
		r.Command, r.Threads = "", 0
		for i := range r.Results {
			r.Results[i].Seconds = 0
		}
		return r
	}
	one, two := play("1", "1"), play("1", "2")
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("1 and 2 threads (-1 +2):\n%s", diff)
	}
	if other := play("2", "1"); cmp.Equal(one.Results[1].Items, other.Results[1].Items) {
		t.Error("two seeds, one result")
	}
}

// TestOracle has the oracle before those that it starts from: it plays last, and is never below them.
func TestOracle(t *testing.T) {
	small := []string{"--video", "synth2", "--traces", "synth:n=3", "--threads", "2"}
	stdout, stderr := succeed(t, append([]string{"eval", "abr", "--policy", "random,oracle,mpc-carry", "--json"}, small...)...)
	var got evalResult
	decode(t, stdout, &got)
	if len(got.Results) != 3 || got.Results[0].Policy != "random" || got.Results[1].Policy != "oracle" || got.Results[2].Policy != "mpc-carry" {
		t.Fatalf("got %+v", got.Results)
	}
	best := got.Results[1]
	if best.ABRDetails == nil || best.ABRCeiling == nil || len(best.UpperBounds) != 3 || got.Results[0].ABRCeiling != nil || got.Results[2].ABRCeiling != nil {
		t.Fatalf("upper bounds: got %+v", got.Results)
	}
	mean := 0.0
	for i, item := range best.Items {
		top := best.UpperBounds[i]
		if mean += top.Value / 3; top.ID != item.ID || top.Value < item.Value || top.Value > item.Value+0.01 {
			t.Errorf("%s: got %v, at most %v in %s", item.ID, item.Value, top.Value, top.ID)
		}
		for _, other := range []policyResult{got.Results[0], got.Results[2]} {
			if other.Items[i].Value > item.Value {
				t.Errorf("%s: %s has %v, the oracle %v", item.ID, other.Policy, other.Items[i].Value, item.Value)
			}
		}
	}
	if math.Abs(mean-best.UpperBound) > 1e-12 || !strings.Contains(stderr, "\nupper bound ") {
		t.Errorf("an upper bound of %v, of which the mean is %v, and a table\n%s", best.UpperBound, mean, stderr)
	}

	pool := filepath.Join(t.TempDir(), "pool.safetensors")
	stdout, _ = succeed(t, append([]string{"collect", "abr", "--policy", "oracle,random", "--out", pool, "--json", "-"}, small...)...)
	var collected collectResult
	decode(t, stdout, &collected)
	if diff := cmp.Diff([]string{"oracle", "random"}, collected.Policies); diff != "" || collected.Episodes != 6 {
		t.Errorf("got %d episodes of %v", collected.Episodes, collected.Policies)
	}
	if want := (best.Mean + got.Results[0].Mean) / 2; math.Abs(collected.MeanReward-want) > 1e-9 {
		t.Errorf("a mean reward of %v, want %v", collected.MeanReward, want)
	}
}
