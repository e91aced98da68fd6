// The experiment vp-controls: what the language model is good for.

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// vpControls holds the flags of experiment vp-controls.
type vpControls struct {
	vpExperiment
	seeds  int
	bodies []string
	rates  []float64
	recipe string
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
	fs := cmd.Flags()
	c.add(cmd)
	fs.IntVar(&c.seeds, "seeds", 3, "train `N` times")
	fs.StringSliceVar(&c.bodies, "body", []string{"pretrained", "random", "trained", "none", "attention"}, "compare these `BODIES`")
	fs.Float64SliceVar(&c.rates, "learning-rates", []float64{3e-4, 1e-3, 3e-3}, "choose from these `RATES`")
	fs.StringVar(&c.recipe, "recipe", "best", "train as `NAME` says")
	return cmd
}

func (c *vpControls) run(cmd *cobra.Command, line string) error {
	if c.seeds < 1 || len(c.rates) == 0 || c.epochs < 0 || slices.ContainsFunc(c.rates, func(r float64) bool { return !(r > 0) || math.IsInf(r, 0) }) {
		return cli.Usagef("--seeds %d, --learning-rates %v, --epochs %d: want at least one of each, positive", c.seeds, c.rates, c.epochs)
	}
	if err := checkRecipe(c.recipe, vp.Recipes); err != nil {
		return err
	}
	var specs []netllm.BodySpec
	for _, text := range c.bodies {
		s, err := netllm.ParseBody(text)
		if err != nil {
			return cli.Usagef("--%w", err)
		}
		specs = append(specs, s)
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
	first, err := c.runs(cmd, specs, c.rates, c.flags.Seed, 1, asked)
	if err != nil {
		return err
	}
	if err := c.runAll(cmd.Context(), used, first, cmd.ErrOrStderr()); err != nil {
		return err
	}
	result.Tried = first
	var rest []*vpRun
	for i, s := range specs {
		tried := first[i*len(c.rates) : (i+1)*len(c.rates)]
		best := slices.MinFunc(tried, func(a, b *vpRun) int {
			return int(math.Copysign(1, a.Best-b.Best))
		})
		result.Chosen = append(result.Chosen, best)
		more, err := c.runs(cmd, []netllm.BodySpec{s}, []float64{float64(best.Recipe.LearningRate)}, c.flags.Seed+1, c.seeds-1, asked)
		if err != nil {
			return err
		}
		rest, result.Chosen = append(rest, more...), append(result.Chosen, more...)
	}
	if err := c.runAll(cmd.Context(), used, rest, cmd.ErrOrStderr()); err != nil {
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

// runs are the trainings of some bodies at some rates with some seeds.
func (c *vpControls) runs(cmd *cobra.Command, specs []netllm.BodySpec, rates []float64, seed uint64, seeds int, asked [][]vp.Window) ([]*vpRun, error) {
	data := &vpFlags{dataset: "jin2022", missing: c.data.missing}
	set, err := data.open(&c.flags)
	if err != nil {
		return nil, err
	}
	var list []*vpRun
	for _, spec := range specs {
		for _, rate := range rates {
			for i := range seeds {
				if spec.Seed != 0 {
					spec.Seed = seed + uint64(i)
				}
				r, err := c.recipeFor(spec, c.recipe, seed+uint64(i))
				if err != nil {
					return nil, err
				}
				r.LearningRate = float32(rate)
				run := &vpRun{Label: fmt.Sprintf("%s, learning rate %g, seed %d", spec, rate, r.Seed), Recipe: r, asked: asked}
				if run.train, run.valid, err = trainingWindows(data, set, r.Windows, vp.DefaultWindowing(), cmd.ErrOrStderr()); err != nil {
					return nil, err
				}
				list = append(list, run)
			}
		}
	}
	return list, nil
}

// recipeFor returns a recipe for a body in the shape of the model.
func (e *vpExperiment) recipeFor(spec netllm.BodySpec, name string, seed uint64) (vp.Recipe, error) {
	used, err := (&cli.Device{}).Resolve()
	if err != nil {
		return vp.Recipe{}, err
	}
	b, err := used.Open()
	if err != nil {
		return vp.Recipe{}, err
	}
	defer b.Close()
	m, err := e.model.load(b)
	if err != nil {
		return vp.Recipe{}, err
	}
	defer m.Close()
	var body transformer.Adaptable
	body, done, err := spec.Open(b, m)
	if err != nil {
		return vp.Recipe{}, err
	}
	defer done()
	r, err := vp.NewRecipe(name, body, spec, seed)
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
