package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
)

func sample(t *testing.T) *Report {
	t.Helper()
	groups := []Group{{"bba", []float64{1, 2, 3, 4, 9}}, {"<mpc>", []float64{2, 2.5, 3, 3.5, 4}}}
	var charts []Chart
	for _, make := range []func() (Chart, error){
		func() (Chart, error) { return Boxes("boxes", "QoE", groups) },
		func() (Chart, error) { return Distribution("shares", "QoE", groups) },
		func() (Chart, error) {
			return Lines("lines", "s",
				Panel{"Mbit/s", []Line{{Name: "link", X: []float64{0, 1, 2}, Y: []float64{1, 3, 2}, Steps: true, Faint: true}, {Name: "bba", Series: 1, X: []float64{0, 2}, Y: []float64{1, 2}}}},
				Panel{"buffer", []Line{{Name: "bba", Series: 1, X: []float64{0, 3}, Y: []float64{0, 20}}}})
		},
	} {
		c, err := make()
		if err != nil {
			t.Fatal(err)
		}
		charts = append(charts, c)
	}
	return &Report{
		Title: "A & B", Lead: "What <this> is.",
		Sections: []Section{
			{Title: "Results", Text: "In short.", Table: &Table{Columns: []string{"policy", "QoE"}, Text: 1, Rows: []Row{{Cells: []string{"bba", "1.00"}, Mark: true}, {Cells: []string{"<script>", "2.00"}}}}},
			{Title: "Charts", Charts: charts},
		},
		Facts: []Fact{{"command", "netllm 'x'"}, {"go", "go1.26"}},
	}
}

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := sample(t).Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"<title>A &amp; B</title>", "What &lt;this&gt; is.", "&lt;script&gt;", `<tr class="mark">`, "netllm &#39;x&#39;", `<td class="number">1.00</td>`,
		"&lt;mpc&gt;", "var(--s0)", "var(--s1)", "var(--ink)", "prefers-color-scheme: dark"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if n := strings.Count(text, "<figure"); n != 3 {
		t.Errorf("drawings: got %d, want 3", n)
	}
	// Nothing is fetched: the only addresses are names of XML vocabularies.
	for _, address := range regexp.MustCompile(`[a-z]+="?(https?:)?//[^" >]*|@import|url\(|src=`).FindAllString(text, -1) {
		if !strings.Contains(address, "http://www.w3.org/") {
			t.Errorf("the page needs %s", address)
		}
	}
	if strings.Contains(text, "#0102") {
		t.Error("a colour that stood for another is left")
	}
}

// TestCharts checks that drawings are well-formed and that their lines end
// where the data end.
func TestCharts(t *testing.T) {
	for _, c := range sample(t).Sections[1].Charts {
		d := xml.NewDecoder(strings.NewReader(string(c.SVG)))
		paths, texts := 0, 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Caption, err)
			}
			if e, ok := token.(xml.StartElement); ok {
				switch e.Name.Local {
				case "path":
					paths++
				case "text":
					texts++
				}
			}
		}
		if paths < 5 || texts < 5 {
			t.Errorf("%s: %d paths and %d texts", c.Caption, paths, texts)
		}
		if strings.Contains(string(c.SVG), "NaN") {
			t.Errorf("%s: NaN in the drawing", c.Caption)
		}
	}
	if got := sample(t).Sections[1].Charts[2].Legend; len(got) != 2 || got[0] != (Key{"link", "var(--soft)", ShapeLine}) || got[1] != (Key{"bba", "var(--s1)", ShapeLine}) {
		t.Errorf("legend: got %q, want each name once", got)
	}
}

// TestHeavyCharts wants charts of many lines to be on the page once.
func TestHeavyCharts(t *testing.T) {
	var rows [][]Span
	for i := range 20 {
		rows = append(rows, nil)
		for j := range 200 {
			rows[i] = append(rows[i], Span{float64(j), float64(j) + 0.5, j})
		}
	}
	for want, charts := range map[int][]Chart{1: {Gantt("heavy", "s", "y", rows)}, 2: {sampleBars(t)}} {
		var b bytes.Buffer
		if err := (&Report{Sections: []Section{{Charts: charts}}}).Write(&b); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(b.String(), "<svg"); got != want {
			t.Errorf("%s: got %d drawings, want %d", charts[0].Caption, got, want)
		}
	}
}

func TestRoundTicks(t *testing.T) {
	for _, ends := range [][2]float64{{1e300, 1e300}, {-1e308, 1e308}, {1e17, 1e17 + 64}} {
		if n := len((roundTicks{}).Ticks(ends[0], ends[1])); n > 50 {
			t.Errorf("%v: %d marks", ends, n)
		}
	}
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{-5.2, 2.1, "-4 -2 0 2"},
		{0, 173, "0 50 100 150"},
		{0.35, 4.3, "1 2 3 4"},
		{1.0001, 1.0003, "1.00010 1.00015 1.00020 1.00025 1.00030"},
		{3, 3, "3"},
	} {
		var labels []string
		for _, tick := range (roundTicks{}).Ticks(c.low, c.high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%v to %v: got %q, want %q", c.low, c.high, got, c.want)
		}
	}
}

func TestBadData(t *testing.T) {
	if _, err := Boxes("c", "x", []Group{{"none", nil}}); err == nil || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("an empty group: got %v, want an error that names it", err)
	}
	if _, err := Lines("c", "x", Panel{"y", []Line{{Name: "bad", X: []float64{0, 1}, Y: []float64{0, math.NaN()}}}}); err == nil || !strings.Contains(err.Error(), `"bad"`) {
		t.Errorf("NaN: got %v, want an error that names the line", err)
	}
}
