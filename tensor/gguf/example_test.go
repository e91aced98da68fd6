package gguf_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"netllm/tensor"
	"netllm/tensor/gguf"
)

func Example() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.gguf")

	w := tensor.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	err = gguf.Write(path,
		[]gguf.KeyValue{{Key: "general.architecture", Value: "llama"}, {Key: "llama.block_count", Value: uint32(2)}},
		[]gguf.Entry{gguf.EntryOf("output.weight", w)})
	if err != nil {
		log.Fatal(err)
	}

	f, err := gguf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	layers, err := f.Int("llama.block_count")
	if err != nil {
		log.Fatal(err)
	}
	t, err := f.Tensor("output.weight")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(layers, t, t.At(1, 0))
	// Output: 2 F32[2x3] 4
}

// A tensor is converted while it is written: only one is in memory at a time.
func ExampleEntry() {
	w := tensor.New(tensor.F32, 8, 64)
	entry := gguf.Entry{
		Name: "output.weight", DType: tensor.Q8_0, Shape: w.Shape(),
		Load: func() (tensor.Tensor, error) {
			q := tensor.New(tensor.Q8_0, w.Shape()...)
			tensor.Quantize(tensor.Q8_0, q.Bytes(), w.Float32s())
			return q, nil
		},
	}
	t, _ := entry.Load()
	fmt.Println(t, len(t.Bytes()))
	// Output: Q8_0[8x64] 544
}
