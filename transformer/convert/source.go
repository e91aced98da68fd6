// A model to be converted: where its weights are, whatever format they come from.

package convert

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// Format is a kind of model file.
type Format string

// The formats that are read; the first two are written too.
const (
	GGUF        Format = "GGUF"
	HuggingFace Format = "Hugging Face"
	Llama2C     Format = "llama2.c"
)

// origin is a tensor of a file.
type origin struct {
	name    string // in the file, for messages
	dtype   tensor.DType
	shape   []int // as in the file
	data    []byte
	discard func([]byte)
}

// source is an open model.
type source struct {
	format Format
	path   string
	close  func() error

	// config is the model's shape; values and tensors are what a GGUF file has,
	// whose model need not be of a known family to be quantised.
	config  func() (transformer.Config, error)
	values  []gguf.KeyValue
	tensors []origin

	// find returns the weight's name, in the manner of this format, of a tensor of
	// the file, or false for one that no model uses.
	find func(transformer.Config, string) (string, bool)

	vocab func() (*tokenizer.Vocab, error)
}

// FormatOf tells by what a file begins with, and by its name, what it is. A folder
// is of Hugging Face.
func FormatOf(path string) (Format, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return HuggingFace, nil
	}
	if is, err := gguf.Begins(path); is || err != nil {
		return GGUF, err
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".gguf":
		return GGUF, nil // whose reader says what is wrong
	case ".bin":
		return Llama2C, nil
	}
	return "", fmt.Errorf("%s: neither a GGUF file, nor a folder of Hugging Face, nor a .bin of llama2.c", path)
}

// open opens a model. vocabOnly: its weights will not be asked for.
func open(path string, vocabFile string, vocabOnly bool) (*source, error) {
	format, err := FormatOf(path)
	if err != nil {
		return nil, err
	}
	var s *source
	switch format {
	case GGUF:
		s, err = openGGUF(path)
	case HuggingFace:
		s, err = openHF(path, vocabOnly)
	default:
		s, err = openLlama2C(path)
	}
	if err != nil {
		return nil, err
	}
	s.format, s.path = format, path
	if vocabFile != "" {
		s.vocab = func() (*tokenizer.Vocab, error) { return readVocab(vocabFile) }
	}
	return s, nil
}

// readVocab reads a vocabulary from a file or folder of any kind.
func readVocab(path string) (*tokenizer.Vocab, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.IsDir() {
		return tokenizer.ReadHF(path)
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".model":
		return tokenizer.ReadModel(path)
	case ".json", ".txt":
		return tokenizer.ReadHF(filepath.Dir(path))
	case ".gguf":
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		v, err := tokenizer.FromGGUF(f)
		return v, errors.Join(err, f.Close())
	}
	return tokenizer.ReadLlama2C(path)
}

// weight is a tensor of a model and where it is.
type weight struct {
	transformer.Weight
	origin
}

// weights places every tensor of the file in a model of the shape config, and
// fails, naming it, for one that is missing, has another shape or type than a
// weight, or belongs nowhere. It returns the shape with Tied as the file has it.
func (s *source) weights(config transformer.Config) (transformer.Config, []weight, error) {
	fail := func(format string, args ...any) (transformer.Config, []weight, error) {
		return config, nil, fmt.Errorf("%s: %s", s.path, fmt.Sprintf(format, args...))
	}
	files := map[string]*origin{}
	for i := range s.tensors {
		t := &s.tensors[i]
		name, used := s.find(config, t.name)
		if !used {
			continue
		}
		if other, twice := files[name]; twice {
			return fail("tensors %q and %q are the same weight", other.name, t.name)
		}
		files[name] = t
	}
	if config.Layers > len(files) { // before memory is taken for that many
		return fail("%d layers but only %d tensors", config.Layers, len(files))
	}
	nameOf := func(w *transformer.Weight) string { return w.HF }
	if s.format != HuggingFace {
		nameOf = func(w *transformer.Weight) string { return w.GGUF }
	}
	config, swapped := s.tie(config, files, nameOf)
	var list []weight
	for _, w := range config.Weights() {
		name := nameOf(&w)
		switch {
		case w.Tied:
			continue
		case name == "": // follows from the shape
			d, err := config.RopeDivisors()
			if err != nil {
				return config, nil, fmt.Errorf("%s: %w", s.path, err)
			}
			list = append(list, weight{w, float32Origin(w.GGUF, d)})
			continue
		case swapped != "" && w.GGUF == embeddingName:
			name = swapped
		}
		t, ok := files[name]
		if !ok {
			return fail("no tensor %q", name)
		}
		delete(files, name)
		want := w.Shape
		if s.format == HuggingFace && w.Transposed {
			want = []int{w.Shape[1], w.Shape[0]}
		}
		if !slices.Equal(t.shape, want) {
			return fail("tensor %q: shape %v, want %v", t.name, t.shape, want)
		}
		if !t.dtype.IsFloat() {
			return fail("tensor %q: type %v is no weight's", t.name, t.dtype)
		}
		list = append(list, weight{w, *t})
	}
	for i := range s.tensors { // in the file's order, so that messages do not change
		if name, used := s.find(config, s.tensors[i].name); used && files[name] != nil {
			return fail("tensor %q belongs to no part of a model of architecture %s", s.tensors[i].name, config.Arch)
		}
	}
	return config, list, nil
}

// tie decides whether the embedding is the output matrix: if the shape says so,
// unless the file has both and they differ. Of two equal ones the output goes. A
// folder may hold the output alone: then swapped is its name.
func (s *source) tie(config transformer.Config, files map[string]*origin, nameOf func(*transformer.Weight) string) (_ transformer.Config, swapped string) {
	if !config.Tied {
		return config, ""
	}
	var embed, output string
	for _, w := range config.Weights() {
		switch w.GGUF {
		case embeddingName:
			embed = nameOf(&w)
		case outputName:
			output = nameOf(&w)
		}
	}
	e, o := files[embed], files[output]
	switch {
	case e == nil && o != nil:
		return config, output
	case e != nil && o != nil && e.same(o):
		delete(files, output)
	case e != nil && o != nil:
		config.Tied = false
	}
	return config, ""
}

// same reports whether two tensors are equal, byte for byte.
func (t *origin) same(o *origin) bool {
	if t.dtype != o.dtype || !slices.Equal(t.shape, o.shape) {
		return false
	}
	const step = 4 << 20
	for at := 0; at < len(t.data); at += step {
		end := min(at+step, len(t.data))
		a, b := t.data[at:end], o.data[at:end]
		equal := bytes.Equal(a, b)
		t.discard(a)
		o.discard(b)
		if !equal {
			return false
		}
	}
	return true
}

// float32Origin is a tensor that no file has.
func float32Origin(name string, values []float32) origin {
	return origin{name: name, dtype: tensor.F32, shape: []int{len(values)}, discard: func([]byte) {},
		data: tensor.FromFloat32(values, len(values)).Bytes()}
}
