// How test traces overlap those that policies are trained on.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"netllm/netllm/abr"
)

// The classes of a test trace. Of the public test set four in five traces are
// no news to a policy trained on the public training set.
const (
	classCopy   = "copy"   // the same trace is in a training set
	classSlice  = "slice"  // its bandwidths are a part of a longer training trace
	classUnseen = "unseen" // neither
)

// overlapClasses compares the traces of a test set with all traces that may
// have been trained on.
func overlapClasses(test, train []*abr.Trace) map[string]string {
	classes := make(map[string]string, len(test))
	for _, t := range test {
		class := classUnseen
		for _, other := range train {
			if of := overlapClass(t, other); of == classCopy {
				class = of
				break
			} else if of == classSlice {
				class = of
			}
		}
		classes[t.Name] = class
	}
	return classes
}

// overlapClass returns what t is of another trace.
func overlapClass(t, other *abr.Trace) string {
	switch {
	case slices.Equal(t.Mbps, other.Mbps) && slices.Equal(t.TimeSec, other.TimeSec):
		return classCopy
	case len(other.Mbps) > len(t.Mbps) && containsRun(other.Mbps, t.Mbps):
		return classSlice
	}
	return classUnseen
}

// withoutOverlap returns the traces that have nothing to do with those of a
// test set, and the names of the others: the same trace is in the test set, or
// a part of it, or it is itself a part of one.
func withoutOverlap(traces, test []*abr.Trace) (kept []*abr.Trace, leftOut []string) {
	for _, t := range traces {
		if slices.ContainsFunc(test, func(other *abr.Trace) bool {
			return overlapClass(t, other) != classUnseen || overlapClass(other, t) != classUnseen
		}) {
			leftOut = append(leftOut, t.Name)
		} else {
			kept = append(kept, t)
		}
	}
	return kept, leftOut
}

// containsRun reports whether part, which is not empty, stands in all, in one
// piece. It looks at no number of all twice (Knuth, Morris and Pratt 1977):
// traces may be long and their numbers alike.
func containsRun(all, part []float64) bool {
	// border[i] is how much of part's beginning part[:i+1] also ends with.
	border := make([]int, len(part))
	for i, n := 1, 0; i < len(part); i++ {
		for n > 0 && part[i] != part[n] {
			n = border[n-1]
		}
		if part[i] == part[n] {
			n++
		}
		border[i] = n
	}
	n := 0
	for _, v := range all {
		for n > 0 && v != part[n] {
			n = border[n-1]
		}
		if v == part[n] {
			n++
		}
		if n == len(part) {
			return true
		}
	}
	return false
}

// traceClasses returns the class of every trace: from a file if one is named,
// computed for fcc-test if the training sets are there, else nil.
func (d *abrData) traceClasses(file string, chatter io.Writer) (map[string]string, error) {
	if file != "" {
		return readClasses(file, d.set.Traces)
	}
	if d.set.Name != "fcc-test" {
		return nil, nil
	}
	var train []*abr.Trace
	for _, name := range []string{"fcc-train", "fcc-valid"} {
		set, err := abr.OpenTraces(d.dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(chatter, "no classes of traces: what of fcc-test stands in the training sets is not known without %s\n", name)
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("classes of fcc-test: %w", err)
		}
		train = append(train, set.Traces...)
	}
	return overlapClasses(d.set.Traces, train), nil
}

// names lists the traces.
func (d *abrData) names() (list []string) {
	for _, t := range d.set.Traces {
		list = append(list, t.Name)
	}
	return list
}

// readClasses reads an object trace name -> class, which must have every trace.
func readClasses(path string, traces []*abr.Trace) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--classes: %w", err)
	}
	var classes map[string]string
	if err := json.Unmarshal(text, &classes); err != nil {
		return nil, fmt.Errorf("--classes: %s: want an object of trace names and classes: %w", path, err)
	}
	for _, t := range traces {
		if classes[t.Name] == "" {
			return nil, fmt.Errorf("--classes: %s: no class for trace %q", path, t.Name)
		}
	}
	return classes, nil
}

// classNames returns the classes that the traces of these names have, the usual
// ones first in their usual order, then the others sorted.
func classNames(classes map[string]string, traces []string) []string {
	var names []string
	for _, t := range traces {
		if class := classes[t]; class != "" && !slices.Contains(names, class) {
			names = append(names, class)
		}
	}
	rank := func(name string) int {
		if i := slices.Index([]string{classCopy, classSlice, classUnseen}, name); i >= 0 {
			return i
		}
		return 3
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
	return names
}
