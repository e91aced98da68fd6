// What the experiment latency shows.

package main

import (
	"fmt"
	"math"
	"strconv"

	"netllm/netllm/vp/text"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
	"netllm/tools/internal/report"
)

// latencyColumns are those of results.csv.
var latencyColumns = []string{"system", "model", "seed", "parameters", "train_seconds", "n", "invalid_percent", "form", "unfinished", "count", "range", "error_valid", "head_same", "hold_last_same",
	"tokens_mean", "p50_ms", "p95_ms", "longest_ms", "late_percent", "unit"}

// latencyOutcome shows what was found.
func latencyOutcome(w *workbench, systems []*latencySystem) (*experiment.Outcome, error) {
	o := &experiment.Outcome{
		Title: "An answer in words, and from the networking head",
		Lead: "The same frozen model, tuned to continue a viewer's positions in words, and adapted with a networking head, on as many windows. " +
			"Both answer the same test windows one at a time with one thread. " + roughTimes,
		Columns: latencyColumns,
		Results: map[string]any{"systems": systems, "paper": experiment.PaperFor("latency", "vp"), "limit_seconds": timeLimit},
	}
	t := &cli.Table{Text: 2, Columns: []string{"vp answers", "model", "invalid", "error of valid", "head, same", "hold-last, same", "tokens", "p50", "p95", "longest", "over 1 s"}}
	kinds := &cli.Table{Text: 2, Columns: []string{"invalid answers", "model"}}
	for _, k := range text.Kinds {
		kinds.Columns = append(kinds.Columns, string(k))
	}
	samples := &report.Table{Text: 4, Columns: []string{"system", "window", "answer", "why it is none"}}
	var times []report.Group
	for _, x := range systems {
		a := x.Answers
		name := x.Name
		if len(w.config.Seeds) > 1 {
			name += fmt.Sprintf(", seed %d", x.Seed)
		}
		tokens, errors := 0.0, []string{"", "", ""}
		for _, n := range a.Tokens {
			tokens += float64(n) / float64(a.N)
		}
		if x.OnValid != nil {
			for i, v := range x.OnValid {
				errors[i] = number(v, 2)
			}
		}
		row := []string{name, x.Model, number(a.share(), 1) + " %", errors[0], errors[1], errors[2], number(tokens, 0), millis(a.P50), millis(a.P95), millis(a.Longest), number(100*float64(a.Late)/float64(a.N), 1) + " %"}
		if len(a.Tokens) == 0 {
			row[6] = "one pass"
		}
		t.Add(row...)
		csv := []string{x.Name, x.Model, strconv.FormatUint(x.Seed, 10), strconv.Itoa(x.Trained.Parameters), number(x.Trained.Seconds, 1), strconv.Itoa(a.N), number(a.share(), 3)}
		line := []string{name, x.Model}
		for _, k := range text.Kinds {
			line, csv = append(line, strconv.Itoa(a.Invalid[k])), append(csv, strconv.Itoa(a.Invalid[k]))
		}
		if x.head != nil {
			kinds.Add(line...)
		}
		o.Rows = append(o.Rows, append(append(csv, errors...), number(tokens, 1), number(a.P50, 4), number(a.P95, 4), number(a.Longest, 4), number(100*float64(a.Late)/float64(a.N), 3), x.ask.ID()))
		for _, s := range a.Samples {
			samples.Rows = append(samples.Rows, report.Row{Cells: []string{name, s.Window, shortened(s.Answer, 120), s.Reason}})
		}
		g := report.Group{Name: name}
		if len(w.config.Models) > 1 {
			g.Name += ", " + x.Model
		}
		for _, v := range a.Millis {
			g.Values = append(g.Values, math.Log10(float64(v)))
		}
		times = append(times, g)
	}
	paper := paperNumbers("latency", "vp")
	o.Tables = []*cli.Table{t, kinds, paper}
	boxes, err := report.Boxes("Time of an answer: median, quartiles, whiskers to 1.5 quartile distances. 0 is a millisecond, 3 the second that the task allows.", "logarithm to base 10 of milliseconds", times)
	if err != nil {
		return nil, err
	}
	o.Sections = []report.Section{
		{Title: "Answers", Table: plainPage(t), Charts: []report.Chart{boxes},
			Text: "Errors are mean absolute errors in degrees, the short way round, of the windows that the system answered validly; beside them stand those of the head and of repeating the last position on the same windows. " +
				"A head's answer is one pass of the model, and its time the median of repeats; one in words is a pass for every token, timed once, with the tokenizer and the parser."},
		{Title: "What is wrong with invalid answers", Table: plainPage(kinds), Text: "form: not only letters in their order, whole numbers between commas and a full stop; unfinished: no full stop within as many tokens as the longest answer has; count: too few or too many rows or numbers; range: an angle that there is not. " +
			"A networking head cannot answer so."},
	}
	if len(samples.Rows) > 0 {
		o.Sections = append(o.Sections, report.Section{Title: "Some of them", Table: samples})
	}
	o.Sections = append(o.Sections, report.Section{Title: "Form", Text: "A row is its letter and roll, pitch and yaw in whole degrees; digits are tokens of their own, letters make twenty rows countable for a small model, and a full stop ends an answer. " +
		"Relative rows are displacements from the last position, absolute ones positions as published. Matrices stand beside every linear layer; the embedding and the output matrix are frozen; only answers' tokens count in the loss."},
		report.Section{Title: "The paper's numbers", Text: experiment.SurenessText, Table: plainPage(paper)})
	return o, nil
}

// roughTimes is said beside all times.
const roughTimes = "Times are those of this machine, and rough if other programs ran on it."

// millis shows a time in milliseconds.
func millis(v float64) string {
	switch {
	case v < 10:
		return number(v, 2) + " ms"
	case v < 1000:
		return number(v, 0) + " ms"
	}
	return number(v/1000, 2) + " s"
}

// shortened is a text, or its beginning.
func shortened(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
