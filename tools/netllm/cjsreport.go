// The page that eval cjs writes.

package main

import (
	"fmt"
	"slices"

	"netllm/netllm/cjs"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/report"
)

func cjsReport(sequences []*cjs.Sequence, e *evalResult, results []*cjs.Result, t *cli.Table) (*report.Report, error) {
	var jobs, means []report.Group
	for _, r := range results {
		var times, mean []float64
		for _, s := range r.Sequences {
			for _, run := range s.Runs {
				times, mean = append(times, run.JCT...), append(mean, run.Mean)
			}
		}
		jobs, means = append(jobs, report.Group{Name: r.Policy, Values: times}), append(means, report.Group{Name: r.Policy, Values: mean})
	}
	shares, err := report.Distribution("Share of jobs that took at most that long; further left is better.", "job completion time, s", jobs)
	if err != nil {
		return nil, err
	}
	boxes, err := report.Boxes("Mean of each episode: median, quartiles, whiskers to 1.5 quartile distances.", "mean job completion time, s", means)
	if err != nil {
		return nil, err
	}
	active := report.Panel{Label: "jobs in the cluster"}
	var charts []report.Chart
	for i, r := range results {
		run := r.Sequences[0].Runs[0]
		active.Lines = append(active.Lines, jobCount(r.Policy, i, sequences[0], run))
		charts = append(charts, executors(r.Policy, sequences[0], run))
	}
	count, err := report.Lines("Jobs that have arrived and are not complete.", "seconds", active)
	if err != nil {
		return nil, err
	}
	table := pageTable(t, func(i int) bool { return results[i].Policy == learnedPolicy })
	first := sequences[0]
	return &report.Report{
		Title: "Cluster job scheduling",
		Lead: fmt.Sprintf("How soon are jobs through, on average, when a policy gives %d executors to the stages of %d jobs that arrive over time? Sequences of jobs: %d, each played %d times.",
			first.Cluster.Executors, len(first.Jobs), results[0].N, results[0].Runs),
		Sections: []report.Section{
			{Title: "Results", Text: "The job completion time is that from a job's arrival to the end of its last task. Sequences differ much from one another: " +
				"the column of differences compares policies sequence by sequence.", Table: table},
			{Title: "Over jobs and episodes", Charts: []report.Chart{shares, boxes}},
			{Title: "The first sequence over time", Charts: append([]report.Chart{count}, charts...)},
		},
		Facts: runFacts(e),
	}, nil
}

// jobCount is how many jobs are in the cluster, over time.
func jobCount(name string, series int, s *cjs.Sequence, run cjs.RunResult) report.Line {
	type change struct {
		at float64
		by float64
	}
	var changes []change
	for i, j := range s.Jobs {
		changes = append(changes, change{j.Arrival / 1000, 1}, change{run.Completion[i] / 1000, -1})
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	line := report.Line{Name: name, Series: series, Steps: true}
	now := 0.0
	for _, c := range changes {
		now += c.by
		line.X, line.Y = append(line.X, c.at), append(line.Y, now)
	}
	return line
}

// ganttSec is how much of a sequence is shown executor by executor.
const ganttSec = 1200

// executors shows whom each executor works for, in the beginning. Tasks of one job that follow one another are one bar.
func executors(name string, s *cjs.Sequence, run cjs.RunResult) report.Chart {
	rows := make([][]report.Span, s.Cluster.Executors)
	last := make([]int, s.Cluster.Executors) // job of the last bar
	for _, t := range run.Tasks {
		row := &rows[t.Executor]
		from, to := t.Start/1000, min(t.End/1000, ganttSec)
		if from >= ganttSec {
			continue
		}
		if n := len(*row); n > 0 && last[t.Executor] == t.Job && from-(*row)[n-1].To < 0.05 {
			(*row)[n-1].To = to
			continue
		}
		*row, last[t.Executor] = append(*row, report.Span{From: from, To: to, Series: t.Job}), t.Job
	}
	return report.Gantt(fmt.Sprintf("%s: what each executor works at in the first %d minutes; a change of colour is a change of job.", name, ganttSec/60), "seconds", "executors", rows)
}
