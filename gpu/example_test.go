package gpu_test

import (
	"fmt"
	"log"

	"netllm/gpu"
	"netllm/ops"
)

// What computes: a GPU if there is one, or else the CPU.
func ExampleOpen() {
	var backend ops.Backend
	if b, err := gpu.Open(gpu.HardwareOnly()); err == nil {
		backend = b
	} else {
		log.Print("on the CPU: ", err)
		backend = ops.NewCPU(0)
	}
	defer backend.Close()
	c := ops.NewContext(backend)
	x := c.Float32s([]float32{1, 2, 3, 4}, 2, 2)
	sums, err := c.Floats(ops.Add(c, x, x))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sums)
	// Output: [2 4 6 8]
}
