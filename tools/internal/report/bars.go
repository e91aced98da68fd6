// Groups of bars: one number per policy and setting, with how sure it is and
// what others found.

package report

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// BarSeries is the bars of one colour, one in each category.
type BarSeries struct {
	Name   string
	Values []float64 // of each category; NaN = no bar there

	// Low and High are the ends of the error bars, as long as Values; nil or
	// NaN = none.
	Low, High []float64

	// Marks are numbers of others to compare the bars with, such as those of a
	// paper; nil or NaN = none.
	Marks []float64
}

// Bars draws for each category a group of bars, one per series in the order
// given, from 0 up or down, with error bars and marks. markName is what the
// legend calls the marks; "" if there are none. Categories are labels below the
// groups. It fails if there is no number, or one that is infinite; it panics if
// the lengths of a series and the categories disagree.
func Bars(caption, label, markName string, categories []string, series []BarSeries) (Chart, error) {
	b := bars{categories: len(categories), series: series}
	if err := b.measure(); err != nil {
		return Chart{}, err
	}
	p := newPlot("", label)
	p.Add(horizontalGrid(), b)
	names := make([]string, len(categories))
	for i, name := range categories {
		names[i] = wrapped(name, max(6, min(24, 80/len(categories)))) // what fits below a group
	}
	p.NominalX(names...)
	p.X.Color, p.X.LineStyle.Color = lineColor, lineColor
	p.X.Min, p.X.Max = -0.5, float64(len(categories))-0.5
	p.Y.Min, p.Y.Max = b.low, b.high
	var legend []Key
	for i, s := range series {
		shape := ShapeBox
		if i >= colors {
			shape = ShapeHollow
		}
		legend = append(legend, Key{s.Name, seriesCSS(i), shape})
	}
	if markName != "" {
		legend = append(legend, Key{markName, "var(--ink)", ShapeDiamond})
	}
	return newChart(caption, legend, 250, p), nil
}

// wrapped breaks a label at spaces, and behind hyphens, into lines of at most n letters where it can.
func wrapped(label string, n int) string {
	var b strings.Builder
	line := 0
	for _, word := range strings.Fields(label) {
		for i, part := range strings.SplitAfter(word, "-") {
			space := min(1, line)
			if i > 0 {
				space = 0
			}
			switch {
			case line > 0 && line+space+len(part) > n:
				b.WriteByte('\n')
				line = 0
			case space > 0:
				b.WriteByte(' ')
				line++
			}
			b.WriteString(part)
			line += len(part)
		}
	}
	return b.String()
}

// bars is a plotter of groups of bars.
type bars struct {
	categories int
	series     []BarSeries
	low, high  float64 // of the axis: all there is, and 0
}

// measure finds the range and refuses what cannot be drawn.
func (b *bars) measure() error {
	found := false
	for _, s := range b.series {
		if len(s.Values) != b.categories {
			panic(fmt.Sprintf("report: Bars: %q has %d values for %d categories", s.Name, len(s.Values), b.categories))
		}
		for _, list := range [][]float64{s.Values, s.Low, s.High, s.Marks} {
			if list != nil && len(list) != b.categories {
				panic(fmt.Sprintf("report: Bars: %q has %d error ends or marks for %d categories", s.Name, len(list), b.categories))
			}
			for _, v := range list {
				switch {
				case math.IsInf(v, 0):
					return fmt.Errorf("report: bars of %q: %v", s.Name, v)
				case !math.IsNaN(v):
					found = true
					b.low, b.high = min(b.low, v), max(b.high, v)
				}
			}
		}
	}
	if !found {
		return fmt.Errorf("report: bars without a number")
	}
	air := (b.high - b.low) / 25 // nothing lies on the edge
	if b.high > 0 {
		b.high += air
	}
	if b.low < 0 {
		b.low -= air
	}
	if b.low == b.high { // zeros alone
		b.high = 1
	}
	return nil
}

// at returns list[i], NaN without a list.
func at(list []float64, i int) float64 {
	if list == nil {
		return math.NaN()
	}
	return list[i]
}

// groupShare is the share of a category's width that its bars have, barShare
// that of a bar's place that it fills.
const groupShare, barShare = 0.8, 0.86

// Plot implements [plot.Plotter].
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	step := groupShare / float64(len(b.series))
	for k, s := range b.series {
		for i, v := range s.Values {
			center := float64(i) - groupShare/2 + (float64(k)+0.5)*step
			left, middle, right := x(center-step*barShare/2), x(center), x(center+step*barShare/2)
			if !math.IsNaN(v) {
				box := []vg.Point{{X: left, Y: y(0)}, {X: right, Y: y(0)}, {X: right, Y: y(v)}, {X: left, Y: y(v)}}
				if k < colors {
					c.FillPolygon(seriesColor(k), box)
				} else { // a colour that is used a second time
					c.StrokeLines(draw.LineStyle{Color: seriesColor(k), Width: 1.2}, append(box, box[0]))
				}
			}
			if low, high := at(s.Low, i), at(s.High, i); !math.IsNaN(low) && !math.IsNaN(high) {
				errorBar(c, middle, y(low), y(high), min((right-left)/3, 4))
			}
			if mark := at(s.Marks, i); !math.IsNaN(mark) {
				diamond(c, middle, y(mark), min(max((right-left)/3, 2.5), 4))
			}
		}
	}
	c.StrokeLine2(draw.LineStyle{Color: inkColor, Width: 0.8}, c.Min.X, y(0), c.Max.X, y(0))
}

// errorBar draws a line from low to high with ends that are 2 wide long.
func errorBar(c draw.Canvas, x, low, high, wide vg.Length) {
	style := draw.LineStyle{Color: inkColor, Width: 0.9}
	c.StrokeLine2(style, x, low, x, high)
	c.StrokeLine2(style, x-wide, low, x+wide, low)
	c.StrokeLine2(style, x-wide, high, x+wide, high)
}

// diamond draws a mark with corners r from its middle, which can be told from
// an error bar that it stands on.
func diamond(c draw.Canvas, x, y, r vg.Length) {
	corners := []vg.Point{{X: x - r, Y: y}, {X: x, Y: y - r}, {X: x + r, Y: y}, {X: x, Y: y + r}, {X: x - r, Y: y}}
	c.FillPolygon(paperColor, corners)
	c.StrokeLines(draw.LineStyle{Color: inkColor, Width: 1.1}, corners)
}

// DataRange implements [plot.DataRanger].
func (b bars) DataRange() (xLow, xHigh, yLow, yHigh float64) {
	return -0.5, float64(b.categories) - 0.5, b.low, b.high
}
