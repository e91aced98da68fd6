package cjs

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// packed is a profile as a file has it.
func packed(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// madeStage has so many tasks of about so many ms, measured with 5 and with 50 executors.
func madeStage(tasks, ms int) map[string]any {
	var first, rest []int
	for i := range tasks {
		if i%2 == 0 {
			first = append(first, ms+i%3)
		} else {
			rest = append(rest, ms/2+i%5)
		}
	}
	return map[string]any{"levels": []int{50, 5}, "fresh": [][]int{{ms + 500}, {ms + 400}}, "first": [][]int{first, first}, "rest": [][]int{rest, rest}}
}

// made are queries that need no data: chains, forks and joins, small and large.
func made(t testing.TB) *Profiles {
	t.Helper()
	var queries []map[string]any
	for i, edges := range [][][2]int{{}, {{0, 1}, {1, 2}}, {{0, 2}, {1, 2}, {2, 3}}, {{0, 1}, {0, 2}, {1, 3}, {2, 3}, {1, 2}}} {
		var stages []map[string]any
		for s := range 4 {
			stages = append(stages, madeStage(2+3*i*(s+1), 300*(s+1)*(i+1)))
		}
		queries = append(queries, map[string]any{"query": i + 1, "edges": edges, "stages": stages})
	}
	size, list, err := ParseProfile(packed(t, map[string]any{"format": profileFormat, "size": "1g", "queries": queries}))
	if err != nil {
		t.Fatal(err)
	}
	return &Profiles{Sizes: []string{size}, Queries: map[string][]*Query{size: list}}
}

// madeSequences are n sequences of jobs on a small cluster.
func madeSequences(t testing.TB, n, jobs int, seed uint64) (list []*Sequence) {
	t.Helper()
	p := made(t)
	for i := range n {
		s, err := Generate(p, Cluster{Executors: 6, MovingDelay: 200, WarmUpDelay: 100}, jobs, seed+uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		for k := range s.Jobs {
			s.Jobs[k].Arrival /= 4 // so that there are several at a time
		}
		list = append(list, s)
	}
	return list
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
