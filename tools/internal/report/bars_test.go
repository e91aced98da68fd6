package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func sampleBars(t *testing.T) Chart {
	t.Helper()
	none := math.NaN()
	c, err := Bars("bars", "QoE", "the paper's", []string{"default", "a setting of many words"}, []BarSeries{
		{Name: "bba", Values: []float64{1, -0.5}, Low: []float64{0.9, none}, High: []float64{1.2, none}},
		{Name: "netllm", Values: []float64{1.5, none}, Marks: []float64{1.4, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBars(t *testing.T) {
	c := sampleBars(t)
	want := []Key{{"bba", "var(--s0)", ShapeBox}, {"netllm", "var(--s1)", ShapeBox}, {"the paper's", "var(--ink)", ShapeDiamond}}
	if !slices.Equal(c.Legend, want) {
		t.Errorf("legend: got %v, want %v", c.Legend, want)
	}
	for _, svg := range []string{string(c.SVG), string(c.Phone())} {
		d := xml.NewDecoder(strings.NewReader(svg))
		fills := map[string]int{}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
				for _, a := range e.Attr {
					if a.Name.Local == "style" && strings.HasPrefix(a.Value, "fill:") {
						fills[strings.TrimPrefix(a.Value, "fill:")]++
					}
				}
			}
		}
		if fills["var(--s0)"] != 2 || fills["var(--s1)"] != 1 || fills["var(--paper)"] != 2 {
			t.Errorf("shapes by colour: got %v, want 2 and 1 bars and 2 marks", fills)
		}
		if strings.Contains(svg, "NaN") {
			t.Error("NaN in the drawing")
		}
	}
}

func TestBadBars(t *testing.T) {
	for name, values := range map[string][]float64{"no number": {math.NaN()}, "infinite": {math.Inf(1)}} {
		if _, err := Bars("c", "y", "", []string{"a"}, []BarSeries{{Name: "x", Values: values}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Bars("c", "y", "", []string{"a"}, []BarSeries{{Name: "x", Values: []float64{0}}}); err != nil {
		t.Errorf("a bar of no height: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("two values for one category: no panic")
		}
	}()
	_, _ = Bars("c", "y", "", []string{"a"}, []BarSeries{{Name: "x", Values: []float64{1, 2}}})
}

func TestWrapped(t *testing.T) {
	for label, want := range map[string]string{"default": "default", "a setting of many words": "a setting of\nmany words", "": "", "averyverylongword x": "averyverylongword\nx", "velocity-damped": "velocity-\ndamped", "udr-real": "udr-real", "a-b c-d": "a-b c-d"} {
		if got := wrapped(label, 12); got != want {
			t.Errorf("%q: got %q, want %q", label, got, want)
		}
	}
}
