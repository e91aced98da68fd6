// Package document writes what was measured: markdown tables, into a document
// between marks.
package document

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Marks returns the lines that a block of that name stands between.
func Marks(name string) (begin, end string) {
	return "<!-- measured: " + name + " -->", "<!-- end: " + name + " -->"
}

// Check reports which of the names do not have exactly one block in the file at path.
func Check(path string, names []string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var faults []error
	for _, name := range names {
		begin, end := Marks(name)
		if strings.Count(string(text), begin) != 1 || strings.Count(string(text), end) != 1 {
			faults = append(faults, fmt.Errorf("%s: not exactly one block %s", path, name))
		}
	}
	return errors.Join(faults...)
}

// Replace puts text between the marks of that name in the file at path. A document
// without the marks is an error.
func Replace(path, name, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := Marks(name)
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no lines %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644)
}

// Table is a markdown table.
type Table struct{ rows [][]string }

// NewTable returns a table with that header.
func NewTable(header ...string) *Table { return &Table{rows: [][]string{header}} }

// Add adds a row.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// Len returns the number of rows below the header.
func (t *Table) Len() int { return len(t.rows) - 1 }

func (t *Table) String() string {
	var b strings.Builder
	for i, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}

// Number has three significant digits, or all before the point.
func Number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Share returns v as a percentage of limit; nothing if that is not known.
func Share(v, limit float64) string {
	if !(limit > 0) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*v/limit)
}
