// Who did what when.

package report

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Span is a time in which a row is busy.
type Span struct {
	From, To float64
	Series   int // number of its colour, which says who it is busy for
}

// Gantt draws a bar for each span of each row, the first row at the top. Colours say nothing by themselves: there are
// more spans than colours.
func Gantt(caption, xLabel, yLabel string, rows [][]Span) Chart {
	p := newPlot(xLabel, yLabel)
	p.Add(spans(rows))
	p.Y.Tick.Marker = plot.ConstantTicks{}
	p.Y.Min, p.Y.Max = 0, float64(len(rows))
	return newChart(caption, nil, vg.Length(90+5*len(rows)), p)
}

// spans is a plotter of rows.
type spans [][]Span

// Plot implements [plot.Plotter].
func (s spans) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, row := range s {
		top := float64(len(s) - i)
		for _, span := range row {
			from, to, low, high := x(span.From), x(span.To), y(top-0.9), y(top-0.1)
			c.FillPolygon(seriesColor(span.Series), []vg.Point{{X: from, Y: low}, {X: to, Y: low}, {X: to, Y: high}, {X: from, Y: high}})
		}
	}
}

// DataRange implements [plot.DataRanger].
func (s spans) DataRange() (xLow, xHigh, yLow, yHigh float64) {
	xLow, xHigh = math.Inf(1), math.Inf(-1)
	for _, row := range s {
		for _, span := range row {
			xLow, xHigh = min(xLow, span.From), max(xHigh, span.To)
		}
	}
	return xLow, xHigh, 0, float64(len(s))
}
