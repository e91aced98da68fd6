// The page of saved runs.

package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"netllm/netllm/vp"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/report"
)

// runsReport makes one page of runs.
func runsReport(runs []*savedRun, groups []*runGroup, title string) (*report.Report, error) {
	r := &report.Report{Title: title, Lead: fmt.Sprintf("What %s found.", counted(len(runs), "run"))}
	for _, task := range []string{"vp", "abr", "cjs"} {
		s, err := settingsOverview(task, groups)
		if err != nil {
			return nil, err
		}
		r.Sections = append(r.Sections, s...)
	}
	for _, g := range groups {
		sections, err := g.sections()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.title, err)
		}
		sections[0].Title = g.title
		for i := 1; i < len(sections); i++ {
			sections[i].Sub = true
		}
		r.Sections = append(r.Sections, sections...)
	}
	training, err := trainingSections(runs)
	if err != nil {
		return nil, err
	}
	r.Sections = append(r.Sections, training...)
	for _, run := range runs {
		for i, t := range run.tables {
			title := run.name
			if i > 0 {
				title = t.name
			}
			r.Sections = append(r.Sections, report.Section{Title: title, Sub: i > 0, Table: pageTable(t.Table, nil)})
		}
		if command := run.whatRan(); command != "" {
			r.Facts = append(r.Facts, report.Fact{Name: run.name, Value: command})
		}
	}
	r.Facts = append(r.Facts, versionsFact())
	return r, nil
}

// whatRan is the command of a run, "" if it does not say.
func (r *savedRun) whatRan() string {
	switch {
	case r.command != "":
		return r.command
	case len(r.evals) > 0:
		return r.evals[0].Command
	case len(r.trainings) > 0:
		return r.trainings[0].Command
	}
	return ""
}

// metricNames are what values of metrics are: on an axis, and in a sentence.
var metricNames = map[string]struct{ axis, words string }{
	"qoe":     {"QoE per chunk", "QoE per chunk"},
	"mae_deg": {"mean error, degrees", "the error in degrees"},
	"jct_s":   {"job completion time, s", "the job completion time in seconds"},
}

func metricLabel(metric string) string { return cmp.Or(metricNames[metric].axis, metric) }

func betterSide(metric string) string {
	if lowerIsBetter(metric) {
		return "further left is better"
	}
	return "further right is better"
}

// itemName is what one value of a group is of.
func (g *runGroup) itemName() string {
	switch first := g.eval.Results[0]; {
	case g.eval.Task == "abr":
		return "trace"
	case g.eval.Task == "vp": // a viewer with a video
		return "viewing"
	case first.CJSDetails != nil && len(first.SequenceMeans) == 1:
		return "job"
	case g.eval.Task == "cjs":
		return "sequence"
	}
	return "item"
}

// sections shows a group.
func (g *runGroup) sections() ([]report.Section, error) {
	if g.eval.Task == "abr" && g.detailed() {
		return abrSections(g.eval)
	}
	results := g.eval.Results
	metric := results[0].Metric
	better := "more is better"
	if lowerIsBetter(metric) {
		better = "less is better"
	}
	item := g.itemName()
	sections := []report.Section{{
		Title: "Results",
		Text: fmt.Sprintf("Means of %s; %s. Intervals have 95 %% confidence: bootstrap over the values of each %s, 10,000 resamples.",
			cmp.Or(metricNames[metric].words, metric), better, item),
		Table: pageTable(savedTableOf(results), g.eval.isCompared),
	}}
	for i := range results {
		if t := pairedTable(&results[i]); t != nil {
			sections = append(sections, report.Section{
				Title: "Paired differences",
				Text: fmt.Sprintf("What %s has more than each other policy on the same %s (%s): the mean, its interval, and on how many it is better. Where the interval holds 0, no difference is shown.",
					results[i].Policy, item, better),
				Table: pageTable(t, nil),
			})
		}
	}
	charts, err := distributionCharts(metricLabel(metric), item, betterSide(metric), itemGroups(results))
	if err != nil {
		return nil, err
	}
	sections = append(sections, report.Section{Title: fmt.Sprintf("Over %ss", item), Charts: charts})
	curve, err := stepsChart(results)
	if err != nil || curve == nil {
		return sections, err
	}
	return append(sections, report.Section{Title: "Over time", Charts: []report.Chart{*curve}}), nil
}

// savedTableOf has a row for each policy of any task.
func savedTableOf(results []policyResult) *cli.Table {
	t := &cli.Table{Text: 1, Columns: []string{"policy", "n", "mean", "95 % interval", "stderr"}}
	tails, seeds := false, false
	for _, r := range results {
		tails, seeds = tails || r.Tails != nil, seeds || r.SDSeeds != nil
	}
	if tails {
		t.Columns = append(t.Columns, "p50", "p90", "p99")
	}
	if seeds {
		t.Columns = append(t.Columns, "seeds", "sd of seeds")
	}
	for _, r := range results {
		line := []string{r.Policy, strconv.Itoa(r.N), number(r.Mean, 4), plainCI(r.CI95, 4), number(r.StdErr, 4)}
		switch {
		case r.Tails != nil:
			line = append(line, number(r.P50, 2), number(r.P90, 2), number(r.P99, 2))
		case tails:
			line = append(line, "-", "-", "-")
		}
		switch {
		case r.SDSeeds != nil:
			line = append(line, strconv.Itoa(len(r.SeedMeans)), number(*r.SDSeeds, 4))
		case seeds:
			line = append(line, "1", "-")
		}
		t.Add(line...)
	}
	return t
}

// stepsChart shows the error of each row to come; nil if results have none.
func stepsChart(results []policyResult) (*report.Chart, error) {
	panel := report.Panel{Label: "mean error, degrees"}
	for i, r := range results {
		if r.VPDetails == nil || len(r.Steps) == 0 {
			continue
		}
		line := report.Line{Name: r.Policy, Series: i}
		for k, v := range r.Steps {
			line.X, line.Y = append(line.X, vp.StepSec*float64(k+1)), append(line.Y, v)
		}
		panel.Lines = append(panel.Lines, line)
	}
	if panel.Lines == nil {
		return nil, nil
	}
	chart, err := report.Lines("Mean error of each row to come.", "seconds ahead", panel)
	return &chart, err
}

// settingsOverview shows the policies of a task in all its settings at a glance,
// if there are several.
func settingsOverview(task string, groups []*runGroup) ([]report.Section, error) {
	var of []*runGroup
	var settings, policies []string
	for _, g := range groups {
		if g.eval.Task != task || g.eval.Setting == customSetting || slices.Contains(settings, g.eval.Setting) {
			continue
		}
		of, settings = append(of, g), append(settings, g.eval.Setting)
		for _, r := range g.eval.Results {
			if !slices.Contains(policies, r.Policy) {
				policies = append(policies, r.Policy)
			}
		}
	}
	if len(of) < 2 {
		return nil, nil
	}
	var series []report.BarSeries
	for _, name := range policies {
		s := report.BarSeries{Name: name}
		for _, g := range of {
			value, low, high := math.NaN(), math.NaN(), math.NaN()
			if i := slices.IndexFunc(g.eval.Results, func(r policyResult) bool { return r.Policy == name }); i >= 0 {
				r := g.eval.Results[i]
				if value = r.Mean; r.CI95 != nil {
					low, high = r.CI95[0], r.CI95[1]
				}
			}
			s.Values, s.Low, s.High = append(s.Values, value), append(s.Low, low), append(s.High, high)
		}
		series = append(series, s)
	}
	label := metricLabel(of[0].eval.Results[0].Metric)
	chart, err := report.Bars("Means in each setting, with 95 % intervals.", label, "", settings, series)
	if err != nil {
		return nil, err
	}
	return []report.Section{{Title: taskTitles[task] + " in all settings", Charts: []report.Chart{chart}}}, nil
}
