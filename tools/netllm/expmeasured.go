// What experiments that measure something of their own share.

package main

import (
	"strconv"
	"time"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
	"netllm/tools/internal/report"
)

// watch returns what tells the seconds since it was called.
func watch() func() float64 {
	began := time.Now()
	return func() float64 { return time.Since(began).Seconds() }
}

// paperNumbers has the paper's figures for an experiment and tasks.
func paperNumbers(name string, tasks ...string) *cli.Table {
	t := &cli.Table{Text: 3, Columns: []string{"the paper's " + name, "what", "of", "value", "sure"}}
	for _, task := range tasks {
		for _, f := range experiment.PaperFor(name, task) {
			t.Add(task, f.Setting, f.System, strconv.FormatFloat(f.Mean, 'g', -1, 64), string(f.Sure))
		}
	}
	return t
}

// plainPage is a table for the page.
func plainPage(t *cli.Table) *report.Table {
	out := &report.Table{Columns: t.Columns, Text: t.Text}
	for _, cells := range t.Rows {
		out.Rows = append(out.Rows, report.Row{Cells: cells})
	}
	return out
}
