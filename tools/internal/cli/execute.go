// Running a command tree: exit codes, and every error as one line.

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1 // the command could not do what it was asked
	ExitUsage  = 2 // it was asked in a wrong way
)

// usageError is an error of whoever called the command.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// Usage marks err as an error of usage. nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// Usagef returns an error of usage.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// actionError is an error of a command that had begun its work: only those that
// [Usage] marked are errors of usage then.
type actionError struct{ err error }

func (e actionError) Error() string { return e.err.Error() }
func (e actionError) Unwrap() error { return e.err }

// Action wraps the work of a command. Errors before it are errors of usage
// (unknown flags, wrong arguments), its own are failures unless marked by
// [Usage].
func Action(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return actionError{err}
		}
		return nil
	}
}

// NoArgs refuses arguments beside the flags.
func NoArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// Group makes cmd a command that only has commands below it: to call it alone
// is an error of usage.
func Group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown command %q, known: %s", args[0], strings.Join(names(cmd), ", "))
		}
		return nil
	}
	cmd.RunE = Action(func(cmd *cobra.Command, _ []string) error {
		return Usagef("a command is needed: %s", strings.Join(names(cmd), ", "))
	})
	return cmd
}

// names returns the commands below cmd that its help lists.
func names(cmd *cobra.Command) []string {
	var list []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			list = append(list, c.Name())
		}
	}
	return list
}

// Main is the process round a program: its arguments and streams, a context that ends at
// Ctrl-C, and the exit code.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the program at once
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Execute runs the tree under root and returns the exit code. Of an error it
// prints one line, which names the command, to stderr.
func Execute(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil { // a bug: the place is wanted too
			fmt.Fprintf(stderr, "%s: internal error: %s\n%s", root.Name(), OneLine(fmt.Sprint(p)), debug.Stack())
			code = ExitFailed
		}
	}()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	path := cmd.CommandPath()
	var usage usageError
	var action actionError
	switch {
	case errors.As(err, &usage), !errors.As(err, &action):
		fmt.Fprintf(stderr, "%s: %s (see %s --help)\n", path, OneLine(err.Error()), path)
		return ExitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintf(stderr, "%s: interrupted\n", path)
	default:
		fmt.Fprintf(stderr, "%s: %s\n", path, OneLine(err.Error()))
	}
	return ExitFailed
}

// OneLine joins the lines of a message, as errors.Join makes them, into one.
func OneLine(text string) string {
	var parts []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}
