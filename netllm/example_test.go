package netllm_test

import (
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// A trained layer, fitted to y = 2x.
func ExampleTrainer() {
	backend := ops.NewCPU(1)
	layer := netllm.NewDense(backend, "line", 1, 1, rand.New(rand.NewPCG(1, 1)))
	trainer := netllm.NewTrainer(backend, layer.Params(), 0.1, 1)
	for range 300 {
		_, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
			x, y := c.Float32s([]float32{-1, 0, 1}, 3, 1), c.Float32s([]float32{-2, 0, 2}, 3, 1)
			return ops.MSE(c, layer.Forward(c, x), y)
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := trainer.Step(1); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Printf("%.2f\n", layer.Weight.Value.At(0, 0))
	// Output: 2.00
}
