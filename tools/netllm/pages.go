// What the pages of the commands share.

package main

import (
	"fmt"
	"runtime"
	"strconv"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/report"
)

// pageTable is a table of the terminal for a page, with the rows marked that
// mark names; nil marks none.
func pageTable(t *cli.Table, mark func(row int) bool) *report.Table {
	table := &report.Table{Columns: t.Columns, Text: t.Text}
	for i, cells := range t.Rows {
		table.Rows = append(table.Rows, report.Row{Cells: cells, Mark: mark != nil && mark(i)})
	}
	return table
}

// runFacts is what was run, and with what.
func runFacts(e *evalResult) []report.Fact {
	return []report.Fact{
		{Name: "command", Value: e.Command},
		{Name: "setting", Value: e.Setting},
		{Name: "seed", Value: strconv.FormatUint(e.Seed, 10)},
		{Name: "device", Value: fmt.Sprintf("%s; cpu %s, %d threads", e.Device, e.CPU, e.Threads)},
		versionsFact(),
	}
}

func versionsFact() report.Fact {
	return report.Fact{Name: "versions", Value: fmt.Sprintf("netllm %s, %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)}
}

// itemGroups is the items of each policy.
func itemGroups(results []policyResult) []report.Group {
	var groups []report.Group
	for _, r := range results {
		groups = append(groups, report.Group{Name: r.Policy, Values: itemValues(r.Items)})
	}
	return groups
}

// distributionCharts shows how values lie: as shares of all, and as boxes. item
// is what one value is of.
func distributionCharts(label, item, better string, groups []report.Group) ([]report.Chart, error) {
	shares, err := report.Distribution(fmt.Sprintf("Share of all %ss with at most that; %s.", item, better), label, groups)
	if err != nil {
		return nil, err
	}
	boxes, err := report.Boxes(fmt.Sprintf("Each %s: median, quartiles, whiskers to 1.5 quartile distances.", item), label, groups)
	if err != nil {
		return nil, err
	}
	return []report.Chart{shares, boxes}, nil
}
