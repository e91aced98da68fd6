// Primitives on views of any strides: filling, copying, adding, and rotating head
// vectors.

package gpu

import (
	"math/bits"

	"netllm/ops"
	"netllm/tensor"
)

const maxViews = 3 // of one kernel

// axis is a dimension of views of one shape: its size, and the distance of
// neighbours in each view.
type axis struct {
	n      int
	stride [maxViews]int
}

// axes are the dimensions of views of one shape, the innermost last.
type axes struct {
	list [tensor.MaxRank]axis
	rank int
}

func axesOf(ts ...tensor.Tensor) (x axes) {
	x.rank = ts[0].Rank()
	for i := range x.rank {
		x.list[i].n = ts[0].Dim(i)
		for j, t := range ts {
			x.list[i].stride[j] = t.Stride(i)
		}
	}
	return x
}

// simplify orders the axes so that neighbours in the first view are neighbours in
// the walk over all elements, and makes one of two that are as good as one. What is
// left has one axis at least.
func (x *axes) simplify() {
	all := x.list[:x.rank]
	for i := 1; i < len(all); i++ {
		for j := i; j > 0 && all[j].stride[0] > all[j-1].stride[0]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	last := axis{n: 1}
	x.rank = 0
	for _, inner := range all {
		if inner.n == 1 {
			continue
		}
		joined := last.n == 1
		if !joined {
			joined = true
			for v := range maxViews {
				joined = joined && last.stride[v] == inner.n*inner.stride[v]
			}
		}
		if joined {
			inner.n *= last.n
		} else {
			x.list[x.rank] = last
			x.rank++
		}
		last = inner
	}
	x.list[x.rank] = last
	x.rank++
}

// quads reports whether the elements lie in groups of four neighbours in the first
// n views, if those begin at a multiple of four. A single axis may leave some over.
func (x *axes) quads(n int) bool {
	for i, a := range x.list[:x.rank] {
		inner := i == x.rank-1
		if inner && x.rank > 1 && a.n%4 != 0 {
			return false
		}
		for _, stride := range a.stride[:n] {
			if inner && stride != 1 || !inner && stride%4 != 0 {
				return false
			}
		}
	}
	return true
}

// params appends the sizes, with what [divisor] says of them, and the strides of n
// views, of all dimensions.
func (x *axes) params(d *dispatch, n int) {
	var full [tensor.MaxRank]axis
	pad := tensor.MaxRank - x.rank
	for i := range full {
		full[i] = axis{n: 1}
		if i >= pad {
			full[i] = x.list[i-pad]
		}
		d.int(full[i].n)
	}
	for _, a := range full {
		multiplier, _ := divisor(a.n)
		d.uint(multiplier)
	}
	for _, a := range full {
		_, shift := divisor(a.n)
		d.uint(shift)
	}
	for v := range n {
		for _, a := range full {
			d.int(a.stride[v])
		}
	}
}

// divisor returns what divide.glsl divides by n with: for 0 <= i < 2^31, i/n is
// (i + multiplier*i>>32) >> shift.
func divisor(n int) (multiplier, shift uint32) {
	log := bits.Len(uint(n - 1)) // 2^log is the first power of two that is not less
	return uint32((1<<log-n)<<32/n + 1), uint32(log)
}

// strided runs a variant of strided.comp for the first view x.
func (b *Backend) strided(shader string, x axes, n int, views []tensor.Tensor, accumulate bool, value float32) {
	x.simplify()
	d := b.dispatch(shader, elementwiseGroup)
	d.output(views[0], accumulate)
	for i := 1; i < maxViews; i++ {
		if i < len(views) {
			d.read(views[i])
		} else {
			d.none()
		}
	}
	d.int(n)
	x.params(d, maxViews)
	d.int(x.rank)
	d.flag(x.quads(len(views)))
	d.flag(accumulate)
	d.float(value)
	d.run(b.quads(n), 1, 1)
}

func (b *Backend) fill(a *ops.Args) { b.set(a.T[0], a.F[0]) }

// set fills a view with a value.
func (b *Backend) set(t tensor.Tensor, value float32) {
	b.split(tensor.MaxRank, []tensor.Tensor{t}, func(part box) {
		y := part.of(t)
		b.strided("fill", axesOf(y), y.Len(), []tensor.Tensor{y}, false, value)
	})
}

func (b *Backend) copy(a *ops.Args) {
	b.split(tensor.MaxRank, a.T[:2], func(part box) {
		y, x := part.of(a.T[0]), part.of(a.T[1])
		b.strided("copy", axesOf(y, x), y.Len(), []tensor.Tensor{y, x}, a.Accumulates(0), a.F[0])
	})
}

func (b *Backend) addition(a *ops.Args) {
	b.split(tensor.MaxRank, a.T[:3], func(part box) {
		y, x, z := part.of(a.T[0]), part.of(a.T[1]), part.of(a.T[2])
		b.strided("add", axesOf(y, x, z), y.Len(), []tensor.Tensor{y, x, z}, false, 0)
	})
}

// addRow is an addition of the row as a matrix whose rows are one.
func (b *Backend) addRow(a *ops.Args) {
	if a.T[0].Len() == 0 {
		return
	}
	n := a.T[2].Len()
	whole := [...]tensor.Tensor{a.T[0].Reshape(a.T[0].Len()/n, n), a.T[1].Reshape(a.T[0].Len()/n, n)}
	b.split(2, whole[:], func(part box) {
		y, x, row := part.of(whole[0]), part.of(whole[1]), a.T[2].Slice(0, part.low[1], part.high[1])
		matrices := axesOf(y, x)
		matrices.list[1].stride[2] = 1
		b.strided("add", matrices, y.Len(), []tensor.Tensor{y, x, row}, false, 0)
	})
}

func (b *Backend) rope(a *ops.Args) {
	pairs, past := a.T[2].Dim(1), int(a.I[0])
	next, apart := 2, 1
	if ops.RoPEStyle(a.I[1]) == ops.RoPEHalves {
		next, apart = 1, pairs
	}
	b.split(tensor.MaxRank-1, a.T[:2], func(part box) {
		y, x := part.of(a.T[0]), part.of(a.T[1])
		heads := axesOf(y, x)
		units := &heads.list[tensor.MaxRank-1].n
		*units -= pairs
		n := y.Rows() * *units
		d := b.dispatch("rope", elementwiseGroup)
		d.output(y, a.Accumulates(0))
		d.read(x)
		d.read(a.T[2].Slice(0, past+part.low[1], past+part.high[1]))
		d.int(n)
		heads.params(d, 2)
		d.int(pairs, next, apart)
		d.flag(a.Accumulates(0))
		d.float(a.F[0])
		d.run(b.groups(n, elementwiseGroup), 1, 1)
	})
}
