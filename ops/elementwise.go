package ops

import (
	"fmt"

	"netllm/tensor"
)

// Add returns a + b. Both have one shape.
func Add(c *Context, a, b tensor.Tensor) tensor.Tensor {
	sameShape("Add", a, b)
	out := newLike(c, a)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, a, b
	c.run(OpAdd)
	if c.needs(a, b) {
		c.record(node{name: "Add", out: out, in: [4]tensor.Tensor{a, b}, backward: addBackward})
	}
	return out
}

func addBackward(c *Context, n *node, dout tensor.Tensor) {
	for _, in := range n.in[:2] {
		passGradient(c, in, dout, 1)
	}
}

// passGradient adds scale*dout to the gradient of x, if it is wanted.
func passGradient(c *Context, x, dout tensor.Tensor, scale float32) {
	if c.output(0, x) {
		c.args.T[1] = dout
		c.args.F[0] = scale
		c.run(OpCopy)
	}
}

// Mul returns the elementwise product of a and b of one shape.
func Mul(c *Context, a, b tensor.Tensor) tensor.Tensor {
	sameShape("Mul", a, b)
	a, b = Contiguous(c, a), Contiguous(c, b)
	out := newLike(c, a)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, a, b
	c.run(OpMul)
	if c.needs(a, b) {
		c.record(node{name: "Mul", out: out, in: [4]tensor.Tensor{a, b}, backward: mulBackward})
	}
	return out
}

func mulBackward(c *Context, n *node, dout tensor.Tensor) {
	for i, in := range n.in[:2] {
		if c.output(0, in) {
			c.args.T[1], c.args.T[2] = dout, n.in[1-i]
			c.run(OpMul)
		}
	}
}

// AddRow returns x [..., n] + row [n], as a bias is added.
func AddRow(c *Context, x, row tensor.Tensor) tensor.Tensor {
	if row.Rank() != 1 || row.Dim(0) != x.Dim(-1) {
		panic(fmt.Sprintf("ops: AddRow: %v + %v", x, row))
	}
	x = Contiguous(c, x)
	out := newLike(c, x)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, x, row
	c.run(OpAddRow)
	if c.needs(x, row) {
		c.record(node{name: "AddRow", out: out, in: [4]tensor.Tensor{x, row}, backward: addRowBackward})
	}
	return out
}

func addRowBackward(c *Context, n *node, dout tensor.Tensor) {
	passGradient(c, n.in[0], dout, 1)
	if c.output(0, n.in[1]) {
		c.args.T[1] = dout
		c.run(OpSumRows)
	}
}

// CopyInto copies src into dst, a view of the same shape of a tensor made by
// [Context.New]. Writing the parts of a tensor one by one is how tensors are
// joined; no part may be written twice.
func CopyInto(c *Context, dst, src tensor.Tensor) {
	sameShape("CopyInto", dst, src)
	c.args.T[0], c.args.T[1] = dst, src
	c.args.F[0] = 1
	c.run(OpCopy)
	if c.needs(src) {
		c.record(node{name: "CopyInto", out: dst, in: [4]tensor.Tensor{src}, backward: copyBackward})
	}
}

func copyBackward(c *Context, n *node, dout tensor.Tensor) {
	passGradient(c, n.in[0], dout, 1)
}

// Contiguous returns x itself if it is contiguous, else a copy that is.
func Contiguous(c *Context, x tensor.Tensor) tensor.Tensor {
	if x.IsContiguous() {
		return x
	}
	out := newLike(c, x)
	CopyInto(c, out, x)
	return out
}

// Dropout sets each element to zero with probability p and divides the others
// by 1-p, if c.Training is set; else it returns x itself. The mask is that of
// [DropoutKeeps] for the context's seed, step, and the number of this call
// within the step.
func Dropout(c *Context, x tensor.Tensor, p float32) tensor.Tensor {
	if !c.Training || p == 0 {
		return x
	}
	if p < 0 || p >= 1 {
		panic(fmt.Sprintf("ops: Dropout: probability %v", p))
	}
	x = Contiguous(c, x)
	out := newLike(c, x)
	n := node{name: "Dropout", out: out, in: [4]tensor.Tensor{x}, f: [2]float32{p},
		i: [3]int64{int64(c.RNG.Seed), int64(c.RNG.Step), int64(c.RNG.call)}, backward: dropoutBackward}
	c.RNG.call++
	c.args.T[0], c.args.T[1] = out, x
	dropout(c, &n)
	if c.needs(x) {
		c.record(n)
	}
	return out
}

func dropout(c *Context, n *node) {
	c.args.F[0] = n.f[0]
	copy(c.args.I[:], n.i[:])
	c.run(OpDropout)
}

func dropoutBackward(c *Context, n *node, dout tensor.Tensor) {
	if c.output(0, n.in[0]) {
		c.args.T[1] = dout
		dropout(c, n)
	}
}

// LeakyReLU returns x where it is positive and slope*x elsewhere; slope 0 is
// the ordinary ReLU.
func LeakyReLU(c *Context, x tensor.Tensor, slope float32) tensor.Tensor {
	x = Contiguous(c, x)
	out := newLike(c, x)
	c.args.T[0], c.args.T[1] = out, x
	c.args.F[0] = slope
	c.run(OpLeakyReLU)
	if c.needs(x) {
		c.record(node{name: "LeakyReLU", out: out, in: [4]tensor.Tensor{x}, f: [2]float32{slope}, backward: leakyBackward})
	}
	return out
}

func leakyBackward(c *Context, n *node, dout tensor.Tensor) {
	if c.output(0, n.in[0]) {
		c.args.T[1], c.args.T[2] = dout, n.in[0]
		c.args.F[0] = n.f[0]
		c.run(OpLeakyReLUBackward)
	}
}

// GELUForm says which of the two formulas of Hendrycks & Gimpel 2016 is meant.
type GELUForm int64

const (
	GELUTanh GELUForm = iota // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))), as GPT-2 has it
	GELUErf                  // x/2 (1 + erf(x/sqrt 2)), the exact one
)

// GELU returns x times the probability that a normal number is below x
// (Hendrycks & Gimpel 2016), elementwise.
func GELU(c *Context, x tensor.Tensor, form GELUForm) tensor.Tensor {
	if form != GELUTanh && form != GELUErf {
		panic(fmt.Sprintf("ops: GELU: form %d", form))
	}
	x = Contiguous(c, x)
	out := newLike(c, x)
	c.args.T[0], c.args.T[1] = out, x
	c.args.I[0] = int64(form)
	c.run(OpGELU)
	if c.needs(x) {
		c.record(node{name: "GELU", out: out, in: [4]tensor.Tensor{x}, i: [3]int64{int64(form)}, backward: geluBackward})
	}
	return out
}

func geluBackward(c *Context, n *node, dout tensor.Tensor) {
	if c.output(0, n.in[0]) {
		c.args.T[1], c.args.T[2] = dout, n.in[0]
		c.args.I[0] = n.i[0]
		c.run(OpGELUBackward)
	}
}

// SwiGLU returns silu(gate) * up with silu(x) = x/(1+exp(-x)) (Shazeer 2020),
// elementwise.
func SwiGLU(c *Context, gate, up tensor.Tensor) tensor.Tensor {
	sameShape("SwiGLU", gate, up)
	gate, up = Contiguous(c, gate), Contiguous(c, up)
	out := newLike(c, gate)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, gate, up
	c.run(OpSwiGLU)
	if c.needs(gate, up) {
		c.record(node{name: "SwiGLU", out: out, in: [4]tensor.Tensor{gate, up}, backward: swigluBackward})
	}
	return out
}

func swigluBackward(c *Context, n *node, dout tensor.Tensor) {
	gate, up := c.output(0, n.in[0]), c.output(1, n.in[1])
	if gate || up {
		c.args.T[2], c.args.T[3], c.args.T[4] = dout, n.in[0], n.in[1]
		c.run(OpSwiGLUBackward)
	}
}

func newLike(c *Context, x tensor.Tensor) tensor.Tensor {
	var dims [tensor.MaxRank]int
	for i := range x.Rank() {
		dims[i] = x.Dim(i)
	}
	return c.New(tensor.F32, dims[:x.Rank()]...)
}

func fill(c *Context, t tensor.Tensor, value float32) {
	c.args.T[0] = t
	c.args.F[0] = value
	c.run(OpFill)
}

func sameShape(op string, a, b tensor.Tensor) {
	if !a.SameShape(b) {
		panic(fmt.Sprintf("ops: %s: shapes differ: %v and %v", op, a, b))
	}
}
