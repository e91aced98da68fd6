// The data import command: a clone of the published repository becomes a folder of
// data.

package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/published"
)

// dataImport holds the flags of data import.
type dataImport struct {
	flags    cli.Flags
	from, to string
	dryRun   bool
}

// importResult is what data import --json prints.
type importResult struct {
	From    string          `json:"from"`
	To      string          `json:"to"`
	DryRun  bool            `json:"dry_run"`
	Parts   []importPart    `json:"parts"`
	Missing []published.Gap `json:"missing"` // expected, but not in the clone
	Refused []published.Gap `json:"refused"` // in the clone, but not safe or not right
	Notes   []string        `json:"notes"`
	Command string          `json:"command"`
}

type importPart struct {
	Task  string `json:"task"`
	Name  string `json:"name"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

func newDataImport(line string) *cobra.Command {
	d := &dataImport{}
	cmd := &cobra.Command{
		Use:   "import --from CLONE --to DIR",
		Short: "Make a folder of data from a clone of the NetLLM repository",
		Long: "Import takes the data sets out of a clone of github.com/duowuyms/NetLLM and writes\n" +
			"them to DIR in the layout that all commands read: recordings for vp, traces, start\n" +
			"rows, videos and the checkpoints of GENET for abr. What the clone does not have is\n" +
			"told in a line each, and the rest imported. What is in it but not safe or not right\n" +
			"(links out of the clone, devices, strange names, broken pickles) is refused by\n" +
			"name; the rest is imported, and the command fails at the end.",
		Example: "  netllm data import --from NetLLM --to data\n" +
			"  netllm data import --from NetLLM --to data --dry-run\n" +
			"  netllm data check data",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return d.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&d.from, "from", "", "read the clone in `CLONE`")
	fs.StringVar(&d.to, "to", "", "write to the folder `DIR`, which need not exist")
	fs.BoolVar(&d.dryRun, "dry-run", false, "show what would be written, and write nothing")
	d.flags.AddJSON(cmd)
	return cmd
}

func (d *dataImport) run(cmd *cobra.Command, line string) error {
	if d.from == "" || d.to == "" {
		return cli.Usagef("--from and --to are needed")
	}
	if err := d.flags.CheckJSON(); err != nil {
		return err
	}
	clone, err := published.Open(d.from)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer clone.Close()
	plan, err := clone.Plan(cmd.Context())
	if err != nil {
		return err
	}
	if err := d.write(cmd, plan); err != nil {
		return err
	}
	for _, g := range plan.Missing {
		fmt.Fprintf(cmd.ErrOrStderr(), "missing: %v\n", g)
	}
	for _, g := range plan.Refused {
		fmt.Fprintf(cmd.ErrOrStderr(), "refused: %v\n", g)
	}
	for _, note := range plan.Notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", note)
	}
	if plan.Files() > 0 {
		if err := importTable(plan).Print(d.flags.Results(cmd)); err != nil {
			return err
		}
	}
	if d.dryRun {
		fmt.Fprintln(cmd.ErrOrStderr(), "dry run: nothing was written")
	}
	if err := d.flags.WriteJSON(cmd, d.result(plan, line)); err != nil {
		return err
	}
	switch {
	case len(plan.Refused) > 0:
		return fmt.Errorf("refused %d of what is in %s, the first: %v", len(plan.Refused), d.from, plan.Refused[0])
	case plan.Files() == 0:
		return fmt.Errorf("--from %s: nothing to import is there: is it a clone of github.com/duowuyms/NetLLM?", d.from)
	}
	return nil
}

// write does what is planned, or looks whether it could be done.
func (d *dataImport) write(cmd *cobra.Command, plan *published.Plan) error {
	if plan.Files() == 0 {
		return nil
	}
	if d.dryRun {
		return plan.Check(d.to, d.flags.Force)
	}
	var progress *cli.Progress
	err := plan.Write(cmd.Context(), d.to, d.flags.Force, func(done int) {
		if progress == nil { // it writes: nothing stood in the way
			progress = cli.NewProgress(cmd.ErrOrStderr(), "import", "files", plan.Files())
		}
		progress.Set(done, "")
	})
	if progress != nil {
		progress.Close()
	}
	return err
}

// importTable shows the parts with their files and bytes, and all together.
func importTable(plan *published.Plan) *cli.Table {
	t := &cli.Table{Text: 2, Columns: []string{"task", "part", "files", "bytes"}}
	var bytes int64
	for _, part := range plan.Parts {
		t.Add(part.Task, part.Name, strconv.Itoa(len(part.Items)), strconv.FormatInt(part.Bytes(), 10))
		bytes += part.Bytes()
	}
	t.Add("all", "", strconv.Itoa(plan.Files()), strconv.FormatInt(bytes, 10))
	return t
}

func (d *dataImport) result(plan *published.Plan, line string) importResult {
	// Lists that are empty are lists, too.
	r := importResult{
		From: d.from, To: d.to, DryRun: d.dryRun, Parts: []importPart{},
		Missing: append([]published.Gap{}, plan.Missing...), Refused: append([]published.Gap{}, plan.Refused...),
		Notes: append([]string{}, plan.Notes...), Command: line,
	}
	for _, part := range plan.Parts {
		r.Parts = append(r.Parts, importPart{part.Task, part.Name, len(part.Items), part.Bytes()})
	}
	return r
}
