// What eval all found, as JSON and for people.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"

	"netllm/tools/internal/cli"
)

// evalAllResult is what eval all --json prints.
type evalAllResult struct {
	Task    string `json:"task"` // "all"
	Setting string `json:"setting"`
	Device  string `json:"device"`
	CPU     string `json:"cpu"`
	Seed    uint64 `json:"seed"`
	Threads int    `json:"threads"`
	Command string `json:"command"`

	Model         string      `json:"model"`
	ModelBytes    int64       `json:"model_bytes"`          // of the file
	WeightsBefore string      `json:"weights_sha256"`       // as adapters name their base
	WeightsAfter  string      `json:"weights_sha256_after"` // all questions
	Resident      residentSet `json:"resident_bytes"`       // of the process
	Results       []allResult `json:"results"`              // vp, abr, cjs
}

// residentSet is memory that the process has, 0 where the system does not tell.
type residentSet struct {
	Start    int64 `json:"start"`    // before the model
	Body     int64 `json:"body"`     // with the model alone
	Attached int64 `json:"attached"` // with all adapters attached, their caches in use
	Detached int64 `json:"detached"` // with the model alone again
}

// allResult is a task's score and what it took. N, Metric, Mean, StdErr and Items are those of [policyResult].
type allResult struct {
	Task          string      `json:"task"`
	Adapter       string      `json:"adapter"`
	Setting       string      `json:"setting"` // or "custom"
	Metric        string      `json:"metric"`
	Mean          float64     `json:"mean"`
	StdErr        float64     `json:"stderr"`
	N             int         `json:"n"`
	Questions     int         `json:"questions"` // turns that it took
	Equal         bool        `json:"equal"`     // all answers, and the scores that they were chosen by, are those given alone
	AttachSeconds float64     `json:"attach_seconds"`
	Seconds       float64     `json:"seconds"` // from its first question to its last, others' in between
	Items         []itemValue `json:"items"`
}

// print shows the result.
func (r *evalAllResult) print(w io.Writer) error {
	t := &cli.Table{Text: 2, Columns: []string{"task", "metric", "mean", "stderr", "n", "questions", "as alone", "attached in"}}
	for _, x := range r.Results {
		equal := "yes"
		if !x.Equal {
			equal = "NO"
		}
		t.Add(x.Task, x.Metric, number(x.Mean, 4), number(x.StdErr, 4), strconv.Itoa(x.N), strconv.Itoa(x.Questions), equal, number(1000*x.AttachSeconds, 1)+" ms")
	}
	if err := t.Print(w); err != nil {
		return err
	}
	unchanged := "the same after all questions"
	if r.WeightsAfter != r.WeightsBefore {
		unchanged = r.WeightsAfter + " AFTER all questions"
	}
	_, err := fmt.Fprintf(w, "\nmodel %s: %s; SHA-256 of its weights %s, %s\nresident memory: %s before the model, %s with the model, %s with %d adapters attached and their caches in use, %s when they are detached\n",
		r.Model, megabytes(r.ModelBytes), r.WeightsBefore, unchanged,
		megabytes(r.Resident.Start), megabytes(r.Resident.Body), megabytes(r.Resident.Attached), len(r.Results), megabytes(r.Resident.Detached))
	return err
}

func megabytes(n int64) string {
	if n == 0 {
		return "unknown"
	}
	return number(float64(n)/1e6, 2) + " MB"
}

// resident returns the memory of this process that is in use, after what is not was given back to the system; 0 where the
// system does not tell it as Linux does.
func resident() int64 {
	debug.FreeOSMemory()
	runtime.GC() // what cleanups let go
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// bytes is the size of the model's file, or of the weights in its folder.
func (m *modelFlags) bytes() (int64, error) {
	if m.path == "" {
		_, data := embeddedModel()
		return int64(len(data)), nil
	}
	info, err := os.Stat(m.path)
	if err != nil || !info.IsDir() {
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	files, err := filepath.Glob(filepath.Join(m.path, "*.safetensors"))
	var n int64
	for _, f := range files {
		info, failed := os.Stat(f)
		if failed == nil {
			n += info.Size()
		}
		err = errors.Join(err, failed)
	}
	return n, err
}
