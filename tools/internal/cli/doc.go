// Package cli is what the project's commands share: exit codes and one-line
// errors, the flags that mean the same everywhere, progress, tables, and files
// that appear whole or not at all.
//
// A command is a cobra tree whose leaves are wrapped in [Action]; [Execute] runs
// it and turns what went wrong into one line and an exit code:
//
//	root := &cobra.Command{Use: "tool"}
//	root.AddCommand(&cobra.Command{Use: "greet", RunE: cli.Action(
//		func(cmd *cobra.Command, args []string) error {
//			fmt.Fprintln(cmd.OutOrStdout(), "hello")
//			return nil
//		})})
//	os.Exit(cli.Execute(ctx, root, os.Args[1:], os.Stdout, os.Stderr))
//
// Results go to stdout, everything else to stderr.
package cli
