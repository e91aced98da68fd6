// The experiments.

package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"netllm/netllm"
	"netllm/tools/internal/experiment"
	"netllm/tools/internal/report"
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
			takes:   map[string]string{smallBudget: "35 min", fullBudget: "10 h"},
			models:  []string{embeddedName}, defaults: generalDefaults, run: runGeneral,
		},
		{
			name: "generalization", short: "What general trained, in settings that it was not trained for",
			long: "Generalization has what general trained, and the baselines, answer in the paper's three\n" +
				"other settings of each task: other lengths, viewers, traces, videos, numbers of jobs and\n" +
				"executors. It shows quartiles, medians and means, as the paper's box charts do.",
			repeats: "unseen settings: box charts of generalisation",
			takes:   map[string]string{smallBudget: "15 min after general", fullBudget: "3 h after general"},
			models:  []string{embeddedName}, defaults: generalizationDefaults, run: runGeneralization,
		},
		{
			name: "pretrained", short: "What the language model is good for: four controls in its place",
			long: "Pretrained trains five bodies between the same encoder and head: the pretrained model and\n" +
				"random weights in its shape (both frozen, with low-rank matrices), the same shape trained\n" +
				"whole, nothing, and one trained attention layer. All see the same windows; each takes that\n" +
				"learning rate of three which is best on validation data for the first seed.",
			repeats: "is pretrained knowledge needed: random instead of pretrained weights",
			takes:   map[string]string{smallBudget: "35 min", fullBudget: "4 h"},
			models:  []string{embeddedName}, defaults: pretrainedDefaults, run: runPretrained,
		},
		{
			name: "llms", short: "Language models of different families",
			long:    "Llms adapts several language models with one recipe and budget.",
			repeats: "other LLMs: OPT, Mistral, LLaVA, Llama2 of 7B",
			takes:   map[string]string{smallBudget: "30 min", fullBudget: "7 h"},
			models:  knownModels, defaults: llmsDefaults, run: runLLMs,
		},
		{
			name: "sizes", short: "Language models of different sizes",
			long: "Sizes adapts several language models with one recipe and budget, as llms does, and shows\n" +
				"them by the number of their weights.",
			repeats: "sizes of OPT, 0.35B to 7B",
			takes:   map[string]string{smallBudget: "nothing after llms", fullBudget: "nothing after llms"},
			models:  knownModels, defaults: llmsDefaults, run: runSizes,
		},
		{
			name: "rank", short: "Ranks of the low-rank matrices",
			long: "Rank adapts with low-rank matrices of several ranks, and without any, where the model is\n" +
				"frozen and only encoder and head learn.",
			repeats: "low-rank matrices: no domain knowledge without them",
			takes:   map[string]string{smallBudget: "20 min", fullBudget: "4 h"},
			models:  []string{embeddedName}, defaults: rankDefaults, run: runRank,
		},
		{
			name: "window", short: "How much of the past is seen",
			long: "Window adapts with several lengths of the past: rows seen in viewport prediction (recipe\n" +
				"best), steps of the sequence in adaptive bitrate streaming (recipe offline) and cluster job\n" +
				"scheduling (recipe paper).",
			repeats: "context windows of returns, states and actions",
			takes:   map[string]string{smallBudget: "10 min", fullBudget: "4 h"},
			models:  []string{embeddedName}, defaults: windowDefaults, run: runWindow,
		},
		costKind(), latencyKind(),
	}
}

// knownModels are of different families and sizes, in models/ of the data.
var knownModels = []string{embeddedName, "stories260k/stories260k-f32.gguf", "tinystories656k/tinystories656k-f32.gguf", "babyllama105", "tinystories3m-chat-gpt2/tinystories3m-chat-gpt2-f32.gguf"}

// generalDefaults are those of the main comparison.
func generalDefaults(c *experimentConfig) {
	c.Settings = []string{"default"}
	c.Seeds = firstSeeds(2)
	vp := &taskConfig{Policies: []string{"hold-last", "velocity-damped", "lr", "velocity", trackPolicy}, TrackEpochs: 3,
		Recipes: []trainConfig{{Recipe: "best"}, {Recipe: "paper", Epochs: 8, Seeds: 1}}}
	abr := &taskConfig{Policies: abrRivals(),
		Recipes: []trainConfig{{Recipe: "best", Windows: 300_000, Rounds: 3}, {Recipe: "paper", Epochs: 20, Seeds: 1}}}
	cjs := &taskConfig{Policies: []string{"fifo", "fair", "wfair", "srpt", decimaPolicy, decimaGreedy, defaultTeacher}, Sequences: 8, Runs: 1,
		Recipes: []trainConfig{{Recipe: "best", Windows: 200_000, Rounds: 3, Steps: 8}, {Recipe: "paper", Windows: 6000, Seeds: 1}}}
	if c.Budget == fullBudget {
		c.Seeds, vp.TrackEpochs, cjs.Runs = firstSeeds(3), 6, 4
		for _, t := range []*taskConfig{vp, abr, cjs} {
			t.Recipes = []trainConfig{{Recipe: "best"}, {Recipe: "paper"}}
		}
	}
	if _, err := specFile(referenceSequences); err == nil {
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
		lead: "The paper's main comparison, around a frozen language model of " + w.modelWords() + ". " +
			"The paper's has 7 billion; its numbers stand beside for orientation.",
	})
}

// generalizationDefaults are those of general in the other settings; in the small budget without the paper's recipe,
// whose windows take long to play.
func generalizationDefaults(c *experimentConfig) {
	generalDefaults(c)
	c.Settings = settingNames[1:]
	for name, t := range c.Tasks {
		t.Sequence = ""
		if c.Budget == smallBudget {
			t.Recipes = t.Recipes[:1]
		}
		if name == "cjs" {
			t.Runs = 1
		}
	}
}

func runGeneralization(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	c, err := w.compare(ctx, w.recipeVariants)
	if err != nil {
		return nil, err
	}
	return w.outcome(c, pageText{
		title: "Settings that nothing was trained for",
		lead: "The policies of the main comparison, around a frozen language model of " + w.modelWords() + ", in the paper's other settings. " +
			"The paper has one box chart for each task, and it is not known which setting it shows: its numbers stand beside all three together. That of viewport prediction must be the first, " +
			"where the rules come out as there, within 0.2 degrees.",
		boxes: true,
	})
}

// shortRecipes are recipes best for many trainings: a part of what general trains, without policy gradient.
func shortRecipes(c *experimentConfig) map[string]*taskConfig {
	tasks := map[string]*taskConfig{
		"vp":  {Policies: []string{"hold-last"}, Recipes: []trainConfig{{Recipe: "best", Epochs: 1}}},
		"abr": {Policies: []string{"mpc-tuned", "genet"}, Recipes: []trainConfig{{Recipe: "best", Windows: 100_000, Rounds: 2, Plays: 200}}},
		"cjs": {Policies: []string{decimaPolicy, defaultTeacher}, Recipes: []trainConfig{{Recipe: "best", Windows: 30_000, Rounds: 2, Steps: -1}}, Sequences: 8, Runs: 1},
	}
	if c.Budget == fullBudget {
		for _, t := range tasks {
			t.Recipes = []trainConfig{{Recipe: "best"}}
		}
		tasks["cjs"].Recipes[0].Steps, tasks["cjs"].Runs = -1, 4
	}
	if _, err := specFile(referenceSequences); err == nil {
		tasks["cjs"].Sequence = referenceSequences
	}
	c.Settings, c.Seeds = []string{"default"}, firstSeeds(map[string]int{smallBudget: 1, fullBudget: 3}[c.Budget])
	return tasks
}

func pretrainedDefaults(c *experimentConfig) {
	c.Tasks = shortRecipes(c)
	for _, k := range netllm.BodyKinds {
		c.Bodies = append(c.Bodies, string(k))
	}
	c.Tasks["vp"].Recipes[0].Rates = []float64{3e-4, 1e-3, 3e-3}
	c.Tasks["abr"].Recipes[0].Rates = []float64{1e-3, 2e-3, 4e-3}
	c.Tasks["cjs"].Recipes[0].Rates = []float64{1e-3, 2e-3, 4e-3}
	if c.Budget == smallBudget {
		c.Seeds = firstSeeds(2)
	} else {
		c.Settings = settingNames
	}
}

func runPretrained(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	c, err := w.compare(ctx, func(task string, t *taskConfig) (list []variant) {
		for _, text := range w.config.Bodies {
			body, _ := netllm.ParseBody(text) // was validated
			list = append(list, variant{label: string(body.Kind), task: task, model: w.config.Models[0], body: body, train: t.Recipes[0]})
		}
		return list
	})
	if err != nil {
		return nil, err
	}
	return w.outcome(c, pageText{
		title: "What the language model is good for",
		lead: "A frozen language model of " + w.modelWords() + " and four things in its place, between the same encoder and head, with the same data, budget and evaluation. " +
			"In the paper random weights in the place of Llama2-7B's are as bad as the weakest rules.",
		trials: true,
	})
}

// llmsDefaults are those of llms and sizes.
func llmsDefaults(c *experimentConfig) { c.Tasks = shortRecipes(c) }

// modelVariants are all models, with a task's first recipe.
func (w *workbench) modelVariants(names []string) func(task string, t *taskConfig) []variant {
	return func(task string, t *taskConfig) (list []variant) {
		for _, name := range names {
			m, err := w.model(name)
			if err != nil { // was opened before
				panic(err)
			}
			list = append(list, variant{label: m.name, task: task, model: name, body: netllm.BodySpec{Kind: netllm.PretrainedBody}, train: t.Recipes[0]})
		}
		return list
	}
}

func runLLMs(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	c, err := w.compare(ctx, w.modelVariants(w.config.Models))
	if err != nil {
		return nil, err
	}
	return w.outcome(c, pageText{
		title: "Language models of different families",
		lead:  "One recipe and budget around several frozen language models. Those of the paper have 7 billion weights each; these are smaller by four orders of magnitude, so that only their mutual differences can be compared.",
		extra: []report.Section{paperTable("llms")},
	})
}

func runSizes(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	names := slices.SortedStableFunc(slices.Values(w.config.Models), func(a, b string) int {
		m, _ := w.model(a)
		n, _ := w.model(b)
		return m.weights - n.weights
	})
	c, err := w.compare(ctx, w.modelVariants(names))
	if err != nil {
		return nil, err
	}
	return w.outcome(c, pageText{
		title: "Language models of different sizes",
		lead: "One recipe and budget around frozen language models, the smallest first. In the paper (sizes of OPT, 0.35 to 7 billion weights) the smallest does well in viewport prediction but badly in adaptive bitrate " +
			"streaming, and its authors take about a billion for the lower border (E for the words; no numbers are known).",
		x: func(r *row) float64 { return math.Log10(float64(r.ModelWeights)) }, xLabel: "weights of the model, powers of ten",
		extra: []report.Section{paperTable("llms")},
	})
}

// paperTable shows the paper's figures of an experiment.
func paperTable(name string) report.Section {
	t := &report.Table{Text: 2, Columns: []string{"task", "the paper's", "mean", "sure"}}
	for _, f := range experiment.Paper {
		if f.Experiment == name {
			t.Rows = append(t.Rows, report.Row{Cells: []string{f.Task, f.System, strconv.FormatFloat(f.Mean, 'g', -1, 64), string(f.Sure)}})
		}
	}
	return report.Section{Title: "What the paper has", Table: t}
}

func rankDefaults(c *experimentConfig) {
	c.Tasks = shortRecipes(c)
	for _, t := range c.Tasks {
		t.Ranks = map[string][]int{smallBudget: {8, 2, 0}, fullBudget: {8, 4, 2, 1, 0}}[c.Budget]
	}
	if c.Budget == smallBudget {
		c.Seeds = firstSeeds(2)
	}
}

func runRank(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	c, err := w.compare(ctx, func(task string, t *taskConfig) (list []variant) {
		for _, rank := range t.Ranks {
			v := variant{label: fmt.Sprintf("rank %d", rank), task: task, model: w.config.Models[0], body: netllm.BodySpec{Kind: netllm.PretrainedBody}, train: t.Recipes[0], rank: rank}
			if rank == 0 {
				v.label, v.rank = "no matrices", -1
			}
			list = append(list, v)
		}
		return list
	})
	if err != nil {
		return nil, err
	}
	return w.outcome(c, pageText{
		title: "Ranks of the low-rank matrices",
		lead: "Recipe best around a frozen language model of " + w.modelWords() + ", with low-rank matrices of several ranks. Encoder and head are trained in all. The paper's ranks are 32 for viewport prediction and 128 for the others (E), " +
			"of matrices with 4096 rows; without matrices its results are worse (R, no numbers known).",
		x: func(r *row) float64 { return float64(r.Rank) }, xLabel: "rank",
	})
}

func windowDefaults(c *experimentConfig) {
	c.Tasks = shortRecipes(c)
	c.Tasks["vp"].Windows = []int{10, 20, 5}
	c.Tasks["abr"].Windows = []int{4, 1, 8}
	c.Tasks["abr"].Recipes = []trainConfig{{Recipe: "offline"}}
	c.Tasks["cjs"].Windows = []int{5, 1}
	c.Tasks["cjs"].Recipes = []trainConfig{{Recipe: "paper", Windows: 6000}}
	if c.Budget == fullBudget {
		c.Tasks["abr"].Windows = []int{4, 1, 2, 8, 16}
		c.Tasks["cjs"].Windows, c.Tasks["cjs"].Recipes[0].Windows = []int{5, 1, 10, 20}, 40_000
	}
}

func runWindow(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	c, err := w.compare(ctx, func(task string, t *taskConfig) (list []variant) {
		for _, n := range t.Windows {
			list = append(list, variant{label: fmt.Sprintf("%d of the past", n), task: task, model: w.config.Models[0], body: netllm.BodySpec{Kind: netllm.PretrainedBody}, train: t.Recipes[0], window: n})
		}
		return list
	})
	if err != nil {
		return nil, err
	}
	return w.outcome(c, pageText{
		title: "How much of the past is seen",
		lead: "Around a frozen language model of " + w.modelWords() + ": rows of 0.2 s in viewport prediction (recipe best), steps of return, state and action in adaptive bitrate streaming (recipe offline, an optimiser step is made of as many decisions whatever the " +
			"window) and decisions in cluster job scheduling (recipe paper, the same number of windows). The paper's windows are 10 rows, 20 steps and 20 decisions (E).",
		x: func(r *row) float64 { return float64(r.Window) }, xLabel: "rows, steps or decisions of the past",
	})
}

// modelWords says how large the first model is.
func (w *workbench) modelWords() string {
	m, err := w.model(w.config.Models[0])
	if err != nil { // was opened before
		panic(err)
	}
	return fmt.Sprintf("%s weights (%s)", thousands(m.weights), m.name) // how long it was adapted, [experimentConfig.budgetWords] say
}
