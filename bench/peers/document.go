// Blocks of a document between marks, and tables.

package main

import (
	"fmt"
	"os"
	"strings"
)

func marks(name string) (begin, end string) {
	return "<!-- measured: " + name + " -->", "<!-- end: " + name + " -->"
}

// replaceBlock puts text between the marks of that name in the file at path.
func replaceBlock(path, name, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := marks(name)
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no lines %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644)
}

// table is a markdown table; its first row is the header.
type table struct{ rows [][]string }

func newTable(header ...string) *table { return &table{rows: [][]string{header}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	var b strings.Builder
	for i, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}

// number has three significant digits, or all before the point.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func ratio(c comparison) string {
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", c.ratio, c.low, c.high)
}

// share returns v as a percentage of limit; nothing if that is not known.
func share(v, limit float64) string {
	if !(limit > 0) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*v/limit)
}
