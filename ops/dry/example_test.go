package dry_test

import (
	"fmt"

	"netllm/ops"
	"netllm/ops/dry"
	"netllm/tensor"
)

func Example() {
	b := dry.New(nil)
	weights := tensor.New(tensor.Q4_0, 4096, 4096)
	w, err := b.Prepare(weights)
	if err != nil {
		panic(err)
	}
	c := ops.NewContext(b)
	ops.Linear(c, c.New(tensor.F32, 512, 4096), w)
	fmt.Println(b.Weights()>>20, "MiB of weights,", b.Held()>>20, "MiB of activations")
	// Output: 9 MiB of weights, 16 MiB of activations
}
