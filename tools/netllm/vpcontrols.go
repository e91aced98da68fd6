// The experiment vp-controls: what the language model is good for.

package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// vpControls holds the flags of experiment vp-controls.
type vpControls struct {
	vpExperiment
	controlFlags
}

// vpControlsResult is what experiment vp-controls --json prints.
type vpControlsResult struct {
	Experiment string             `json:"experiment"`
	Model      string             `json:"model"`
	CPU        string             `json:"cpu"`
	Threads    int                `json:"threads"`
	Seed       uint64             `json:"seed"`
	HoldLast   map[string]float64 `json:"hold_last"` // by setting
	Chosen     []*vpRun           `json:"chosen"`    // of every body and seed, at the body's best learning rate
	Tried      []*vpRun           `json:"tried"`     // of the first seed, at all learning rates
	Command    string             `json:"command"`
}

func newVPControls(line string) *cobra.Command {
	c := &vpControls{}
	cmd := &cobra.Command{
		Use:   "vp-controls",
		Short: "Viewport prediction with the frozen model and four controls in its place",
		Long: "Vp-controls adapts to Jin2022's train split with each of five bodies between the same\n" +
			"encoder and head: the pretrained model, random weights in its shape (both frozen,\n" +
			"with low-rank matrices), the same shape trained whole, nothing, and one trained\n" +
			"attention layer. All see the same windows; each takes that learning rate of three\n" +
			"with the smallest validation error for the first seed. It prints the mean error on\n" +
			"the test splits in the paper's four settings, over seeds.",
		Example: "  netllm experiment vp-controls --model stories260k-f32.gguf --data ../shared/data --json controls.json",
		Args:    cli.NoArgs,
		RunE:    cli.Action(func(cmd *cobra.Command, _ []string) error { return c.run(cmd, line) }),
	}
	c.vpExperiment.add(cmd)
	c.controlFlags.add(cmd, 3e-4, 1e-3, 3e-3)
	return cmd
}

func (c *vpControls) run(cmd *cobra.Command, line string) error {
	specs, err := c.check(vp.Recipes)
	if err != nil {
		return err
	}
	if c.epochs < 0 {
		return cli.Usagef("--epochs %d: want 1 or more", c.epochs)
	}
	used, err := c.dev.Resolve()
	if err != nil {
		return err
	}
	if err := c.flags.CheckJSON(); err != nil {
		return err
	}
	result := &vpControlsResult{Experiment: "vp-controls", Model: c.model.name(), CPU: used.CPU, Threads: used.Threads, Seed: c.flags.Seed, Command: line, HoldLast: map[string]float64{}}
	asked, err := c.settings(cmd, result)
	if err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	data := &vpFlags{dataset: "jin2022", missing: c.data.missing}
	set, err := data.open(&c.flags)
	if err != nil {
		return err
	}
	result.Tried, result.Chosen, err = compareBodies(&c.controlFlags, specs, c.flags.Seed, func(spec netllm.BodySpec, rate float64, seed uint64) (*vpRun, error) {
		r, err := c.recipeFor(spec, c.recipe, seed)
		if err != nil {
			return nil, err
		}
		r.LearningRate = float32(rate)
		run := &vpRun{Label: fmt.Sprintf("%s, learning rate %g, seed %d", spec, rate, seed), Recipe: r, asked: asked}
		run.train, run.validation, err = trainingWindows(data, set, r.Windows, vp.DefaultWindowing(), cmd.ErrOrStderr())
		return run, err
	}, func(runs []*vpRun) error { return c.runAll(cmd.Context(), used, runs, cmd.ErrOrStderr()) })
	if err != nil {
		return err
	}
	if err := c.table(result, specs).Print(c.flags.Results(cmd)); err != nil {
		return err
	}
	return c.flags.WriteJSON(cmd, result)
}

// settings are the test windows of the paper's four settings.
func (c *vpControls) settings(cmd *cobra.Command, result *vpControlsResult) (asked [][]vp.Window, err error) {
	for _, s := range vpSettings {
		f := vpFlags{dataset: s.dataset, windows: vp.DefaultWindowing(), missing: c.data.missing}
		f.windows.History, f.windows.Horizon = s.history, s.horizon
		set, err := f.open(&c.flags)
		if err != nil {
			return nil, err
		}
		traces, err := f.traces(set, "test", cmd.ErrOrStderr())
		if err != nil {
			return nil, err
		}
		ws := f.windows.Windows(traces)
		hold, err := vp.NewFactory("hold-last")
		if err != nil {
			return nil, err
		}
		score, err := vp.Evaluate(cmd.Context(), hold, ws, vp.EvalOptions{})
		if err != nil {
			return nil, err
		}
		result.HoldLast[s.name] = score.Mean
		asked = append(asked, ws)
	}
	return asked, nil
}

// recipeFor returns a recipe for a body in the shape of the model.
func (e *vpExperiment) recipeFor(spec netllm.BodySpec, name string, seed uint64) (r vp.Recipe, err error) {
	b := ops.NewCPU(1)
	defer b.Close()
	err = e.model.withBody(b, spec, func(body transformer.Adaptable) error {
		r, err = vp.NewRecipe(name, body, spec, seed)
		return err
	})
	if e.epochs > 0 {
		r.Epochs = e.epochs
	}
	return r, err
}

func (c *vpControls) table(r *vpControlsResult, specs []netllm.BodySpec) *cli.Table {
	t := &cli.Table{Text: 1, Columns: []string{"body", "rate", "parameters", "seconds", "validation"}}
	hold := []string{"hold-last", "", "", "", ""}
	for _, s := range vpSettings {
		t.Columns = append(t.Columns, s.name, "gain")
		hold = append(hold, number(r.HoldLast[s.name], 3), "")
	}
	t.Add(hold...)
	for i := range specs {
		runs := r.Chosen[i*c.seeds : (i+1)*c.seeds]
		column := func(value func(*vpRun) float64) (values []float64) {
			for _, run := range runs {
				values = append(values, value(run))
			}
			return values
		}
		seconds, _ := stats.MeanStdErr(column(func(r *vpRun) float64 { return r.Seconds }))
		row := []string{string(specs[i].Kind), fmt.Sprintf("%g", runs[0].Recipe.LearningRate), strconv.Itoa(runs[0].Trained), number(seconds, 0),
			plusMinus(column(func(r *vpRun) float64 { return r.Best }), 3)}
		for j, s := range vpSettings {
			errors := column(func(r *vpRun) float64 { return r.Errors[j] })
			mean, _ := stats.MeanStdErr(errors)
			row = append(row, plusMinus(errors, 3), number(100*(1-mean/r.HoldLast[s.name]), 2)+" %")
		}
		t.Add(row...)
	}
	return t
}
