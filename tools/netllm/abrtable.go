// The tables of eval abr, made of what its JSON says.

package main

import (
	"fmt"
	"io"
	"strconv"

	"netllm/internal/stats"
	"netllm/tools/internal/cli"
)

// titledTable is one of several tables.
type titledTable struct {
	title string // "" for the first
	*cli.Table
}

// printTables writes tables with empty lines between them.
func printTables(w io.Writer, tables []titledTable) error {
	for i, t := range tables {
		if i > 0 {
			if _, err := fmt.Fprintf(w, "\n%s\n", t.title); err != nil {
				return err
			}
		}
		if err := t.Print(w); err != nil {
			return err
		}
	}
	return nil
}

// abrTables are the results, those by class of traces, and the differences.
func abrTables(results []policyResult) []titledTable {
	tables := []titledTable{{"", abrTable(results)}}
	if t := abrClassTable(results); t != nil {
		tables = append(tables, titledTable{"mean QoE by class of traces:", t})
	}
	for i := range results {
		if t := pairedTable(&results[i]); t != nil {
			tables = append(tables, titledTable{fmt.Sprintf("what %s has more, trace by trace:", results[i].Policy), t})
		}
	}
	return tables
}

// abrTable has a row for each policy.
func abrTable(results []policyResult) *cli.Table {
	t := &cli.Table{Text: 1, Columns: []string{"policy", "traces", "mean QoE", "95 % interval", "bitrate", "rebuffer", "switching"}}
	sessions, drawn := false, false
	for _, r := range results {
		sessions = sessions || r.Sessions != r.N
		drawn = drawn || r.SDSeeds != nil
	}
	for _, r := range results {
		row := []string{r.Policy, strconv.Itoa(r.N), number(r.Mean, 4), plainCI(r.CI95, 4),
			number(r.Parts.Mbps, 4), number(r.Parts.RebufferSec, 4), number(r.Parts.SwitchMbps, 4)}
		if drawn {
			seeds, sd := "1", "-"
			if r.SDSeeds != nil {
				seeds, sd = strconv.Itoa(len(r.SeedMeans)), number(*r.SDSeeds, 4)
			}
			row = append(row, seeds, sd)
		}
		if sessions {
			row = append(row, strconv.Itoa(r.Sessions*max(1, len(r.SeedMeans))))
		}
		t.Add(append(row, number(r.Seconds, 2))...)
		if r.ABRCeiling != nil {
			row := make([]string, len(row)+1)
			row[0], row[1], row[2] = upperBoundRow, strconv.Itoa(r.N), number(r.UpperBound, 4)
			t.Add(row...)
		}
	}
	if drawn {
		t.Columns = append(t.Columns, "seeds", "sd of seeds")
	}
	if sessions {
		t.Columns = append(t.Columns, "sessions")
	}
	t.Columns = append(t.Columns, "seconds")
	return t
}

// abrClassTable has a column for each class; nil without classes.
func abrClassTable(results []policyResult) *cli.Table {
	if len(results) == 0 || len(results[0].Classes) == 0 {
		return nil
	}
	t := &cli.Table{Text: 1, Columns: []string{"policy"}}
	for _, c := range results[0].Classes {
		t.Columns = append(t.Columns, fmt.Sprintf("%s (%d)", c.Class, c.N), "95 % interval")
	}
	for _, r := range results {
		row := []string{r.Policy}
		for _, c := range r.Classes {
			row = append(row, number(c.Mean, 4), plainCI(c.CI95, 3))
		}
		t.Add(row...)
		if r.ABRCeiling != nil {
			row := []string{upperBoundRow}
			for _, c := range r.Classes {
				row = append(row, number(*c.UpperBound, 4), "")
			}
			t.Add(row...)
		}
	}
	return t
}

// upperBoundRow is what no choice of qualities exceeds, below the oracle.
const upperBoundRow = "upper bound"

// pairedTable has a row for each policy that r was compared with; nil without any.
func pairedTable(r *policyResult) *cli.Table {
	if len(r.Paired) == 0 {
		return nil
	}
	t := &cli.Table{Text: 1, Columns: []string{"than", fmt.Sprintf("all (%d)", r.Paired[0].N), "95 % interval", "better on"}}
	for _, c := range r.Paired[0].Classes {
		t.Columns = append(t.Columns, fmt.Sprintf("%s (%d)", c.Class, c.N), "95 % interval")
	}
	for _, p := range r.Paired {
		row := []string{p.Versus, signed(p.Mean, 4), signedCI(p.CI95, 3), strconv.Itoa(p.Wins)}
		for _, c := range p.Classes {
			row = append(row, signed(c.Mean, 4), signedCI(c.CI95, 3))
		}
		t.Add(row...)
	}
	return t
}

func plainCI(ci *stats.Interval, digits int) string { return showCI(ci, digits, number) }

func signedCI(ci *stats.Interval, digits int) string { return showCI(ci, digits, signed) }

// intervalOf shows an interval, "-" if there is none.
func showCI(ci *stats.Interval, digits int, show func(float64, int) string) string {
	if ci == nil {
		return "-"
	}
	return show(ci[0], digits) + " to " + show(ci[1], digits)
}

// signed shows a number with its sign.
func signed(v float64, digits int) string {
	if v < 0 {
		return number(v, digits)
	}
	return "+" + number(v, digits)
}
