// Features and levels against their definitions.

package cjs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFeatures(t *testing.T) {
	o := &Observation{
		Executors: 20, Committable: 6, Source: 1,
		Jobs: []JobView{{Supply: 16, First: 0, End: 2}, {Supply: 25, First: 2, End: 3}, {Supply: 31, First: 3, End: 4}},
		Nodes: []Node{
			{Job: 0, Remaining: 10, Recent: 250},
			{Job: 0, Remaining: 0, Recent: 1e5, Waiting: true},
			{Job: 1, Remaining: 400, Recent: 0},
			{Job: 2, Remaining: 1, Recent: 2e5, Waiting: true},
		},
	}
	for _, c := range []struct {
		name    string
		waiting bool
		want    [][]float32
	}{
		{"published", false, [][]float32{{0.2, -1, 0.8, 0.05, 0.025}, {0.2, -1, 0.8, 0, 0}, {0.3, 1, 1.25, 2, 0}, {0, -1, 1.55, 0.005, 2}}},
		{"waiting", true, [][]float32{{0.2, -1, 0.8, 0.05, 0.025, 0}, {0.2, -1, 0.8, 0, 0, 1}, {0.3, 1, 1.25, 2, 0, 0}, {0, -1, 1.55, 0.005, 2, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f Features
			for range 2 { // what was there before does not matter
				f.Read(o, c.waiting)
				if f.Width != len(c.want[0]) {
					t.Errorf("width %d, want %d", f.Width, len(c.want[0]))
				}
				if diff := cmp.Diff(slices.Concat(c.want...), f.Rows); diff != "" {
					t.Errorf("features (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]int{4, 6, 0}, f.Caps); diff != "" {
					t.Errorf("caps (-want +got):\n%s", diff)
				}
				f.Read(o, !c.waiting)
			}
		})
	}
}

// levelsByDefinition follows the definition word by word.
func levelsByDefinition(nodes int, edges [][2]int) (levels [][]int) {
	var longest func(i int) int
	longest = func(i int) (n int) {
		for _, e := range edges {
			if e[1] == i {
				n = max(n, 1+longest(e[0]))
			}
		}
		return n
	}
	generation, last := make([]int, nodes), 0
	for i := range generation {
		generation[i] = longest(i)
		last = max(last, generation[i])
	}
	for g := range last {
		in := map[int]bool{}
		for i := range nodes {
			if generation[i] == g {
				in[i] = true
			}
		}
		for _, e := range edges {
			if generation[e[0]] == g {
				in[e[1]] = true
			}
		}
		var level []int
		for i, e := range edges {
			if in[e[0]] && in[e[1]] {
				level = append(level, i)
			}
		}
		levels = append(levels, level)
	}
	return levels
}

func TestLevels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var l Levels // for all
	for k := range 200 {
		nodes := 1 + rng.IntN(9)
		names := rng.Perm(nodes)
		if k%2 == 0 {
			slices.Sort(names) // edges go up, as nearly always
		}
		var edges [][2]int
		for a := range nodes {
			for b := a + 1; b < nodes; b++ {
				if rng.IntN(3) == 0 {
					edges = append(edges, [2]int{names[a], names[b]})
				}
			}
		}
		slices.SortFunc(edges, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
		l.Find(nodes, edges)
		var got [][]int
		for g := range l.Len() {
			got = append(got, l.Level(g))
		}
		if got, want := fmt.Sprint(got), fmt.Sprint(levelsByDefinition(nodes, edges)); got != want {
			t.Fatalf("edges %v: levels %s, want %s", edges, got, want)
		}
	}
}

func TestLevelsCycle(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	new(Levels).Find(3, [][2]int{{0, 1}, {1, 2}, {2, 1}})
}
