// The experiment cost: what adaptation takes, in parameters, memory and time.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// costConfig shapes the experiment.
type costConfig struct {
	Steps   int        `json:"timed_steps"`              // optimiser steps in each repeat
	Repeats int        `json:"repeats"`                  // of both ways in turn
	Large   *largeBody `json:"large,omitempty"`          // with task vp
	Plan    bool       `json:"plan_llama2_7b,omitempty"` // likewise
	Epochs  int        `json:"gathering_epochs"`         // of training on a pool, collected once or anew before each; 0: not at all
	Explore float64    `json:"explore"`                  // abr: share of decisions by chance when the policy collects
}

// largeBody is a random model that only its size is of interest of.
type largeBody struct {
	Layers int `json:"layers"`
	Width  int `json:"width"` // a multiple of 64
	Batch  int `json:"batch"` // windows in an optimiser step
	Steps  int `json:"timed_steps"`
	Repeat int `json:"repeats"`
}

// shape is that of a Llama with heads of 64 and the usual feed-forward part, of 8/3 of the width.
func (l *largeBody) shape() transformer.Config {
	heads := l.Width / 64
	return transformer.Config{Arch: "llama", Layers: l.Layers, Width: l.Width, FFN: (l.Width*8/3 + 63) / 64 * 64, Heads: heads, KVHeads: heads, HeadDim: 64, RopeDim: 64,
		Vocab: 512, MaxPositions: 512, NormEps: 1e-5, RopeTheta: 10000, Tied: true}
}

func costKind() *experimentKind {
	return &experimentKind{
		name: "cost", short: "What adaptation takes: parameters, memory, time; experience collected once or anew",
		long: "Cost trains each task with low-rank matrices around the frozen model and with every weight of\n" +
			"it, and compares trained parameters, memory - counted, by the same code on a backend that\n" +
			"computes nothing - and seconds for an epoch, measured in turn; it does so with a larger\n" +
			"random model too, and counts the memory for the paper's. And it trains on experience that an\n" +
			"existing policy collected once, and on that which the policy collects by itself before each\n" +
			"epoch, with as many optimiser steps. Times are true only while nothing else runs.",
		repeats: "costs: trainable share, memory, time; interaction in the time of training",
		takes:   map[string]string{smallBudget: "5 min", fullBudget: "1 h"},
		models:  []string{"stories260k/stories260k-f32.gguf"}, exclusive: true, defaults: costDefaults, check: checkCost, run: runCost,
	}
}

func costDefaults(c *experimentConfig) {
	c.Seeds = firstSeeds(1)
	c.Cost = &costConfig{Steps: 10, Repeats: 3, Plan: true, Epochs: 8, Explore: 0.1, Large: &largeBody{Layers: 12, Width: 768, Batch: 4, Steps: 2, Repeat: 2}}
	c.Tasks = map[string]*taskConfig{
		"vp":  {Recipes: []trainConfig{{Recipe: "best"}}},
		"abr": {Recipes: []trainConfig{{Recipe: "offline"}}, Episodes: 100},
		"cjs": {Recipes: []trainConfig{{Recipe: "best", Windows: 32_000}}, Jobs: 30, Executors: 50, Episodes: 4, Sequences: 4},
	}
	if c.Budget == fullBudget {
		c.Cost.Steps, c.Cost.Repeats, c.Cost.Epochs, c.Cost.Large.Repeat = 40, 7, 20, 5
		c.Tasks["abr"].Episodes = 235
		c.Tasks["cjs"].Recipes[0].Windows, c.Tasks["cjs"].Jobs, c.Tasks["cjs"].Episodes, c.Tasks["cjs"].Sequences = 200_000, 100, 8, 8
	}
}

func checkCost(c *experimentConfig) (errs []error) {
	f := c.Cost
	if f == nil || len(c.Tasks) == 0 {
		return []error{errors.New("config: cost: nothing is said of it, or of no task")}
	}
	if f.Steps < 1 || f.Repeats < 1 || f.Epochs < 0 || !(f.Explore >= 0 && f.Explore <= 1) {
		errs = append(errs, fmt.Errorf("config: cost: timed_steps %d, repeats %d, gathering_epochs %d, explore %v", f.Steps, f.Repeats, f.Epochs, f.Explore))
	}
	if l := f.Large; l != nil {
		if l.Batch < 1 || l.Steps < 1 || l.Repeat < 1 || l.Width%64 != 0 {
			errs = append(errs, fmt.Errorf("config: cost: large: width %d, batch %d, timed_steps %d, repeats %d", l.Width, l.Batch, l.Steps, l.Repeat))
		} else if err := l.shape().Validate(); err != nil {
			errs = append(errs, fmt.Errorf("config: cost: large: %w", err))
		}
	}
	for name, t := range c.Tasks {
		switch {
		case len(t.Recipes) != 1:
			errs = append(errs, fmt.Errorf("config: cost: %s: %d recipes, want 1", name, len(t.Recipes)))
		case name == "abr" && t.Recipes[0].Recipe == "best":
			errs = append(errs, errors.New("config: cost: abr: recipe best does not learn from a pool alone: want offline or paper"))
		}
	}
	return errs
}

// costFound is what the experiment found.
type costFound struct {
	Compared []*costCompared `json:"compared"`
	Plan     *costPlanned    `json:"plan,omitempty"`
	Gathered []costGathered  `json:"gathered"`
}

// costGathered is a task trained on experience collected once and anew.
type costGathered struct {
	Task  string    `json:"task"`
	Model string    `json:"model"`
	Once  *gathered `json:"once"`
	Anew  *gathered `json:"anew"`
	Saved float64   `json:"saved_percent"`
}

func runCost(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	var compared, gathering, all []*experiment.Unit
	for _, name := range w.config.Models {
		m, err := w.model(name)
		if err != nil {
			return nil, err
		}
		for _, task := range w.config.taskNames() {
			c, err := w.costTask(task, name)
			if err != nil {
				return nil, err
			}
			compared = append(compared, c.compare(m.name, m.weights, m.load, m.sha256, w.config.Cost.Steps, w.config.Cost.Repeats, false))
			if task != "vp" && w.config.Cost.Epochs > 0 {
				for _, way := range []string{collectOnce, collectAnew} {
					gathering = append(gathering, c.gather(m, way))
				}
			}
		}
	}
	if w.config.Cost.Large != nil && w.config.task("vp") != nil {
		u, err := w.largeCost()
		if err != nil {
			return nil, err
		}
		compared = append(compared, u)
	}
	all = slices.Concat(compared, gathering)
	var plan *experiment.Unit
	if w.config.Cost.Plan && w.config.task("vp") != nil {
		plan = w.planUnit()
		all = append(all, plan)
	}
	if err := w.alone(ctx, all...); err != nil {
		return nil, err
	}
	found := &costFound{}
	for _, u := range compared {
		c, err := experiment.Get[*costCompared](u)
		if err != nil {
			return nil, err
		}
		found.Compared = append(found.Compared, c)
	}
	for i := 0; i < len(gathering); i += 2 {
		g, err := experiment.Get[costGathered](gathering[i])
		if err != nil {
			return nil, err
		}
		other, err := experiment.Get[costGathered](gathering[i+1])
		if err != nil {
			return nil, err
		}
		g.Anew = other.Anew
		if g.Saved, err = saved(g.Once, g.Anew); err != nil {
			return nil, fmt.Errorf("%s: %w", g.Task, err)
		}
		found.Gathered = append(found.Gathered, g)
	}
	if plan != nil {
		var err error
		if found.Plan, err = experiment.Get[*costPlanned](plan); err != nil {
			return nil, err
		}
	}
	return costOutcome(w, found)
}

// largeCost returns the unit that compares both ways with a large random model, which is written to a file for that: frozen
// weights are to lie as those of a file do.
func (w *workbench) largeCost() (*experiment.Unit, error) {
	l := w.config.Cost.Large
	shape := l.shape()
	numbers := 0
	for _, x := range shape.Weights() {
		n := 1
		for _, d := range x.Shape {
			n *= d
		}
		if !x.Tied {
			numbers += n
		}
	}
	s := vpScorer{w, w.config.task("vp")}
	v := variant{label: "cost", task: "vp", model: w.config.Models[0], body: costBodies[0], train: w.config.task("vp").Recipes[0], seed: w.config.Seeds[0]}
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	r.Batch, r.Accumulate = l.Batch, 1
	c, err := s.costOf(v, r)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("random %dx%d", l.Layers, l.Width)
	u := c.compare(name, numbers, nil, fmt.Sprintf("%+v", shape), l.Steps, l.Repeat, true)
	u.Do = func(ctx context.Context, job experiment.Job) (any, error) {
		dir, err := os.MkdirTemp("", "netllm-cost-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "random.gguf")
		if err := writeRandom(path, shape); err != nil {
			return nil, err
		}
		load := func(b ops.Backend) (transformer.Model, error) { return transformer.Load(b, path) }
		return c.compare(name, numbers, load, "", l.Steps, l.Repeat, true).Do(ctx, job)
	}
	return u, nil
}

// writeRandom writes a random model to a file.
func writeRandom(path string, shape transformer.Config) error {
	b := ops.NewCPU(1)
	defer b.Close()
	m, err := transformer.New(b, shape, 1)
	if err != nil {
		return err
	}
	return errors.Join(m.WriteGGUF(b, path, tensor.F32, nil, false), m.Close())
}

// planUnit returns the unit that counts the memory for the paper's model.
func (w *workbench) planUnit() *experiment.Unit {
	return &experiment.Unit{
		Kind: "cost-plan", Label: "memory for Llama 2 7B, counted", Seconds: 10, Key: map[string]any{"shape": fmt.Sprintf("%+v", llama2), "recipe": "paper"},
		Do: func(ctx context.Context, _ experiment.Job) (any, error) {
			windows := vp.DefaultWindowing()
			windows.TrimTail = 60 // the published training's
			trace := &vp.Trace{Rows: make([]vp.Angles, windows.TrimHead+windows.TrimTail+1)}
			return planCost(ctx, "Llama 2 7B", llama2, windows.Windows([]*vp.Trace{trace}))
		},
	}
}
