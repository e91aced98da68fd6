// Cases of the hyperbolic tangent's ends and of recurrent cells.

package opstest

import (
	"netllm/ops"
	"netllm/tensor"
)

func recurrentCases() (cases []*opCase) {
	// Where the result is x, in between, and 1; where exponentials overflow.
	for name, step := range map[string]float64{"tiny": 1e-5, "small": 1e-2, "wide": 0.25, "large": 20, "huge": 1e36} {
		c := newCase(ops.OpTanh, "%s", name)
		c.t = [9]*operand{c.out(whole, 401), newOperand(tensor.F32, whole, 401).set(func(i int) float64 { return step * float64(i-200) })}
		cases = append(cases, c)
	}
	for _, s := range [][2]int{{1, 1}, {3, 5}, {7, 16}, {64, 33}, {5, 256}, {300, 64}, {0, 4}} {
		for _, spread := range []float64{1, 30} { // gates that are open or shut
			for _, l := range []layout{whole, offset} {
				cases = append(cases, lstmCases(s[0], s[1], spread, l)...)
			}
		}
	}
	return cases
}

func lstmCases(rows, width int, spread float64, l layout) (cases []*opCase) {
	inputs := func(c *opCase) (gates, state *operand) {
		gates = newOperand(tensor.F32, l, rows, 4*width).set(func(int) float64 { return spread * c.rng.NormFloat64() })
		state = c.in(whole, rows, 2*width)
		if l == offset {
			state.setRange(1, 0, width, nan) // hidden values are not read
		}
		return gates, state
	}
	c := newCase(ops.OpLSTM, "[%d %d]/spread=%v/%v", rows, width, spread, l)
	gates, state := inputs(c)
	c.t = [9]*operand{c.out(l, rows, 2*width), gates, state}
	cases = append(cases, c)
	for wanted := 1; wanted < 4; wanted++ {
		for acc := range 4 {
			if acc&^wanted != 0 {
				continue
			}
			c := newCase(ops.OpLSTMBackward, "[%d %d]/spread=%v/%v/wanted=%02b/add=%02b", rows, width, spread, l, wanted, acc)
			for i, n := range []int{4, 2} {
				if flag(wanted, i) {
					c.t[i] = c.outAcc(i, flag(acc, i), l, rows, n*width)
				}
			}
			gates, state := inputs(c)
			c.t[2], c.t[3], c.t[4] = c.in(l, rows, 2*width), gates, state
			cases = append(cases, c)
		}
	}
	return cases
}
