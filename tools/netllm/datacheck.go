// The data check command: a folder of data is read as a whole.

package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/datacheck"
)

// checkResult is what data check --json prints.
type checkResult struct {
	Dir     string           `json:"dir"`
	Parts   []datacheck.Part `json:"parts"`
	Faults  []string         `json:"faults"` // the first ones of every part
	Count   int              `json:"count"`  // of all faults
	Notes   []string         `json:"notes"`
	Command string           `json:"command"`
}

func newDataCheck(line string) *cobra.Command {
	var flags cli.Flags
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Read all data in a folder and tell what is wrong with it",
		Long: "Check reads every recording, trace, video, query and checkpoint in the folder DIR, which\n" +
			"has vp/, abr/ or cjs/ in it, and prints what is there. What cannot be read is a fault, one\n" +
			"line each, FILE:LINE: WHAT, with the first bad row of a file and the first 20 faults\n" +
			"of a part; any fault makes the command fail. Notes tell what is worth knowing and\n" +
			"harms nothing: known holes of the published sets, clocks that step back.",
		Example: "  netllm data check data\n" +
			"  netllm data check data --json report.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("got %d folders, want one", len(args))
			}
			return nil
		},
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error { return runDataCheck(cmd, &flags, args[0], line) }),
	}
	cmd.Flags().SortFlags = false
	flags.AddJSON(cmd)
	return cmd
}

func runDataCheck(cmd *cobra.Command, flags *cli.Flags, dir, line string) error {
	if err := flags.CheckJSON(); err != nil {
		return err
	}
	var progress *cli.Progress
	report, err := datacheck.Check(cmd.Context(), dir, func(done, total int) {
		if progress == nil {
			progress = cli.NewProgress(cmd.ErrOrStderr(), "check", "files", total)
		}
		progress.Set(done, "")
	})
	if progress != nil {
		progress.Close()
	}
	if err != nil {
		return err
	}
	results := flags.Results(cmd)
	for _, fault := range report.Faults {
		fmt.Fprintln(results, fault)
	}
	for _, note := range report.Notes {
		fmt.Fprintf(results, "note: %s\n", note)
	}
	if err := checkTable(report).Print(results); err != nil {
		return err
	}
	// Lists that are empty are lists, too.
	if err := flags.WriteJSON(cmd, checkResult{
		Dir: dir, Parts: append([]datacheck.Part{}, report.Parts...), Faults: append([]string{}, report.Faults...),
		Count: report.Count, Notes: append([]string{}, report.Notes...), Command: line,
	}); err != nil {
		return err
	}
	switch report.Count {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("1 fault in %s", dir)
	}
	return fmt.Errorf("%d faults in %s", report.Count, dir)
}

// checkTable shows what is there.
func checkTable(report *datacheck.Report) *cli.Table {
	t := &cli.Table{Text: 3, Columns: []string{"task", "part", "holds", "files", "rows"}}
	for _, p := range report.Parts {
		t.Add(p.Task, p.Name, p.Holds, strconv.Itoa(p.Files), strconv.Itoa(p.Rows))
	}
	return t
}
