// Tables for people: columns of equal width, numbers to the right.

package cli

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table is a small table.
type Table struct {
	Columns []string
	Text    int // so many columns from the left hold text; the rest, numbers, is set to the right
	Rows    [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Print writes the table with a line of column names.
func (t *Table) Print(w io.Writer) error {
	width := make([]int, len(t.Columns))
	all := append([][]string{t.Columns}, t.Rows...)
	for _, row := range all {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < t.Text {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
