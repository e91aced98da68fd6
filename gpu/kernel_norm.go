// Normalisations of rows, and their gradients.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

var (
	rmsNorm           = rowShaders("rms_norm")
	rmsNormBackward   = rowShaders("rms_norm_backward")
	layerNorm         = rowShaders("layer_norm")
	layerNormBackward = rowShaders("layer_norm_backward")
)

func (b *Backend) rmsNorm(a *ops.Args) { b.norm(&rmsNorm, a, a.T[2], tensor.Tensor{}) }

func (b *Backend) layerNorm(a *ops.Args) { b.norm(&layerNorm, a, a.T[2], a.T[3]) }

// norm normalises the rows of T1, scales them by g, and adds bias if there is one.
func (b *Backend) norm(s *rowShader, a *ops.Args, g, bias tensor.Tensor) {
	if a.T[0].Len() == 0 {
		return
	}
	n := g.Len()
	y, x := a.T[0].Flat(), a.T[1].Flat()
	rows := y.Dim(0)
	step := b.rowsAtOnce(rows, n)
	for from := 0; from < rows; from += step {
		to := min(from+step, rows)
		d := b.rows(s)
		d.write(y.Slice(0, from, to))
		d.read(x.Slice(0, from, to))
		d.read(g)
		if !bias.IsZero() {
			d.read(bias)
		}
		d.shorten(n, d.vectors(s, n))
		d.int(n)
		d.float(a.F[0])
		d.run(to-from, 1, 1)
	}
}

func (b *Backend) rmsNormBackward(a *ops.Args) {
	b.normBackward(&rmsNormBackward, normGradients{
		dx: a.T[0], dg: a.T[1], dy: a.T[2], x: a.T[3], g: a.T[4],
		addX: a.Accumulates(0), addG: a.Accumulates(1), eps: a.F[0],
	})
}

func (b *Backend) layerNormBackward(a *ops.Args) {
	b.normBackward(&layerNormBackward, normGradients{
		dx: a.T[0], dg: a.T[1], dy: a.T[3], x: a.T[4], g: a.T[5],
		addX: a.Accumulates(0), addG: a.Accumulates(1), eps: a.F[0],
	})
	if !a.T[2].IsZero() {
		b.addColumns(a.T[2], a.T[3], a.Accumulates(2))
	}
}

// normGradients are the operands of a normalisation's backward pass.
type normGradients struct {
	dx, dg, dy, x, g tensor.Tensor
	addX, addG       bool
	eps              float32
}

// normBackward gives the gradients of x and of the weight. The first kernel leaves
// three numbers per row for the second, which sums up columns.
func (b *Backend) normBackward(s *rowShader, v normGradients) {
	n := v.g.Len()
	if n == 0 || v.dx.IsZero() && v.dg.IsZero() {
		return
	}
	dx, dy, x := v.dx, v.dy.Flat(), v.x.Flat()
	if !dx.IsZero() {
		dx = dx.Flat()
	}
	rows := x.Dim(0)
	step := b.rowsAtOnce(rows, max(n, 3)) // three numbers of a row must fit, too
	for from := 0; from == 0 || from < rows; from += step {
		to := min(from+step, rows)
		dy, x := dy.Slice(0, from, to), x.Slice(0, from, to)
		chunks, chunk := b.chunks(to-from, n)
		moments, sums := b.scratchSlices(3*(to-from), chunks*n)
		if rows > 0 {
			d := b.rows(s)
			if dx.IsZero() {
				d.none()
			} else {
				d.output(dx.Slice(0, from, to), v.addX)
			}
			d.read(dy)
			d.read(x)
			d.read(v.g)
			d.shorten(n, d.vectors(s, n))
			d.write(moments)
			d.int(n)
			d.flag(!dx.IsZero())
			d.flag(v.addX)
			d.float(v.eps)
			d.run(to-from, 1, 1)
		}
		switch {
		case v.dg.IsZero():
		case rows == 0:
			b.addColumns(v.dg, x, v.addG)
		default:
			b.columns(&normWeightBackward, v.dg, sums, chunks, chunk, v.addG || from > 0, x, dy, moments)
		}
	}
}
