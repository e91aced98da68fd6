package transformer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
)

// source is a file, or several, with named tensors.
type source interface {
	Path() string
	Names() []string
	Tensor(name string) (tensor.Tensor, error)
	Discard(name string)
	Close() error
}

// Load reads a Llama from a GGUF file or from a Hugging Face folder
// (config.json with model.safetensors, or its shards and their index). The
// weights are prepared for b, one after the other, and what b has a copy of is
// given back; the others stay in the mapped file until Close. It fails, naming file and tensor, if a tensor is missing, has another
// shape, or is not used by the model.
func Load(b ops.Backend, path string) (*Llama, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	if info.IsDir() {
		return loadHF(b, path)
	}
	return loadGGUF(b, path)
}

func loadGGUF(b ops.Backend, path string) (*Llama, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	return load(b, f)
}

// ParseGGUF is [Load] for a GGUF file in memory, such as an embedded one. name
// stands for the path in errors.
func ParseGGUF(b ops.Backend, name string, data []byte) (*Llama, error) {
	f, err := gguf.Parse(name, data)
	if err != nil {
		return nil, err
	}
	return load(b, f)
}

func load(b ops.Backend, f *gguf.File) (*Llama, error) {
	config, err := configFromGGUF(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	m := &Llama{Config: config, Style: ops.RoPEInterleaved}
	if err := m.fill(b, f, func(w weight) string { return w.gguf + ".weight" }); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func loadHF(b ops.Backend, dir string) (*Llama, error) {
	config, err := configFromHF(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	f, err := safetensors.Open(dir)
	if err != nil {
		return nil, err
	}
	m := &Llama{Config: config, Style: ops.RoPEHalves}
	if err := m.fill(b, f, func(w weight) string { return w.hf + ".weight" }); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// fill reads all weights and prepares them for b. From the start, m.Close gives
// back src and what was prepared.
func (m *Llama) fill(b ops.Backend, src source, name func(weight) string) error {
	var prepared []*tensor.Storage
	m.close = func() error {
		for _, store := range prepared {
			b.Free(store)
		}
		prepared = nil
		return src.Close()
	}
	f := &m.Config
	if err := f.Validate(); err != nil {
		return fmt.Errorf("transformer: %s: %w", src.Path(), err)
	}
	names := src.Names()
	if f.Layers > len(names) { // before memory is taken for that many
		return fmt.Errorf("transformer: %s: %d layers but only %d tensors", src.Path(), f.Layers, len(names))
	}
	m.Blocks = make([]LlamaBlock, f.Layers)
	used := make(map[string]bool, len(names))
	f.Tied = false
	for _, w := range m.weights() {
		n := name(w)
		if w.tied && !slices.Contains(names, n) {
			f.Tied = true
			continue
		}
		t, err := src.Tensor(n)
		if err != nil {
			return fmt.Errorf("transformer: %w", err)
		}
		if want := w.shape(f); !slices.Equal(t.Shape(), want) {
			return fmt.Errorf("transformer: %s: tensor %q: shape %v, want %v", src.Path(), n, t.Shape(), want)
		}
		if len(w.shape(f)) == 1 && t.DType() != tensor.F32 {
			t = toFloat32(t) // norm weights are small: the operations take F32
		}
		if *w.tensor, err = b.Prepare(t); err != nil {
			return fmt.Errorf("transformer: %s: tensor %q: %w", src.Path(), n, err)
		}
		if store := w.tensor.Storage(); store != t.Storage() {
			prepared = append(prepared, store)
			src.Discard(n)
		}
		used[n] = true
		if w.linear != nil {
			w.linear.Name = w.hf
		}
	}
	for _, n := range names {
		// Old checkpoints also hold the rope frequencies, which are computed.
		if !used[n] && !strings.HasSuffix(n, ".rotary_emb.inv_freq") {
			return fmt.Errorf("transformer: %s: tensor %q belongs to no part of a Llama", src.Path(), n)
		}
	}
	if f.Tied {
		m.Output = m.Embed
	}
	m.rope = ropeTable(b, f.MaxPositions, f.RopeDim, f.RopeTheta)
	return nil
}

// toFloat32 converts a small host tensor.
func toFloat32(t tensor.Tensor) tensor.Tensor {
	out := tensor.New(tensor.F32, t.Shape()...)
	tensor.Dequantize(t.DType(), out.Float32s(), t.Bytes())
	return out
}
