// The report command: one page, and figures, of what runs left in JSON files.

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/report"
)

// reportRuns holds the flags of report.
type reportRuns struct {
	flags   cli.Flags
	out     string
	title   string
	versus  string
	figures string
	format  string
}

func newReport() *cobra.Command {
	r := &reportRuns{}
	cmd := &cobra.Command{
		Use:   "report RUN...",
		Short: "Make one page of what runs found, and figures for papers",
		Long: "Report reads what eval, adapt, quickstart and experiment wrote as JSON - files, or folders\n" +
			"of such files - and writes one page that needs nothing else: of each task and setting a\n" +
			"table of all policies with intervals, differences item by item, shares and boxes over\n" +
			"items, and what else the runs have; of trainings their curves.\n\n" +
			"Runs on the same items come into one table. A policy that several runs have, with other\n" +
			"numbers, is called by its run's name too. A folder with a results.json stands for that.\n\n" +
			"Figures are the page's charts, each in a file: black on white, without a caption.",
		Example: "  netllm eval abr --policy bba,mpc,genet --json run/baselines.json --data ../shared/data\n" +
			"  netllm eval abr --policy netllm --adapter run/abr --json run/netllm.json --data ../shared/data\n" +
			"  netllm report run/baselines.json run/netllm.json --out run/report.html\n" +
			"  netllm report run/ --versus mpc --figures run/figures --figures-format pdf",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("a run is needed: a JSON file of eval, adapt or experiment, or a folder of them")
			}
			return nil
		},
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&r.out, "out", "report.html", "write the page to `FILE`")
	fs.StringVar(&r.title, "title", "Results", "call the page `TITLE`")
	fs.StringVar(&r.versus, "versus", "", "compare the policy `NAME` with all others, where it is one of them\n(default netllm, or the first)")
	fs.StringVar(&r.figures, "figures", "", "write each chart to a file in `DIR` too")
	fs.StringVar(&r.format, "figures-format", report.FigureFormats[0], "as `FORMAT`: "+strings.Join(report.FigureFormats, ", "))
	r.flags.AddForce(cmd)
	return cmd
}

func (r *reportRuns) run(cmd *cobra.Command, args []string) error {
	switch {
	case r.out == "":
		return cli.Usagef("--out is empty")
	case !slices.Contains(report.FigureFormats, r.format):
		return cli.Usagef("--figures-format %q: want %s", r.format, strings.Join(report.FigureFormats, ", "))
	case r.figures == "" && cmd.Flags().Changed("figures-format"):
		return cli.Usagef("--figures-format needs --figures")
	}
	if err := cli.CheckNew(r.out, r.flags.Force); err != nil {
		return err
	}
	runs, err := readRuns(args)
	if err != nil {
		return err
	}
	groups := groupRuns(runs, r.versus)
	if r.versus != "" && !slices.ContainsFunc(groups, func(g *runGroup) bool { return g.eval.Versus == r.versus }) {
		return cli.Usagef("--versus %q: no run has such a policy", r.versus)
	}
	page, err := runsReport(runs, groups, r.title)
	if err != nil {
		return err
	}
	figures, err := r.planFigures(page)
	if err != nil {
		return err
	}
	if err := cli.WriteFile(r.out, r.flags.Force, page.Write); err != nil {
		return err
	}
	for _, f := range figures {
		if err := cli.WriteFile(r.figurePath(f), r.flags.Force, func(w io.Writer) error { return f.WriteFigure(w, r.format) }); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%s: %s", r.out, counted(len(runs), "run"))
	if r.figures != "" {
		text += fmt.Sprintf(", %s in %s", counted(len(figures), "figure"), r.figures)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

// planFigures returns the figures. It fails if the file of one is there and must
// not be replaced: before anything is written.
func (r *reportRuns) planFigures(page *report.Report) ([]report.Figure, error) {
	if r.figures == "" {
		return nil, nil
	}
	figures := page.Figures()
	for _, f := range figures {
		if err := cli.CheckNew(r.figurePath(f), r.flags.Force); err != nil {
			return nil, err
		}
	}
	return figures, nil
}

func (r *reportRuns) figurePath(f report.Figure) string {
	return filepath.Join(r.figures, f.Name+"."+r.format)
}
