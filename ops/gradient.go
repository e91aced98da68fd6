// Where backward passes write: the gradient of a view is the same view of its
// storage's gradient, which is set the first time and added to later.

package ops

import (
	"fmt"

	"netllm/tensor"
)

// gradOf returns the tensor that the gradient of x is to be written to, and
// whether it is to be added to what is there. The zero Tensor means that no
// gradient is wanted.
func (c *Context) gradOf(x tensor.Tensor) (g tensor.Tensor, acc bool) {
	if x.IsZero() {
		return tensor.Tensor{}, false
	}
	i, ok := c.Tape.index[x.Storage()]
	if !ok {
		return tensor.Tensor{}, false
	}
	if overlapsItself(x) {
		panic(fmt.Sprintf("ops: Backward: %v is a view that overlaps itself, which can have no gradient", x))
	}
	entry := &c.Tape.grads[i]
	if entry.grad != nil {
		return x.With(entry.grad), true
	}
	entry.grad = c.Arena.alloc(x.Storage().Size())
	g = x.With(entry.grad)
	if x.IsWhole() {
		return g, false
	}
	// Only a part is written now: the rest must read as zero. The primitive
	// that the caller prepares has to wait.
	prepared := c.args
	c.args = Args{}
	fill(c, tensor.Of(entry.grad, tensor.F32, entry.grad.Size()/4), 0)
	c.args = prepared
	return g, true
}

// output puts the gradient of x at place i of the primitive's outputs. Outputs
// are put in order: one that may overlap an earlier one is diverted.
func (c *Context) output(i int, x tensor.Tensor) (wanted bool) {
	g, acc := c.gradOf(x)
	if g.IsZero() {
		c.args.T[i] = g
		return false
	}
	c.args.T[i] = g
	if acc {
		c.args.Acc |= 1 << i
	}
	for _, earlier := range c.args.T[:i] {
		if !earlier.IsZero() && !disjoint(earlier, g) {
			c.divert(i)
			break
		}
	}
	return true
}

// late is an output that waits in memory of its own.
type late struct {
	dst, src tensor.Tensor
	acc      bool
}

// divert gives output i memory of its own, from which run brings it to its
// place when the primitive has been performed.
func (c *Context) divert(i int) {
	dst := c.args.T[i]
	src := newLike(c, dst)
	c.late = append(c.late, late{dst, src, c.args.Accumulates(i)})
	c.args.T[i] = src
	c.args.Acc &^= 1 << i
}

// deliver brings the diverted outputs to their places.
func (c *Context) deliver() {
	for _, l := range c.late {
		c.args.T[0], c.args.T[1] = l.dst, l.src
		c.args.F[0] = 1
		if l.acc {
			c.args.Acc = 1
		}
		c.Backend.Run(OpCopy, &c.args)
		c.args = Args{}
	}
	c.late = c.late[:0]
}

// byStride returns the dimensions in which x or y, of one rank, has more than
// one element, those of the largest strides of x first.
func byStride(x, y tensor.Tensor) (dims [tensor.MaxRank]int, n int) {
	for d := range x.Rank() {
		if x.Dim(d) == 1 && y.Dim(d) == 1 {
			continue
		}
		i := n
		for ; i > 0 && x.Stride(dims[i-1]) < x.Stride(d); i-- {
			dims[i] = dims[i-1]
		}
		dims[i] = d
		n++
	}
	return dims, n
}

// extent is one more than the distance from the first to the last element.
func extent(x tensor.Tensor) int {
	n := 1
	for d := range x.Rank() {
		n += (x.Dim(d) - 1) * x.Stride(d)
	}
	return n
}

// overlapsItself reports whether x may have two elements in one place, as the
// windows of [tensor.Tensor.Windows] do.
func overlapsItself(x tensor.Tensor) bool {
	if x.Len() == 0 {
		return false
	}
	dims, n := byStride(x, x)
	reach := 0 // of the dimensions with smaller strides
	for i := n - 1; i >= 0; i-- {
		d := dims[i]
		if x.Stride(d) <= reach {
			return true
		}
		reach += (x.Dim(d) - 1) * x.Stride(d)
	}
	return false
}

// disjoint reports whether x and y are known to share no memory: they lie apart,
// or they are boxes cut out of one larger tensor that do not meet, such as
// queries, keys and values that one product computed.
func disjoint(x, y tensor.Tensor) bool {
	if x.Storage() != y.Storage() || x.Len() == 0 || y.Len() == 0 {
		return true
	}
	if x.Offset()+extent(x) <= y.Offset() || y.Offset()+extent(y) <= x.Offset() {
		return true
	}
	if x.Rank() != y.Rank() {
		return false
	}
	// The places of both in the larger tensor, one dimension after the other.
	// Coordinates are unique only if no box reaches past a row's end.
	apart := false
	atX, atY := x.Offset(), y.Offset()
	limit := int(^uint(0) >> 1)
	dims, n := byStride(x, y)
	for _, d := range dims[:n] {
		step := x.Stride(d)
		fromX, fromY := atX/step, atY/step
		atX, atY = atX%step, atY%step
		toX, toY := fromX+x.Dim(d), fromY+y.Dim(d)
		if y.Stride(d) != step || toX > limit/step || toY > limit/step {
			return false
		}
		apart = apart || toX <= fromY || toY <= fromX
		limit = step
	}
	return apart || atX != atY
}
