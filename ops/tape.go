package ops

import (
	"fmt"
	"math"
	"strings"

	"netllm/tensor"
)

// Tape records operations for the backward pass, but only those with an input
// that needs a gradient: a watched parameter, or a result that depends on one.
// Computing with frozen weights alone records nothing.
//
// Gradients belong to storages. An operation's result must be written once,
// by that operation, except where an operation says that it adds in place.
type Tape struct {
	nodes []node
	index map[*tensor.Storage]int // of the storages that need gradients
	grads []gradient
	off   bool // while the backward pass itself computes
}

// gradient is what the tape knows of one storage that needs one.
type gradient struct {
	grad    *tensor.Storage // nil until something is added to it
	watched bool            // a parameter's, which outlives the tape's records
}

// node is one recorded operation with what its backward pass needs.
type node struct {
	name, label string
	backward    func(c *Context, n *node, dout tensor.Tensor)
	out         tensor.Tensor
	in          [4]tensor.Tensor
	aux         tensor.Tensor
	f           [2]float32
	i           [3]int64
	again       func(c *Context, x tensor.Tensor) tensor.Tensor // of a checkpoint
}

// NewTape returns an empty tape.
func NewTape() *Tape { return &Tape{index: map[*tensor.Storage]int{}} }

// Watch asks for the gradients of parameters in the steps up to the next
// Context.Reset: Backward adds them to Param.Grad.
func (t *Tape) Watch(params ...*Param) {
	for _, p := range params {
		if !p.Value.IsWhole() || !p.Grad.IsWhole() {
			panic(fmt.Sprintf("ops: Watch: parameter %q is a view", p.Name))
		}
		t.index[p.Value.Storage()] = len(t.grads)
		t.grads = append(t.grads, gradient{grad: p.Grad.Storage(), watched: true})
	}
}

func (t *Tape) reset() {
	clear(t.index)
	t.grads, t.nodes = t.grads[:0], t.nodes[:0]
}

// Len returns the number of recorded operations.
func (t *Tape) Len() int { return len(t.nodes) }

// needs reports whether any of the inputs needs a gradient.
func (c *Context) needs(inputs ...tensor.Tensor) bool {
	t := c.Tape
	if t == nil || t.off {
		return false
	}
	for _, in := range inputs {
		if in.IsZero() {
			continue
		}
		if _, ok := t.index[in.Storage()]; ok {
			return true
		}
	}
	return false
}

// record adds a node and marks its output as needing a gradient.
func (c *Context) record(n node) {
	t := c.Tape
	n.label = c.label
	t.nodes = append(t.nodes, n)
	if _, ok := t.index[n.out.Storage()]; !ok {
		t.index[n.out.Storage()] = len(t.grads)
		t.grads = append(t.grads, gradient{})
	}
}

// Backward computes the gradients of the scalar loss with respect to every
// watched parameter and adds them to Param.Grad. It panics if loss does not
// have one element or depends on no watched parameter.
func (t *Tape) Backward(c *Context, loss tensor.Tensor) {
	if loss.Len() != 1 || !c.needs(loss) {
		panic(fmt.Sprintf("ops: Backward: %v is not a recorded scalar", loss))
	}
	t.off = true
	defer func() { t.off = false }()
	for i := range t.grads { // of an earlier loss
		if !t.grads[i].watched {
			t.grads[i].grad = nil
		}
	}
	g, _ := c.gradOf(loss)
	fill(c, g, 1)
	t.walk(c, 0)
}

// walk runs the backward passes of the records from the last one back to first.
func (t *Tape) walk(c *Context, first int) {
	for i := len(t.nodes) - 1; i >= first; i-- {
		n := &t.nodes[i]
		grad := t.grads[t.index[n.out.Storage()]].grad
		if grad == nil {
			continue // nothing that counts depends on it
		}
		n.backward(c, n, n.out.With(grad))
	}
}

// FirstNonFinite reads the recorded results in the order in which they were
// computed and describes the first one that holds a NaN or an infinity, by
// operation and label. It returns "" if there is none. A result that others
// were added to in place can only be told together with them. It is slow and
// meant for the report of a failed step, before Reset.
func (t *Tape) FirstNonFinite(c *Context) (string, error) {
	for i := range t.nodes {
		n := &t.nodes[i]
		out := n.out
		if !out.IsContiguous() { // a part that was joined to others
			t.off = true
			out = Contiguous(c, out)
			t.off = false
		}
		values, err := c.Floats(out)
		if err != nil {
			return "", err
		}
		for _, v := range values {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return t.describe(i), nil
			}
		}
	}
	return "", nil
}

// describe names record i, and those that add to its result in place.
func (t *Tape) describe(i int) string {
	var names []string
	for _, n := range t.nodes[i:] {
		if out := t.nodes[i].out; n.out.Storage() != out.Storage() || n.out.Offset() != out.Offset() || !n.out.SameShape(out) {
			continue
		}
		if n.label != "" {
			n.name += " of " + n.label
		}
		names = append(names, n.name)
	}
	return strings.Join(names, " or ")
}
