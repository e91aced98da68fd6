// The flags that mean the same in every command.

package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Flags holds the values of the common flags that a command has.
type Flags struct {
	Seed  uint64
	Force bool
	JSON  string // file, "-" for stdout, "" for none
	Data  string // folder of the data sets; see DataDir
}

// AddSeed adds --seed.
func (f *Flags) AddSeed(cmd *cobra.Command, value uint64) {
	cmd.Flags().Uint64Var(&f.Seed, "seed", value, "draw everything random from `SEED`")
}

// AddForce adds --force.
func (f *Flags) AddForce(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.Force, "force", false, "replace what exists")
}

// AddJSON adds --json and, since it writes a file, --force.
func (f *Flags) AddJSON(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.JSON, "json", "", "write the results as JSON to `FILE`, - is stdout")
	f.AddForce(cmd)
}

// AddData adds --data.
func (f *Flags) AddData(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Data, "data", "", "read data sets from `DIR`, which has abr/, vp/ or cjs/ in it (default $NETLLM_DATA)")
}

// DataDir returns the folder of the data sets: what --data or NETLLM_DATA says,
// or "" if neither says anything. It fails if that is no folder.
func (f *Flags) DataDir() (string, error) {
	dir, from := f.Data, "--data"
	if dir == "" {
		dir, from = os.Getenv("NETLLM_DATA"), "NETLLM_DATA"
	}
	if dir == "" {
		return "", nil
	}
	switch info, err := os.Stat(dir); {
	case err != nil:
		return "", fmt.Errorf("%s: %w", from, err)
	case !info.IsDir():
		return "", fmt.Errorf("%s: %s is not a folder", from, dir)
	}
	return dir, nil
}

// CheckJSON fails if the file of --json exists and must not be replaced: better
// before the work than after it.
func (f *Flags) CheckJSON() error {
	if f.JSON == "" || f.JSON == "-" {
		return nil
	}
	return CheckNew(f.JSON, f.Force)
}

// WriteJSON writes v where --json says, if it does.
func (f *Flags) WriteJSON(cmd *cobra.Command, v any) error {
	switch f.JSON {
	case "":
		return nil
	case "-":
		return EncodeJSON(cmd.OutOrStdout(), v)
	}
	return WriteFile(f.JSON, f.Force, func(w io.Writer) error { return EncodeJSON(w, v) })
}

// Results returns where a command prints what people read: stdout, or stderr if
// stdout is to carry JSON.
func (f *Flags) Results(cmd *cobra.Command) io.Writer {
	if f.JSON == "-" {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// JSONArgs lets --json stand alone: without a value beside it, stdout is meant.
func JSONArgs(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return append(out, args[i:]...)
		case args[i] != "--json":
			out = append(out, args[i])
		case i+1 < len(args) && (args[i+1] == "-" || !strings.HasPrefix(args[i+1], "-")):
			i++
			out = append(out, "--json="+args[i])
		default:
			out = append(out, "--json=-")
		}
	}
	return out
}

// CommandLine returns a command as it can be typed into a shell.
func CommandLine(name string, args []string) string {
	words := []string{name}
	for _, a := range args {
		words = append(words, ShellWord(a))
	}
	return strings.Join(words, " ")
}

// ShellWord returns a as a word of a shell, in quotes if it needs them.
func ShellWord(a string) string {
	if a == "" || strings.ContainsAny(a, " \t\n'\"\\$`&|;<>()*?[]#~!{}") {
		return "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return a
}
