// Files of a small network's weights.

package netllm

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// WriteWeights writes the values of parameters, float32, to a new safetensors file, or, if replace is set, over an old one.
func WriteWeights(b ops.Backend, path string, params []*ops.Param, metadata map[string]string, replace bool) error {
	var entries []safetensors.Entry
	for _, p := range params {
		v := tensor.New(tensor.F32, p.Value.Shape()...)
		if err := b.Download(v.Bytes(), p.Value); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		entries = append(entries, safetensors.EntryOf(p.Name, v))
	}
	write := safetensors.Write
	if replace {
		write = safetensors.Replace
	}
	return write(path, metadata, entries)
}

// TensorReader returns the elements of a tensor, which must be float32, of this shape, and finite.
type TensorReader func(name string, shape ...int) ([]float32, error)

// ReadWeights opens a safetensors file for take, which is to read all its tensors: one that is left over is an error. Errors
// name the file.
func ReadWeights(path string, take func(metadata map[string]string, read TensorReader) error) (err error) {
	f, err := safetensors.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	left := map[string]bool{}
	for _, name := range f.Names() {
		left[name] = true
	}
	err = take(f.Metadata(), func(name string, shape ...int) ([]float32, error) { return readTensor(f, left, name, shape) })
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("tensor %s is not one of the network's", slices.Min(slices.Collect(maps.Keys(left))))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readTensor returns a copy of a tensor's elements, and crosses its name out.
func readTensor(f *safetensors.File, left map[string]bool, name string, shape []int) ([]float32, error) {
	if !left[name] {
		return nil, fmt.Errorf("tensor %s is missing", name)
	}
	delete(left, name)
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	if t.DType() != tensor.F32 || !slices.Equal(t.Shape(), shape) {
		return nil, fmt.Errorf("tensor %s: %v %v, want %v %v", name, t.DType(), t.Shape(), tensor.F32, shape)
	}
	list := slices.Clone(t.Float32s())
	for i, v := range list {
		if v := float64(v); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("tensor %s: element %d is %v", name, i, v)
		}
	}
	return list, nil
}
