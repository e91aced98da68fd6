// Cases of the primitives that work element by element, on tensors and on views.

package opstest

import (
	"netllm/ops"
	"netllm/tensor"
)

// elementwiseCases are the primitives on contiguous tensors of one shape.
func elementwiseCases() (cases []*opCase) {
	add := func(c *opCase) { cases = append(cases, c) }
	for _, shape := range shapes() {
		for _, l := range []layout{whole, offset} {
			c := newCase(ops.OpSwiGLU, "%v/%v", shape, l)
			c.t = [9]*operand{c.out(l, shape...), c.in(whole, shape...), c.in(l, shape...)}
			add(c)

			c = newCase(ops.OpLeakyReLU, "%v/%v", shape, l)
			c.t = [9]*operand{c.out(l, shape...), c.in(l, shape...)}
			c.f[0] = 0.125
			add(c)

			for _, acc := range flags {
				c = newCase(ops.OpMul, "%v/%v/%s", shape, l, accName(acc))
				c.t = [9]*operand{c.outAcc(0, acc, l, shape...), c.in(l, shape...), c.in(whole, shape...)}
				add(c)

				c = newCase(ops.OpLeakyReLUBackward, "%v/%v/%s", shape, l, accName(acc))
				c.t = [9]*operand{c.outAcc(0, acc, l, shape...), c.in(l, shape...), c.in(whole, shape...)}
				c.f[0] = 0.01
				add(c)

				c = newCase(ops.OpDropout, "%v/%v/%s", shape, l, accName(acc))
				c.t = [9]*operand{c.outAcc(0, acc, l, shape...), c.in(l, shape...)}
				c.f[0] = 0.3
				c.i = [4]int64{0x123456789abcdef, 7 << 32, 5}
				add(c)
			}
			cases = append(cases, swigluBackwardCases(l, shape)...)
			cases = append(cases, geluCases(l, shape)...)
			cases = append(cases, tanhCases(l, shape)...)
		}
	}
	for _, p := range []float32{0.5, 0.999, 0x1p-30} { // thresholds at both ends
		c := newCase(ops.OpDropout, "p=%v", p)
		c.t = [9]*operand{c.out(whole, 1<<12), c.in(whole, 1<<12)}
		c.f[0], c.i = p, [4]int64{-1, 3, 0}
		add(c)
	}
	for _, slope := range []float32{0, 1} {
		c := newCase(ops.OpLeakyReLU, "slope=%v", slope)
		c.t = [9]*operand{c.out(whole, 6), newOperand(tensor.F32, whole, 6).set(func(i int) float64 { return float64(i - 3) })}
		c.f[0] = slope
		add(c)
	}
	// Where the result is nearly 0 or x, small, and large.
	for _, form := range geluForms {
		wide := newOperand(tensor.F32, whole, 401).set(func(i int) float64 { return float64(i-200) / 16 })
		far := newOperand(tensor.F32, whole, 41).set(func(i int) float64 { return 1e3 * float64(i-20) })
		huge := newOperand(tensor.F32, whole, 4).set(func(i int) float64 { return []float64{-3e38, 3e38, -1e13, 1e20}[i] })
		for name, x := range map[string]*operand{"wide": wide, "far": far, "huge": huge} {
			n := x.tensor.Len()
			c := newCase(ops.OpGELU, "form=%d/%s", form, name)
			c.t, c.i[0] = [9]*operand{c.out(whole, n), x}, int64(form)
			add(c)
			c = newCase(ops.OpGELUBackward, "form=%d/%s", form, name)
			c.t, c.i[0] = [9]*operand{c.out(whole, n), c.in(whole, n), x}, int64(form)
			add(c)
		}
	}
	// Gates at which exp(-x) overflows or vanishes.
	c := newCase(ops.OpSwiGLU, "large")
	gates := newOperand(tensor.F32, whole, 41).set(func(i int) float64 { return float64(10 * (i - 20)) })
	c.t = [9]*operand{c.out(whole, 41), gates, c.in(whole, 41)}
	add(c)
	c = newCase(ops.OpSwiGLUBackward, "large")
	c.t = [9]*operand{c.out(whole, 41), c.out(whole, 41), c.in(whole, 41), gates, c.in(whole, 41)}
	add(c)
	return cases
}

// geluCases are both forms, forward and backward.
func geluCases(l layout, shape []int) (cases []*opCase) {
	for _, form := range geluForms {
		c := newCase(ops.OpGELU, "form=%d/%v/%v", form, shape, l)
		c.t = [9]*operand{c.out(l, shape...), c.in(l, shape...)}
		c.i[0] = int64(form)
		cases = append(cases, c)
		for _, acc := range flags {
			c = newCase(ops.OpGELUBackward, "form=%d/%v/%v/%s", form, shape, l, accName(acc))
			c.t = [9]*operand{c.outAcc(0, acc, l, shape...), c.in(l, shape...), c.in(whole, shape...)}
			c.i[0] = int64(form)
			cases = append(cases, c)
		}
	}
	return cases
}

func tanhCases(l layout, shape []int) (cases []*opCase) {
	c := newCase(ops.OpTanh, "%v/%v", shape, l)
	c.t = [9]*operand{c.out(l, shape...), c.in(l, shape...)}
	cases = append(cases, c)
	for _, acc := range flags {
		c = newCase(ops.OpTanhBackward, "%v/%v/%s", shape, l, accName(acc))
		c.t = [9]*operand{c.outAcc(0, acc, l, shape...), c.in(l, shape...), c.in(whole, shape...)}
		cases = append(cases, c)
	}
	return cases
}

var geluForms = []ops.GELUForm{ops.GELUTanh, ops.GELUErf}

// swigluBackwardCases are all combinations of wanted and accumulating outputs.
func swigluBackwardCases(l layout, shape []int) (cases []*opCase) {
	for wanted := 1; wanted < 4; wanted++ {
		for acc := range 4 {
			if acc&^wanted != 0 || shape[0] == large && (acc != 0 && acc != 3) {
				continue
			}
			c := newCase(ops.OpSwiGLUBackward, "%v/%v/wanted=%02b/add=%02b", shape, l, wanted, acc)
			for i := range 2 {
				if flag(wanted, i) {
					c.t[i] = c.outAcc(i, flag(acc, i), l, shape...)
				}
			}
			c.t[2], c.t[3], c.t[4] = c.in(l, shape...), c.in(whole, shape...), c.in(l, shape...)
			cases = append(cases, c)
		}
	}
	return cases
}

// stridedCases are the primitives that take any view.
func stridedCases() (cases []*opCase) {
	try := func(outs, ins []layout, shape ...int) {
		for i, lo := range outs {
			for j, li := range ins {
				if i > 0 && j > 0 && i != j { // not all pairs
					continue
				}
				cases = append(cases, stridedCase(lo, li, shape)...)
			}
		}
	}
	vector := []layout{whole, offset, sliced}
	for _, shape := range [][]int{{1}, {16}, {37}, {0}} {
		try(vector, vector, shape...)
	}
	matrix := append(vector, transposed)
	for _, shape := range [][]int{{1, 1}, {7, 5}, {3, 64}, {65, 3}, {0, 4}, {4, 0}} {
		try(matrix, matrix, shape...)
	}
	try([]layout{whole, sliced}, []layout{offset, transposed}, 257, 129)
	cube := append(matrix, permuted)
	try(cube, cube, 2, 3, 5)
	try(cube, append(cube, windows), 3, 4, 7)
	four := append(cube, heads)
	try(four, append(four, windows), 2, 3, 4, 5)
	try([]layout{whole, heads}, []layout{whole, permuted}, 3, 5, 23, 97)
	return cases
}

func stridedCase(lo, li layout, shape []int) (cases []*opCase) {
	add := func(c *opCase) { cases = append(cases, c) }
	if lo == li {
		c := newCase(ops.OpFill, "%v/%v", shape, lo)
		c.t[0], c.f[0] = c.out(lo, shape...), -2.5
		add(c)
	}
	for _, acc := range flags {
		for _, scale := range []float32{1, -0.75} {
			c := newCase(ops.OpCopy, "%v/%v from %v/%s/scale=%v", shape, lo, li, accName(acc), scale)
			c.t = [9]*operand{c.outAcc(0, acc, lo, shape...), c.in(li, shape...)}
			c.f[0] = scale
			add(c)
		}
	}
	c := newCase(ops.OpAdd, "%v/%v of %v and whole", shape, lo, li)
	c.t = [9]*operand{c.out(lo, shape...), c.in(li, shape...), c.in(whole, shape...)}
	add(c)
	c = newCase(ops.OpAdd, "%v/%v of whole and %v", shape, lo, li)
	c.t = [9]*operand{c.out(lo, shape...), c.in(whole, shape...), c.in(li, shape...)}
	add(c)
	return cases
}

// inPlaceCases are those in which the contract lets the output be an input.
func inPlaceCases() (cases []*opCase) {
	for _, shape := range [][]int{{1}, {37}, {5, 19}, {257, 129}} {
		for _, l := range []layout{whole, offset, sliced} {
			if shape[0] == 257 && l == offset {
				continue
			}
			c := newCase(ops.OpAdd, "%v/%v/T0 is T1", shape, l)
			x := c.in(l, shape...)
			c.t = [9]*operand{x, x, c.in(whole, shape...)}
			cases = append(cases, c)
			c = newCase(ops.OpAdd, "%v/%v/T0 is T2", shape, l)
			x = c.in(l, shape...)
			c.t = [9]*operand{x, c.in(whole, shape...), x}
			cases = append(cases, c)
			c = newCase(ops.OpAdd, "%v/%v/T1 is T2", shape, l)
			x = c.in(l, shape...)
			c.t = [9]*operand{c.out(l, shape...), x, x}
			cases = append(cases, c)
			if l == sliced {
				continue
			}
			c = newCase(ops.OpAddRow, "%v/%v/T0 is T1", shape, l)
			x = c.in(l, shape...)
			c.t = [9]*operand{x, x, c.in(whole, shape[len(shape)-1])}
			cases = append(cases, c)
			c = newCase(ops.OpLeakyReLU, "%v/%v/T0 is T1", shape, l)
			x = c.in(l, shape...)
			c.t, c.f[0] = [9]*operand{x, x}, 0.25
			cases = append(cases, c)
			for _, form := range geluForms {
				c = newCase(ops.OpGELU, "form=%d/%v/%v/T0 is T1", form, shape, l)
				x = c.in(l, shape...)
				c.t, c.i[0] = [9]*operand{x, x}, int64(form)
				cases = append(cases, c)
			}
			c = newCase(ops.OpMul, "%v/%v/T1 is T2", shape, l)
			x = c.in(l, shape...)
			c.t = [9]*operand{c.out(l, shape...), x, x}
			cases = append(cases, c)
		}
	}
	return cases
}
