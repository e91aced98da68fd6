// The tree of commands.

package main

import (
	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
)

// evalSeed is the seed of the published evaluation.
const evalSeed = 100003

// newRoot returns the tree. line is the command line, which goes into what the
// commands write.
func newRoot(line string) *cobra.Command {
	cobra.EnableCommandSorting = false // the order here is that of the work
	root := cli.Group(&cobra.Command{
		Use:   "netllm",
		Short: "Adapt a language model to networking tasks",
		Long: "Netllm adapts a frozen language model to networking tasks and measures what came\n" +
			"of it. Results go to stdout, all else to stderr; exit codes are 0 (ok), 1 (failed)\n" +
			"and 2 (usage).",
		Version: version(),
	})
	root.SetVersionTemplate("netllm {{.Version}}\n")
	evaluate := cli.Group(&cobra.Command{Use: "eval", Short: "Score policies on a task"})
	evaluate.AddCommand(newEvalABR(line), newEvalVP(line), newEvalCJS(line), newEvalAll(line))
	collect := cli.Group(&cobra.Command{Use: "collect", Short: "Record what policies do on a task"})
	collect.AddCommand(newCollectABR(line), newCollectCJS(line))
	adapt := cli.Group(&cobra.Command{Use: "adapt", Short: "Learn a task: a policy from a pool, a predictor from traces"})
	adapt.AddCommand(newAdaptABR(line), newAdaptVP(line), newAdaptCJS(line), newAdaptTrack(line), newAdaptDecima(line), newAdaptPensieve(line))
	root.AddCommand(newQuickstart(line), evaluate, collect, adapt, newGenerate(), newLogits(), newPlan(), newPretrain(line), newData(line), newExperiment(line), newReport(), newEnv())
	return root
}
