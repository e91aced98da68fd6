// The kinds of charts.

package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Group is a named set of values.
type Group struct {
	Name   string
	Values []float64
}

// Boxes draws a box per group, the first at the top: median, quartiles,
// whiskers up to 1.5 times the distance of the quartiles, and what lies beyond.
// It fails if a group is empty or holds what is not a number.
func Boxes(caption, label string, groups []Group) (Chart, error) {
	p := newPlot(label, "")
	names := make([]string, len(groups))
	for i, g := range groups {
		at := len(groups) - 1 - i
		names[at] = g.Name
		box, err := plotter.NewBoxPlot(16, float64(at), plotter.Values(g.Values))
		if err != nil {
			return Chart{}, fmt.Errorf("report: box of %q: %w", g.Name, err)
		}
		box.Horizontal = true
		box.BoxStyle.Color, box.MedianStyle.Color, box.WhiskerStyle.Color, box.GlyphStyle.Color = seriesColor(i), seriesColor(i), seriesColor(i), seriesColor(i)
		box.BoxStyle.Width, box.MedianStyle.Width, box.WhiskerStyle.Width, box.WhiskerStyle.Dashes = 1.2, 2.5, 1, nil
		box.GlyphStyle.Radius = 1.5
		p.Add(box)
	}
	p.NominalY(names...)
	p.Y.Padding = 10
	p.Y.Min, p.Y.Max = -0.5, float64(len(groups))-0.5
	return newChart(caption, nil, vg.Length(60+28*len(groups)), p), nil
}

// Distribution draws, for every group, the share of values up to x.
func Distribution(caption, label string, groups []Group) (Chart, error) {
	lines := make([]Line, len(groups))
	for i, g := range groups {
		sorted := slices.Sorted(slices.Values(g.Values))
		lines[i] = Line{Name: g.Name, Series: i, Steps: true}
		for j, v := range sorted {
			if j == 0 {
				lines[i].X, lines[i].Y = append(lines[i].X, v), append(lines[i].Y, 0)
			}
			lines[i].X, lines[i].Y = append(lines[i].X, v), append(lines[i].Y, float64(j+1)/float64(len(sorted)))
		}
	}
	return Lines(caption, label, Panel{Label: "share of all", Lines: lines})
}

// Line is a series of points.
type Line struct {
	Name   string
	Series int // number of its colour, as groups have by their order
	X, Y   []float64
	Steps  bool // Y holds up to the next point
	Faint  bool // background to the other lines, of no colour of its own
}

// Panel is one of several drawings over the same x axis.
type Panel struct {
	Label string
	Lines []Line
}

// Lines draws panels below each other. The legend names each line once, in the
// order in which they first come. It fails if a line has no points, or one that
// is not a number.
func Lines(caption, xLabel string, panels ...Panel) (Chart, error) {
	var legend []Key
	low, high := math.Inf(1), math.Inf(-1)
	plots := make([]*plot.Plot, len(panels))
	for i, panel := range panels {
		label := ""
		if i == len(panels)-1 {
			label = xLabel
		}
		plots[i] = newPlot(label, panel.Label)
		plots[i].Add(horizontalGrid())
		for _, l := range panel.Lines {
			if !slices.ContainsFunc(legend, func(k Key) bool { return k.Name == l.Name }) {
				legend = append(legend, l.key())
			}
			line, err := l.plotter()
			if err != nil {
				return Chart{}, err
			}
			plots[i].Add(line)
			low, high = min(low, slices.Min(l.X)), max(high, slices.Max(l.X))
		}
	}
	for _, p := range plots {
		p.X.Min, p.X.Max = low, high
		if p.Y.Min > 0 && p.Y.Min < p.Y.Max/2 { // the axis may as well begin at 0
			p.Y.Min = 0
		}
		p.Y.Max += (p.Y.Max - p.Y.Min) / 25 // no line lies on the edge
	}
	height := vg.Length(230)
	if len(panels) > 1 {
		height = 150
	}
	return newChart(caption, legend, height, plots...), nil
}

// horizontalGrid is faint lines at the marks of the y axis.
func horizontalGrid() *plotter.Grid {
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = nil, lineColor
	grid.Horizontal.Width, grid.Horizontal.Dashes = 0.5, nil
	return grid
}

// key is the line in a legend. Where colours come a second time, lines are dashed.
func (l Line) key() Key {
	switch {
	case l.Faint:
		return Key{l.Name, "var(--soft)", ShapeLine}
	case l.Series >= colors:
		return Key{l.Name, seriesCSS(l.Series), ShapeDashed}
	}
	return Key{l.Name, seriesCSS(l.Series), ShapeLine}
}

// seriesCSS is the colour of series i on the page.
func seriesCSS(i int) template.CSS { return template.CSS("var(" + colorName(i) + ")") }

func (l Line) plotter() (*plotter.Line, error) {
	if len(l.X) != len(l.Y) {
		panic(fmt.Sprintf("report: Lines: %q has %d x and %d y", l.Name, len(l.X), len(l.Y)))
	}
	points := make(plotter.XYs, len(l.X))
	for i := range points {
		points[i].X, points[i].Y = l.X[i], l.Y[i]
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, fmt.Errorf("report: line %q: %w", l.Name, err)
	}
	line.Color, line.Width = seriesColor(l.Series), 1.6
	if l.Series >= colors {
		line.Dashes = []vg.Length{5, 2}
	}
	if l.Faint {
		line.Color, line.Width, line.Dashes = softColor, 0.7, nil
	}
	if l.Steps {
		line.StepStyle = plotter.PostStep
	}
	return line, nil
}
