// What eval, adapt and experiments left in JSON files, read again.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// savedRun is what a JSON file holds.
type savedRun struct {
	path      string
	name      string // short, another for each run
	evals     []*evalResult
	trainings []*savedTraining
	tables    []savedTable // of an experiment without scores by item
	command   string
}

// savedTraining is what adapt, pretrain and their likes say of a training. What a
// kind does not have is empty.
type savedTraining struct {
	Task       string       `json:"task"`
	Model      string       `json:"model"`
	Body       string       `json:"body"`
	Recipe     savedRecipe  `json:"recipe"`
	Seed       uint64       `json:"seed"`
	Parameters int          `json:"parameters"`
	Seconds    float64      `json:"seconds"`
	Loss       []curvePoint `json:"loss"`
	JCT        []curvePoint `json:"jct"`
	Valid      []curvePoint `json:"validation"`
	Best       float64      `json:"best_validation"`
	Command    string       `json:"command"`

	name string // of the run
}

type savedRecipe struct {
	Name string `json:"name"`
}

// savedRow is a line of an experiment: a policy's score in a setting, of one of
// its seeds.
type savedRow struct {
	Task    string `json:"task"`
	Setting string `json:"setting"`
	Label   string `json:"label"`
	policyResult
}

// resultsFile is the file of a run's folder that has what the run found.
const resultsFile = "results.json"

// readRuns reads files and folders. A folder stands for its results.json, or,
// without one, for all its JSON files. What is not a result is an error that
// names the file.
func readRuns(paths []string) ([]*savedRun, error) {
	var runs []*savedRun
	for _, path := range paths {
		files, err := runFiles(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if slices.ContainsFunc(runs, func(r *savedRun) bool { return r.path == file }) {
				continue
			}
			r, err := readRun(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			runs = append(runs, r)
		}
	}
	nameRuns(runs)
	return runs, nil
}

// runFiles lists the files that a path stands for.
func runFiles(path string) ([]string, error) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	results := filepath.Join(path, resultsFile)
	if _, err := os.Stat(results); err == nil {
		return []string{results}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".json") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no JSON file in this folder", path)
	}
	return files, nil
}

// nameRuns gives runs the shortest names that tell them apart, each made of the
// last parts of its path.
func nameRuns(runs []*savedRun) {
	for _, r := range runs {
		for n := 1; ; n++ {
			name := r.lastParts(n)
			if name == r.name { // there are no more parts
				break
			}
			r.name = name
			if !slices.ContainsFunc(runs, func(other *savedRun) bool { return other != r && other.lastParts(n) == name }) {
				break
			}
		}
		for _, t := range r.trainings {
			t.name = r.name
		}
	}
}

// lastParts is the end of the run's path: n parts of it, without what all such
// files are called.
func (r *savedRun) lastParts(n int) string {
	parts := strings.Split(strings.TrimSuffix(filepath.ToSlash(r.path), ".json"), "/")
	if len(parts) > 1 && filepath.Base(r.path) == resultsFile {
		parts = parts[:len(parts)-1]
	}
	return strings.Join(parts[max(0, len(parts)-n):], "/")
}

func readRun(path string) (*savedRun, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		var where *fs.PathError
		if errors.As(err, &where) { // the caller names the file
			err = where.Err
		}
		return nil, err
	}
	if !json.Valid(text) {
		return nil, errors.New("not JSON, or not all of it")
	}
	r := &savedRun{path: path}
	if err := r.collect(text, 0); err != nil {
		return nil, err
	}
	var what struct{ Experiment, Command string }
	if json.Unmarshal(text, &what) == nil {
		r.command = what.Command
	}
	if len(r.evals) == 0 && len(r.trainings) == 0 && what.Experiment != "" {
		r.addTables(text, 0)
	}
	if len(r.evals) == 0 && len(r.trainings) == 0 && len(r.tables) == 0 {
		return nil, errors.New("no result of eval, adapt or an experiment")
	}
	return r, nil
}

// deepest is how far below the top of a file results are looked for.
const deepest = 4

// collect takes from a JSON value all that is a result of eval or of a training.
// Quickstart and experiments have them inside other objects.
func (r *savedRun) collect(text json.RawMessage, depth int) error {
	var fields map[string]json.RawMessage
	if depth > deepest || json.Unmarshal(text, &fields) != nil {
		return nil
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if fields[name] == nil {
				return false
			}
		}
		return true
	}
	switch {
	case has("task", "setting", "results"):
		return r.addEval(text)
	case has("rows") && isList(fields["rows"]):
		return r.addRows(fields["rows"])
	case has("loss", "command") || has("jct", "command"):
		return r.addTraining(text)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := r.collect(fields[name], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func isList(text json.RawMessage) bool { return len(text) > 0 && text[0] == '[' }

// addEval adds an evaluation, of one task or of several.
func (r *savedRun) addEval(text json.RawMessage) error {
	var e evalResult
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("not a result of eval: %w", err)
	}
	if e.Task != "all" {
		return r.keep(&e)
	}
	var all evalAllResult
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("not a result of eval all: %w", err)
	}
	for _, t := range all.Results {
		one := e
		one.Task, one.Setting = t.Task, t.Setting
		one.Results = []policyResult{{Policy: learnedPolicy, N: t.N, Metric: t.Metric, Mean: t.Mean, StdErr: t.StdErr, Seconds: t.Seconds, Items: t.Items}}
		if t.Task == "vp" { // a sample of the windows
			one.Setting = customSetting
		}
		if err := r.keep(&one); err != nil {
			return err
		}
	}
	return nil
}

// mostScore is above all that a task can have.
const mostScore = 1e12

// keep checks an evaluation and adds it. What follows from items is forgotten:
// it is computed again, for all runs together.
func (r *savedRun) keep(e *evalResult) error {
	if len(e.Results) == 0 {
		return fmt.Errorf("task %q: no results", e.Task)
	}
	for i := range e.Results {
		p := &e.Results[i]
		switch {
		case p.Policy == "" || len(p.Items) == 0:
			return fmt.Errorf("task %q: result %d has no policy, or no items", e.Task, i)
		case p.ABRDetails != nil && len(p.ItemParts) != len(p.Items):
			return fmt.Errorf("task %q: policy %q has %d items and %d item_parts", e.Task, p.Policy, len(p.Items), len(p.ItemParts))
		case slices.ContainsFunc(p.Items, func(item itemValue) bool { return math.Abs(item.Value) > mostScore }):
			return fmt.Errorf("task %q: policy %q has an item above %g", e.Task, p.Policy, mostScore)
		}
		p.Paired = nil
		if p.ABRDetails != nil {
			p.ABRDetails.Classes = nil
		}
	}
	if e.ABRRun != nil {
		for i := range e.Timelines {
			if err := e.Timelines[i].check(); err != nil {
				return err
			}
		}
	}
	r.evals = append(r.evals, e)
	return nil
}

// addRows adds the rows of an experiment: one evaluation per task and setting,
// in which rows of one label are one policy.
func (r *savedRun) addRows(text json.RawMessage) error {
	var rows []savedRow
	if err := json.Unmarshal(text, &rows); err != nil {
		return fmt.Errorf("not the rows of an experiment: %w", err)
	}
	var list []*evalResult
	seeds := map[string][]policyResult{} // rows of each task, setting and label
	for i, row := range rows {
		if row.Task == "" || row.Label == "" || len(row.Items) == 0 {
			return fmt.Errorf("row %d of the experiment has no task, label or items", i)
		}
		at := slices.IndexFunc(list, func(e *evalResult) bool { return e.Task == row.Task && e.Setting == row.Setting })
		if at < 0 {
			at, list = len(list), append(list, &evalResult{Task: row.Task, Setting: row.Setting})
		}
		key := strings.Join([]string{row.Task, row.Setting, row.Label}, "\n")
		if seeds[key] == nil {
			list[at].Results = append(list[at].Results, policyResult{Policy: row.Label})
		} else if !sameItems(seeds[key][0].Items, row.Items) {
			return fmt.Errorf("row %d of the experiment: other items than %q has with another seed", i, row.Label)
		}
		seeds[key] = append(seeds[key], row.policyResult)
	}
	for _, e := range list {
		for i := range e.Results {
			label := e.Results[i].Policy
			e.Results[i] = overSeeds(label, seeds[strings.Join([]string{e.Task, e.Setting, label}, "\n")])
		}
		if err := r.keep(e); err != nil {
			return err
		}
	}
	return nil
}

// overSeeds is one policy's score over several seeds: each item is the mean over
// them.
func overSeeds(name string, seeds []policyResult) policyResult {
	p := policyResult{Policy: name, N: seeds[0].N, Metric: seeds[0].Metric, Items: make([]itemValue, len(seeds[0].Items))}
	share := 1 / float64(len(seeds))
	var stderr float64
	for _, s := range seeds {
		p.SeedMeans = append(p.SeedMeans, s.Mean)
		p.Mean, stderr, p.Seconds = p.Mean+s.Mean*share, stderr+s.StdErr*share, p.Seconds+s.Seconds
		for i, item := range s.Items {
			p.Items[i].ID = item.ID
			p.Items[i].Value += item.Value * share
		}
	}
	p.StdErr = stderr // of one seed's mean, on average
	p.setSeeds()
	return p
}

func (r *savedRun) addTraining(text json.RawMessage) error {
	var t savedTraining
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("not a result of adapt: %w", err)
	}
	if len(t.Loss) == 0 && len(t.JCT) == 0 {
		return errors.New("a training without a curve")
	}
	r.trainings = append(r.trainings, &t)
	return nil
}
