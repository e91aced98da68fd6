// What the experiment cost shows.

package main

import (
	"fmt"
	"math"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
	"netllm/tools/internal/report"
)

// costColumns are those of results.csv: a line for each way of each comparison.
var costColumns = []string{"comparison", "task", "model", "model_weights", "recipe", "way", "parameters", "share_percent", "memory_bytes", "frozen_bytes", "activation_bytes", "seconds_per_step", "seconds_per_epoch",
	"epochs", "updates", "decisions", "collect_seconds", "train_seconds", "score", "metric", "saved_percent"}

// less100 is how much less one number is than another, percent.
func less100(of, than float64) float64 { return 100 * (1 - of/than) }

func percent(v float64, digits int) string { return number(v, digits) + " %" }

// ways names both sides of a comparison.
var ways = [2]string{"LoRA", "full fine-tuning"}

func costOutcome(w *workbench, found *costFound) (*experiment.Outcome, error) {
	o := &experiment.Outcome{
		Title: "What adaptation costs",
		Lead: "Low-rank matrices around the frozen model against full fine-tuning of the same model, which trains every weight of its body; and experience collected once against experience collected anew before each epoch. " +
			"One thread. " + roughTimes,
		Columns: costColumns, Results: found,
	}
	if err := costCompare(o, found); err != nil {
		return nil, err
	}
	if found.Plan != nil {
		if err := costPlanPage(o, found.Plan); err != nil {
			return nil, err
		}
	}
	if len(found.Gathered) > 0 {
		if err := costGatherPage(o, found.Gathered); err != nil {
			return nil, err
		}
	}
	paper := paperNumbers("cost", w.config.taskNames()...)
	o.Tables = append(o.Tables, paper)
	o.Sections = append(o.Sections, report.Section{Title: "The paper's numbers", Text: experiment.SurenessText, Table: plainPage(paper)})
	return o, nil
}

// costCompare shows low-rank adaptation against full fine-tuning.
func costCompare(o *experiment.Outcome, found *costFound) error {
	t := &cli.Table{Text: 3, Columns: []string{"cost", "model", "way", "trained", "share", "memory", "of it activations", "s per step", "s per epoch", "less memory", "less time"}}
	var names []string
	var memory, seconds [2]report.BarSeries
	for i, way := range ways {
		memory[i].Name, seconds[i].Name = way, way
	}
	for _, c := range found.Compared {
		model := c.Model
		if c.Random {
			model += " (random)"
		}
		names = append(names, c.Task+", "+model)
		for i, s := range []costSide{c.LoRA, c.Full} {
			row := []string{c.Task, model, ways[i], thousands(s.Parameters), percent(s.Share, 2), byteSize(s.Memory.Total), byteSize(s.Memory.Activations), number(s.Step, 4), number(s.Epoch, 1), "", ""}
			csv := map[string]string{"comparison": "training", "task": c.Task, "model": model, "model_weights": fmt.Sprint(c.Body), "recipe": c.Recipe, "way": ways[i], "parameters": fmt.Sprint(s.Parameters), "share_percent": number(s.Share, 4),
				"memory_bytes": fmt.Sprint(s.Memory.Total), "frozen_bytes": fmt.Sprint(s.Memory.Weights), "activation_bytes": fmt.Sprint(s.Memory.Activations), "seconds_per_step": number(s.Step, 6), "seconds_per_epoch": number(s.Epoch, 3)}
			if i == 0 {
				row[9], row[10] = percent(less100(float64(s.Memory.Total), float64(c.Full.Memory.Total)), 1), percent(less100(s.Step, c.Full.Step), 1)
				csv["saved_percent"] = number(less100(s.Step, c.Full.Step), 3)
			}
			t.Add(row...)
			addCSV(o, csv)
			memory[i].Values = append(memory[i].Values, float64(s.Memory.Total)/(1<<20))
			seconds[i].Values = append(seconds[i].Values, s.Step)
			low, high := s.Steps[0], s.Steps[0]
			for _, v := range s.Steps {
				low, high = min(low, v), max(high, v)
			}
			seconds[i].Low, seconds[i].High = append(seconds[i].Low, low), append(seconds[i].High, high)
		}
	}
	section := report.Section{Title: "Low-rank matrices and full fine-tuning", Table: plainPage(t),
		Text: "Trained are matrices, encoder and head, or all of the body, encoder and head; the share is of the model's weights with what is trained. Memory is what the engine holds at the peak of an optimiser step, counted exactly by the same code " +
			"on a backend that computes nothing (weights, gradients, moments, activations; not the data, and not the program); what activations lie in grows by pieces of up to 64 MiB. Seconds are of the median repeat, both ways in turn; an epoch is reckoned from a step."}
	for _, c := range found.Compared {
		section.Text += fmt.Sprintf(" %s, %s: recipe %s, steps of %d windows, %d timed in each of %d repeats; an epoch is %s windows, %s.", c.Task, c.Model, c.Recipe, c.Windows, c.Timed, len(c.LoRA.Steps), thousands(c.Epoch), c.EpochOf)
	}
	// Models of unlike sizes have charts of their own.
	for at := 0; at < len(names); {
		end := at + 1
		for end < len(names) && found.Compared[end].Body == found.Compared[at].Body {
			end++
		}
		for _, chart := range []struct {
			caption, label string
			series         [2]report.BarSeries
		}{{"Memory at the peak of training.", "MiB", memory}, {"Seconds of an optimiser step: median of repeats, and from the shortest to the longest.", "s", seconds}} {
			var series []report.BarSeries
			for _, s := range chart.series {
				part := report.BarSeries{Name: s.Name, Values: s.Values[at:end]}
				if s.Low != nil {
					part.Low, part.High = s.Low[at:end], s.High[at:end]
				}
				series = append(series, part)
			}
			drawn, err := report.Bars(chart.caption, chart.label, "", names[at:end], series)
			if err != nil {
				return err
			}
			section.Charts = append(section.Charts, drawn)
		}
		at = end
	}
	o.Tables, o.Sections = append(o.Tables, t), append(o.Sections, section)
	return nil
}

// costPlanPage shows what was counted for the paper's model.
func costPlanPage(o *experiment.Outcome, p *costPlanned) error {
	t := &cli.Table{Text: 3, Columns: []string{"vp around " + p.Model, "weights", "model", "trained", "share", "frozen", "gradients and moments", "activations", "memory", "less", "the paper's less", "sure"}}
	var names []string
	bars := report.BarSeries{Name: "counted here"}
	paper := experiment.PaperFor("cost", "vp")
	for i, plan := range p.Plans {
		cells := []string{plan.Way, plan.Weights, thousands(p.Numbers), thousands(plan.Parameters), percent(plan.Share, 2), byteSize(plan.Memory.Weights), byteSize(plan.Memory.Gradients + plan.Memory.Moments), byteSize(plan.Memory.Activations), byteSize(plan.Memory.Total), "", "", ""}
		name := plan.Way
		if i > 0 {
			cells[9], name = percent(plan.Saved, 1), name+", "+plan.Weights
			for _, f := range paper {
				if f.Setting == "GPU memory saved, percent" {
					cells[10], cells[11] = percent(f.Mean, 1), string(f.Sure)
				}
			}
		}
		t.Add(cells...)
		names, bars.Values = append(names, name), append(bars.Values, float64(plan.Memory.Total)/(1<<30))
		addCSV(o, map[string]string{"comparison": "plan", "task": "vp", "model": p.Model, "model_weights": fmt.Sprint(p.Numbers), "recipe": p.Recipe, "way": name, "parameters": fmt.Sprint(plan.Parameters), "share_percent": number(plan.Share, 4),
			"memory_bytes": fmt.Sprint(plan.Memory.Total), "frozen_bytes": fmt.Sprint(plan.Memory.Weights), "activation_bytes": fmt.Sprint(plan.Memory.Activations), "saved_percent": number(plan.Saved, 3)})
	}
	chart, err := report.Bars("Memory of the published training of viewport prediction around "+p.Model+", counted without the model.", "GiB", "", names, []report.BarSeries{bars})
	if err != nil {
		return err
	}
	o.Tables = append(o.Tables, t)
	o.Sections = append(o.Sections, report.Section{Title: "The paper's model, counted", Table: plainPage(t), Charts: []report.Chart{chart},
		Text: fmt.Sprintf("The published training (one window at a time, matrices of rank %d beside queries and values) with the shape of the paper's model, by the code that trains, on a backend that counts: nothing was computed. "+
			"The paper's figure is of its own program on GPUs, with pictures, and is not measured alike.", p.Rank)})
	return nil
}

// costGatherPage shows experience collected once and anew.
func costGatherPage(o *experiment.Outcome, list []costGathered) error {
	t := &cli.Table{Text: 4, Columns: []string{"experience", "model", "collected", "by", "epochs", "updates", "decisions", "collecting", "training", "together", "share of collecting", "less time", "score"}}
	var names []string
	series := []report.BarSeries{{Name: "collecting"}, {Name: "training"}}
	for _, g := range list {
		for _, x := range []*gathered{g.Once, g.Anew} {
			less := ""
			if x == g.Once {
				less = percent(g.Saved, 1)
			}
			score := number(x.Score, digits(g.Task)) + " ± " + number(x.StdErr, digits(g.Task))
			t.Add(g.Task, g.Model, x.Way, x.Policy, fmt.Sprint(x.Epochs), thousands(x.Updates), thousands(x.Decisions), number(x.Collect, 1)+" s", number(x.Train, 1)+" s", number(x.Seconds, 1)+" s",
				percent(100*x.Collect/math.Max(x.Seconds, 1e-9), 1), less, score)
			names = append(names, g.Task+", "+x.Way)
			series[0].Values, series[1].Values = append(series[0].Values, x.Collect), append(series[1].Values, x.Train)
			csv := map[string]string{"comparison": "experience", "task": g.Task, "model": g.Model, "way": x.Way, "epochs": fmt.Sprint(x.Epochs), "updates": fmt.Sprint(x.Updates), "decisions": fmt.Sprint(x.Decisions),
				"collect_seconds": number(x.Collect, 3), "train_seconds": number(x.Train, 3), "score": number(x.Score, 4), "metric": x.Metric}
			if x == g.Once {
				csv["saved_percent"] = number(g.Saved, 3)
			}
			addCSV(o, csv)
		}
	}
	chart, err := report.Bars("Where the time of training goes.", "s", "", names, series)
	if err != nil {
		return err
	}
	o.Tables = append(o.Tables, t)
	o.Sections = append(o.Sections, report.Section{Title: "Experience collected once, and anew", Table: plainPage(t), Charts: []report.Chart{chart},
		Text: "Both ways train the same network with the same recipe and as many optimiser steps. Once, an existing policy collects for all epochs, as the paper does; anew, the policy that learns plays as many sessions (or sequences of jobs) as it is before each epoch, and learns from these alone. " +
			"Learning by imitation of one's own episodes is no good reinforcement learning: the scores say what each came to with this budget (QoE in abr, more is better; seconds in cjs, less is better), not what reinforcement learning can."})
	return nil
}

// addCSV adds a line to results.csv.
func addCSV(o *experiment.Outcome, cells map[string]string) {
	row := make([]string, len(o.Columns))
	for i, c := range o.Columns {
		row[i] = cells[c]
	}
	o.Rows = append(o.Rows, row)
}
