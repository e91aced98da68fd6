package cjs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"netllm/netllm"
	"netllm/tensor/safetensors"
)

// A pool has what the policy saw and did, and comes back from its file as it was.
func TestPool(t *testing.T) {
	sequences := madeSequences(t, 2, 6, 1)
	var seen []string
	var did []Action
	fair := policy(t, "fair")
	watched := scripted(func(o *Observation) (Action, error) {
		a, err := fair.Decide(o)
		o = o.Clone()
		for j := range o.Jobs {
			o.Jobs[j].ID = j
		}
		for i := range o.Nodes { // stages are numbered by their place among those that are active
			o.Nodes[i].Stage, o.Nodes[i].Recent = i-o.Jobs[o.Nodes[i].Job].First, float64(float32(o.Nodes[i].Recent))
			o.Nodes[i].Running = 0 // not kept
		}
		o.Time, o.Reward = 0, 0
		seen, did = append(seen, fmt.Sprint(*o)), append(did, a)
		return a, err
	})
	p, err := Collect(t.Context(), watched, sequences, CollectOptions{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if p.Len() != len(did) || len(p.episodes()) != 3 || p.Episode[p.Len()-1] != 1 || p.Sequence[p.Len()-1] != 1 {
		t.Fatalf("got %d decisions in %v, want %d", p.Len(), p.episodes(), len(did))
	}
	var o Observation
	sum := 0.0
	for i := range did {
		p.observe(&o, i)
		if got := fmt.Sprint(o); got != seen[i] {
			t.Fatalf("decision %d: got\n%v, want\n%v", i, got, seen[i])
		}
		if a := p.action(i); a.Stage != did[i].Stage || a.Stage != Nothing && a != did[i] {
			t.Fatalf("decision %d: got %v, want %v", i, a, did[i])
		}
		sum += p.Rewards[i]
	}
	if !(sum < 0) {
		t.Errorf("rewards sum up to %v", sum)
	}
	path := filepath.Join(t.TempDir(), "pool.safetensors")
	if err := p.Write(path, false); err != nil {
		t.Fatal(err)
	}
	again, err := ReadPool(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again, cmpopts.IgnoreUnexported(Pool{})); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(path, false); err == nil {
		t.Error("written over: got no error")
	}
	if err := p.Write(path, true); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(path); err != nil || !bytes.Equal(first, second) {
		t.Errorf("written again: other bytes, %v", err)
	}
	whole := collected(t, "fair", sequences)
	whole.Join(p)
	if err := whole.Validate(); err != nil || whole.Len() <= p.Len() || whole.Episode[whole.Len()-1] != 3 {
		t.Errorf("joined: %v, %d decisions", err, whole.Len())
	}
	if _, err := netllm.ReadPool(path, "cjs"); err == nil {
		t.Error("read as a pool of another kind: got no error")
	}
}

func TestPoolErrors(t *testing.T) {
	for want, harm := range map[string]func(p *Pool){
		"without decisions":         func(p *Pool) { *p = Pool{} },
		"a column of":               func(p *Pool) { p.Rewards = p.Rewards[1:] },
		"unlike lengths":            func(p *Pool) { p.Flags = p.Flags[1:] },
		"jobs, ":                    func(p *Pool) { p.Jobs[p.Len()-1] = 1 << 20 },
		"more jobs, stages":         func(p *Pool) { p.Jobs[p.Len()-1]-- },
		"a job of -1 stages":        func(p *Pool) { p.Stages[0] = -1 },
		"an edge of stage":          func(p *Pool) { p.Edges[0] = 99 },
		"want ascending edges":      func(p *Pool) { p.Edges[0], p.Edges[1] = p.Edges[1], p.Edges[0] },
		"flags 8":                   func(p *Pool) { p.Flags[3] = 8 },
		"executors, source":         func(p *Pool) { p.Committable[2] = 0 },
		"for stage":                 func(p *Pool) { p.Stage[1] = 1000 },
		"done is 1":                 func(p *Pool) { p.Done[0] = 1 },
		"of sequence":               func(p *Pool) { p.Sequence[1] = 7 },
		"reward NaN":                func(p *Pool) { p.Rewards[0] /= 0; p.Rewards[0] *= 0 },
		"decision 1: 0 executors f": func(p *Pool) { p.Count[1] = 0 },
	} {
		p := collected(t, "fair", madeSequences(t, 1, 4, 3))
		harm(p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s", err, want)
		}
		if err := p.Write(filepath.Join(t.TempDir(), "pool"), false); err == nil {
			t.Errorf("%s: was written", want)
		}
	}
}

// Relative returns compare episodes of the same jobs; published ones sum rewards up to the end.
func TestReturns(t *testing.T) {
	sequences := madeSequences(t, 2, 8, 1)
	p := collected(t, "target", sequences)
	p.Join(collected(t, "random", sequences))
	d, err := newDataset(p, true)
	if err != nil {
		t.Fatal(err)
	}
	starts := p.episodes()
	for s := range sequences {
		good, bad := d.returns[starts[s]], d.returns[starts[s+2]]
		if max(good, bad) != 1 || min(good, bad) <= 0 || d.cond.MaxReturn != 1 || d.cond.after(0.7, -5) != 0.7 {
			t.Errorf("sequence %d: got returns %v and %v, %+v", s, good, bad, d.cond)
		}
	}
	if d, err = newDataset(p, false); err != nil {
		t.Fatal(err)
	}
	from, to := starts[0], starts[1]
	sum := 0.0
	for i := from; i < to; i++ {
		sum += d.cond.normalize(p.Rewards[i]) / publishedScale
	}
	if got := float64(d.returns[from]); got < sum-1e-6 || got > sum+1e-6 || d.timesteps[to-1] != int32(to-from-1) {
		t.Errorf("got return %v, want %v", got, sum)
	}
}

func FuzzPool(f *testing.F) {
	path := filepath.Join(f.TempDir(), "pool")
	if err := collected(f, "fair", madeSequences(f, 1, 2, 3)).Write(path, false); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := safetensors.Parse("fuzz", data)
		if err != nil {
			return
		}
		defer file.Close()
		p, err := poolOf(file)
		if err != nil {
			return
		}
		var o Observation
		for i := range p.Len() {
			p.observe(&o, i)
		}
		if _, err := newDataset(p, true); err != nil {
			t.Error(err)
		}
	})
}
