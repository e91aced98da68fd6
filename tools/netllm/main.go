// Start and end of the program.

package main

import (
	"context"
	"io"
	"os"
	"os/signal"

	"netllm/tools/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the program at once
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	args = cli.JSONArgs(args)
	return cli.Execute(ctx, newRoot(cli.CommandLine("netllm", args)), args, stdout, stderr)
}
