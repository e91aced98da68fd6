// An adapter to check with, and what a file's types say about rounding.

package main

import (
	"math/rand/v2"
	"os"
	"unsafe"

	"netllm/ops"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// writeAdapter writes an adapter of random matrices, B not zero, for the model at base to
// the folder dir, in PEFT's layout.
func writeAdapter(base, dir string) error {
	b := ops.NewCPU(1)
	defer b.Close()
	m, err := transformer.Load(b, base)
	if err != nil {
		return err
	}
	defer m.Close()
	l, err := transformer.NewLoRA(b, m, transformer.LoRAConfig{
		Rank: 4, Alpha: 8, Targets: []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
	}, 1)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, p := range l.Params() {
		values := make([]float32, p.Value.Len())
		for i := range values {
			values[i] = float32(0.02 * rng.NormFloat64())
		}
		b.Upload(p.Value, unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), 4*len(values)))
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	return l.Write(b, dir, base)
}

// roundsActivations reports whether b may round activations for a type in the file.
func roundsActivations(b ops.Backend, file string) (bool, error) {
	f, err := gguf.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for _, info := range f.Tensors() {
		if ops.RoundsActivations(b, info.DType) {
			return true, nil
		}
	}
	return false, nil
}
