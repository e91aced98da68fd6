// Examples of the package.

package ops_test

import (
	"fmt"
	"log"

	"netllm/ops"
)

// A line is fitted to points by gradient descent.
func Example() {
	cpu := ops.NewCPU(1)
	defer cpu.Close()
	ctx := ops.NewContext(cpu)
	ctx.Tape = ops.NewTape()
	slope := ops.NewParam(cpu, "slope", 1, 1)
	level := ops.NewParam(cpu, "level", 1)
	params := []*ops.Param{slope, level}
	adamw := ops.NewAdamW(cpu, params, 0.1)
	for range 300 {
		ctx.Reset()
		ctx.Tape.Watch(params...)
		ops.ZeroGrad(ctx, params)
		x := ctx.Float32s([]float32{0, 1, 2, 3}, 4, 1)
		y := ctx.Float32s([]float32{1, 3, 5, 7}, 4, 1)
		loss := ops.MSE(ctx, ops.AddRow(ctx, ops.Linear(ctx, x, slope.Value), level.Value), y)
		ctx.Tape.Backward(ctx, loss)
		adamw.Step(ctx, 1)
	}
	a, err := ctx.ReadScalar(slope.Value)
	if err != nil {
		log.Fatal(err)
	}
	b, err := ctx.ReadScalar(level.Value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("y = %.2f x + %.2f\n", a, b)
	// Output: y = 2.00 x + 1.00
}

// Tensors are joined by copying them into parts of a new one. Gradients flow
// back through the views.
func ExampleCopyInto() {
	cpu := ops.NewCPU(1)
	defer cpu.Close()
	ctx := ops.NewContext(cpu)
	ctx.Tape = ops.NewTape()
	p := ops.NewParam(cpu, "p", 2, 2)
	ctx.Tape.Watch(p)
	joined := ctx.New(p.Value.DType(), 2, 3)
	ops.CopyInto(ctx, joined.Slice(1, 0, 2), p.Value)
	ops.CopyInto(ctx, joined.Slice(1, 2, 3), ctx.Float32s([]float32{1, 2}, 2, 1))
	target := ctx.Float32s([]float32{3, 6, 1, 9, 12, 2}, 2, 3)
	ctx.Tape.Backward(ctx, ops.MSE(ctx, joined, target))
	grad, err := ctx.Floats(p.Grad)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(grad) // 2/6 * (0 - target)
	// Output: [-1 -2 -3 -4]
}
