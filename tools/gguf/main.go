// Start and end of the program.

package main

import (
	"context"
	"io"
	"strings"

	"netllm/tools/internal/cli"
)

func main() { cli.Main(run) }

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	args = jsonArgs(args)
	return cli.Execute(ctx, newRoot(cli.CommandLine("gguf", args)), args, stdout, stderr)
}

// jsonArgs lets --json stand alone, as [cli.JSONArgs] does. Here commands have
// files for arguments, so that what follows is the file of --json only if its
// name ends in .json and is not that of a model's index; --json=FILE takes any
// name.
func jsonArgs(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return append(out, args[i:]...)
		case args[i] != "--json":
			out = append(out, args[i])
		case i+1 < len(args) && (args[i+1] == "-" || strings.HasSuffix(args[i+1], ".json") && !strings.HasSuffix(args[i+1], ".index.json")):
			i++
			out = append(out, "--json="+args[i])
		default:
			out = append(out, "--json=-")
		}
	}
	return out
}
