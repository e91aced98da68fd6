// Start and end of the program.

package main

import (
	"context"
	"io"

	"netllm/tools/internal/cli"
)

func main() { cli.Main(run) }

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	args = cli.JSONArgs(args)
	return cli.Execute(ctx, newRoot(cli.CommandLine("netllm", args)), args, stdout, stderr)
}
