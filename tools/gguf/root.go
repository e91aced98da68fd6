// The tree of commands.

package main

import (
	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
)

// newRoot returns the tree. line is the command line, which goes into what the
// commands write.
func newRoot(line string) *cobra.Command {
	cobra.EnableCommandSorting = false // the order here is that of the work
	root := cli.Group(&cobra.Command{
		Use:   "gguf",
		Short: "Make, change and check model files",
		Long: "Gguf makes, changes and checks model files: GGUF, and the safetensors folders of\n" +
			"Hugging Face. Results go to stdout, all else to stderr; exit codes are 0 (ok),\n" +
			"1 (failed, or faults or differences found) and 2 (usage). Files are written whole\n" +
			"or not at all, and none is replaced without --force.",
	})
	root.AddCommand(
		newConvert(line),
		newQuantize(line),
		newDequantize(line),
		newInspect(),
		newVerify(),
		newDiff(),
		newHash(),
		newSet(),
		newSplit(),
		newMerge(),
		newMergeLoRA(line),
	)
	return root
}
