// The experiment commands: figures of the paper, and tables of the documents, each made by one command.
//
// An experiment is a line of [experimentKinds]: a name, what it repeats, defaults of its configuration for each
// budget, and what it does. It does all of its work in units (package experiment), which it asks the workbench's
// runner for, and returns an [experiment.Outcome]; the command does the rest: flags, config.json, resuming, files.
// Experiments that compare trainings are three lines on [workbench.compare]. One that measures something else
// makes units of its own:
//
//	func runLatency(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
//		m, err := w.model(w.config.Models[0])
//		...
//		u := &experiment.Unit{Kind: "latency", Label: "one answer", Key: map[string]any{"model": m.sha256, "answers": 100},
//			Do: func(ctx context.Context, job experiment.Job) (any, error) { ... return measured, nil }}
//		if err := w.runner.Do(ctx, u); err != nil {
//			return nil, err
//		}
//		measured, err := experiment.Get[latency](u)
//		...
//		return &experiment.Outcome{Title: ..., Tables: ..., Columns: ..., Rows: ..., Results: measured}, nil
//	}
//
// An adapter to measure comes from w.scorer(task), whose train returns a unit that other experiments share. What needs
// the machine for itself - times - sets exclusive.

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
)

// The budgets.
var budgets = []string{smallBudget, fullBudget}

const (
	smallBudget = "small"
	fullBudget  = "full"
)

// settingNames are the paper's, of every task.
var settingNames = []string{"default", "unseen1", "unseen2", "unseen3"}

// experimentKind is an experiment that can be run.
type experimentKind struct {
	name, short string
	long        string
	repeats     string            // what of the paper
	takes       map[string]string // about how long, by budget, on two cores
	exclusive   bool              // units are done one at a time: they measure times

	// defaults fills a configuration whose name, budget and models are set.
	defaults func(c *experimentConfig)

	// models are the models that it is about if none is named.
	models []string

	check func(c *experimentConfig) []error // beside Validate; may be nil
	run   func(ctx context.Context, w *workbench) (*experiment.Outcome, error)
}

func findExperiment(name string) *experimentKind {
	for _, k := range experimentKinds() {
		if k.name == name {
			return k
		}
	}
	return nil
}

func experimentNames() (names []string) {
	for _, k := range experimentKinds() {
		names = append(names, k.name)
	}
	return names
}

func newExperiment(line string) *cobra.Command {
	cmd := cli.Group(&cobra.Command{Use: "experiment", Short: "Repeat the paper's figures, and the tables of the documents"})
	cmd.AddCommand(newExperimentList())
	for _, k := range experimentKinds() {
		cmd.AddCommand(newExperimentRun(k, line))
	}
	cmd.AddCommand(newVPAblations(line))
	return cmd
}

func newExperimentList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Say what each experiment repeats, and how long it takes",
		Example: "  netllm experiment list",
		Args:    cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error {
			t := &cli.Table{Text: 4, Columns: append([]string{"experiment", "repeats"}, budgets...)}
			for _, k := range experimentKinds() {
				t.Add(k.name, k.repeats, k.takes[smallBudget], k.takes[fullBudget])
			}
			return t.Print(cmd.OutOrStdout())
		}),
	}
}

// experimentRun holds the flags of an experiment.
type experimentRun struct {
	kind   *experimentKind
	flags  cli.Flags
	dev    cli.Device
	budget string
	tasks  []string
	models []string
	seeds  int
	config string
	out    string
	store  string
}

func newExperimentRun(k *experimentKind, line string) *cobra.Command {
	r := &experimentRun{kind: k}
	cmd := &cobra.Command{
		Use:   k.name,
		Short: k.short,
		Long: k.long + "\n\n" +
			"It writes index.html, results.csv, results.json and the configuration to a folder. What\n" +
			"was interrupted goes on where it was when the same command is given again; experiments\n" +
			"share what they have in common.",
		Example: "  netllm experiment " + k.name + " --budget small --data ../shared/data\n" +
			"  netllm experiment " + k.name + " --config run/experiments/" + k.name + "/config.json --out run/again --data ../shared/data",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return r.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&r.budget, "budget", smallBudget, "train as long as `BUDGET` says: small or full")
	fs.StringSliceVar(&r.tasks, "tasks", nil, "only these `TASKS`: vp, abr, cjs (default all)")
	fs.StringSliceVar(&r.models, "model", nil, "use the models in `FILES`, also in models/ of the data; embedded is the\none that comes with the program")
	fs.IntVar(&r.seeds, "seeds", 0, "train with the seeds 1 to `N` (default the budget's)")
	fs.StringVar(&r.config, "config", "", "do what `FILE`, a config.json, says; no other of the flags above then")
	fs.StringVar(&r.out, "out", "", "write to the folder `DIR` (default run/experiments/"+k.name+")")
	fs.StringVar(&r.store, "store", filepath.Join("run", "experiments", "units"), "keep finished work in the folder `DIR`, for other experiments too")
	r.flags.AddData(cmd)
	r.dev.AddThreads(cmd)
	r.flags.AddJSON(cmd)
	return cmd
}

// resolve makes the configuration of the flags.
func (r *experimentRun) resolve(cmd *cobra.Command) (*experimentConfig, error) {
	if r.config != "" {
		for _, name := range []string{"budget", "tasks", "model", "seeds"} {
			if cmd.Flags().Changed(name) {
				return nil, cli.Usagef("--%s says nothing beside --config", name)
			}
		}
		c, err := readExperimentConfig(r.config)
		if err == nil && c.Experiment != r.kind.name {
			err = cli.Usagef("--config %s is of experiment %s", r.config, c.Experiment)
		}
		return c, err
	}
	if !slices.Contains(budgets, r.budget) {
		return nil, cli.Usagef("--budget %q: want small or full", r.budget)
	}
	if r.seeds < 0 {
		return nil, cli.Usagef("--seeds %d: want 1 or more", r.seeds)
	}
	c := &experimentConfig{Experiment: r.kind.name, Budget: r.budget, Models: r.models, Tasks: map[string]*taskConfig{}}
	if c.Models == nil {
		c.Models = r.kind.models
	}
	r.kind.defaults(c)
	for _, name := range r.tasks {
		if c.Tasks[name] == nil {
			return nil, cli.Usagef("--tasks: experiment %s has no task %q: want some of %q", r.kind.name, name, c.taskNames())
		}
	}
	for _, name := range c.taskNames() {
		if r.tasks != nil && !slices.Contains(r.tasks, name) {
			delete(c.Tasks, name)
		}
	}
	if r.seeds > 0 {
		c.Seeds = firstSeeds(r.seeds)
		for _, t := range c.Tasks {
			for i := range t.Recipes {
				t.Recipes[i].Seeds = min(t.Recipes[i].Seeds, r.seeds)
			}
		}
	}
	return c, cli.Usage(c.Validate())
}

// firstSeeds are 1 to n.
func firstSeeds(n int) (seeds []uint64) {
	for i := range n {
		seeds = append(seeds, uint64(i)+1)
	}
	return seeds
}

func (r *experimentRun) run(cmd *cobra.Command, line string) error {
	config, err := r.resolve(cmd)
	if err != nil {
		return err
	}
	used, err := r.dev.Resolve()
	if err != nil {
		return err
	}
	if err := r.flags.CheckJSON(); err != nil {
		return err
	}
	fill(&r.out, filepath.Join("run", "experiments", r.kind.name))
	w := &workbench{config: config, flags: r.flags, runner: &experiment.Runner{
		Store: experiment.Store(r.store), Workers: used.Threads, Open: func() ops.Backend { return ops.NewCPU(1) },
		Chatter: cmd.ErrOrStderr(), Version: version(), CPU: used.CPU,
	}}
	if r.kind.exclusive {
		w.runner.Workers = 1
	}
	if err := w.openModels(); err != nil {
		return err
	}
	run, err := experiment.Begin(r.out, r.kind.name, config.environment()+line, config, r.flags.Force)
	if err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	outcome, err := r.kind.run(cmd.Context(), w)
	if err != nil {
		return err
	}
	if err := outcome.Write(r.out, run, w.runner); err != nil {
		return err
	}
	results := r.flags.Results(cmd)
	for _, t := range outcome.Tables {
		err = errors.Join(err, t.Print(results))
		_, printed := fmt.Fprintln(results)
		err = errors.Join(err, printed)
	}
	_, printed := fmt.Fprintf(results, "page: %s\n", filepath.Join(r.out, experiment.PageFile))
	return errors.Join(err, printed, r.flags.WriteJSON(cmd, run))
}
