// An example, and the gradient check as other packages use it.

package opstest_test

import (
	"fmt"
	"testing"

	"netllm/ops"
	"netllm/ops/opstest"
	"netllm/tensor"
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

// What a layer computes, in float32 on the CPU, has the gradients of central
// differences.
func TestCheckGradients(t *testing.T) {
	cpu := ops.NewCPU(1)
	defer cpu.Close()
	opstest.CheckGradients(t, cpu, opstest.Model{
		Params: [][]int{{2, 3}, {4, 3}, {4}},
		Result: func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.AddRow(c, ops.Linear(c, p[0], p[1]), p[2])
		},
	})
}
