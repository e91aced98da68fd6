package ops

import (
	"fmt"

	"netllm/tensor"
)

// RMSNorm returns g * x / sqrt(mean(x²) + eps), row by row: x [..., n], g [n]
// (Zhang & Sennrich 2019, eq. 4).
func RMSNorm(c *Context, x, g tensor.Tensor, eps float32) tensor.Tensor {
	if g.Rank() != 1 || g.Dim(0) != x.Dim(-1) {
		panic(fmt.Sprintf("ops: RMSNorm: %v with weight %v", x, g))
	}
	x = Contiguous(c, x)
	out := newLike(c, x)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, x, g
	c.args.F[0] = eps
	c.run(OpRMSNorm)
	if c.needs(x, g) {
		c.record(node{name: "RMSNorm", out: out, in: [4]tensor.Tensor{x, g}, f: [2]float32{eps}, backward: rmsNormBackward})
	}
	return out
}

func rmsNormBackward(c *Context, n *node, dout tensor.Tensor) {
	x, g := c.output(0, n.in[0]), c.output(1, n.in[1])
	if x || g {
		c.args.T[2], c.args.T[3], c.args.T[4] = dout, n.in[0], n.in[1]
		c.args.F[0] = n.f[0]
		c.run(OpRMSNormBackward)
	}
}

// LayerNorm returns g * (x-mean)/sqrt(variance + eps) + b, row by row: x
// [..., n], g and b [n]; the variance is that of the row, divided by n
// (Ba, Kiros & Hinton 2016).
func LayerNorm(c *Context, x, g, b tensor.Tensor, eps float32) tensor.Tensor {
	if g.Rank() != 1 || g.Dim(0) != x.Dim(-1) || !g.SameShape(b) {
		panic(fmt.Sprintf("ops: LayerNorm: %v with weight %v and bias %v", x, g, b))
	}
	x = Contiguous(c, x)
	out := newLike(c, x)
	c.args.T[0], c.args.T[1], c.args.T[2], c.args.T[3] = out, x, g, b
	c.args.F[0] = eps
	c.run(OpLayerNorm)
	if c.needs(x, g, b) {
		c.record(node{name: "LayerNorm", out: out, in: [4]tensor.Tensor{x, g, b}, f: [2]float32{eps}, backward: layerNormBackward})
	}
	return out
}

func layerNormBackward(c *Context, n *node, dout tensor.Tensor) {
	x, g, b := c.output(0, n.in[0]), c.output(1, n.in[1]), c.output(2, n.in[2])
	if x || g || b {
		c.args.T[3], c.args.T[4], c.args.T[5] = dout, n.in[0], n.in[1]
		c.args.F[0] = n.f[0]
		c.run(OpLayerNormBackward)
	}
}
