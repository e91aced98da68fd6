package main

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"netllm/bench/internal/document"
	"netllm/bench/work"
	"netllm/ops"
)

// TestDocument checks that the document has a block for every section.
func TestDocument(t *testing.T) {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	if err := document.Check(filepath.Join("..", "..", "docs", "performance.md"), names); err != nil {
		t.Error(err)
	}
}

func TestCompare(t *testing.T) {
	var order []string
	side := func(name string, rates ...float64) func() (float64, error) {
		return func() (float64, error) {
			order = append(order, name)
			v := rates[0]
			rates = rates[1:]
			return v, nil
		}
	}
	c, err := compare(3, side("a", 10, 20, 60), side("b", 10, 10, 10))
	if want := (comparison{ours: 20, peer: 10, ratio: 2, low: 1, high: 6}); err != nil || c != want {
		t.Errorf("got %+v, %v, want %+v", c, err, want)
	}
	if got := strings.Join(order, ""); got != "abbaab" {
		t.Errorf("order: got %s, want abbaab", got)
	}
	broken := errors.New("broken")
	if _, err := compare(1, side("a", 1), func() (float64, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("a failing side: got error %v", err)
	}
	if got := geomean([]float64{1, 4}); math.Abs(got-2) > 1e-12 {
		t.Errorf("geometric mean of 1 and 4: got %v", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median: got %v, want 2.5", got)
	}
}

// TestServer talks to a worker's server as the comparison does.
func TestServer(t *testing.T) {
	backend := ops.NewCPU(1)
	defer backend.Close()
	s := &server{backend: backend}
	defer s.closeWork()
	path, err := work.TrainingModel(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ask, want string }{
		{"run 0 1", "command"}, // nothing was started
		{"start nn 16 24 8", "ok "},
		{"run 0 3", " 3"},
		{"start prepared 2 32 64", "ok "},
		{"start prefill " + path + " 5", "ok "},
		{"run 0 1", " 1"},
		{"start decode " + path + " 3", "ok "},
		{"run 0 7", " 7"},
		{"start nn 16 x 8", "invalid syntax"},
		{"start nn 16 8", "2 numbers, want 3"},
		{"start walk 1", "kind"},
	} {
		got, err := s.answer(strings.Fields(c.ask))
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q in it", c.ask, got, c.want)
		}
	}
	if s.model != nil {
		s.model.Close()
	}
}
