// What an experiment found, and the folder that it is written to.

package experiment

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"netllm/internal/atomicfile"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/report"
)

// The files of a result's folder.
const (
	ConfigFile = "config.json"
	JSONFile   = "results.json"
	CSVFile    = "results.csv"
	PageFile   = "index.html"
)

// Outcome is what an experiment found.
type Outcome struct {
	Title    string
	Lead     string
	Tables   []*cli.Table     // printed
	Sections []report.Section // of the page
	Columns  []string         // of results.csv
	Rows     [][]string
	Results  any // of results.json
}

// Run is how an outcome came about.
type Run struct {
	Experiment string        `json:"experiment"`
	Command    string        `json:"command"`
	Version    string        `json:"version"`
	Versions   []string      `json:"unit_versions"` // of the programs that did the units
	Go         string        `json:"go"`
	CPU        string        `json:"cpu"`
	CPUs       []string      `json:"unit_cpus"` // that units were done on
	Threads    int           `json:"threads"`   // units at a time, each with one
	Seconds    float64       `json:"seconds"`   // this run took, without what was in the store
	Work       float64       `json:"work_seconds"`
	Config     any           `json:"config"`
	Units      []UnitSummary `json:"units"`
	Fresh      int           `json:"units_done"` // by this run; the others were in the store
	Paper      []Figure      `json:"paper,omitempty"`
	Results    any           `json:"results"`
	started    time.Time
}

// UnitSummary names a unit's record.
type UnitSummary struct {
	ID      string  `json:"id"`
	Label   string  `json:"label"`
	Seconds float64 `json:"seconds"`
}

// Begin claims dir for an experiment with a configuration, which it writes there. A folder with another
// configuration in it, or with none, is refused unless force is set.
func Begin(dir, name, command string, config any, force bool) (*Run, error) {
	var text bytes.Buffer
	if err := cli.EncodeJSON(&text, config); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, ConfigFile)
	old, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(old, text.Bytes()):
	case err == nil && !force:
		return nil, fmt.Errorf("%s holds another configuration (--out names another folder, --force replaces it)", path)
	case errors.Is(err, fs.ErrNotExist) && !force:
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			return nil, fmt.Errorf("%s: %w, without a %s (--force writes to it)", dir, fs.ErrExist, ConfigFile)
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if !bytes.Equal(old, text.Bytes()) {
		if err := cli.WriteFile(path, true, func(w io.Writer) error { _, err := w.Write(text.Bytes()); return err }); err != nil {
			return nil, err
		}
	}
	return &Run{Experiment: name, Command: command, Config: config, Go: runtime.Version(), started: time.Now()}, nil
}

// Write puts an outcome into dir, all files of it or none, in the place of those of an earlier run of the same
// configuration.
func (o *Outcome) Write(dir string, run *Run, r *Runner) error {
	run.Version, run.CPU, run.Threads = r.Version, r.CPU, r.Workers
	run.Seconds, run.Work, run.Fresh, run.Results = time.Since(run.started).Seconds(), 0, r.Fresh(), o.Results
	run.Units, run.Versions, run.CPUs = nil, nil, nil
	for _, u := range r.Units() {
		if !u.Done() {
			continue
		}
		run.Units = append(run.Units, UnitSummary{u.ID(), u.Label, u.record.Seconds})
		run.Work += u.record.Seconds
		run.Versions, run.CPUs = with(run.Versions, u.record.Version), with(run.CPUs, u.record.CPU)
	}
	page := report.Report{Title: o.Title, Lead: o.Lead, Sections: o.Sections, Facts: run.facts()}
	files := []struct {
		name  string
		write func(w io.Writer) error
	}{
		{JSONFile, func(w io.Writer) error { return cli.EncodeJSON(w, run) }},
		{CSVFile, o.writeCSV},
		{PageFile, page.Write},
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, filepath.Join(dir, f.name))
	}
	return atomicfile.WriteSet(paths, true, func(i int, w io.Writer) error { return files[i].write(w) })
}

func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (o *Outcome) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	return errors.Join(c.Write(o.Columns), c.WriteAll(o.Rows))
}

// facts are the page's last part.
func (r *Run) facts() []report.Fact {
	var config bytes.Buffer
	_ = cli.EncodeJSON(&config, r.Config) // it was encoded before
	facts := []report.Fact{
		{Name: "command", Value: r.Command},
		{Name: "configuration", Value: config.String()},
		{Name: "work", Value: fmt.Sprintf("%d units, %.0f s of one thread in all; %d of them in this run, %.0f s with %d at a time", len(r.Units), r.Work, r.Fresh, r.Seconds, r.Threads)},
		{Name: "cpu", Value: r.CPU},
		{Name: "versions", Value: fmt.Sprintf("netllm %s, %s %s/%s", r.Version, r.Go, runtime.GOOS, runtime.GOARCH)},
	}
	if others := slices.DeleteFunc(slices.Clone(r.Versions), func(v string) bool { return v == r.Version }); len(others) > 0 {
		facts = append(facts, report.Fact{Name: "units by", Value: fmt.Sprintf("netllm %v", others)})
	}
	if others := slices.DeleteFunc(slices.Clone(r.CPUs), func(v string) bool { return v == r.CPU }); len(others) > 0 {
		facts = append(facts, report.Fact{Name: "units on", Value: fmt.Sprint(others)})
	}
	return facts
}

// Number shows a value with so many digits behind the point.
func Number(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
