package tokenizer

import (
	"fmt"
	"os"
)

// ReadModel reads a SentencePiece model, as tokenizer.model is one, without the
// files that stand beside it in a Hugging Face folder: BOS is added, EOS not.
func ReadModel(path string) (*Vocab, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	v, err := parseModel(data)
	if err == nil {
		v.AddBOS = v.BOS >= 0
		_, err = v.check()
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return v, nil
}
