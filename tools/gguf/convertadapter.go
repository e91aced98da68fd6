// The convert command for adapters, and what it shares with merge-lora.

package main

import (
	"context"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
	"netllm/transformer/convert"
)

const adapterHelp = "A folder with an adapter_config.json (PEFT) and a GGUF adapter are converted into one\n" +
	"another; --base names the model that they are for, of which only the shape is read."

// adapterWork is what makes a conversion one of adapters.
type adapterWork struct {
	base    string // the model
	adapter string // to be merged into base
	scale   float64
}

func (c *conversion) addBase(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.base, "base", "", "the model that an adapter is for: `PATH` of a GGUF file or a folder")
}

// checkBase fails unless --base is there for adapters and only for them.
func (c *conversion) checkBase() error {
	is, err := convert.IsAdapter(c.in)
	switch {
	case err != nil:
		return err
	case is && c.base == "":
		return cli.Usagef("%s is an adapter: --base MODEL is needed, the model that it is for (merge-lora adds it to one)", c.in)
	case !is && c.base != "":
		return cli.Usagef("--base: %s is no adapter", c.in)
	case is && (c.VocabOnly || c.Vocab != "" || c.Name != ""):
		return cli.Usagef("%s is an adapter: it has no vocabulary and no name", c.in)
	}
	return nil
}

// do converts, merges, or converts an adapter.
func (c *conversion) do(ctx context.Context, o convert.Options) (*convert.Result, error) {
	switch {
	case c.adapter != "":
		return convert.MergeLoRA(ctx, c.base, c.adapter, c.out, c.scale, o)
	case c.base != "":
		return convert.Adapter(c.in, c.out, c.base, o)
	}
	return convert.Run(ctx, c.in, c.out, o)
}
