// Models in GGUF files.

package convert

import (
	"errors"
	"fmt"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

func openGGUF(path string) (*source, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := ggufSource(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func ggufSource(f *gguf.File) (s *source, err error) {
	s = &source{
		close:  f.Close,
		config: func() (transformer.Config, error) { return transformer.ConfigFromGGUF(f) },
		vocab:  func() (*tokenizer.Vocab, error) { return tokenizer.FromGGUF(f) },
		find:   func(_ transformer.Config, name string) (string, bool) { return name, true },
	}
	if s.values, err = f.KeyValues(); err != nil {
		return nil, err
	}
	for _, t := range f.Tensors() {
		if t.DType == tensor.Invalid {
			return nil, fmt.Errorf("%s: tensor %q: type %v is not supported (%w)", t.File, t.Name, t.Type, errors.ErrUnsupported)
		}
		data, err := f.Bytes(t.Name)
		if err != nil {
			return nil, err
		}
		s.tensors = append(s.tensors, origin{name: t.Name, dtype: t.DType, shape: t.Shape, data: data, discard: f.DiscardBytes})
	}
	return s, nil
}
