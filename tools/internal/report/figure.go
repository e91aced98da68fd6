// Charts as files of their own, for papers.

package report

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"
)

// FigureFormats are the formats that a figure can have.
var FigureFormats = []string{"svg", "png", "pdf"}

// printed is what the names of colours stand for on paper: those of the page's
// light side.
var printed = func() map[color.Color]color.Color {
	m := map[color.Color]color.Color{
		inkColor: color.Black, lineColor: color.Gray{Y: 0xb0}, softColor: color.Gray{Y: 0x66}, paperColor: color.White,
	}
	for i, rgb := range []uint32{0x0b62b0, 0xc2571a, 0x2b8a3e, 0x8a4fb8, 0xb3274f, 0x0d8a8a, 0x8a7a12, 0x5a6472} {
		m[seriesColor(i)] = color.RGBA{R: uint8(rgb >> 16), G: uint8(rgb >> 8), B: uint8(rgb), A: 255}
	}
	return m
}()

// press is a canvas on which colours are real.
type press struct{ vg.Canvas }

// SetColor sets what the name of a colour stands for.
func (p press) SetColor(c color.Color) {
	if real, ok := printed[c]; ok {
		c = real
	}
	p.Canvas.SetColor(c)
}

// WriteFigure writes a chart alone: black letters on white, its legend above
// it, no caption. It fails if the format is not one of [FigureFormats], or if
// the chart was not drawn by this package.
func (c Chart) WriteFigure(w io.Writer, format string) error {
	if !slices.Contains(FigureFormats, format) {
		return fmt.Errorf("report: unknown format %q of figures, known: %s", format, strings.Join(FigureFormats, ", "))
	}
	if c.plots == nil {
		return fmt.Errorf("report: %q: nothing to draw", c.Caption)
	}
	legend := layLegend(c.Legend, chartWidth)
	head := vg.Length(len(legend)) * legendLine
	height := head + c.height*vg.Length(len(c.plots))
	file := newFile(format, chartWidth, height)
	canvas := draw.NewCanvas(press{file}, chartWidth, height)
	canvas.FillPolygon(color.White, []vg.Point{{}, {X: chartWidth}, {X: chartWidth, Y: height}, {Y: height}})
	drawLegend(canvas, legend)
	drawPlots(draw.Crop(canvas, 0, 0, 0, -head), c.plots)
	if format != "svg" {
		_, err := file.WriteTo(w)
		return err
	}
	var text bytes.Buffer
	// Writing to memory does not fail.
	_, _ = file.WriteTo(&text)
	_, err := w.Write(bytes.ReplaceAll(text.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans, Arial, Helvetica, sans-serif;")))
	return err
}

// pngDPI is how fine figures of pixels are: enough for print.
const pngDPI = 300

// newFile returns a canvas of one of FigureFormats.
func newFile(format string, width, height vg.Length) vg.CanvasWriterTo {
	switch format {
	case "png":
		return vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(pngDPI))}
	case "pdf":
		return vgpdf.New(width, height)
	}
	return vgsvg.New(width, height)
}

// The legend's measures, in points.
const (
	legendLine = 16 // height of a line
	legendSign = 18 // what stands for the shape
	legendGap  = 14 // between names
)

// legendFont is that of axes.
func legendFont() draw.TextStyle {
	f := font.From(plot.DefaultFont, 11)
	f.Variant = "Sans"
	return draw.TextStyle{Color: inkColor, Font: f, Handler: plot.DefaultTextHandler, YAlign: draw.YCenter}
}

// layLegend breaks a legend into lines that are at most width wide.
func layLegend(keys []Key, width vg.Length) (lines [][]Key) {
	style := legendFont()
	used := width
	for _, k := range keys {
		need := legendSign + style.Width(k.Name) + legendGap
		if used+need > width {
			lines, used = append(lines, nil), 4
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], k)
		used += need
	}
	return lines
}

var seriesNumber = regexp.MustCompile(`^var\(--s([0-9]+)\)$`)

// color is the key's colour as charts have it.
func (k Key) color() color.Color {
	switch k.Color {
	case "var(--soft)":
		return softColor
	case "var(--ink)":
		return inkColor
	}
	if m := seriesNumber.FindStringSubmatch(string(k.Color)); m != nil {
		return seriesColor(int(m[1][0] - '0'))
	}
	return inkColor
}

func drawLegend(c draw.Canvas, lines [][]Key) {
	style := legendFont()
	for i, line := range lines {
		x, y := c.Min.X+4, c.Max.Y-(vg.Length(i)+0.5)*legendLine
		for _, k := range line {
			k.draw(c, x, y)
			c.FillText(style, vg.Point{X: x + legendSign, Y: y}, k.Name)
			x += legendSign + style.Width(k.Name) + legendGap
		}
	}
}

// draw puts the key's shape at x, in the height y.
func (k Key) draw(c draw.Canvas, x, y vg.Length) {
	box := []vg.Point{{X: x + 3, Y: y - 4}, {X: x + 11, Y: y - 4}, {X: x + 11, Y: y + 4}, {X: x + 3, Y: y + 4}, {X: x + 3, Y: y - 4}}
	switch k.Shape {
	case ShapeBox:
		c.FillPolygon(k.color(), box)
	case ShapeHollow:
		c.StrokeLines(draw.LineStyle{Color: k.color(), Width: 1.2}, box)
	case ShapeDiamond:
		diamond(c, x+7, y, 4)
	case ShapeDashed:
		c.StrokeLine2(draw.LineStyle{Color: k.color(), Width: 2, Dashes: []vg.Length{5, 2}}, x, y, x+legendSign-4, y)
	case ShapeLine:
		c.StrokeLine2(draw.LineStyle{Color: k.color(), Width: 2}, x, y, x+legendSign-4, y)
	}
}

// Figure is a chart of a page with a name that a file can have.
type Figure struct {
	Name string // lower-case letters, digits and -, another for each
	Chart
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// Figures lists the charts of a page in their order.
func (r *Report) Figures() []Figure {
	var list []Figure
	part := ""
	for _, s := range r.Sections {
		title := s.Title
		if s.Sub {
			title = part + " " + title
		} else {
			part = title
		}
		for _, c := range s.Charts {
			name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(title), "-"), "-")
			list = append(list, Figure{fmt.Sprintf("%02d-%s", len(list)+1, name), c})
		}
	}
	return list
}
