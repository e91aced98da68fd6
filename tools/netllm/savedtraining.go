// Training curves of saved runs.

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/report"
)

// trainingSections shows trainings, task by task.
func trainingSections(runs []*savedRun) (sections []report.Section, err error) {
	var tasks []string
	of := map[string][]*savedTraining{}
	for _, r := range runs {
		for _, t := range r.trainings {
			task := cmp.Or(t.Task, "language")
			if of[task] == nil {
				tasks = append(tasks, task)
			}
			of[task] = append(of[task], t)
		}
	}
	for _, task := range tasks {
		s := report.Section{Title: "Training: " + cmp.Or(taskTitles[task], task), Table: pageTable(savedTrainingTable(of[task]), nil)}
		for _, kind := range []struct {
			caption, label string
			curve          func(*savedTraining) []curvePoint
		}{
			{"Loss: each point is the mean of the steps since the last one.", "loss", func(t *savedTraining) []curvePoint { return t.Loss }},
			{"Validation: what weights are chosen by.", "validation", func(t *savedTraining) []curvePoint { return t.Valid }},
			{"Mean job completion time of each iteration's episodes.", "job completion time, s", func(t *savedTraining) []curvePoint { return t.JCT }},
		} {
			chart, err := curvesChart(kind.caption, kind.label, of[task], kind.curve)
			if err != nil {
				return nil, err
			}
			if chart != nil {
				s.Charts = append(s.Charts, *chart)
			}
		}
		sections = append(sections, s)
	}
	return sections, nil
}

// curvesChart draws one curve of each training that has it; nil if none has.
func curvesChart(caption, label string, list []*savedTraining, curve func(*savedTraining) []curvePoint) (*report.Chart, error) {
	panel := report.Panel{Label: label}
	for i, t := range list {
		points := curve(t)
		if len(points) == 0 {
			continue
		}
		line := report.Line{Name: t.name, Series: i}
		if n := slices.IndexFunc(list, func(other *savedTraining) bool { return other.name == t.name }); n != i {
			line.Name = fmt.Sprintf("%s, %d", t.name, i-n+1)
		}
		for _, p := range points {
			line.X, line.Y = append(line.X, float64(p.Step)), append(line.Y, p.Loss)
		}
		panel.Lines = append(panel.Lines, line)
	}
	if panel.Lines == nil {
		return nil, nil
	}
	chart, err := report.Lines(caption, "step", panel)
	return &chart, err
}

func savedTrainingTable(list []*savedTraining) *cli.Table {
	t := &cli.Table{Text: 4, Columns: []string{"run", "recipe", "body", "model", "seed", "parameters", "seconds", "last loss", "best validation"}}
	for _, r := range list {
		last, best := "-", "-"
		if n := len(r.Loss); n > 0 {
			last = number(r.Loss[n-1].Loss, 4)
		}
		if len(r.Valid) > 0 {
			best = number(r.Best, 4)
		}
		t.Add(r.name, cmp.Or(r.Recipe.Name, "-"), cmp.Or(r.Body, "-"), cmp.Or(r.Model, "-"), strconv.FormatUint(r.Seed, 10), strconv.Itoa(r.Parameters), number(r.Seconds, 0), last, best)
	}
	return t
}
