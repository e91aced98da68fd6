package cjs

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/ops"
)

// The network that is trained is the one that decides: of observations one by one, and of all at once.
func TestDecimaNetwork(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	c := ops.NewContext(b)
	n := NewDecimaNetwork(b, 3)
	path := filepath.Join(t.TempDir(), "decima.safetensors")
	if err := n.Write(b, path, nil, false); err != nil {
		t.Fatal(err)
	}
	d, err := ReadDecima(path)
	if err != nil {
		t.Fatal(err)
	}
	again := NewDecimaNetwork(b, 4)
	if err := again.Read(b, path); err != nil {
		t.Fatal(err)
	}
	if same, err := again.Decima(b); err != nil || !cmp.Equal(d, same, cmp.AllowUnexported(Decima{}, mlp{})) {
		t.Errorf("read again: other weights, %v", err)
	}
	if err := again.Read(b, filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file: got no error")
	}
	near := func(what string, got []float32, err error, want ...float32) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		wide := make([]float64, len(want))
		for i, v := range want {
			wide[i] = float64(v)
		}
		decimaNear(t, what, got, wide)
	}
	var all graph
	all.reset(false)
	var nodes, jobs, global []float32
	for _, v := range decimaVectors(t) {
		o := v.observation()
		all.add(o)
		var g graph
		g.reset(false)
		g.add(o)
		e := n.encoder.forward(c, &g)
		var embedding Embedding
		d.Embed(&embedding, o)
		for i := range o.Nodes {
			nodes = append(nodes, embedding.Node(i)...)
		}
		for j := range o.Jobs {
			jobs = append(jobs, embedding.Job(j)...)
		}
		global = append(global, embedding.Global()...)
		var ids []int32
		for _, i := range o.Schedulable {
			ids = append(ids, int32(i))
		}
		got, err := c.Floats(n.stageScores(c, &g, e, ids))
		near(v.Name+": stages", got, err, d.StageScores(&embedding, o)...)
		for j, job := range o.Jobs {
			want := d.ExecutorScores(&embedding, o, j)
			if len(want) == 0 {
				continue
			}
			of, fractions := make([]int32, len(want)), make([]float32, len(want))
			for i := range want {
				of[i], fractions[i] = int32(job.End-1), float32(float64(i)/float64(o.Executors))
			}
			got, err := c.Floats(n.executorScores(c, &g, e, of, fractions))
			near(v.Name+": executors", got, err, want...)
		}
	}
	together := n.encoder.forward(c, &all)
	got, err := c.Floats(together.nodes)
	near("nodes", got, err, nodes...)
	got, err = c.Floats(together.jobs)
	near("jobs", got, err, jobs...)
	got, err = c.Floats(together.all)
	near("all", got, err, global...)
}
