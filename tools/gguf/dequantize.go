// The dequantize command: back to numbers of 16 or 32 bits.

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
)

func newDequantize(_ string) *cobra.Command {
	work := conversion{}
	types := []string{"f32", "f16", "bf16"}
	cmd := &cobra.Command{
		Use:   "dequantize IN OUT [TYPE]",
		Short: "Write a model with weights of 16 or 32 bits",
		Long: "Dequantize writes a GGUF file whose matrices are f32 (the default), f16 or bf16. f32\n" +
			"keeps every value exactly as products with the blocks see it.",
		Example: "  gguf dequantize model-q4_0.gguf model-f32.gguf\n" +
			"  gguf dequantize --in model-q8_0.gguf --out model-f16.gguf --type f16",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 3 {
				return fmt.Errorf("unexpected argument %q", args[3])
			}
			return nil
		},
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			if err := work.names(args); err != nil {
				return err
			}
			if work.Type == "" {
				work.Type = types[0]
			}
			if !slices.Contains(types, strings.ToLower(work.Type)) {
				return cli.Usagef("type %q, known: %s", work.Type, strings.Join(types, ", "))
			}
			if err := work.needGGUF(); err != nil {
				return err
			}
			return work.run(cmd)
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&work.in, "in", "", "read the model `PATH`")
	work.addOut(cmd)
	work.addType(cmd, "")
	work.addRest(cmd)
	return cmd
}

// needGGUF fails if the output is no GGUF file.
func (c *conversion) needGGUF() error {
	if !strings.EqualFold(filepath.Ext(c.out), ".gguf") {
		return cli.Usagef("%s: want a name that ends in .gguf", c.out)
	}
	return nil
}
