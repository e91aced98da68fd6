// The merge-lora command: an adapter becomes part of its model.

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
	"netllm/transformer/convert"
)

func newMergeLoRA(_ string) *cobra.Command {
	work := conversion{}
	cmd := &cobra.Command{
		Use:   "merge-lora BASE ADAPTER --out FILE",
		Short: "Add an adapter's low-rank matrices to its model",
		Long: "Merge-lora writes a GGUF file of the model BASE (GGUF, or a folder of Hugging Face) with\n" +
			"the matrices of ADAPTER (PEFT's folder, or a GGUF adapter) added to its own, computed in\n" +
			"float32 and written in the types that BASE has, or in --type: blocks are made anew. What\n" +
			"the adapter does not touch is copied byte for byte.\n\n" +
			"A model in blocks loses a little by it: merge into the F16 or F32 one and quantise the\n" +
			"result, if you have it.",
		Example: "  gguf merge-lora TinyLlama my-adapter --out mine-f16.gguf --type f16\n" +
			"  gguf merge-lora model-q8_0.gguf adapter.gguf --out mine.gguf --scale 0.5",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("want BASE and ADAPTER, got %d arguments", len(args))
			}
			return nil
		},
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			work.base, work.adapter = args[0], args[1]
			if work.out == "" {
				return cli.Usagef("--out is needed")
			}
			if err := work.needGGUF(); err != nil {
				return err
			}
			return work.run(cmd)
		}),
	}
	cmd.Flags().SortFlags = false
	work.addOut(cmd)
	work.addType(cmd, convert.Auto)
	cmd.Flags().Float64Var(&work.scale, "scale", 1, "multiply the update by `S`")
	work.addChoice(cmd)
	work.addRest(cmd)
	return cmd
}
