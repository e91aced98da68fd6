package safetensors_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"netllm/tensor"
	"netllm/tensor/safetensors"
)

func Example() {
	dir, err := os.MkdirTemp("", "safetensors")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "adapter_model.safetensors")

	a := tensor.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	b := tensor.FromFloat32([]float32{0, 0}, 1, 2)
	err = safetensors.Write(path, map[string]string{"format": "pt"},
		[]safetensors.Entry{safetensors.EntryOf("lora_A", a), safetensors.EntryOf("lora_B", b)})
	if err != nil {
		log.Fatal(err)
	}

	f, err := safetensors.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, info := range f.Tensors() {
		fmt.Println(info.Name, info.DType, info.Shape)
	}
	t, err := f.Tensor("lora_A")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.At(1, 2), f.Metadata()["format"])
	// Output:
	// lora_A F32 [2 3]
	// lora_B F32 [1 2]
	// 6 pt
}

// A model larger than one file should be is written as shards with an index;
// the folder opens like a single file.
func ExampleWriteSharded() {
	dir, err := os.MkdirTemp("", "safetensors")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	var entries []safetensors.Entry
	for _, name := range []string{"a", "b", "c"} {
		entries = append(entries, safetensors.EntryOf(name, tensor.New(tensor.F32, 10, 10)))
	}
	index := filepath.Join(dir, "model.safetensors.index.json")
	if err := safetensors.WriteSharded(index, 800, nil, entries); err != nil {
		log.Fatal(err)
	}
	f, err := safetensors.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, info := range f.Tensors() {
		fmt.Println(info.Name, filepath.Base(info.File))
	}
	// Output:
	// a model-00001-of-00002.safetensors
	// b model-00001-of-00002.safetensors
	// c model-00002-of-00002.safetensors
}
