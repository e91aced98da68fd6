// Model files of either format, as the commands that only read see them.

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
)

// source is an open model: a GGUF file, the files of a split one, a safetensors
// file, or a folder of them.
type source struct {
	format  string // "GGUF version 3" or "safetensors"
	path    string
	files   []string
	tensors []tensorInfo                 // in the order of their bytes
	content func(string) ([]byte, error) // a tensor's bytes in the mapped file
	discard func([]byte)                 // gives pages of them back
	keys    []string
	value   func(key string) (any, error)
	close   func() error

	gguf *gguf.File // nil for safetensors
}

// tensorInfo describes a tensor.
type tensorInfo struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Shape  []int  `json:"shape"`
	Bytes  int64  `json:"bytes"` // -1: not known
	Offset int64  `json:"offset"`
	File   string `json:"file"`

	dtype tensor.DType
}

// elements returns how many numbers the tensor has.
func (t tensorInfo) elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

// openSource opens the model at path.
func openSource(path string) (*source, error) {
	kind, err := formatOf(path)
	if err != nil {
		return nil, err
	}
	if kind == formatSafetensors {
		f, err := safetensors.Open(path)
		if err != nil {
			return nil, err
		}
		return safetensorsSource(f), nil
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	return ggufSource(f), nil
}

const (
	formatGGUF        = "gguf"
	formatSafetensors = "safetensors"
)

// formatOf tells by what a file begins with and, where that says nothing, by its
// name; a folder is of safetensors.
func formatOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return formatSafetensors, nil
	}
	if is, err := gguf.Begins(path); is || err != nil {
		return formatGGUF, err
	}
	switch filepath.Ext(path) {
	case ".safetensors", ".json":
		return formatSafetensors, nil
	}
	return formatGGUF, nil // whose reader says what is wrong
}

func ggufSource(f *gguf.File) *source {
	s := &source{
		format: fmt.Sprintf("GGUF version %d", f.Version()), path: f.Path(), files: f.Files(),
		content: f.Bytes, discard: f.DiscardBytes, keys: f.Keys(), value: f.Value, close: f.Close, gguf: f,
	}
	for _, t := range f.Tensors() {
		s.tensors = append(s.tensors, tensorInfo{t.Name, t.Type.String(), t.Shape, t.Bytes, t.Offset, t.File, t.DType})
	}
	return s
}

func safetensorsSource(f *safetensors.File) *source {
	metadata := f.Metadata()
	s := &source{
		format: "safetensors", path: f.Path(), files: f.Files(),
		content: f.Bytes, discard: f.DiscardBytes, close: f.Close,
		keys: slices.Sorted(maps.Keys(metadata)), value: func(key string) (any, error) { return metadata[key], nil },
	}
	for _, t := range f.Tensors() {
		s.tensors = append(s.tensors, tensorInfo{t.Name, t.Type, t.Shape, t.Bytes, t.Offset, t.File, t.DType})
	}
	return s
}

// named returns the tensors by name.
func (s *source) named() map[string]tensorInfo {
	m := make(map[string]tensorInfo, len(s.tensors))
	for _, t := range s.tensors {
		m[t.Name] = t
	}
	return m
}

// bytes returns the size of all tensors.
func (s *source) bytes() (n int64) {
	for _, t := range s.tensors {
		n += max(t.Bytes, 0)
	}
	return n
}

// shapeText is a shape as people write it.
func shapeText(shape []int) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", " x ")
}
