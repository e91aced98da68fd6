package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"regexp"
	"strings"
	"testing"
)

// TestFigureColors wants the colours of figures to be those of the page.
func TestFigureColors(t *testing.T) {
	light, _, _ := strings.Cut(pageText, "@media")
	for i := range colors {
		m := regexp.MustCompile(fmt.Sprintf(`--s%d: (#[0-9a-f]{6})`, i)).FindStringSubmatch(light)
		if m == nil {
			t.Fatalf("no --s%d in the style sheet", i)
		}
		if got := strings.ToLower(hex(printed[seriesColor(i)])); got != m[1] {
			t.Errorf("colour %d: got %s, the page has %s", i, got, m[1])
		}
	}
}

func TestWriteFigure(t *testing.T) {
	charts := append(sample(t).Sections[1].Charts, sampleBars(t), Gantt("g", "s", "executors", [][]Span{{{0, 1, 0}, {2, 3, 9}}}))
	for _, c := range charts {
		page := string(c.SVG)
		for _, format := range FigureFormats {
			var b bytes.Buffer
			if err := c.WriteFigure(&b, format); err != nil {
				t.Fatalf("%s as %s: %v", c.Caption, format, err)
			}
			switch format {
			case "svg":
				checkSVG(t, c, b.String())
			case "png":
				im, err := png.Decode(&b)
				if err != nil {
					t.Fatal(err)
				}
				if r, g, bl, _ := im.At(1, 1).RGBA(); r != 0xffff || g != 0xffff || bl != 0xffff {
					t.Errorf("%s: the corner is not white", c.Caption)
				}
			case "pdf":
				if !bytes.HasPrefix(b.Bytes(), []byte("%PDF-")) {
					t.Errorf("%s: not a PDF", c.Caption)
				}
			}
		}
		if again := render(chartWidth, c.height, c.plots); string(again) != page {
			t.Errorf("%s: drawing a figure changed the chart", c.Caption)
		}
	}
	if err := charts[0].WriteFigure(io.Discard, "gif"); err == nil || !strings.Contains(err.Error(), "svg, png, pdf") {
		t.Errorf("gif: got %v", err)
	}
	if err := (Chart{Caption: "c"}).WriteFigure(io.Discard, "svg"); err == nil {
		t.Error("a chart without a drawing: no error")
	}
}

// checkSVG wants a whole file with real colours and the legend's words.
func checkSVG(t *testing.T, c Chart, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	var words strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", c.Caption, err)
		}
		if data, ok := token.(xml.CharData); ok {
			words.Write(data)
		}
	}
	for _, k := range c.Legend {
		if !strings.Contains(words.String(), k.Name) {
			t.Errorf("%s: no %q in the legend", c.Caption, k.Name)
		}
	}
	if strings.Contains(text, "var(") || strings.Contains(text, "#0102") || !strings.Contains(text, "#FFFFFF") {
		t.Errorf("%s: colours are not real", c.Caption)
	}
}

func TestLayLegend(t *testing.T) {
	var keys []Key
	for i := range 20 {
		keys = append(keys, Key{Name: fmt.Sprintf("a policy of number %d", i)})
	}
	lines := layLegend(keys, chartWidth)
	n := 0
	for _, line := range lines {
		n += len(line)
	}
	if n != 20 || len(lines) < 4 || len(lines) > 7 {
		t.Errorf("%d names in %d lines", n, len(lines))
	}
	if got := layLegend(nil, chartWidth); got != nil {
		t.Errorf("no keys: got %v", got)
	}
}

func TestFigures(t *testing.T) {
	r := sample(t)
	r.Sections = append(r.Sections, Section{Title: "Über: all/any", Sub: true, Charts: []Chart{sampleBars(t)}})
	var names []string
	for _, f := range r.Figures() {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, " "), "01-charts 02-charts 03-charts 04-charts-ber-all-any"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
