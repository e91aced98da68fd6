// Package tensor describes arrays of numbers: what type they have, how they
// are laid out, and where they are stored. It computes nothing with them.
//
// A [Tensor] is a small value: a [DType], a shape, strides, an offset, and a
// pointer to a [Storage]. The storage is host memory, a part of a mapped file,
// or a handle that a compute device made and alone understands. A Tensor
// knows of no gradient and of no device; package ops has the operations.
//
//	w := tensor.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
//	col := w.Slice(1, 2, 3)            // a view of shape [2 1]
//	fmt.Println(w.Dim(0), col.At(1, 0)) // 2 6
//
// Weights of language models are stored in blocks that share a scale (from
// [Q8_0] to [IQ4_XS]); [Dequantize] and [Quantize] convert whole rows.
//
// The folders below hold the file formats: gguf and safetensors.
package tensor
