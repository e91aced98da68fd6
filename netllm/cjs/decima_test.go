// Decima against vectors and runs of the published program.

package cjs

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/ops/asm"
)

// decimaNetwork reads the published weights.
func decimaNetwork(t testing.TB) *Decima {
	t.Helper()
	d, err := ReadDecima(golden.Data(t, "cjs/decima.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decimaVector is an observation and what the published network makes of it.
type decimaVector struct {
	Name      string
	Executors int `json:"num_executors"`
	Raw       struct {
		Nodes       [][3]float64
		Edges       [][2]int
		JobPtr      []int `json:"job_ptr"`
		Committable int   `json:"num_committable"`
		Source      int   `json:"source_job_index"`
		Supplies    []int `json:"exec_supplies"`
	}
	Features    [][]float64
	Caps        []int                `json:"commit_caps"`
	Levels      [][]int              `json:"level_edge_lists"`
	Nodes       [][]float64          `json:"node_embeddings"`
	Jobs        [][]float64          `json:"job_embeddings"`
	Global      []float64            `json:"global_embedding"`
	Schedulable []int                `json:"schedulable_nodes"`
	Stages      []float64            `json:"stage_scores"`
	ExecScores  map[string][]float64 `json:"exec_scores"`
}

func decimaVectors(t testing.TB) []decimaVector {
	var list []decimaVector
	text, err := os.ReadFile(golden.Spec(t, "cjs_golden/decima_vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func (v *decimaVector) observation() *Observation {
	r := &v.Raw
	o := &Observation{Executors: v.Executors, Committable: r.Committable, Source: r.Source, Edges: r.Edges}
	for j, supply := range r.Supplies {
		o.Jobs = append(o.Jobs, JobView{ID: j, Supply: supply, First: r.JobPtr[j], End: r.JobPtr[j+1]})
		for i := r.JobPtr[j]; i < r.JobPtr[j+1]; i++ {
			n := Node{Job: j, Stage: i, Remaining: int(r.Nodes[i][0]), Recent: r.Nodes[i][1], Schedulable: r.Nodes[i][2] == 1}
			if n.Schedulable {
				o.Schedulable = append(o.Schedulable, i)
			}
			o.Nodes = append(o.Nodes, n)
		}
	}
	return o
}

// decimaNear compares what is computed with what was published.
func decimaNear(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if diff := math.Abs(float64(got[i]) - want[i]); !(diff <= 1e-5) {
			t.Errorf("%s: number %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestDecimaVectors(t *testing.T) {
	d := decimaNetwork(t)
	for _, level := range asm.Implementations() {
		asm.ForceLevel(t, level)
		var e Embedding // shared by observations of all sizes
		for _, v := range decimaVectors(t) {
			t.Run(level+"/"+v.Name, func(t *testing.T) {
				o := v.observation()
				d.Embed(&e, o)
				if diff := cmp.Diff(v.Caps, e.Features.Caps); diff != "" {
					t.Errorf("caps (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(v.Schedulable, o.Schedulable); diff != "" {
					t.Errorf("schedulable (-want +got):\n%s", diff)
				}
				var levels [][]int
				for g := range e.Levels.Len() {
					levels = append(levels, e.Levels.Level(g))
				}
				if got, want := fmt.Sprint(levels), fmt.Sprint(v.Levels); got != want {
					t.Errorf("levels %s, want %s", got, want)
				}
				decimaNear(t, "features", e.Features.Rows, slices.Concat(v.Features...))
				for i, want := range v.Nodes {
					decimaNear(t, fmt.Sprintf("node %d", i), e.Node(i), want)
				}
				for j, want := range v.Jobs {
					decimaNear(t, fmt.Sprintf("job %d", j), e.Job(j), want)
				}
				decimaNear(t, "global", e.Global(), v.Global)
				decimaNear(t, "stage scores", d.StageScores(&e, o), v.Stages)
				for key, want := range v.ExecScores {
					j, err := strconv.Atoi(key)
					if err != nil {
						t.Fatal(err)
					}
					decimaNear(t, "executor scores of job "+key, d.ExecutorScores(&e, o, j), want)
				}
			})
		}
	}
}
