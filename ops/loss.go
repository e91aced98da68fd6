package ops

import (
	"fmt"

	"netllm/tensor"
)

// CrossEntropy returns the mean over rows of -log softmax(logits)[target], a
// tensor of one element: logits [..., classes], targets I32 with one class
// per row. Rows with a negative target do not count; at least one must.
func CrossEntropy(c *Context, logits, targets tensor.Tensor) tensor.Tensor {
	if targets.DType() != tensor.I32 || targets.Len() != logits.Rows() || logits.Rank() < 1 {
		panic(fmt.Sprintf("ops: CrossEntropy: logits %v, targets %v", logits, targets))
	}
	logits, targets = Contiguous(c, logits).Flat(), targets.Reshape(targets.Len())
	out, lse := c.New(tensor.F32, 1), c.New(tensor.F32, targets.Len())
	c.args.T[0], c.args.T[1], c.args.T[2], c.args.T[3] = out, logits, targets, lse
	c.run(OpCrossEntropy)
	if c.needs(logits) {
		c.record(node{name: "CrossEntropy", out: out, in: [4]tensor.Tensor{logits, targets}, aux: lse, backward: crossEntropyBackward})
	}
	return out
}

func crossEntropyBackward(c *Context, n *node, dout tensor.Tensor) {
	if c.output(0, n.in[0]) {
		c.args.T[1], c.args.T[2], c.args.T[3], c.args.T[4] = dout, n.in[0], n.in[1], n.aux
		c.run(OpCrossEntropyBackward)
	}
}

// MSE returns the mean of (a-b)², a tensor of one element. Both inputs can
// have gradients.
func MSE(c *Context, a, b tensor.Tensor) tensor.Tensor {
	sameShape("MSE", a, b)
	a, b = Contiguous(c, a), Contiguous(c, b)
	out := c.New(tensor.F32, 1)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, a, b
	c.run(OpMSE)
	if c.needs(a, b) {
		c.record(node{name: "MSE", out: out, in: [4]tensor.Tensor{a, b}, backward: mseBackward})
	}
	return out
}

func mseBackward(c *Context, n *node, dout tensor.Tensor) {
	for i, sign := range []float32{1, -1} {
		if c.output(0, n.in[i]) {
			c.args.T[1], c.args.T[2], c.args.T[3] = dout, n.in[0], n.in[1]
			c.args.F[0] = sign
			c.run(OpMSEBackward)
		}
	}
}

// MAE returns the mean of |a-b|, a tensor of one element. With a period, such as 360 for
// degrees, differences are those of points on a circle of that length: a-b, or period
// more or less than that if this is smaller in magnitude; 0 stands for none. Both inputs
// can have gradients.
func MAE(c *Context, a, b tensor.Tensor, period float32) tensor.Tensor {
	sameShape("MAE", a, b)
	if period < 0 {
		panic(fmt.Sprintf("ops: MAE: period %v", period))
	}
	a, b = Contiguous(c, a), Contiguous(c, b)
	out := c.New(tensor.F32, 1)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, a, b
	c.args.F[0] = period
	c.run(OpMAE)
	if c.needs(a, b) {
		c.record(node{name: "MAE", out: out, in: [4]tensor.Tensor{a, b}, f: [2]float32{period}, backward: maeBackward})
	}
	return out
}

func maeBackward(c *Context, n *node, dout tensor.Tensor) {
	for i, sign := range []float32{1, -1} {
		if c.output(0, n.in[i]) {
			c.args.T[1], c.args.T[2], c.args.T[3] = dout, n.in[0], n.in[1]
			c.args.F[0], c.args.F[1] = sign, n.f[0]
			c.run(OpMAEBackward)
		}
	}
}
