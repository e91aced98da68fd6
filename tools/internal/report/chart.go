// Charts: from gonum/plot to SVG whose colours the page decides.

package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is a drawing with the names of its colours.
type Chart struct {
	Caption string
	Legend  []Key // empty if the axis names all
	SVG     template.HTML

	plots  []*plot.Plot // what SVG shows, for other widths and formats
	height vg.Length    // of each
}

// Key is a line of a legend.
type Key struct {
	Name  string
	Color template.CSS
	Shape Shape
}

// Shape is what a legend shows beside a name.
type Shape string

// The shapes. The zero value is a line.
const (
	ShapeLine    Shape = ""
	ShapeDashed  Shape = "dashed"
	ShapeBox     Shape = "box"
	ShapeHollow  Shape = "hollow"
	ShapeDiamond Shape = "diamond"
)

// colors is how many colours the page has; more series use them again.
const colors = 8

const (
	chartWidth = 640 // points, which the page scales
	phoneWidth = 380 // the same chart for a narrow screen: fewer points, so that its letters are not scaled away
)

// colorName is the variable of the style sheet for series i.
func colorName(i int) string { return fmt.Sprintf("--s%d", i%colors) }

// seriesColor stands for a colour until the chart is SVG text.
func seriesColor(i int) color.Color { return color.RGBA{R: 1, G: 2, B: uint8(3 + i%colors), A: 255} }

var (
	inkColor  = color.RGBA{R: 1, G: 2, B: 1, A: 255}
	lineColor = color.RGBA{R: 1, G: 2, B: 2, A: 255}
	softColor = color.RGBA{R: 1, G: 2, B: 0, A: 255}

	paperColor = color.RGBA{R: 1, G: 2, B: 99, A: 255}
)

// newPlot returns an empty plot in the page's style.
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = lineColor, lineColor
		a.LineStyle.Color, a.Tick.LineStyle.Color = lineColor, lineColor
		a.Label.TextStyle.Color, a.Tick.Label.Color = inkColor, inkColor
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size = 11, 10
		for _, f := range []*font.Font{&a.Label.TextStyle.Font, &a.Tick.Label.Font} {
			f.Variant = "Sans"
		}
		a.Padding = 4
		a.Tick.Marker = roundTicks{}
	}
	return p
}

// newChart draws plots, each of the height.
func newChart(caption string, legend []Key, height vg.Length, plots ...*plot.Plot) Chart {
	return Chart{Caption: caption, Legend: legend, SVG: render(chartWidth, height, plots), plots: plots, height: height}
}

// heavySVG is how many bytes of drawing are too many to have them twice.
const heavySVG = 150_000

// Phone is the chart as SVG for a narrow screen; "" if there is none but SVG.
func (c Chart) Phone() template.HTML {
	if c.plots == nil || len(c.SVG) > heavySVG {
		return ""
	}
	return render(phoneWidth, c.height, c.plots)
}

// render draws plots below each other, as a part of the page.
func render(width, height vg.Length, plots []*plot.Plot) template.HTML {
	canvas := vgsvg.New(width, height*vg.Length(len(plots)))
	drawPlots(draw.New(canvas), plots)
	var b bytes.Buffer
	// Writing to memory does not fail.
	_, _ = canvas.WriteTo(&b)
	return template.HTML(themed(b.String()))
}

// drawPlots draws plots below each other, the first at the top, with one width
// of their axes.
func drawPlots(canvas draw.Canvas, plots []*plot.Plot) {
	grid := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		grid[i] = []*plot.Plot{p}
	}
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: 10, PadLeft: 4, PadRight: 6}
	for i, row := range plot.Align(grid, tiles, canvas) {
		plots[i].Draw(row[0])
	}
}

var svgSize = regexp.MustCompile(`(<svg) width="[^"]*" height="[^"]*"`)

// themed turns a drawing into a part of the page: without a head and a size of
// its own, with the names of colours instead of those that stood for them.
func themed(svg string) string {
	svg = svg[strings.Index(svg, "<svg"):]
	svg = svgSize.ReplaceAllString(svg, `$1 role="img"`)
	svg = strings.ReplaceAll(svg, hex(inkColor), "var(--ink)")
	svg = strings.ReplaceAll(svg, hex(lineColor), "var(--line)")
	svg = strings.ReplaceAll(svg, hex(softColor), "var(--soft)")
	svg = strings.ReplaceAll(svg, hex(paperColor), "var(--paper)")
	for i := range colors {
		svg = strings.ReplaceAll(svg, hex(seriesColor(i)), "var("+colorName(i)+")")
	}
	return svg
}

func hex(c color.Color) string {
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02X%02X%02X", r>>8, g>>8, b>>8)
}
