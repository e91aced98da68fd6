package ops

import (
	"fmt"

	"netllm/tensor"
)

// Linear returns x · wᵀ: x [..., k], w [n, k], result [..., n]. w may be of any
// floating-point or block type; only an F32 w can have a gradient.
func Linear(c *Context, x, w tensor.Tensor) tensor.Tensor {
	checkLinear("Linear", x, w)
	out := newWithLast(c, x, w.Dim(0))
	linear(c, "Linear", out, x, w, 1, 0)
	return out
}

// LinearAdd adds scale * x · wᵀ to y in place, as a low-rank update is added to
// a layer's output. y must be the result of [Linear] or LinearAdd that nothing
// has read yet.
func LinearAdd(c *Context, y, x, w tensor.Tensor, scale float32) {
	checkLinear("LinearAdd", x, w)
	if y.Rows() != x.Rows() || y.Dim(-1) != w.Dim(0) {
		panic(fmt.Sprintf("ops: LinearAdd: %v += %v · %vᵀ", y, x, w))
	}
	linear(c, "LinearAdd", y, x, w, scale, 1)
}

func checkLinear(op string, x, w tensor.Tensor) {
	if w.Rank() != 2 || x.Rank() < 1 || w.Dim(1) != x.Dim(-1) {
		panic(fmt.Sprintf("ops: %s: inner sizes differ: %v · %vᵀ", op, x, w))
	}
}

func linear(c *Context, op string, out, x, w tensor.Tensor, scale float32, acc uint16) {
	out, x = out.Flat(), Contiguous(c, x).Flat()
	c.args.T[0], c.args.T[1], c.args.T[2] = out, x, w
	c.args.F[0], c.args.I[0] = scale, 1
	c.args.Acc = acc
	c.run(OpMatMul)
	if c.needs(x, w) {
		c.record(node{name: op, out: out, in: [4]tensor.Tensor{x, w}, f: [2]float32{scale}, backward: linearBackward})
	}
}

// linearBackward: for y = s·x·wᵀ, dx = s·dy·w and dw = s·dyᵀ·x.
func linearBackward(c *Context, n *node, dout tensor.Tensor) {
	x, w := n.in[0], n.in[1]
	productGradient(c, x, dout, w, n.f[0])
	productGradient(c, w, dout.Transpose(0, 1), x, n.f[0])
}

// productGradient adds scale * left · right to the gradient of x, if it is
// wanted. Products are written row by row: into a transposed view goes the
// transposed product, rightᵀ · leftᵀ, and other views are filled by copying.
func productGradient(c *Context, x, left, right tensor.Tensor, scale float32) {
	if !c.output(0, x) {
		return
	}
	i, j := x.Rank()-2, x.Rank()-1
	switch g := c.args.T[0]; {
	case g.Stride(j) == 1 || g.Dim(j) == 1:
	case g.Stride(i) == 1 || g.Dim(i) == 1:
		c.args.T[0], left, right = g.Transpose(i, j), right.Transpose(i, j), left.Transpose(i, j)
	default:
		c.divert(0)
	}
	c.args.T[1], c.args.T[2] = left, right
	c.args.F[0] = scale
	c.run(OpMatMul)
}

// MatMul returns a · b for a [m, k] and b [k, n], or for a [batch, m, k] and
// b [batch, k, n] the product of each pair. Both may be transposed or sliced
// views.
func MatMul(c *Context, a, b tensor.Tensor) tensor.Tensor {
	r := a.Rank()
	if r != b.Rank() || r < 2 || r > 3 || a.Dim(-1) != b.Dim(-2) || r == 3 && a.Dim(0) != b.Dim(0) {
		panic(fmt.Sprintf("ops: MatMul: %v · %v", a, b))
	}
	out := newWithLast(c, a, b.Dim(-1))
	c.args.T[0], c.args.T[1], c.args.T[2] = out, a, b
	c.args.F[0] = 1
	c.run(OpMatMul)
	if c.needs(a, b) {
		c.record(node{name: "MatMul", out: out, in: [4]tensor.Tensor{a, b}, backward: matMulBackward})
	}
	return out
}

// matMulBackward: for y = a·b, da = dy·bᵀ and db = aᵀ·dy.
func matMulBackward(c *Context, n *node, dout tensor.Tensor) {
	a, b := n.in[0], n.in[1]
	i, j := a.Rank()-2, a.Rank()-1
	productGradient(c, a, dout, b.Transpose(i, j), 1)
	productGradient(c, b, a.Transpose(i, j), dout, 1)
}

// Conv1D returns the one-dimensional convolution (cross-correlation, stride 1,
// no padding) of x [batch, length] with one channel, or x [batch, channels,
// length], with w [outChannels, channels*width]: [batch, length-width+1,
// outChannels]. Column ch*width+i of w meets channel ch, i places after the
// position.
func Conv1D(c *Context, x, w tensor.Tensor, width int) tensor.Tensor {
	if x.Rank() == 2 {
		x = splitLast(x)
	}
	if x.Rank() != 3 || w.Rank() != 2 || width < 1 || width > x.Dim(2) || w.Dim(1) != x.Dim(1)*width {
		panic(fmt.Sprintf("ops: Conv1D: %v with weights %v of width %d", x, w, width))
	}
	batch, channels, positions := x.Dim(0), x.Dim(1), x.Dim(2)-width+1
	windows := c.New(tensor.F32, batch, positions, channels, width)
	for i := range width { // overlapping views have no order to be added in: one copy per place
		CopyInto(c, windows.Slice(3, i, i+1).Transpose(1, 2), x.Slice(2, i, i+positions).Windows(1))
	}
	return Linear(c, windows.Reshape(batch, positions, channels*width), w)
}

// splitLast returns [batch, n] as [batch, 1, n].
func splitLast(x tensor.Tensor) tensor.Tensor {
	return x.Windows(x.Dim(1)) // one window as wide as the row
}

// Gather returns rows of w [rows, d], in the order of ids (I32, any shape):
// [ids..., d]. w may be of any floating-point or block type.
func Gather(c *Context, w, ids tensor.Tensor) tensor.Tensor {
	if w.Rank() != 2 || ids.DType() != tensor.I32 {
		panic(fmt.Sprintf("ops: Gather: rows %v of %v", ids, w))
	}
	n := ids.Len()
	w = Contiguous(c, w)
	out := c.New(tensor.F32, n, w.Dim(1))
	ids1 := ids.Reshape(n)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, w, ids1
	c.run(OpGather)
	if c.needs(w) {
		c.record(node{name: "Gather", out: out, in: [4]tensor.Tensor{w}, aux: ids1, backward: gatherBackward})
	}
	switch ids.Rank() {
	case 2:
		return out.Reshape(ids.Dim(0), ids.Dim(1), w.Dim(1))
	case 3:
		return out.Reshape(ids.Dim(0), ids.Dim(1), ids.Dim(2), w.Dim(1))
	}
	return out
}

func gatherBackward(c *Context, n *node, dout tensor.Tensor) {
	if !c.output(0, n.in[0]) {
		return
	}
	g, fresh := c.args.T[0], !c.args.Accumulates(0)
	c.args = Args{}
	if fresh {
		fill(c, g, 0)
	}
	c.args.T[0], c.args.T[1], c.args.T[2] = g, dout, n.aux
	c.run(OpScatterAdd)
}

// newWithLast returns a new tensor of x's shape with n as its last dimension.
func newWithLast(c *Context, x tensor.Tensor, n int) tensor.Tensor {
	var dims [tensor.MaxRank]int
	r := x.Rank()
	for i := range r {
		dims[i] = x.Dim(i)
	}
	dims[r-1] = n
	return c.New(tensor.F32, dims[:r]...)
}
