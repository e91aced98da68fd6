package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/bench/internal/document"
	"netllm/gpu"
	"netllm/ops"
)

func TestParseModels(t *testing.T) {
	for _, tt := range []struct {
		name, list string
		want       []modelName
		err        string
	}{
		{"one", "15m:Q4_0", []modelName{{"15m", "Q4_0"}}, ""},
		{"two", "1.1b:F16,7b:Q8_0", []modelName{{"1.1b", "F16"}, {"7b", "Q8_0"}}, ""},
		{"no type", "7b", nil, `"7b"`},
		{"empty field", "7b:F16,", nil, "want shape:type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseModels(tt.list)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error: got %v, want %q", err, tt.err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseFlags(t *testing.T) {
	c, err := parseFlags(nil)
	if err != nil || len(c.models) != 6 || !slices.Equal(c.batches, []int{8, 32}) || c.device != -1 || c.software {
		t.Errorf("defaults: got %+v, %v", c, err)
	}
	for _, bad := range []string{"-rounds=0", "-batches=8,x", "-only=(", "extra"} {
		if _, err := parseFlags([]string{bad}); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

func TestParseTests(t *testing.T) {
	order, got, err := parseTests([]byte(`
{"Action":"run","Package":"a","Test":"T"}
{"Action":"pass","Package":"a","Test":"T/one"}
{"Action":"skip","Package":"a","Test":"T/two"}
{"Action":"pass","Package":"a","Test":"T"}
{"Action":"pass","Package":"a"}
{"Action":"fail","Package":"b","Test":"T"}
`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b"}; !slices.Equal(order, want) {
		t.Errorf("packages: got %v, want %v", order, want)
	}
	if want := (outcome{passed: 1, skipped: 1}); got["a"] != want {
		t.Errorf("a: got %+v, want %+v", got["a"], want)
	}
	if want := (outcome{failed: 1}); got["b"] != want {
		t.Errorf("b: got %+v, want %+v", got["b"], want)
	}
	if _, _, err := parseTests([]byte("no JSON")); err == nil {
		t.Error("text: got no error")
	}
}

func TestParsePeer(t *testing.T) {
	p, d, err := parsePeer("prefill 120.5 decode 33\n")
	if err != nil || p != 120.5 || d != 33 {
		t.Errorf("got %v, %v, %v", p, d, err)
	}
	for _, bad := range []string{"", "prefill 3", "prefill 0 decode 1"} {
		if _, _, err := parsePeer(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

// The order of values is that of the rounds, which ratios are made from.
func TestMedian(t *testing.T) {
	values := []float64{5, 1, 4, 2}
	if got := median(values); got != 3 {
		t.Errorf("got %v, want 3", got)
	}
	if want := []float64{5, 1, 4, 2}; !slices.Equal(values, want) {
		t.Errorf("values afterwards: got %v, want %v", values, want)
	}
}

// TestDocument checks that the document has a block for every section.
func TestDocument(t *testing.T) {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	if err := document.Check(filepath.Join("..", "..", "docs", "gpu.md"), names); err != nil {
		t.Error(err)
	}
}

func TestRatio(t *testing.T) {
	if got, want := ratio([]float64{2, 9, 4}, []float64{1, 3, 4}), "**2.00** (1.00 to 3.00)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := ratio([]float64{2}, nil); got != notMeasured {
		t.Errorf("no peer: got %q", got)
	}
	if got := rate(nil); got != notMeasured {
		t.Errorf("no rates: got %q", got)
	}
}

func TestBlock(t *testing.T) {
	got := block("table\n", errors.New("first\nsecond"), "with this.")
	if want := "table\n\n**Failed:** first; second\n\nwith this."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A section that panics fails alone.
func TestGuard(t *testing.T) {
	_, err := guard(section{"x", func(*run) (string, error) { panic("shapes [2] and [3]") }}, nil)
	if err == nil || !strings.Contains(err.Error(), "[2] and [3]") {
		t.Errorf("got %v", err)
	}
}

func TestKernelTable(t *testing.T) {
	got := kernelTable([]gpu.KernelTime{
		{Op: ops.OpMatMul, Shader: "weight_vec", Calls: 3, Seconds: 0.003, Bytes: 3e6, FLOP: 6e6},
		{Op: ops.OpCopy, Shader: "strided", Calls: 1, Seconds: 0.001, Bytes: 2e6},
	})
	for _, want := range []string{"| weight_vec | 3 | 3.000 | 75 % | 2.00 | 1.00 |", "| strided | 1 | 1.000 | 25 % | – | 2.00 |", "| all |  |  | 4.000 |"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout %q", got, want)
		}
	}
}
