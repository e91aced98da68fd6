package asm_test

import (
	"fmt"

	"netllm/ops/asm"
)

// A linear layer: W is stored by rows of inputs, so its transpose is read by exchanging strides.
func ExampleGemm() {
	x := []float32{1, 2, 3} // [1, 3]
	w := []float32{         // [2, 3]
		1, 0, 0,
		1, 1, 1,
	}
	y := make([]float32, 2) // [1, 2]
	var ws asm.Workspace
	asm.Gemm(&ws, 1, 2, 3, 1, x, 3, 1, w, 1, 3, 0, y, 2)
	fmt.Println(y)
	// Output: [1 6]
}

func ExampleSoftmaxRow() {
	p := make([]float32, 3)
	lse := asm.SoftmaxRow(p, []float32{0, 0, 0})
	fmt.Printf("%.4f %.4f\n", p, lse)
	// Output: [0.3333 0.3333 0.3333] 1.0986
}

func ExampleDot() {
	fmt.Println(asm.Dot([]float32{1, 2, 3}, []float32{4, 5, 6}))
	// Output: 32
}

func ExampleF32ToBF16() {
	h := make([]uint16, 2)
	asm.F32ToBF16(h, []float32{1, -2.5})
	back := make([]float32, 2)
	asm.BF16ToF32(back, h)
	fmt.Printf("%#04x %v\n", h, back)
	// Output: [0x3f80 0xc020] [1 -2.5]
}
