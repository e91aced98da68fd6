// Comparison with the runs of the specification.

package cjs

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"netllm/internal/golden"
)

// profiles are those of the data, read once.
var readProfiles = sync.OnceValues(func() (*Profiles, error) { return ReadProfiles(profilesDir) })

var profilesDir string

func profiles(t testing.TB) *Profiles {
	t.Helper()
	profilesDir = golden.Data(t, "cjs")
	p, err := readProfiles()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func policy(t testing.TB, name string) Policy {
	t.Helper()
	f, err := NewFactory(name, PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// goldenRun is what a policy did with a sequence.
type goldenRun struct {
	Policy      string
	Completion  []float64 `json:"completion_ms"`
	Decisions   int
	TotalReward float64 `json:"total_reward"`
	Draws       int
	SHA256      string `json:"action_sha256"`
}

// goldenFile reads a golden sequence, the runs of it, and every decision of each.
func goldenFile(t *testing.T, name string) (*Sequence, []goldenRun, map[string][][8]float64) {
	t.Helper()
	path := golden.Spec(t, "cjs_golden/"+name+".json")
	list, err := ReadSequence(path, profiles(t), DefaultCluster())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d sequences, %v", len(list), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Results []goldenRun }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(filepath.Join(filepath.Dir(path), name+".trace.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	var traces struct{ Traces map[string][][8]float64 }
	if err := json.NewDecoder(z).Decode(&traces); err != nil {
		t.Fatal(err)
	}
	return list[0], file.Results, traces.Traces
}

// follow runs a policy and compares each decision with a trace, as far as there is one.
func follow(t *testing.T, p Policy, s *Sequence, want goldenRun, trace [][8]float64) {
	t.Helper()
	env, err := NewEnv(EnvConfig{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := env.ResetSequence(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	p.Reset(1)
	var total float64
	actions := sha256.New()
	for n := 0; ; n++ {
		a, err := p.Decide(o)
		if err != nil {
			t.Fatal(err)
		}
		source, job, stage, requested := int(env.sim.sourceJob()), -1, -1, o.Committable // a job that is through, too
		if a.Stage != Nothing {
			node := o.Nodes[o.Schedulable[a.Stage]]
			job, stage, requested = o.Jobs[node.Job].ID, node.Stage, a.Executors
		}
		now, committable := o.Time, o.Committable
		step, err := env.Step(a)
		if err != nil {
			t.Fatal(err)
		}
		committed := env.Committed()
		if n >= len(trace) {
			t.Fatalf("decision %d: the trace has no more", n)
		}
		w := trace[n]
		got := [8]float64{now, float64(source), float64(committable), float64(job), float64(stage), float64(requested), float64(committed), step.Reward}
		for i, v := range got {
			if math.Abs(v-w[i]) > 1e-3 {
				t.Fatalf("decision %d: got %v, want %v (time, source, committable, job, stage, requested, committed, reward)", n, got, w)
			}
		}
		fmt.Fprintf(actions, "%d,%d,%d,%d,%d,%d\n", source, committable, job, stage, requested, committed)
		total += step.Reward
		if o = step.Obs; step.Terminated || step.Truncated {
			if n+1 != want.Decisions {
				t.Errorf("got %d decisions, want %d", n+1, want.Decisions)
			}
			break
		}
	}
	for j, at := range env.Completions(nil) {
		if math.Abs(at-want.Completion[j]) > 1e-3 {
			t.Errorf("job %d: completed at %v, want %v", j, at, want.Completion[j])
		}
	}
	if got := fmt.Sprintf("%x", actions.Sum(nil)); got != want.SHA256 || env.Draws() != want.Draws || math.Abs(total-want.TotalReward) > 1e-6*math.Abs(total) {
		t.Errorf("got actions %s, %d draws, reward %v; want %s, %d, %v", got, env.Draws(), total, want.SHA256, want.Draws, want.TotalReward)
	}
}

// TestGolden repeats all golden runs.
func TestGolden(t *testing.T) {
	greedy := &DecimaPolicy{Network: decimaNetwork(t), Greedy: true}
	cases := 0
	for _, name := range []string{"g1_tiny", "g2_ten", "g3_thirty", "g4_fifty_random", "g5_default200"} {
		s, runs, traces := goldenFile(t, name)
		for _, want := range runs {
			t.Run(name+"/"+want.Policy, func(t *testing.T) {
				p := Policy(greedy)
				if want.Policy != "decima_greedy" {
					p = policy(t, want.Policy)
				}
				follow(t, p, s, want, traces[want.Policy])
			})
			cases++
		}
	}
	golden.Cases(t, cases)
}
