// The configuration of an experiment: config.json of its folder.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/netllm/vp"
	"netllm/tools/internal/cli"
)

// experimentConfig is all that shapes an experiment but data and program.
type experimentConfig struct {
	Experiment string   `json:"experiment"`
	Budget     string   `json:"budget"`             // whose numbers these are, where flags said nothing else
	Models     []string `json:"models"`             // files or folders, also in models/ of the data; or embeddedName
	Seeds      []uint64 `json:"seeds"`              // of trainings
	Bodies     []string `json:"bodies,omitempty"`   // what is put in the model's place, see [netllm.ParseBody]
	Settings   []string `json:"settings,omitempty"` // of the paper, that policies are scored in
	Missing    bool     `json:"allow_missing,omitempty"`

	Tasks map[string]*taskConfig `json:"tasks,omitempty"`

	Latency *latencyConfig `json:"latency,omitempty"`
	Cost    *costConfig    `json:"cost,omitempty"`
}

// embeddedName stands for the model that comes with the program.
const embeddedName = "embedded"

// taskConfig is what an experiment does with a task. A number that is 0 is the recipe's or the command's own.
type taskConfig struct {
	Policies []string      `json:"policies,omitempty"` // that learned ones are compared with
	Recipes  []trainConfig `json:"recipes,omitempty"`
	Ranks    []int         `json:"ranks,omitempty"`   // of low-rank matrices; 0: none
	Windows  []int         `json:"windows,omitempty"` // how much of the past is seen

	TrackEpochs int    `json:"track_epochs,omitempty"` // vp: of the recurrent rival
	Sequence    string `json:"sequence,omitempty"`     // cjs: file of the jobs of the default setting, also in NETLLM_SPEC
	Sequences   int    `json:"sequences,omitempty"`    // cjs: generated in each other setting
	Runs        int    `json:"runs,omitempty"`         // cjs: of each sequence
	Jobs        int    `json:"jobs,omitempty"`         // cjs: of sequences that are learned from
	Executors   int    `json:"executors,omitempty"`    // cjs: likewise
	Validation  int    `json:"validation,omitempty"`   // cjs: sequences that weights are chosen by
	Episodes    int    `json:"pool_episodes,omitempty"`
}

// trainConfig is how long a recipe is trained, and how often.
type trainConfig struct {
	Recipe     string    `json:"recipe"`
	Seeds      int       `json:"seeds,omitempty"`           // trained with so many of the seeds; 0: all
	Epochs     int       `json:"epochs,omitempty"`          // vp; abr but for best
	Windows    int       `json:"windows,omitempty"`         // abr best, cjs
	Rounds     int       `json:"rounds,omitempty"`          // of relabelling: abr best, cjs; -1: none
	Plays      int       `json:"plays,omitempty"`           // sessions or episodes in each of them
	Randomized float64   `json:"randomized,omitempty"`      // abr best: share of them on altered links and videos
	Steps      int       `json:"policy_gradient,omitempty"` // cjs: iterations; -1: none
	Rates      []float64 `json:"learning_rates,omitempty"`  // several: chosen on validation with the first seed
}

// task returns what is done with a task, or nil.
func (c *experimentConfig) task(name string) *taskConfig { return c.Tasks[name] }

// environment is what a command line needs in front of it to come to this configuration again: the folder in which a
// sequence of jobs is found by its name.
func (c *experimentConfig) environment() string {
	for _, t := range c.Tasks {
		if _, err := os.Stat(t.Sequence); t.Sequence != "" && err != nil {
			return "NETLLM_SPEC=" + cli.ShellWord(os.Getenv("NETLLM_SPEC")) + " "
		}
	}
	return ""
}

// taskNames are those of the tasks in their usual order.
func (c *experimentConfig) taskNames() (names []string) {
	for _, t := range allTasks {
		if c.Tasks[t] != nil {
			names = append(names, t)
		}
	}
	return names
}

// Validate reports every bad field.
func (c *experimentConfig) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("config: "+format, args...)) }
	kind := findExperiment(c.Experiment)
	if kind == nil {
		bad("experiment %q: want one of %q", c.Experiment, experimentNames())
	}
	if !slices.Contains(budgets, c.Budget) {
		bad("budget %q: want one of %q", c.Budget, budgets)
	}
	if len(c.Models) == 0 || slices.Contains(c.Models, "") {
		bad("models %q: want the name of at least one", c.Models)
	}
	if len(c.Seeds) == 0 || repeats(c.Seeds) {
		bad("seeds %v: want at least one, each once", c.Seeds)
	}
	if repeats(c.Models) || repeats(c.Bodies) || repeats(c.Settings) {
		bad("models %q, bodies %q, settings %q: each once", c.Models, c.Bodies, c.Settings)
	}
	for _, text := range c.Bodies {
		if _, err := netllm.ParseBody(text); err != nil {
			bad("bodies: %w", err)
		}
	}
	for _, s := range c.Settings {
		if !slices.Contains(settingNames, s) {
			bad("setting %q: want one of %q", s, settingNames)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Tasks)) {
		if !slices.Contains(allTasks, name) {
			bad("task %q: want one of %q", name, allTasks)
		} else if c.Tasks[name] == nil {
			bad("task %q: nothing is said of it", name)
		} else {
			errs = append(errs, c.Tasks[name].validate(name, len(c.Seeds))...)
		}
	}
	if kind != nil && kind.check != nil {
		errs = append(errs, kind.check(c)...)
	}
	return errors.Join(errs...)
}

func (t *taskConfig) validate(task string, seeds int) (errs []error) {
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("config: "+task+": "+format, args...))
	}
	policies, recipes := map[string][]string{"vp": vpPolicyNames(), "abr": abrPolicyNames(), "cjs": cjsPolicyNames()}[task],
		map[string][]string{"vp": vp.Recipes, "abr": abr.Recipes, "cjs": cjs.Recipes}[task]
	for _, p := range t.Policies {
		if !slices.Contains(policies, p) || p == learnedPolicy {
			bad("policy %q: want one of %q but %s", p, policies, learnedPolicy)
		}
	}
	if repeats(t.Policies) || repeats(t.Ranks) || repeats(t.Windows) {
		bad("policies %q, ranks %v, windows %v: each once", t.Policies, t.Ranks, t.Windows)
	}
	for _, n := range []struct {
		name string
		v    int
	}{{"track_epochs", t.TrackEpochs}, {"sequences", t.Sequences}, {"runs", t.Runs}, {"jobs", t.Jobs}, {"executors", t.Executors}, {"validation", t.Validation}, {"pool_episodes", t.Episodes},
		{"smallest rank", slices.Min(append([]int{0}, t.Ranks...))}, {"smallest window", slices.Min(append([]int{1}, t.Windows...)) - 1}} {
		if n.v < 0 {
			bad("%s %d: want more", n.name, n.v)
		}
	}
	for _, r := range t.Recipes {
		if !slices.Contains(recipes, r.Recipe) {
			bad("recipe %q: want one of %q", r.Recipe, recipes)
		}
		if r.Seeds < 0 || r.Seeds > seeds || r.Epochs < 0 || r.Windows < 0 || r.Rounds < -1 || r.Plays < 0 || r.Steps < -1 {
			bad("recipe %q: seeds %d of %d, epochs %d, windows %d, rounds %d, plays %d, policy_gradient %d", r.Recipe, r.Seeds, seeds, r.Epochs, r.Windows, r.Rounds, r.Plays, r.Steps)
		}
		if !(r.Randomized >= 0 && r.Randomized <= 1) || r.Randomized != 0 && (task != "abr" || r.Recipe != "best") {
			bad("recipe %q: randomized %v: want a share, 0 to 1, of recipe best of abr", r.Recipe, r.Randomized)
		}
		if slices.ContainsFunc(r.Rates, func(v float64) bool { return !(v > 0) || math.IsInf(v, 0) }) || repeats(r.Rates) {
			bad("recipe %q: learning_rates %v: want positive numbers, each once", r.Recipe, r.Rates)
		}
		if len(r.Rates) > 1 && task == "abr" && r.Recipe != "best" {
			bad("recipe %q: has no validation to choose among learning_rates by", r.Recipe)
		}
	}
	return errs
}

// readExperimentConfig reads a config.json. It fails on fields that are not known: they would shape nothing.
func readExperimentConfig(path string) (*experimentConfig, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	c := &experimentConfig{}
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("--config %s: %w", path, err)
	}
	if err := c.Validate(); err != nil {
		return nil, cli.Usagef("--config %s: %w", path, err)
	}
	return c, nil
}

// repeats reports whether a value is there twice.
func repeats[T comparable](list []T) bool {
	for i, v := range list {
		if slices.Contains(list[:i], v) {
			return true
		}
	}
	return false
}
