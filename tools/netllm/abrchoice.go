// Which traces of a set are played: by name, and by class.

package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm/abr"
	"netllm/tools/internal/cli"
)

// traceChoice is --only and --except: patterns of trace names, in which * is
// any text, ? a letter and [...] one of some letters.
type traceChoice struct{ only, except []string }

func (c *traceChoice) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&c.only, "only", nil, "take only the traces whose names match one of `PATTERNS`, separated by\ncommas: '*report.*.log', 'trace_1[0-9]', ...")
	fs.StringSliceVar(&c.except, "except", nil, "leave out the traces whose names match one of `PATTERNS`")
}

func (c *traceChoice) given() bool { return len(c.only) > 0 || len(c.except) > 0 }

// check refuses patterns that are none.
func (c *traceChoice) check() error {
	for _, l := range []struct {
		flag     string
		patterns []string
	}{{"--only", c.only}, {"--except", c.except}} {
		for _, p := range l.patterns {
			if _, err := path.Match(p, ""); err != nil || p == "" {
				return cli.Usagef("%s %q: not a pattern of names", l.flag, p)
			}
		}
	}
	return nil
}

// apply returns the traces that are wanted and the names of the others. A
// pattern that matches nothing is an error: it is likely misspelt.
func (c *traceChoice) apply(set *abr.TraceSet) (kept []*abr.Trace, leftOut []string, err error) {
	used := map[string]bool{}
	matches := func(patterns []string, name string) bool {
		hit := false
		for _, p := range patterns {
			if ok, _ := path.Match(p, name); ok { // check has seen the pattern
				hit, used[p] = true, true
			}
		}
		return hit
	}
	for _, t := range set.Traces {
		wanted, refused := matches(c.only, t.Name), matches(c.except, t.Name)
		if (wanted || len(c.only) == 0) && !refused {
			kept = append(kept, t)
		} else {
			leftOut = append(leftOut, t.Name)
		}
	}
	for _, l := range []struct {
		flag     string
		patterns []string
	}{{"--only", c.only}, {"--except", c.except}} {
		for _, p := range l.patterns {
			if !used[p] {
				return nil, nil, fmt.Errorf("%s %q: no trace of %s has such a name, the first is %q", l.flag, p, set.Name, set.Traces[0].Name)
			}
		}
	}
	if len(kept) == 0 {
		return nil, nil, fmt.Errorf("--only, --except: no trace of %s is left", set.Name)
	}
	return kept, leftOut, nil
}

// onlyClasses keeps the traces of the wanted classes, and notes the others.
func (d *abrData) onlyClasses(wanted []string, classes map[string]string) error {
	if len(wanted) == 0 {
		return nil
	}
	if classes == nil {
		return cli.Usagef("--only-class: the traces of %s have no classes, --classes gives them some", d.set.Name)
	}
	known := classNames(classes, d.names())
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return cli.Usagef("--only-class: no trace is of class %q, known: %s", name, strings.Join(known, ", "))
		}
	}
	var kept []*abr.Trace
	for _, t := range d.set.Traces {
		if slices.Contains(wanted, classes[t.Name]) {
			kept = append(kept, t)
		} else {
			d.leftOut = append(d.leftOut, t.Name)
		}
	}
	d.set.Traces = kept
	return nil
}
