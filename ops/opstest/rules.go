// What the contract forbids to callers.

package opstest

import (
	"fmt"
	"slices"

	"netllm/ops"
	"netllm/tensor"
)

// form is what the contract asks of an operand's strides.
type form int

const (
	flat     form = iota // contiguous
	adjacent             // the elements of the last dimension stand side by side
	strided              // any view
)

// forms are the operands that need not be contiguous.
var forms = [ops.NumOps][9]form{
	ops.OpFill:              {strided},
	ops.OpCopy:              {strided, strided},
	ops.OpAdd:               {strided, strided, strided},
	ops.OpMatMul:            {adjacent, strided, strided},
	ops.OpRoPE:              {strided, strided},
	ops.OpAttention:         {adjacent, adjacent, adjacent, adjacent},
	ops.OpAttentionBackward: {adjacent, adjacent, adjacent, adjacent, adjacent, adjacent, adjacent, adjacent},
}

// inPlace lists the inputs that the first output may be, all of it.
var inPlace = [ops.NumOps][]int{
	ops.OpAdd:       {1, 2},
	ops.OpAddRow:    {1},
	ops.OpLeakyReLU: {1},
	ops.OpGELU:      {1},
	ops.OpTanh:      {1},
}

// accumulates are the outputs, a bit each, that may be added to.
var accumulates = [ops.NumOps]uint16{
	ops.OpCopy: 1, ops.OpMul: 1, ops.OpSumRows: 1, ops.OpMatMul: 1, ops.OpRMSNormBackward: 3, ops.OpLayerNormBackward: 7,
	ops.OpRoPE: 1, ops.OpAttentionBackward: 7, ops.OpSwiGLUBackward: 3, ops.OpLeakyReLUBackward: 1, ops.OpGELUBackward: 1,
	ops.OpTanhBackward: 1, ops.OpLSTMBackward: 3, ops.OpMAEBackward: 1,
	ops.OpDropout: 1, ops.OpSegmentMaxBackward: 1,
	ops.OpCrossEntropyBackward: 1, ops.OpMSEBackward: 1, ops.OpSumSquares: 1,
}

// mustKeepRules panics if a caller breaks the contract of a primitive in a way
// that a backend need not notice: operands with gaps that must have none,
// outputs that overlap, outputs that cannot be added to.
func mustKeepRules(op ops.Op, c *call) {
	fail := func(format string, args ...any) {
		panic(fmt.Sprintf("opstest: Reference: %v: ", op) + fmt.Sprintf(format, args...))
	}
	if c.Acc&^accumulates[op] != 0 {
		fail("outputs %09b do not accumulate", c.Acc&^accumulates[op])
	}
	for i, t := range c.T {
		if t.IsZero() {
			continue
		}
		if f := forms[op][i]; f == flat && !t.IsContiguous() {
			fail("T%d (%v) is not contiguous", i, t)
		} else if f == adjacent && t.Dim(-1) > 1 && t.Stride(-1) != 1 {
			fail("T%d (%v) has a last dimension of stride %d", i, t, t.Stride(-1))
		}
	}
	if w := c.T[2]; op == ops.OpMatMul && w.DType() != tensor.F32 && (w.Rank() != 2 || !w.IsContiguous()) {
		fail("T2 (%v) is not a contiguous matrix", w)
	}
	for _, i := range outputs(op) {
		if c.has(i) && c.t[i].overlapsItself() {
			fail("output T%d (%v) overlaps itself", i, c.T[i])
		}
		for j := range c.T {
			if j == i || !c.has(i) || !c.has(j) || !c.overlap(i, j) {
				continue
			}
			if i == 0 && c.same(i, j) && slices.Contains(inPlace[op], j) {
				continue
			}
			fail("output T%d (%v) overlaps T%d (%v)", i, c.T[i], j, c.T[j])
		}
	}
}

// same reports whether two operands are one tensor.
func (c *call) same(i, j int) bool {
	x, y := &c.t[i], &c.t[j]
	return x.dim == y.dim && x.step == y.step && &x.words[0] == &y.words[0]
}

// overlap reports whether two operands share an element.
func (c *call) overlap(i, j int) bool {
	x, y := &c.t[i], &c.t[j]
	if x.memory != y.memory || x.len() == 0 || y.len() == 0 {
		return false
	}
	xFrom, xTo := x.extent()
	yFrom, yTo := y.extent()
	if xTo <= yFrom || yTo <= xFrom {
		return false
	}
	elements := make(map[*float64]bool, x.len())
	for k := range x.len() {
		elements[x.at(k)] = true
	}
	for k := range y.len() {
		if elements[y.at(k)] {
			return true
		}
	}
	return false
}

// overlapsItself reports whether two elements are in one place.
func (v *view) overlapsItself() bool {
	if v.contiguous {
		return false
	}
	elements := make(map[*float64]bool, v.len())
	for k := range v.len() {
		elements[v.at(k)] = true
	}
	return len(elements) < v.len()
}

// extent returns the range of words in which a view's elements lie.
func (v *view) extent() (from, to int) {
	from = len(v.memory.words) - len(v.words)
	to = from + 1
	for d := range v.dim {
		to += (v.dim[d] - 1) * v.step[d]
	}
	return from, to
}
