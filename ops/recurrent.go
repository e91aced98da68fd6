package ops

import (
	"fmt"

	"netllm/tensor"
)

// Tanh returns the hyperbolic tangent, elementwise.
func Tanh(c *Context, x tensor.Tensor) tensor.Tensor {
	x = Contiguous(c, x)
	out := newLike(c, x)
	c.args.T[0], c.args.T[1] = out, x
	c.run(OpTanh)
	if c.needs(x) {
		c.record(node{name: "Tanh", out: out, in: [4]tensor.Tensor{x}, backward: tanhBackward})
	}
	return out
}

func tanhBackward(c *Context, n *node, dout tensor.Tensor) {
	if c.output(0, n.in[0]) {
		c.args.T[1], c.args.T[2] = dout, n.out
		c.run(OpTanhBackward)
	}
}

// LSTM returns the next state of a long short-term memory (Hochreiter & Schmidhuber 1997,
// with forget gates: Gers et al. 2000) for each of several sequences, [n, 2*width]: the hidden
// values and behind them the cells, c' = sigmoid(forget)*c + sigmoid(in)*tanh(cell) and
// h' = sigmoid(out)*tanh(c'). gates [n, 4*width] are the sums before their activations, in the
// order in, forget, cell, out; of the state before only the cells are read.
func LSTM(c *Context, gates, state tensor.Tensor) tensor.Tensor {
	if gates.Rank() != 2 || state.Rank() != 2 || gates.Dim(0) != state.Dim(0) || gates.Dim(1) != 2*state.Dim(1) || state.Dim(1)%2 != 0 {
		panic(fmt.Sprintf("ops: LSTM: gates %v, state %v", gates, state))
	}
	gates, state = Contiguous(c, gates), Contiguous(c, state)
	out := newLike(c, state)
	c.args.T[0], c.args.T[1], c.args.T[2] = out, gates, state
	c.run(OpLSTM)
	if c.needs(gates, state) {
		c.record(node{name: "LSTM", out: out, in: [4]tensor.Tensor{gates, state}, backward: lstmBackward})
	}
	return out
}

func lstmBackward(c *Context, n *node, dout tensor.Tensor) {
	gates, state := c.output(0, n.in[0]), c.output(1, n.in[1])
	if gates || state {
		c.args.T[2], c.args.T[3], c.args.T[4] = dout, n.in[0], n.in[1]
		c.run(OpLSTMBackward)
	}
}
