// Definitions of the hyperbolic tangent and of recurrent cells.

package opstest

import "math"

func refTanh(c *call) {
	for i := range c.t[0].len() {
		*c.t[0].at(i) = math.Tanh(*c.t[1].at(i))
	}
}

func refTanhBackward(c *call) {
	for i := range c.t[0].len() {
		y := *c.t[2].at(i)
		c.put(0, c.t[0].at(i), *c.t[1].at(i)*(1-y*y))
	}
}

// lstmGates are the activated gates of one cell.
type lstmGates struct{ in, forget, cell, out float64 }

// lstm returns gates, cell before and cell after, for cell i of row r.
func lstm(gates, state *view, r, i int) (g lstmGates, before, after float64) {
	width := state.dim[3] / 2
	gate := func(j int) float64 { return *gates.el(0, 0, r, j*width+i) }
	g = lstmGates{sigmoid(gate(0)), sigmoid(gate(1)), math.Tanh(gate(2)), sigmoid(gate(3))}
	before = *state.el(0, 0, r, width+i)
	return g, before, g.forget*before + g.in*g.cell
}

func refLSTM(c *call) {
	out, width := &c.t[0], c.t[0].dim[3]/2
	for r := range out.dim[2] {
		for i := range width {
			g, _, after := lstm(&c.t[1], &c.t[2], r, i)
			*out.el(0, 0, r, i), *out.el(0, 0, r, width+i) = g.out*math.Tanh(after), after
		}
	}
}

func refLSTMBackward(c *call) {
	dnext, width := &c.t[2], c.t[2].dim[3]/2
	for r := range dnext.dim[2] {
		for i := range width {
			g, before, after := lstm(&c.t[3], &c.t[4], r, i)
			t, dh := math.Tanh(after), *dnext.el(0, 0, r, i)
			dc := *dnext.el(0, 0, r, width+i) + dh*g.out*(1-t*t)
			if c.has(0) {
				for j, d := range []float64{
					dc * g.cell * g.in * (1 - g.in), dc * before * g.forget * (1 - g.forget), dc * g.in * (1 - g.cell*g.cell), dh * t * g.out * (1 - g.out),
				} {
					c.put(0, c.t[0].el(0, 0, r, j*width+i), d)
				}
			}
			if c.has(1) {
				c.put(1, c.t[1].el(0, 0, r, i), 0)
				c.put(1, c.t[1].el(0, 0, r, width+i), dc*g.forget)
			}
		}
	}
}
