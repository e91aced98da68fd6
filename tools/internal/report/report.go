// The page: what it holds and how it is written.

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Report is a page.
type Report struct {
	Title    string
	Lead     string // what this is about, in a sentence or two
	Sections []Section
	Facts    []Fact // what was run, with which settings and versions
}

// Section is a part of a page. What it lacks is left out.
type Section struct {
	Title  string
	Sub    bool // it belongs to the section before it that is not
	Text   string
	Table  *Table
	Charts []Chart
}

// Table is a table of strings.
type Table struct {
	Columns []string
	Text    int // so many columns from the left hold text, the rest numbers
	Rows    []Row
}

// Row is a row of a table.
type Row struct {
	Cells []string
	Mark  bool // it is the one that the page is about
}

// Fact is one thing that is known of a run.
type Fact struct{ Name, Value string }

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"class": func(t *Table, i int) string {
		if i < t.Text {
			return "text"
		}
		return "number"
	},
	"anchor": func(title string) string { return notInNames.ReplaceAllString(strings.ToLower(title), "-") },
}).Parse(pageText))

// Parts returns the titles of the sections that are no subsections, if some are:
// the page lists them at its top.
func (r *Report) Parts() (titles []string) {
	sub := false
	for _, s := range r.Sections {
		if sub = sub || s.Sub; !s.Sub {
			titles = append(titles, s.Title)
		}
	}
	if !sub || len(titles) < 2 {
		return nil
	}
	return titles
}

// Write writes the page.
func (r *Report) Write(w io.Writer) error {
	if err := page.Execute(w, r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
