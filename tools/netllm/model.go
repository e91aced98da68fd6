// Language models and tokens, as the commands take them.

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/ops"
	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// modelFlags is --model.
type modelFlags struct{ path string }

func (m *modelFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.path, "model", "", "use the model in `FILE`, a GGUF file or a Hugging Face folder\n(default the embedded model)")
}

// load loads the model for b.
func (m *modelFlags) load(b ops.Backend) (transformer.Model, error) {
	if m.path != "" {
		return transformer.Load(b, m.path)
	}
	name, data := embeddedModel()
	return transformer.ParseGGUF(b, name, data)
}

// tokenizer returns that of the model.
func (m *modelFlags) tokenizer() (*tokenizer.Tokenizer, error) {
	vocab, err := m.vocab()
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.New(vocab)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.name(), err)
	}
	return t, nil
}

func (m *modelFlags) vocab() (*tokenizer.Vocab, error) {
	info, err := os.Stat(m.path)
	switch {
	case m.path == "":
		f, err := gguf.Parse(embeddedModel())
		if err != nil {
			return nil, err
		}
		return tokenizer.FromGGUF(f)
	case err != nil:
		return nil, err
	case info.IsDir():
		return tokenizer.ReadHF(m.path)
	}
	f, err := gguf.Open(m.path)
	if err != nil {
		return nil, err
	}
	vocab, err := tokenizer.FromGGUF(f)
	return vocab, errors.Join(err, f.Close())
}

// name is how the model is called in what the commands print.
func (m *modelFlags) name() string {
	name := m.path
	if name == "" {
		name, _ = embeddedModel()
		name = "embedded:" + name
	}
	return name
}

// parseTokens reads ids separated by commas.
func parseTokens(flag, text string) ([]int32, error) {
	var ids []int32
	for part := range strings.SplitSeq(text, ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		if err != nil || id < 0 {
			return nil, cli.Usagef("%s %q: %q is not a token id; want numbers separated by commas", flag, text, part)
		}
		ids = append(ids, int32(id))
	}
	return ids, nil
}

func formatTokens(ids []int32) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = strconv.Itoa(int(id))
	}
	return strings.Join(words, ",")
}
