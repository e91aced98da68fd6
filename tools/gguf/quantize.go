// The quantize command: llama-quantize's, with its flags.

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
)

func newQuantize(_ string) *cobra.Command {
	work := conversion{}
	cmd := &cobra.Command{
		Use:   "quantize IN OUT [TYPE]",
		Short: "Write a model with weights in blocks of few bits",
		Long: "Quantize writes a GGUF file whose matrices have the type, as llama-quantize does: the\n" +
			"output matrix is Q6_K, or Q8_0, unless --pure is given, q3_k, q4_k and q5_k are the\n" +
			"mixtures q3_k_m, q4_k_m and q5_k_m, and a row that does not fit the blocks gets the\n" +
			"nearest type that it fits.",
		Example: "  gguf quantize model-f16.gguf model-q4_k_m.gguf q4_k_m\n" +
			"  gguf quantize --in model-f16.gguf --out model-q8_0.gguf --type q8_0\n" +
			"  gguf quantize --dry-run --pure model-f16.gguf model.gguf q4_0",
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
				return cli.Usagef("a type is needed, such as q4_k_m")
			}
			if err := work.needGGUF(); err != nil {
				return err
			}
			work.Mix = true
			return work.run(cmd)
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&work.in, "in", "", "read the model `PATH`")
	work.addOut(cmd)
	work.addType(cmd, "")
	cmd.Flags().BoolVar(&work.Pure, "pure", false, "write all matrices as the one type, no mixture")
	work.addChoice(cmd)
	work.addRest(cmd)
	return cmd
}

// names takes the arguments IN OUT TYPE, as far as flags have not said them.
func (c *conversion) names(args []string) error {
	for _, to := range []*string{&c.in, &c.out, &c.Type} {
		if *to == "" && len(args) > 0 {
			*to, args = args[0], args[1:]
		}
	}
	switch {
	case len(args) > 0:
		return cli.Usagef("unexpected argument %q", args[0])
	case c.in == "" || c.out == "":
		return cli.Usagef("the names of what to read and what to write are needed")
	}
	return nil
}
