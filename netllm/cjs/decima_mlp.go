// The small networks that Decima is made of.

package cjs

import (
	"math"

	"netllm/ops/asm"
)

// mlp are three linear layers.
type mlp struct {
	widths [4]int
	weight [3][]float32 // [in, out]
	bias   [3][]float32
}

// layer computes rows of y [rows, out] from those of x.
func (m *mlp) layer(e *Embedding, l, rows int, x []float32, stride int, y []float32) {
	out := m.widths[l+1]
	for i := range rows {
		copy(y[i*out:(i+1)*out], m.bias[l])
	}
	asm.Gemm(&e.space, rows, out, m.widths[l], 1, x, stride, 1, m.weight[l], out, 1, 1, y, out)
}

// leaky computes rows of y from those of x, which are stride apart, with leaky rectifiers between layers.
func (m *mlp) leaky(e *Embedding, rows int, x []float32, stride int, y []float32) {
	for l := range 2 {
		e.hidden[l] = sized(e.hidden[l], rows*m.widths[l+1])
		m.layer(e, l, rows, x, stride, e.hidden[l])
		x, stride = e.hidden[l], m.widths[l+1]
		rectify(x)
	}
	m.layer(e, 2, rows, x, stride, y)
}

// slopes of a leaky rectifier, by the sign bit.
var slopes = [2]float32{1, slope}

// rectify is a leaky rectifier, without a jump: signs are as good as random.
func rectify(x []float32) {
	for i, v := range x {
		x[i] = v * slopes[math.Float32bits(v)>>31]
	}
}

// part adds to y, of the first layer, what the input x from place at on contributes.
func (m *mlp) part(e *Embedding, y, x []float32, at int) {
	width := m.widths[1]
	asm.Gemm(&e.space, 1, width, len(x), 1, x, len(x), 1, m.weight[0][at*width:], width, 1, 1, y, width)
}

// twice prepares a network for tanh: all that goes into one is doubled, which changes no other bit.
func (m *mlp) twice() {
	for l := range 2 {
		for _, list := range [][]float32{m.weight[l], m.bias[l]} {
			for i := range list {
				list[i] *= 2
			}
		}
	}
}

// scores returns the outputs for rows of e.hidden[0], sums of the first layer, with tanh between layers.
func (m *mlp) scores(e *Embedding, rows int) []float32 {
	width := m.widths[2]
	tanhHalf(e.hidden[0])
	e.hidden[1] = sized(e.hidden[1], rows*width)
	m.layer(e, 1, rows, e.hidden[0], m.widths[1], e.hidden[1])
	tanhHalf(e.hidden[1])
	e.scores = sized(e.scores, rows)
	for i := range rows {
		e.scores[i] = m.bias[2][0] + asm.Dot(e.hidden[1][i*width:(i+1)*width], m.weight[2])
	}
	return e.scores
}

// tanhHalf stores tanh(x/2) in x.
func tanhHalf(x []float32) {
	asm.Exp(x, x)
	for i, v := range x {
		x[i] = 1 - 2/(v+1)
	}
}
