// The experiment vp-ablations: what each part of the recipe is good for.

package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/tools/internal/cli"
)

// vpVariants are the recipe and what it could be instead.
var vpVariants = []struct {
	name   string
	change func(r *vp.Recipe)
}{
	{"as it is", func(*vp.Recipe) {}},
	{"body none", func(r *vp.Recipe) { r.Body, r.LoRA = netllm.BodySpec{Kind: netllm.NoneBody}, nil }},
	{"no low-rank matrices", func(r *vp.Recipe) { r.LoRA = nil }},
	{"queries without a summary", func(r *vp.Recipe) { r.Network.NoSummary = true }},
	{"no linear way past the body", func(r *vp.Recipe) { r.Network.Direct = false }},
	{"squared error", func(r *vp.Recipe) { r.Network.Loss = "mse" }},
	{"no mirror images", func(r *vp.Recipe) { r.Network.Mirror = false }},
	{"motion stretched up to 20 %", func(r *vp.Recipe) { r.Network.Stretch = 0.2 }},
	{"one query for each row", func(r *vp.Recipe) { r.Network.PerQuery = 1 }},
	{"one query for all rows", func(r *vp.Recipe) { r.Network.PerQuery = r.Network.Horizon }},
	{"no layer between feature and answer", func(r *vp.Recipe) { r.Network.Hidden = 0 }},
	{"64 features", func(r *vp.Recipe) { r.Network.Features = 64 }},
	{"a window every 15 rows", func(r *vp.Recipe) { r.Windows.Stride, r.Epochs = 15, 5*r.Epochs }},
	{"always 10 rows seen", func(r *vp.Recipe) { r.MinHistory, r.Windows.History, r.Network.History = 0, 10, 10 }},
	{"no mean of weights", func(r *vp.Recipe) { r.Average = 0 }},
}

// vpAblations holds the flags of experiment vp-ablations.
type vpAblations struct {
	vpExperiment
	folds int
	only  []string
}

// vpAblationsResult is what experiment vp-ablations --json prints.
type vpAblationsResult struct {
	Experiment string      `json:"experiment"`
	Model      string      `json:"model"`
	CPU        string      `json:"cpu"`
	Threads    int         `json:"threads"`
	Seed       uint64      `json:"seed"`
	HoldLast   [][]float64 `json:"hold_last"` // by fold: of both settings
	Runs       []*vpRun    `json:"runs"`      // by variant and fold
	Command    string      `json:"command"`
}

func newVPAblations(line string) *cobra.Command {
	a := &vpAblations{}
	cmd := &cobra.Command{
		Use:   "vp-ablations",
		Short: "Viewport prediction with parts of the recipe left out, by cross-validation",
		Long: "Vp-ablations trains variants of recipe best on folds of Jin2022's train and valid\n" +
			"splits, disjoint in videos and in users, and prints the mean error on the parts left\n" +
			"out, at the look at them that was best and at the last one, with the standard error\n" +
			"over folds of the difference from the recipe as it is. The test split is not read.",
		Example: "  netllm experiment vp-ablations --model stories260k-f32.gguf --data ../shared/data --json ablations.json",
		Args:    cli.NoArgs,
		RunE:    cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	a.add(cmd)
	cmd.Flags().IntVar(&a.folds, "folds", 5, "divide videos and users into `N` groups")
	cmd.Flags().StringSliceVar(&a.only, "only", nil, "train only the `VARIANTS`, numbers from 1, and the first")
	return cmd
}

func (a *vpAblations) run(cmd *cobra.Command, line string) error {
	if a.folds < 2 || a.epochs < 0 {
		return cli.Usagef("--folds %d, --epochs %d: want at least 2 and 1", a.folds, a.epochs)
	}
	chosen := []int{0}
	for i := range vpVariants {
		if i > 0 && a.only == nil {
			chosen = append(chosen, i)
		}
	}
	for _, text := range a.only {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > len(vpVariants) {
			return cli.Usagef("--only %q: want numbers from 1 to %d", text, len(vpVariants))
		}
		if n > 1 {
			chosen = append(chosen, n-1)
		}
	}
	used, err := a.dev.Resolve()
	if err != nil {
		return err
	}
	if err := a.flags.CheckJSON(); err != nil {
		return err
	}
	a.data.dataset = "jin2022"
	set, err := a.data.open(&a.flags)
	if err != nil {
		return err
	}
	folds, err := a.divide(set)
	if err != nil {
		return err
	}
	result := &vpAblationsResult{Experiment: "vp-ablations", Model: a.model.name(), CPU: used.CPU, Threads: used.Threads, Seed: a.flags.Seed, Command: line}
	hold, err := vp.NewFactory("hold-last")
	if err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	base, err := a.recipeFor(netllm.BodySpec{Kind: netllm.PretrainedBody}, "best", a.flags.Seed)
	if err != nil {
		return err
	}
	short, long := vp.DefaultWindowing(), vp.DefaultWindowing()
	long.History, long.Horizon = 20, 30
	for i, f := range folds {
		var errors []float64
		for _, w := range []vp.Windowing{short, long} {
			score, err := vp.Evaluate(cmd.Context(), hold, w.Windows(f[1]), vp.EvalOptions{})
			if err != nil {
				return err
			}
			errors = append(errors, score.Mean)
		}
		result.HoldLast = append(result.HoldLast, errors)
		for _, v := range chosen {
			r := base
			vpVariants[v].change(&r)
			result.Runs = append(result.Runs, &vpRun{
				Label: fmt.Sprintf("%s, fold %d", vpVariants[v].name, i+1), Recipe: r,
				train: r.Windows.Windows(f[0]), validation: short.Windows(f[1]), asked: [][]vp.Window{short.Windows(f[1]), long.Windows(f[1])},
			})
		}
	}
	if err := a.runAll(cmd.Context(), used, result.Runs, cmd.ErrOrStderr()); err != nil {
		return err
	}
	if err := a.table(result, chosen).Print(a.flags.Results(cmd)); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// divide reads the traces of each fold: those trained on, and those left out.
func (a *vpAblations) divide(set *vp.Dataset) (folds [][2][]*vp.Trace, err error) {
	var parts []vp.Split
	for _, name := range []string{"train", "valid"} {
		s, err := set.Split(name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, s)
	}
	for _, f := range vp.Folds(parts, a.folds) {
		var traces [2][]*vp.Trace
		for i, s := range []vp.Split{f.Train, f.Valid} {
			if traces[i], err = set.Traces(s, a.data.missing); err != nil {
				return nil, err
			}
			if err := set.CheckTraining(traces[i]); err != nil {
				return nil, err
			}
		}
		folds = append(folds, traces)
	}
	return folds, nil
}

func (a *vpAblations) table(r *vpAblationsResult, chosen []int) *cli.Table {
	t := &cli.Table{Text: 1, Columns: []string{"variant", "10/20", "difference", "at the end", "20/30", "difference", "gain 10/20", "gain 20/30", "parameters", "seconds"}}
	for i, v := range chosen {
		column := func(value func(fold int, run, base *vpRun) float64) (values []float64) {
			for f := range a.folds {
				values = append(values, value(f, r.Runs[f*len(chosen)+i], r.Runs[f*len(chosen)]))
			}
			return values
		}
		row := []string{vpVariants[v].name}
		for s := range 2 {
			row = append(row, plusMinus(column(func(_ int, run, _ *vpRun) float64 { return run.Errors[s] }), 3))
			difference := plusMinus(column(func(_ int, run, base *vpRun) float64 { return run.Errors[s] - base.Errors[s] }), 3)
			if i == 0 {
				difference = ""
			}
			row = append(row, difference)
			if s == 0 {
				row = append(row, plusMinus(column(func(_ int, run, _ *vpRun) float64 { return run.Last }), 3))
			}
		}
		for s := range 2 {
			row = append(row, plusMinus(column(func(f int, run, _ *vpRun) float64 { return 100 * (1 - run.Errors[s]/r.HoldLast[f][s]) }), 2)+" %")
		}
		seconds, _ := stats.MeanStdErr(column(func(_ int, run, _ *vpRun) float64 { return run.Seconds }))
		t.Add(append(row, strconv.Itoa(r.Runs[i].Trained), number(seconds, 0))...)
	}
	return t
}
