// The core of most experiments: policies and trainings are compared in settings, over seeds.

package main

import (
	"context"
	"fmt"
	"math"
	"slices"

	"netllm/internal/stats"
	"netllm/tools/internal/experiment"
)

// row is a policy's score in a setting, of one seed if it was trained here: a line of results.csv.
type row struct {
	Task    string `json:"task"`
	Setting string `json:"setting"`
	Label   string `json:"label"`  // rows of one label differ in their seed alone
	Policy  string `json:"policy"` // as eval calls it

	Model        string  `json:"model,omitempty"`
	ModelWeights int     `json:"model_weights,omitempty"`
	Recipe       string  `json:"recipe,omitempty"`
	Body         string  `json:"body,omitempty"`
	Rank         int     `json:"rank,omitempty"`
	Window       int     `json:"window,omitempty"`
	LearningRate float64 `json:"learning_rate,omitempty"`
	Seed         uint64  `json:"seed,omitempty"`
	Parameters   int     `json:"parameters,omitempty"` // trained
	TrainSeconds float64 `json:"train_seconds,omitempty"`
	Validation   float64 `json:"validation,omitempty"` // the task's metric
	BaseSHA256   string  `json:"base_sha256,omitempty"`

	Metric      string      `json:"metric"`
	N           int         `json:"n"`
	Mean        float64     `json:"mean"`
	StdErr      float64     `json:"stderr"`
	Box         [3]float64  `json:"box"` // see [score]
	EvalSeconds float64     `json:"eval_seconds"`
	Items       []itemValue `json:"items"`
	Unit        string      `json:"unit"`

	values []float32
}

// group is what rows of one label come to in a setting.
type group struct {
	Task    string          `json:"task"`
	Setting string          `json:"setting"`
	Label   string          `json:"label"`
	Policy  string          `json:"policy"`
	Seeds   int             `json:"seeds"` // trained with
	Mean    float64         `json:"mean"`  // over seeds
	SeedSD  float64         `json:"seed_sd"`
	CI      *stats.Interval `json:"ci95,omitempty"` // bootstrap over items, of which each is a mean over seeds
	Box     [3]float64      `json:"box"`            // of all seeds' values together

	// Less is what the reference has more than this, Gain the same as the paper states it: percent of this, positive where
	// the reference is better.
	Less *difference `json:"reference_less_this,omitempty"`

	rows  []*row
	items []float64
}

// difference is a paired one.
type difference struct {
	Reference string          `json:"reference"`
	Mean      float64         `json:"mean"`
	CI        *stats.Interval `json:"ci95,omitempty"`
	Gain      float64         `json:"gain_percent"`
}

// larger says whether more of the task's metric is better.
func larger(task string) bool { return task == "abr" }

// compared is what came of a comparison.
type compared struct {
	Tried  []trial  `json:"tried,omitempty"` // where learning rates were chosen
	Groups []*group `json:"groups"`
	Rows   []*row   `json:"rows"`
}

// trial is a training at a learning rate that was tried.
type trial struct {
	Task       string  `json:"task"`
	Label      string  `json:"label"`
	Seed       uint64  `json:"seed"`
	Rate       float64 `json:"learning_rate"`
	Validation float64 `json:"validation"`
	Chosen     bool    `json:"chosen"`
}

// of returns the group of a label.
func (c *compared) of(task, setting, label string) *group {
	i := slices.IndexFunc(c.Groups, func(g *group) bool { return g.Task == task && g.Setting == setting && g.Label == label })
	if i < 0 {
		return nil
	}
	return c.Groups[i]
}

// in returns the groups of a task and setting, in the order of the comparison.
func (c *compared) in(task, setting string) (list []*group) {
	for _, g := range c.Groups {
		if g.Task == task && g.Setting == setting {
			list = append(list, g)
		}
	}
	return list
}

// scoring is a unit that scores, and what its row says.
type scoring struct {
	unit, trained *experiment.Unit // trained is nil for rules
	row           row
}

// compare scores the policies of the configuration, and the variants of each task with every seed that their recipe
// has. Variants come without seed; a recipe with several learning rates is trained at each with the first seed, and
// with the others at that which is best on validation. Differences are taken from the first variant.
func (w *workbench) compare(ctx context.Context, variants func(task string, t *taskConfig) []variant) (*compared, error) {
	out := &compared{}
	plan := &comparison{w: w, out: out}
	for _, task := range w.config.taskNames() {
		if err := plan.add(task, variants(task, w.config.task(task))); err != nil {
			return nil, err
		}
	}
	if err := w.runner.Do(ctx, slices.Concat(plan.tries(), plan.units())...); err != nil {
		return nil, err
	}
	if err := plan.choose(); err != nil {
		return nil, err
	}
	if err := w.runner.Do(ctx, plan.units()...); err != nil {
		return nil, err
	}
	return out, plan.gather()
}

// comparison is what is to be scored.
type comparison struct {
	w       *workbench
	out     *compared
	scores  []*scoring
	choices []*choice
	first   map[string]string // label of a task's first variant
}

// choice is a variant whose learning rate is to be chosen.
type choice struct {
	scorer scorer
	v      variant
	seeds  []uint64
	rates  []float64
	units  []*experiment.Unit // by rate, with the first seed
}

func (p *comparison) add(task string, variants []variant) error {
	s, err := p.w.scorer(task)
	if err != nil {
		return err
	}
	for _, policy := range p.w.config.task(task).Policies {
		for _, setting := range p.w.config.Settings {
			u, err := s.rule(policy, setting)
			if err != nil {
				return err
			}
			p.scores = append(p.scores, &scoring{unit: u, row: row{Task: task, Setting: setting, Label: policy, Policy: policy}})
		}
	}
	for i, v := range variants {
		if i == 0 {
			if p.first == nil {
				p.first = map[string]string{}
			}
			p.first[task] = v.label
		}
		seeds := p.w.config.Seeds
		if v.train.Seeds > 0 {
			seeds = seeds[:v.train.Seeds]
		}
		c := &choice{scorer: s, v: v, seeds: seeds, rates: v.train.Rates}
		if len(c.rates) < 2 {
			if len(c.rates) == 1 {
				c.v.rate = c.rates[0]
			}
			if err := p.score(c); err != nil {
				return err
			}
			continue
		}
		for _, rate := range c.rates {
			tried := c.seeded(seeds[0])
			tried.rate = rate
			u, err := s.train(tried)
			if err != nil {
				return err
			}
			c.units = append(c.units, u)
		}
		p.choices = append(p.choices, c)
	}
	return nil
}

// seeded is the variant with a seed; weights that a body draws follow it.
func (c *choice) seeded(seed uint64) variant {
	v := c.v
	if v.seed = seed; v.body.Seed != 0 {
		v.body.Seed = seed
	}
	return v
}

// score adds the units of a variant whose learning rate is known.
func (p *comparison) score(c *choice) error {
	m, err := p.w.model(c.v.model)
	if err != nil {
		return err
	}
	for _, seed := range c.seeds {
		v := c.seeded(seed)
		t, err := c.scorer.train(v)
		if err != nil {
			return err
		}
		for _, setting := range p.w.config.Settings {
			u, err := c.scorer.learned(v, t, setting)
			if err != nil {
				return err
			}
			p.scores = append(p.scores, &scoring{unit: u, trained: t, row: row{Task: v.task, Setting: setting, Label: v.label, Policy: learnedPolicy,
				Model: m.name, ModelWeights: m.weights, Recipe: v.train.Recipe, Body: string(v.body.Kind), Seed: seed}})
		}
	}
	return nil
}

// tries are the trainings at learning rates that are chosen from.
func (p *comparison) tries() (units []*experiment.Unit) {
	for _, c := range p.choices {
		units = append(units, c.units...)
	}
	return units
}

// units are all that score, and the trainings, whose results are told too.
func (p *comparison) units() (units []*experiment.Unit) {
	for _, s := range p.scores {
		if s.trained != nil {
			units = append(units, s.trained)
		}
		units = append(units, s.unit)
	}
	return units
}

// choose takes the learning rates that are best on validation.
func (p *comparison) choose() error {
	for _, c := range p.choices {
		best, at := math.Inf(1), len(p.out.Tried)
		for i, u := range c.units {
			t, err := experiment.Get[trained](u)
			if err != nil {
				return err
			}
			p.out.Tried = append(p.out.Tried, trial{Task: c.v.task, Label: c.v.label, Seed: c.seeds[0], Rate: c.rates[i], Validation: t.Best})
			value := t.Best
			if larger(c.v.task) {
				value = -value
			}
			if value < best {
				best, c.v.rate = value, c.rates[i]
			}
		}
		for i := range c.rates {
			p.out.Tried[at+i].Chosen = c.rates[i] == c.v.rate
		}
		if err := p.score(c); err != nil {
			return err
		}
	}
	return nil
}

// gather makes rows and groups of what the units found, variants in the order that they were given in.
func (p *comparison) gather() error {
	for _, s := range p.scores {
		r := s.row
		got, err := experiment.Get[score](s.unit)
		if err != nil {
			return err
		}
		r.Metric, r.N, r.Mean, r.StdErr, r.Box, r.EvalSeconds, r.Items, r.Unit, r.values = got.Metric, got.N, got.Mean, got.StdErr, got.Box, got.Seconds, got.Items, s.unit.ID(), got.Values
		r.Policy = got.Policy
		if s.trained != nil {
			t, err := experiment.Get[trained](s.trained)
			if err != nil {
				return err
			}
			r.Parameters, r.TrainSeconds, r.Validation, r.LearningRate, r.Rank, r.Window, r.BaseSHA256 = t.Parameters, t.Seconds, t.Best, t.Rate, t.Rank, t.Window, t.BaseSHA256
		}
		p.out.Rows = append(p.out.Rows, &r)
		g := p.out.of(r.Task, r.Setting, r.Label)
		if g == nil {
			g = &group{Task: r.Task, Setting: r.Setting, Label: r.Label, Policy: r.Policy}
			p.out.Groups = append(p.out.Groups, g)
		}
		g.rows = append(g.rows, &r)
	}
	for _, g := range p.out.Groups {
		if err := g.summarise(); err != nil {
			return err
		}
	}
	for _, g := range p.out.Groups {
		if reference := p.out.of(g.Task, g.Setting, p.first[g.Task]); reference != nil && reference != g {
			g.Less = less(reference, g)
		}
	}
	return nil
}

// summarise fills a group from its rows.
func (g *group) summarise() error {
	var means, values []float64
	g.items = make([]float64, len(g.rows[0].Items))
	for _, r := range g.rows {
		if len(r.Items) != len(g.items) {
			return fmt.Errorf("%s, %s, %s: %d items with one seed, %d with another", g.Task, g.Setting, g.Label, len(g.items), len(r.Items))
		}
		means = append(means, r.Mean)
		for i, item := range r.Items {
			g.items[i] += item.Value / float64(len(g.rows))
		}
		for _, v := range r.values {
			values = append(values, float64(v))
		}
	}
	if g.rows[0].Policy == learnedPolicy {
		g.Seeds = len(g.rows)
	}
	g.Mean, g.SeedSD = stats.MeanSD(means)
	g.CI = stats.MeanCI(g.items)
	g.Box = scored(policyResult{}, values).Box
	return nil
}

// less is the reference's mean less another's, item by item.
func less(reference, other *group) *difference {
	d := &difference{Reference: reference.Label, Mean: reference.Mean - other.Mean}
	if len(reference.items) > 0 && len(reference.items) == len(other.items) {
		d.CI = stats.MeanCI(stats.Differences(reference.items, other.items))
	}
	d.Gain = 100 * d.Mean / math.Abs(other.Mean)
	if !larger(reference.Task) {
		d.Gain = -d.Gain
	}
	return d
}

// together adds groups of all settings of a task, called [experiment.Unseen]: every value weighs the same.
func (c *compared) together(task string, settings []string) {
	for _, g := range c.in(task, settings[0]) {
		all := &group{Task: task, Setting: experiment.Unseen, Label: g.Label, Policy: g.Policy, Seeds: g.Seeds}
		var values []float64
		bySeed := make([][]float64, len(g.rows))
		for _, setting := range settings {
			for i, r := range c.of(task, setting, g.Label).rows {
				all.rows = append(all.rows, r)
				for _, v := range r.values {
					values, bySeed[i] = append(values, float64(v)), append(bySeed[i], float64(v))
				}
			}
		}
		var means []float64
		for _, list := range bySeed {
			mean, _ := stats.MeanSD(list)
			means = append(means, mean)
		}
		all.Mean, all.SeedSD = stats.MeanSD(means)
		all.Box = scored(policyResult{}, values).Box
		c.Groups = append(c.Groups, all)
	}
	for _, g := range c.in(task, settings[0]) {
		if g.Less != nil {
			one := c.of(task, experiment.Unseen, g.Label)
			one.Less = less(c.of(task, experiment.Unseen, g.Less.Reference), one)
		}
	}
}
