// Operations on graphs: rows, such as the messages along edges, are brought together by the
// numbers of their segments, such as the nodes that the edges end at. [Gather] is the way back.

package ops

import (
	"fmt"

	"netllm/tensor"
)

// SegmentSum returns the sum of the rows of x [n, d] of each segment: row s of the result
// [segments, d] is the sum of those rows i whose ids[i] (I32 [n], in any order) is s, added
// in the order of i, and 0 if there are none. With ids that are all different rows are
// scattered.
func SegmentSum(c *Context, x, ids tensor.Tensor, segments int) tensor.Tensor {
	checkSegments("SegmentSum", x, ids, segments)
	x = Contiguous(c, x)
	out := c.New(tensor.F32, segments, x.Dim(1))
	fill(c, out, 0)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, x, ids
	c.run(OpScatterAdd)
	if c.needs(x) {
		c.record(node{name: "SegmentSum", out: out, in: [4]tensor.Tensor{x}, aux: ids, backward: segmentSumBackward})
	}
	return out
}

func segmentSumBackward(c *Context, n *node, dout tensor.Tensor) {
	gatherGradient(c, n.in[0], dout, n.aux)
}

// gatherGradient adds rows of dout, in the order of ids, to the gradient of x, if it is wanted.
func gatherGradient(c *Context, x, dout, ids tensor.Tensor) {
	if !c.output(0, x) {
		return
	}
	if c.args.Accumulates(0) {
		c.divert(0) // rows are gathered and not added
	}
	c.args.T[1], c.args.T[2] = dout, ids
	c.run(OpGather)
}

// ScatterAdd returns w [rows, d] with the rows of x [n, d] added to those that ids (I32 [n])
// names, in the order of ids. An id may come several times.
func ScatterAdd(c *Context, w, x, ids tensor.Tensor) tensor.Tensor {
	if w.Rank() != 2 || x.Rank() != 2 || w.Dim(1) != x.Dim(1) || !isIDs(ids, x.Dim(0)) {
		panic(fmt.Sprintf("ops: ScatterAdd: %v + rows of %v at %v", w, x, ids))
	}
	x = Contiguous(c, x)
	out := newLike(c, w)
	c.args.T[0], c.args.T[1] = out, w
	c.args.F[0] = 1
	c.run(OpCopy)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, x, ids
	c.run(OpScatterAdd)
	if c.needs(w, x) {
		c.record(node{name: "ScatterAdd", out: out, in: [4]tensor.Tensor{w, x}, aux: ids, backward: scatterAddBackward})
	}
	return out
}

func scatterAddBackward(c *Context, n *node, dout tensor.Tensor) {
	passGradient(c, n.in[0], dout, 1)
	gatherGradient(c, n.in[1], dout, n.aux)
}

// SegmentMax returns the maximum of each column of x [n, d] over the rows of each segment, as
// [SegmentSum] does their sum; it is 0 for a segment without rows. The gradient is that of the
// first row that has the maximum. A NaN is larger than any number.
func SegmentMax(c *Context, x, ids tensor.Tensor, segments int) tensor.Tensor {
	checkSegments("SegmentMax", x, ids, segments)
	x = Contiguous(c, x)
	out := c.New(tensor.F32, segments, x.Dim(1))
	rows := c.New(tensor.I32, segments, x.Dim(1))
	c.args.T[0], c.args.T[1], c.args.T[2], c.args.T[3] = out, x, ids, rows
	c.run(OpSegmentMax)
	if c.needs(x) {
		c.record(node{name: "SegmentMax", out: out, in: [4]tensor.Tensor{x, rows}, aux: ids, backward: segmentMaxBackward})
	}
	return out
}

func segmentMaxBackward(c *Context, n *node, dout tensor.Tensor) {
	if c.output(0, n.in[0]) {
		c.args.T[1], c.args.T[2], c.args.T[3] = dout, n.aux, n.in[1]
		c.run(OpSegmentMaxBackward)
	}
}

// SegmentSoftmax returns x [n, d] with each column replaced by its softmax over the rows of each
// segment, of which there may be some without rows: exp(x) over its sum over the rows whose id is
// the same. The maximum is subtracted first.
func SegmentSoftmax(c *Context, x, ids tensor.Tensor, segments int) tensor.Tensor {
	checkSegments("SegmentSoftmax", x, ids, segments)
	x = Contiguous(c, x)
	out := newLike(c, x)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, x, ids
	c.args.I[0] = int64(segments)
	c.run(OpSegmentSoftmax)
	if c.needs(x) {
		c.record(node{name: "SegmentSoftmax", out: out, in: [4]tensor.Tensor{x}, aux: ids, i: [3]int64{int64(segments)}, backward: segmentSoftmaxBackward})
	}
	return out
}

// segmentSoftmaxBackward: for y = softmax(x), dx = y*(dy - the segment's sum of y*dy).
func segmentSoftmaxBackward(c *Context, n *node, dout tensor.Tensor) {
	y, ids := n.out, n.aux
	sums := SegmentSum(c, Mul(c, y, dout), ids, int(n.i[0]))
	less := newLike(c, sums)
	c.args.T[0], c.args.T[1] = less, sums
	c.args.F[0] = -1
	c.run(OpCopy)
	d := Add(c, dout, Gather(c, less, ids))
	if c.output(0, n.in[0]) {
		c.args.T[1], c.args.T[2] = y, d
		c.run(OpMul)
	}
}

func checkSegments(op string, x, ids tensor.Tensor, segments int) {
	if x.Rank() != 2 || !isIDs(ids, x.Dim(0)) || segments < 0 {
		panic(fmt.Sprintf("ops: %s: rows %v in %d segments by %v", op, x, segments, ids))
	}
}

// isIDs reports whether ids are n numbers in a row.
func isIDs(ids tensor.Tensor, n int) bool {
	return ids.DType() == tensor.I32 && ids.Rank() == 1 && ids.Dim(0) == n && ids.IsContiguous()
}
