// Activation checkpointing: memory for time (Chen et al. 2016).

package ops

import (
	"fmt"

	"netllm/tensor"
)

// Checkpoint returns f(c, x), a part of a model such as one block, and keeps
// only its input and result: the backward pass computes f again to learn what it
// needs. Results and gradients are those of f(c, x) itself, bit for bit, dropout
// included. f must do the same each time, and may use, besides x, only
// parameters and tensors that need no gradient.
func Checkpoint(c *Context, x tensor.Tensor, f func(c *Context, x tensor.Tensor) tensor.Tensor) tensor.Tensor {
	recording := c.Tape != nil && !c.Tape.off
	call := c.RNG.call
	if recording {
		c.Tape.off = true
	}
	out := KeepResult(c, x, f)
	if !recording {
		return out
	}
	c.Tape.off = false
	c.record(node{name: "Checkpoint", out: out, in: [4]tensor.Tensor{x}, i: [3]int64{int64(call)}, again: f, backward: checkpointBackward})
	return out
}

// KeepResult returns f(c, x), which must have the shape of x, and gives all other
// memory that f took back. Nothing may be recorded.
func KeepResult(c *Context, x tensor.Tensor, f func(c *Context, x tensor.Tensor) tensor.Tensor) tensor.Tensor {
	out := newLike(c, x)
	mark := c.Arena.Mark()
	CopyInto(c, out, f(c, x))
	c.Arena.Release(mark)
	return out
}

func checkpointBackward(c *Context, n *node, dout tensor.Tensor) {
	t, x := c.Tape, n.in[0]
	// The gradient of x outlives what is computed here, so its place comes first.
	if g, acc := c.gradOf(x); !g.IsZero() && !acc {
		fill(c, g, 0)
	}
	mark, records, known := c.Arena.Mark(), len(t.nodes), len(t.grads)
	next := c.RNG.call
	c.RNG.call = uint64(n.i[0])

	t.off = false
	y := n.again(c, x)
	t.off = true
	if !y.SameShape(dout) {
		panic(fmt.Sprintf("ops: Checkpoint: the function gave %v again, not the shape of %v", y, dout))
	}
	passGradient(c, y, dout, 1)
	t.walk(c, records)
	for _, g := range t.grads[:known] {
		if g.grad != nil && !g.watched && c.Arena.since(mark, g.grad) {
			panic("ops: Checkpoint: the function uses a tensor that needs a gradient besides its input")
		}
	}
	for _, r := range t.nodes[records:] {
		if i, ok := t.index[r.out.Storage()]; ok && i >= known {
			delete(t.index, r.out.Storage())
		}
	}
	clear(t.nodes[records:])
	t.nodes, t.grads = t.nodes[:records], t.grads[:known]
	c.RNG.call = next
	c.Arena.Release(mark)
}
