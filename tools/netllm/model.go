// Language models and tokens, as the commands take them.

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// modelFlags are --model and --body.
type modelFlags struct{ path, body string }

const pretrainedBody = "pretrained"

func (m *modelFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.path, "model", "", "use the model in `FILE`, a GGUF file or a Hugging Face folder\n(default the embedded model)")
}

// addBody adds --body, for commands whose model is the body of a policy.
func (m *modelFlags) addBody(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.body, "body", pretrainedBody, "take the `WEIGHTS` that are pretrained, or, as a control, random[:SEED]\nones in the shape of the model")
}

// open loads the model for b, or makes a random one in its shape.
func (m *modelFlags) open(b ops.Backend) (transformer.Model, error) {
	seed, random, err := m.random()
	if err != nil {
		return nil, err
	}
	model, err := m.load(b)
	if err != nil || !random {
		return model, err
	}
	shape := model.Shape()
	if err := model.Close(); err != nil {
		return nil, err
	}
	return transformer.New(b, shape, seed)
}

// random returns the seed of random weights, if --body asks for such.
func (m *modelFlags) random() (seed uint64, random bool, err error) {
	if m.body == "" {
		return 0, false, nil
	}
	spec, err := netllm.ParseBody(m.body)
	if err != nil {
		return 0, false, cli.Usagef("--%w", err)
	}
	if spec.Kind != netllm.PretrainedBody && spec.Kind != netllm.RandomBody {
		return 0, false, cli.Usagef("--body %q: want pretrained or random[:SEED]", m.body)
	}
	return spec.Seed, spec.Kind == netllm.RandomBody, nil
}

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
	if _, random, _ := m.random(); random {
		name += " (" + m.body + ")"
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
