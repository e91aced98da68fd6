// Package convert changes model files into one another: GGUF files, folders of
// Hugging Face, and checkpoints of llama2.c.
//
//	result, err := convert.Run(ctx, "models/tiny", "tiny-q4_k_m.gguf", convert.Options{Type: "q4_k_m"})
//
// What comes out is decided by the output's name: a GGUF file if it ends in
// .gguf, else a folder. Tensors are read from mapped files and written piece by
// piece, by several threads, so that memory does not grow with the model; the
// bytes do not depend on the number of threads. docs/formats.md tells what
// differs between the formats: the row order of rotated matrices, tied weights,
// padded vocabularies, transposed matrices.
package convert
