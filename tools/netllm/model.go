// Language models and tokens, as the commands take them.

package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// modelFlag is --model.
type modelFlag struct{ path string }

func (m *modelFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.path, "model", "", "use the Llama in `FILE`, a GGUF file or a Hugging Face folder\n(default the embedded model)")
}

// open loads the model for b.
func (m *modelFlag) open(b ops.Backend) (*transformer.Llama, error) {
	if m.path != "" {
		return transformer.Load(b, m.path)
	}
	name, data := embeddedModel()
	if name == "" {
		return nil, cli.Usagef("--model is needed: this build embeds no model")
	}
	return transformer.ParseGGUF(b, name, data)
}

// name is how the model is called in what the commands print.
func (m *modelFlag) name() string {
	if m.path != "" {
		return m.path
	}
	name, _ := embeddedModel()
	return "embedded:" + name
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
