// The experiment cjs-controls command.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/netllm/cjs"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// cjsControls holds the flags of experiment cjs-controls.
type cjsControls struct {
	controlFlags
	flags    cli.Flags
	dev      cli.Device
	data     cjsFlags
	model    modelFlags
	pool     string
	sequence string
	windows  int
	rounds   int
	runs     int

	cjs  *cjsData
	read *cjs.Pool
	sets []cjsSet
	kept string // folder of adapters
}

// cjsSet is what is evaluated on.
type cjsSet struct {
	name      string
	sequences []*cjs.Sequence
	runs      int
	decima    *cjs.Result
}

// cjsRun is one training and what came of it.
type cjsRun struct {
	Label   string      `json:"label"`
	Recipe  cjs.Recipe  `json:"recipe"`
	Trained int         `json:"parameters"`
	Seconds float64     `json:"seconds"`
	Best    float64     `json:"best_validation"`
	Scores  []cjsScored `json:"scores,omitempty"` // of each setting, of runs that were chosen

	adapter string // folder
}

// cjsScored is a policy's score in a setting: mean job completion times, s, and the difference from Decima, paired by
// sequence.
type cjsScored struct {
	Setting    string      `json:"setting"`
	Mean       float64     `json:"mean"`
	Difference float64     `json:"less_decima"`
	StdErr     float64     `json:"stderr"` // of the difference, over sequences
	Items      []itemValue `json:"items"`
}

func (r *cjsRun) rate() float64  { return float64(r.Recipe.LearningRate) }
func (r *cjsRun) valid() float64 { return r.Best }

// cjsControlsResult is what experiment cjs-controls --json prints.
type cjsControlsResult struct {
	Experiment string      `json:"experiment"`
	Model      string      `json:"model"`
	Pool       string      `json:"pool"`
	CPU        string      `json:"cpu"`
	Threads    int         `json:"threads"`
	Seed       uint64      `json:"seed"`
	Decima     []cjsScored `json:"decima"`
	Chosen     []*cjsRun   `json:"chosen"` // of every body and seed, at the body's best learning rate
	Tried      []*cjsRun   `json:"tried"`  // of the first seed, at all learning rates
	Command    string      `json:"command"`
}

func newCJSControls(line string) *cobra.Command {
	c := &cjsControls{}
	cmd := &cobra.Command{
		Use:   "cjs-controls --pool POOL --sequence FILE",
		Short: "Cluster job scheduling with the frozen model and four controls in its place",
		Long: "Cjs-controls adapts to a pool with each of five bodies between the same encoder and heads:\n" +
			"the pretrained model, random weights in its shape (both frozen, with low-rank matrices),\n" +
			"the same shape trained whole, nothing, and one trained attention layer. None takes\n" +
			"policy-gradient steps. Each takes that learning rate with the smallest mean job completion\n" +
			"time on validation sequences for the first seed. It prints the mean on the sequences of the\n" +
			"file and in the paper's settings of 30 executors and of 450 jobs, and the differences from\n" +
			"sampled Decima.",
		Example: "  netllm experiment cjs-controls --model stories260k-f32.gguf --pool pool.safetensors --sequence cjs_reference_sequences.json --data ../shared/data --json controls.json",
		Args:    cli.NoArgs,
		RunE:    cli.Action(func(cmd *cobra.Command, _ []string) error { return c.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	c.model.add(cmd)
	fs.StringVar(&c.pool, "pool", "", "learn from the pool in `POOL`, as collect cjs writes it")
	fs.StringVar(&c.sequence, "sequence", "", "evaluate on the jobs in `FILE`")
	fs.IntVar(&c.runs, "runs", 4, "play each of its sequences `N` times")
	c.controlFlags.add(cmd, 1e-3, 2e-3, 4e-3)
	fs.IntVar(&c.windows, "windows", 0, "draw `N` windows of decisions in all (default the recipe's)")
	fs.IntVar(&c.rounds, "rounds", -1, "relabel own states `N` times (default the recipe's)")
	fs.Lookup("rounds").DefValue = "0" // the help has its own words for the default
	c.data.addGenerated(cmd, 200, 50, 4)
	c.flags.AddData(cmd)
	c.flags.AddSeed(cmd, 1)
	c.dev.AddFlags(cmd)
	c.flags.AddJSON(cmd)
	return cmd
}

func (c *cjsControls) run(cmd *cobra.Command, line string) error {
	specs, err := c.check(cjs.Recipes)
	switch {
	case err != nil:
		return err
	case c.pool == "" || c.sequence == "":
		return cli.Usagef("--pool and --sequence are needed")
	case c.windows < 0 || c.runs < 1:
		return cli.Usagef("--windows %d, --runs %d: want 1 or more", c.windows, c.runs)
	case c.rounds < -1:
		return cli.Usagef("--rounds %d: want 0 or more", c.rounds)
	}
	if err := c.data.check(); err != nil {
		return err
	}
	used, err := c.dev.Resolve()
	if err != nil {
		return err
	}
	if err := c.flags.CheckJSON(); err != nil {
		return err
	}
	if c.cjs, err = openCJS(&c.flags); err != nil {
		return err
	}
	if c.read, err = cjs.ReadPool(c.pool); err != nil {
		return err
	}
	result := &cjsControlsResult{Experiment: "cjs-controls", Model: c.model.name(), Pool: c.pool, CPU: used.CPU, Threads: used.Threads, Seed: c.flags.Seed, Command: line}
	if result.Decima, err = c.settings(cmd.Context(), used.Threads); err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	if c.kept, err = os.MkdirTemp("", "netllm-controls"); err != nil {
		return err
	}
	defer os.RemoveAll(c.kept)
	result.Tried, result.Chosen, err = compareBodies(&c.controlFlags, specs, c.flags.Seed, c.prepare, func(runs []*cjsRun) error {
		return trainAll(cmd.Context(), used, runs, c.train, func(r *cjsRun) string {
			return fmt.Sprintf("%s: validation %.3f s, %.0f s", r.Label, r.Best, r.Seconds)
		}, cmd.ErrOrStderr())
	})
	if err != nil {
		return err
	}
	// What is evaluated on is seen once, when all is chosen.
	err = trainAll(cmd.Context(), used, result.Chosen, c.score, func(r *cjsRun) string {
		text := r.Label + ":"
		for _, s := range r.Scores {
			text += fmt.Sprintf(" %s %.3f (%+.3f)", s.Setting, s.Mean, s.Difference)
		}
		return text
	}, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := c.table(result, specs).Print(c.flags.Results(cmd)); err != nil {
		return err
	}
	return c.flags.WriteJSON(cmd, result)
}

// settings reads what is evaluated on and has Decima play it.
func (c *cjsControls) settings(ctx context.Context, workers int) (list []cjsScored, err error) {
	d, err := cjs.ReadDecima(filepath.Join(c.cjs.dir, "decima.safetensors"))
	if err != nil {
		return nil, err
	}
	reference, err := c.cjs.list(&cjsFlags{sequence: c.sequence, executors: c.data.executors}, 0)
	if err != nil {
		return nil, err
	}
	c.sets = []cjsSet{{name: filepath.Base(c.sequence), sequences: reference, runs: c.runs}}
	for _, s := range cjsSettings[1:3] {
		sequences, err := c.cjs.generated(&cjsFlags{jobs: s.jobs, executors: s.executors}, len(reference), evalSeed)
		if err != nil {
			return nil, err
		}
		c.sets = append(c.sets, cjsSet{name: s.name, sequences: sequences, runs: 1})
	}
	for i := range c.sets {
		s := &c.sets[i]
		if s.decima, err = cjs.Evaluate(ctx, d.Factory(false), s.sequences, cjs.EvalOptions{Runs: s.runs, Workers: workers, Seed: evalSeed}); err != nil {
			return nil, err
		}
		scored, err := s.scored(s.decima)
		if err != nil {
			return nil, err
		}
		list = append(list, scored)
	}
	return list, nil
}

func (s *cjsSet) scored(r *cjs.Result) (cjsScored, error) {
	diff, stderr, err := cjs.Paired(r, s.decima)
	scored := cjsScored{Setting: s.name, Mean: r.Mean, Difference: diff, StdErr: stderr}
	for _, q := range r.Sequences {
		scored.Items = append(scored.Items, itemValue{q.ID, q.Mean})
	}
	return scored, err
}

// prepare says how a body is trained.
func (c *cjsControls) prepare(spec netllm.BodySpec, rate float64, seed uint64) (*cjsRun, error) {
	b := ops.NewCPU(1)
	defer b.Close()
	run := &cjsRun{Label: fmt.Sprintf("%s, learning rate %g, seed %d", spec, rate, seed)}
	err := c.model.withBody(b, spec, func(body transformer.Adaptable) (err error) {
		run.Recipe, err = cjs.NewRecipe(c.recipe, body, spec, seed)
		return err
	})
	if c.windows > 0 {
		run.Recipe.Windows = c.windows
	}
	if c.rounds >= 0 {
		run.Recipe.Rounds = c.rounds
	}
	run.Recipe.LearningRate, run.Recipe.Gradient = float32(rate), nil
	return run, err
}

// train trains a body and keeps the adapter for [cjsControls.score].
func (c *cjsControls) train(ctx context.Context, b ops.Backend, r *cjsRun) error {
	teacher, err := cjs.NewFactory(defaultTeacher, cjs.PolicyConfig{})
	if err != nil {
		return err
	}
	valid, err := c.cjs.generated(&c.data, c.data.sequences, validSeeds)
	if err != nil {
		return err
	}
	return r.labelled(c.model.withBody(b, r.Recipe.Body, func(body transformer.Adaptable) error {
		train := cjsTraining{valid: valid, teacher: teacher, open: func() ops.Backend { return b }, workers: 1, data: c.cjs, flags: &c.data}
		adapter, result, err := train.imitate(ctx, b, body, r.Recipe, c.read)
		if err != nil {
			return err
		}
		r.Trained, r.Seconds, r.Best = result.Parameters, result.Seconds, result.Best
		r.adapter = filepath.Join(c.kept, r.Label)
		return adapter.Write(b, r.adapter, c.model.name(), false)
	}))
}

// score evaluates what came of a training.
func (c *cjsControls) score(ctx context.Context, b ops.Backend, r *cjsRun) error {
	return r.labelled(c.model.withBody(b, r.Recipe.Body, func(body transformer.Adaptable) error {
		adapter, err := cjs.LoadAdapter(b, body, r.adapter)
		if err != nil {
			return err
		}
		f := adapter.Factory(learnedPolicy, 1, func() ops.Backend { return b })
		for i := range c.sets {
			s := &c.sets[i]
			score, err := cjs.Evaluate(ctx, f, s.sequences, cjs.EvalOptions{Runs: s.runs, Workers: 1, Seed: evalSeed})
			if err != nil {
				return err
			}
			scored, err := s.scored(score)
			if err != nil {
				return err
			}
			r.Scores = append(r.Scores, scored)
		}
		return nil
	}))
}

// labelled is err with the run that it belongs to.
func (r *cjsRun) labelled(err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", r.Label, err)
	}
	return nil
}

func (c *cjsControls) table(r *cjsControlsResult, specs []netllm.BodySpec) *cli.Table {
	t := &cli.Table{Text: 1, Columns: []string{"body", "rate", "parameters", "seconds", "validation"}}
	decima := []string{decimaPolicy, "", "", "", ""}
	for _, s := range r.Decima {
		t.Columns = append(t.Columns, s.Setting, "less Decima's")
		decima = append(decima, number(s.Mean, 2), "")
	}
	t.Add(decima...)
	for i := range specs {
		runs := r.Chosen[i*c.seeds : (i+1)*c.seeds]
		column := func(value func(*cjsRun) float64) (values []float64) {
			for _, run := range runs {
				values = append(values, value(run))
			}
			return values
		}
		seconds, _ := stats.MeanStdErr(column(func(r *cjsRun) float64 { return r.Seconds }))
		row := []string{string(specs[i].Kind), fmt.Sprintf("%g", float32(runs[0].rate())), strconv.Itoa(runs[0].Trained), number(seconds, 0), plusMinus(column((*cjsRun).valid), 2)}
		for k := range c.sets {
			row = append(row, plusMinus(column(func(r *cjsRun) float64 { return r.Scores[k].Mean }), 2), plusMinus(column(func(r *cjsRun) float64 { return r.Scores[k].Difference }), 2))
		}
		t.Add(row...)
	}
	return t
}
