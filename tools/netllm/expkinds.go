// The experiments.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"netllm/netllm"
	"netllm/tools/internal/experiment"
)

// experimentKinds lists the experiments.
func experimentKinds() []*experimentKind {
	return []*experimentKind{
		{
			name: "general", short: "The main comparison: every task's baselines and NetLLM, tested as trained",
			long: "General trains NetLLM for each task, with the project's recipe and with the paper's, and\n" +
				"compares it with the paper's baselines and with the strongest rules on the test data of\n" +
				"the setting that it was trained for: means with intervals, paired differences, and gains\n" +
				"in percent, beside the paper's.",
			repeats: "general evaluation: test setting equal to training setting",
			takes:   map[string]string{smallBudget: "40 min", fullBudget: "4 h"},
			models:  []string{embeddedName}, defaults: generalDefaults, run: runGeneral,
		},
	}
}

// generalDefaults are those of the main comparison.
func generalDefaults(c *experimentConfig) {
	c.Settings = []string{"default"}
	c.Seeds = firstSeeds(2)
	vp := &taskConfig{Policies: []string{"hold-last", "velocity-damped", "lr", "velocity", trackPolicy}, TrackEpochs: 3,
		Recipes: []trainConfig{{Recipe: "best", Epochs: 2}, {Recipe: "paper", Epochs: 4, Seeds: 1}}}
	abr := &taskConfig{Policies: abrRivals(),
		Recipes: []trainConfig{{Recipe: "best", Windows: 300_000, Rounds: 3}, {Recipe: "paper", Epochs: 10, Seeds: 1}}}
	cjs := &taskConfig{Policies: []string{"fifo", "fair", "wfair", "srpt", decimaPolicy, decimaGreedy, defaultTeacher}, Sequences: 8, Runs: 2,
		Recipes: []trainConfig{{Recipe: "best", Windows: 200_000, Rounds: 3, Steps: 8}, {Recipe: "paper", Windows: 8000, Seeds: 1}}}
	if c.Budget == fullBudget {
		c.Seeds, vp.TrackEpochs, cjs.Runs = firstSeeds(3), 6, 4
		for _, t := range []*taskConfig{vp, abr, cjs} {
			t.Recipes = []trainConfig{{Recipe: "best"}, {Recipe: "paper"}}
		}
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("NETLLM_SPEC"), referenceSequences)); err == nil {
		cjs.Sequence = referenceSequences
	}
	c.Tasks = map[string]*taskConfig{"vp": vp, "abr": abr, "cjs": cjs}
}

// abrRivals are the paper's baselines, their relatives and the strongest rule.
func abrRivals() []string {
	rivals := []string{"bba", "mpc", "mpc-tuned", "genet", "udr1", "udr2", "udr3", "udr-real"}
	if slices.Contains(abrPolicyNames(), "oracle") {
		rivals = append(rivals, "oracle")
	}
	return rivals
}

// recipeVariants are a task's recipes around the first model.
func (w *workbench) recipeVariants(task string, t *taskConfig) (list []variant) {
	for _, r := range t.Recipes {
		list = append(list, variant{label: learnedPolicy + " " + r.Recipe, task: task, model: w.config.Models[0], body: netllm.BodySpec{Kind: netllm.PretrainedBody}, train: r})
	}
	return list
}

func runGeneral(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	c, err := w.compare(ctx, w.recipeVariants)
	if err != nil {
		return nil, err
	}
	return w.outcome(c, pageText{
		title: "Tested as trained: baselines and NetLLM on three tasks",
		lead: fmt.Sprintf("The paper's main comparison, around a frozen language model of %s parameters, with the %s budget. "+
			"The paper's model has 7 billion; its numbers stand beside for orientation.", thousands(w.modelWeights()), w.config.Budget),
		gains: true,
	})
}
