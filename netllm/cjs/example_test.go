package cjs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"

	"netllm/netllm/cjs"
)

// One job of one stage with six tasks, on one executor, on two and on three: the first task of an executor takes
// 1.5 s, each later one 1 s.
func Example() {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, `{"format": "cjs-tpch-1", "size": "1g", "queries": [{"query": 1, "edges": [], "stages": [
		{"levels": [5], "fresh": [[1500]], "first": [[1500, 1500, 1500]], "rest": [[1000, 1000, 1000]]}]}]}`)
	z.Close()
	_, queries, err := cjs.ParseProfile(packed.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	fair, err := cjs.NewFactory("fair", cjs.PolicyConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for executors := 1; executors <= 3; executors++ {
		s := &cjs.Sequence{ID: "one job", Cluster: cjs.Cluster{Executors: executors}, Jobs: []cjs.Job{{Query: queries[0]}}}
		r, err := cjs.Evaluate(context.Background(), fair, []*cjs.Sequence{s}, cjs.EvalOptions{})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d: %.1f s\n", executors, r.Mean)
	}
	// Output:
	// 1: 6.5 s
	// 2: 3.5 s
	// 3: 2.5 s
}
