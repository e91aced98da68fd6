// Models in folders of Hugging Face.

package convert

import (
	"errors"
	"fmt"
	"path/filepath"

	"netllm/tensor"
	"netllm/tensor/safetensors"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

func openHF(dir string, vocabOnly bool) (*source, error) {
	s := &source{
		close:  func() error { return nil },
		config: func() (transformer.Config, error) { return transformer.ConfigFromHF(dir) },
		vocab:  func() (*tokenizer.Vocab, error) { return folderVocab(dir) },
		find:   func(f transformer.Config, name string) (string, bool) { return f.HFName(name) },
	}
	if vocabOnly {
		return s, nil
	}
	f, err := safetensors.Open(dir)
	if err != nil {
		return nil, err
	}
	s.close = f.Close
	for _, t := range f.Tensors() {
		data, err := f.Bytes(t.Name)
		if err == nil && len(t.Shape) > tensor.MaxRank {
			err = fmt.Errorf("%s: tensor %q: %d dimensions, at most %d (%w)", t.File, t.Name, len(t.Shape), tensor.MaxRank, errors.ErrUnsupported)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		s.tensors = append(s.tensors, origin{name: t.Name, dtype: t.DType, shape: t.Shape, data: data, discard: f.DiscardBytes})
	}
	return s, nil
}

// folderVocab reads the vocabulary in a folder: Hugging Face's files, or, where
// there are none, those of llama2.c.
func folderVocab(dir string) (*tokenizer.Vocab, error) {
	v, err := tokenizer.ReadHF(dir)
	if !errors.Is(err, tokenizer.ErrNone) {
		return v, err
	}
	file, other := besideLlama2C(filepath.Join(dir, "config.json"))
	if errors.Is(other, tokenizer.ErrNone) {
		return nil, err
	}
	if other != nil {
		return nil, other
	}
	return readVocab(file)
}
