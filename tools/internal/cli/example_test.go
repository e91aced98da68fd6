package cli_test

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
)

func ExampleExecute() {
	root := cli.Group(&cobra.Command{Use: "tool"})
	root.AddCommand(&cobra.Command{Use: "greet", Args: cli.NoArgs, RunE: cli.Action(func(cmd *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "hello")
		return err
	})})
	code := cli.Execute(context.Background(), root, []string{"greet"}, os.Stdout, os.Stderr)
	fmt.Println(code)
	code = cli.Execute(context.Background(), root, []string{"greet", "loudly"}, os.Stdout, os.Stdout)
	fmt.Println(code)
	// Output:
	// hello
	// 0
	// tool greet: unexpected argument "loudly" (see tool greet --help)
	// 2
}
