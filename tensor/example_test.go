package tensor_test

import (
	"fmt"

	"netllm/tensor"
)

func Example() {
	w := tensor.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	col := w.Slice(1, 2, 3) // a view of shape [2 1]
	fmt.Println(w, w.Dim(0), col.Shape(), col.At(1, 0))
	// Output: F32[2x3] 2 [2 1] 6
}

func ExampleTensor_Windows() {
	x := tensor.FromFloat32([]float32{1, 2, 3, 4}, 4)
	w := x.Windows(2)
	fmt.Println(w, w.At(0, 0), w.At(0, 1), w.At(2, 0), w.At(2, 1))
	// Output: F32[3x2] 1 2 3 4
}

func ExampleQuantize() {
	row := make([]float32, 32)
	for i := range row {
		row[i] = float32(i-16) / 16
	}
	block := make([]byte, tensor.Q8_0.Bytes(len(row)))
	tensor.Quantize(tensor.Q8_0, block, row)
	tensor.Dequantize(tensor.Q8_0, row, block)
	fmt.Printf("%d bytes: %.2f to %.2f\n", len(block), row[0], row[31])
	// Output: 34 bytes: -1.00 to 0.94
}
