// Losses, and sums over whole tensors.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

var (
	totals               = rowShader{{"total", "total_subgroup"}, {"total", "total_subgroup"}}
	totalSquares         = rowShaders("total_squares")
	totalDistance        = rowShaders("total_distance")
	totalAbsolute        = rowShaders("total_absolute")
	crossEntropy         = rowShaders("cross_entropy")
	crossEntropyBackward = plainShaders("cross_entropy_backward")
	targetMean           = rowShader{{"target_mean", "target_mean_subgroup"}, {"target_mean", "target_mean_subgroup"}}
	targetScale          = rowShader{{"target_scale", "target_scale_subgroup"}, {"target_scale", "target_scale_subgroup"}}
)

func (b *Backend) crossEntropy(a *ops.Args) {
	x, targets, logSums := a.T[1], a.T[2], a.T[3]
	rows, classes := x.Dim(0), x.Dim(1)
	losses, _ := b.scratchSlices(rows, 0)
	step := b.rowsAtOnce(rows, classes)
	for from := 0; from < rows; from += step {
		to := min(from+step, rows)
		d := b.rows(&crossEntropy)
		d.read(x.Slice(0, from, to))
		d.shorten(classes, d.vectors(&crossEntropy, classes))
		d.read(targets.Slice(0, from, to))
		d.write(logSums.Slice(0, from, to))
		d.write(losses.Slice(0, from, to))
		d.int(classes)
		d.run(to-from, 1, 1)
	}
	b.ofTargets(&targetMean, a.T[0], losses, targets)
}

// ofTargets sets y [1] to x over the number of targets that are classes, where x is
// the sum of what belongs to those, or a number.
func (b *Backend) ofTargets(s *rowShader, y, x, targets tensor.Tensor) {
	rows := targets.Len()
	d := b.rows(s)
	d.vectors(s, 1)
	d.shorten(rows, 1)
	d.write(y)
	if rows > 0 {
		d.read(x)
		d.read(targets)
	} else {
		d.none()
		d.none()
	}
	d.int(rows)
	d.run(1, 1, 1)
}

func (b *Backend) crossEntropyBackward(a *ops.Args) {
	dx, x, targets, logSums := a.T[0], a.T[2], a.T[3], a.T[4]
	rows, classes := x.Dim(0), x.Dim(1)
	if x.Len() == 0 {
		return
	}
	const each = 8 // elements, or groups of four, of an invocation
	scale, _ := b.scratchSlices(1, 0)
	b.ofTargets(&targetScale, scale, a.T[1], targets)
	step := b.rowsAtOnce(rows, classes)
	for from := 0; from < rows; from += step {
		to := min(from+step, rows)
		d := b.rows(&crossEntropyBackward)
		d.output(dx.Slice(0, from, to), a.Accumulates(0))
		d.read(x.Slice(0, from, to))
		width := d.vectors(&crossEntropyBackward, classes)
		d.shorten(classes, width)
		d.read(scale)
		d.read(targets.Slice(0, from, to))
		d.read(logSums.Slice(0, from, to))
		d.int(classes)
		d.flag(a.Accumulates(0))
		d.run(to-from, (classes/width+each*rowGroup-1)/(each*rowGroup), 1)
	}
}

func (b *Backend) mse(a *ops.Args) {
	n := a.T[1].Len()
	b.total(&totalDistance, a.T[0], a.T[1], a.T[2], false, 1/float32(n))
}

func (b *Backend) mae(a *ops.Args) {
	n := a.T[1].Len()
	b.total(&totalAbsolute, a.T[0], a.T[1], a.T[2], false, 1/float32(n), a.F[0])
}

func (b *Backend) sumSquares(a *ops.Args) {
	b.total(&totalSquares, a.T[0], a.T[1], tensor.Tensor{}, a.Accumulates(0), 1)
}

// total sets or adds to y [1] what the shader sums up over x, and t if it is there,
// times scale: in one step, or with a number per workgroup between two. values are what the
// shader takes beside.
func (b *Backend) total(s *rowShader, y, x, t tensor.Tensor, add bool, scale float32, values ...float32) {
	const share, most = 16 * rowGroup, 512 // elements of a workgroup, and workgroups
	n := x.Len()
	x = x.Reshape(n)
	if !t.IsZero() {
		t = t.Reshape(n)
	}
	step := min(max(n, 1), b.elementsAtOnce())
	groups := min((step+share-1)/share, most) // of each part
	parts := max(1, (n+step-1)/step)
	if parts*groups == 1 {
		b.totalPart(s, y, x, t, add, scale, values...)
		return
	}
	sums, _ := b.scratchSlices(parts*groups, 0)
	for i := range parts {
		from, to := i*step, min(i*step+step, n)
		var u tensor.Tensor
		if !t.IsZero() {
			u = t.Slice(0, from, to)
		}
		b.totalPart(s, sums.Slice(0, i*groups, (i+1)*groups), x.Slice(0, from, to), u, false, 1, values...)
	}
	b.totalPart(&totals, y, sums, tensor.Tensor{}, add, scale)
}

// totalPart runs as many workgroups as y has elements.
func (b *Backend) totalPart(s *rowShader, y, x, t tensor.Tensor, add bool, scale float32, values ...float32) {
	n := x.Len()
	d := b.rows(s)
	if n > 0 {
		d.read(x)
	} else {
		d.none()
	}
	switch {
	case t.IsZero():
	case n > 0:
		d.read(t)
	default:
		d.none()
	}
	d.vectors(s, n)
	d.output(y, add)
	d.int(n)
	d.flag(add)
	d.float(scale)
	d.float(values...)
	d.run(y.Len(), 1, 1)
}
