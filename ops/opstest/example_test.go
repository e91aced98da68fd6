package opstest_test

import (
	"fmt"

	"netllm/ops"
	"netllm/ops/opstest"
)

// The reference computes with all digits of a float64.
func ExampleReference() {
	ref := opstest.NewReference()
	c := ops.NewContext(ref)
	third := c.Float32s([]float32{1}, 1)
	ref.SetFloat64(third, 0, 1.0/3)
	sum := ops.Add(c, third, third)
	fmt.Println(ref.Float64s(sum)[0])
	// Output: 0.6666666666666666
}
