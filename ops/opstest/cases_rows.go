// Cases of normalisations, losses, and the optimizer, and of NaN among inputs.

package opstest

import (
	"netllm/ops"
	"netllm/tensor"
)

// normCases are the normalisations and the operations on rows.
func normCases() (cases []*opCase) {
	for _, shape := range shapes() {
		n := shape[len(shape)-1]
		for _, l := range []layout{whole, offset} {
			c := newCase(ops.OpAddRow, "%v/%v", shape, l)
			c.t = [9]*operand{c.out(l, shape...), c.in(l, shape...), c.in(l, n)}
			cases = append(cases, c)
			for _, acc := range flags {
				c = newCase(ops.OpSumRows, "%v/%v/%s", shape, l, accName(acc))
				c.t = [9]*operand{c.outAcc(0, acc, l, n), c.in(l, shape...)}
				cases = append(cases, c)
			}
			if n == 0 {
				continue // a row of nothing has no mean
			}
			c = newCase(ops.OpRMSNorm, "%v/%v", shape, l)
			c.t = [9]*operand{c.out(l, shape...), c.in(l, shape...), c.in(l, n)}
			c.f[0] = 1e-5
			cases = append(cases, c)
			c = newCase(ops.OpLayerNorm, "%v/%v", shape, l)
			c.t = [9]*operand{c.out(l, shape...), c.in(l, shape...), c.in(l, n), c.in(l, n)}
			c.f[0] = 1e-5
			cases = append(cases, c)
			cases = append(cases, normBackwardCases(l, shape)...)
		}
	}
	return append(cases, steepNormCases()...)
}

// normBackwardCases are the combinations of wanted and accumulating outputs.
func normBackwardCases(l layout, shape []int) (cases []*opCase) {
	n := shape[len(shape)-1]
	output := func(c *opCase, i, wanted, acc int) {
		switch {
		case !flag(wanted, i):
		case i == 0:
			c.t[0] = c.outAcc(0, flag(acc, 0), l, shape...)
		default:
			c.t[i] = c.outAcc(i, flag(acc, i), l, n)
		}
	}
	for wanted := 1; wanted < 8; wanted++ {
		if shape[0] == large && (l != whole || wanted&(wanted-1) != 0 && wanted != 3 && wanted != 7) {
			continue
		}
		for _, acc := range []int{0, wanted, wanted & 5, wanted & 2} {
			if wanted < 4 {
				c := newCase(ops.OpRMSNormBackward, "%v/%v/wanted=%02b/add=%02b", shape, l, wanted, acc&3)
				output(c, 0, wanted, acc)
				output(c, 1, wanted, acc)
				c.t[2], c.t[3], c.t[4] = c.in(l, shape...), c.in(l, shape...), c.in(whole, n)
				c.f[0] = 1e-3
				cases = append(cases, c)
			}
			c := newCase(ops.OpLayerNormBackward, "%v/%v/wanted=%03b/add=%03b", shape, l, wanted, acc)
			for i := range 3 {
				output(c, i, wanted, acc)
			}
			c.t[3], c.t[4], c.t[5] = c.in(l, shape...), c.in(l, shape...), c.in(whole, n)
			c.f[0] = 1e-3
			cases = append(cases, c)
		}
	}
	return cases
}

// steepNormCases have rows that are zero, constant, large, or far from zero.
func steepNormCases() (cases []*opCase) {
	const n = 96
	rows := []func(c *opCase) float64{
		func(*opCase) float64 { return 0 },
		func(*opCase) float64 { return 3 },
		func(c *opCase) float64 { return 1e15 * c.rng.NormFloat64() }, // squares beyond 1e30
		func(c *opCase) float64 { return 1e-12 * c.rng.NormFloat64() },
		func(c *opCase) float64 { return 64 + c.rng.NormFloat64() },
	}
	for r, value := range rows {
		for op, at := range map[ops.Op]int{ops.OpRMSNorm: 1, ops.OpLayerNorm: 1, ops.OpRMSNormBackward: 3, ops.OpLayerNormBackward: 4} {
			if r == 4 && op == ops.OpLayerNorm {
				continue // the mean alone costs more digits than its tolerance has
			}
			c := newCase(op, "row kind %d", r)
			for i := range at {
				c.t[i] = c.out(whole, 2, n)
			}
			switch op {
			case ops.OpRMSNorm:
				c.t[2] = c.in(whole, n)
			case ops.OpLayerNorm:
				c.t[2], c.t[3] = c.in(whole, n), c.in(whole, n)
			case ops.OpRMSNormBackward:
				c.t[1], c.t[2], c.t[4] = c.out(whole, n), c.in(whole, 2, n), c.in(whole, n)
			case ops.OpLayerNormBackward:
				c.t[1], c.t[2], c.t[3], c.t[5] = c.out(whole, n), c.out(whole, n), c.in(whole, 2, n), c.in(whole, n)
			}
			c.t[at] = newOperand(tensor.F32, whole, 2, n).set(func(int) float64 { return value(c) })
			c.f[0] = 1e-5
			cases = append(cases, c)
		}
	}
	return cases
}

// lossCases are the losses.
func lossCases() (cases []*opCase) {
	for _, s := range [][2]int{{1, 1}, {1, 7}, {5, 2}, {4, 100}, {3, 1000}, {40, 129}} {
		for _, ignored := range flags {
			if ignored && s[0] < 3 {
				continue
			}
			for _, spread := range []float64{1, 40} {
				cases = append(cases, crossEntropyCases(s[0], s[1], ignored, spread)...)
			}
		}
	}
	cases = append(cases, crossEntropyCases(2, 7, true, 1)...) // all of them ignored
	for _, shape := range shapes() {
		if shape[0] == 0 {
			continue // the mean of nothing
		}
		c := newCase(ops.OpMSE, "%v", shape)
		c.t = [9]*operand{c.out(offset, 1), c.in(offset, shape...), c.in(whole, shape...)}
		cases = append(cases, c)
		for _, acc := range flags {
			for _, sign := range []float32{1, -1} {
				c = newCase(ops.OpMSEBackward, "%v/%s/%v", shape, accName(acc), sign)
				c.t = [9]*operand{c.outAcc(0, acc, offset, shape...), c.in(offset, 1), c.in(whole, shape...), c.in(offset, shape...)}
				c.f[0] = sign
				cases = append(cases, c)
			}
		}
		cases = append(cases, absoluteCases(shape)...)
	}
	return cases
}

// absoluteCases are mean absolute errors on a line and on circles. Numbers are far enough
// from where the sign of their difference turns: it is rounded.
func absoluteCases(shape []int) (cases []*opCase) {
	for _, period := range []float32{0, 2, 360} {
		inputs := func(c *opCase) (x, y *operand) {
			x = newOperand(tensor.F32, offset, shape...)
			from := make([]float64, x.tensor.Len())
			x.set(func(i int) float64 {
				from[i] = c.rng.NormFloat64()
				return from[i]
			})
			y = newOperand(tensor.F32, whole, shape...).set(func(i int) float64 {
				return from[i] + []float64{0.75, -0.25, 1.25, -1.5, 0.375, -0.75}[i%6]*float64(max(period, 2))
			})
			return x, y
		}
		c := newCase(ops.OpMAE, "%v/period=%v", shape, period)
		x, y := inputs(c)
		c.t, c.f[0] = [9]*operand{c.out(offset, 1), x, y}, period
		cases = append(cases, c)
		for _, acc := range flags {
			for _, sign := range []float32{1, -1} {
				c = newCase(ops.OpMAEBackward, "%v/period=%v/%s/%v", shape, period, accName(acc), sign)
				x, y := inputs(c)
				c.t = [9]*operand{c.outAcc(0, acc, offset, shape...), c.in(offset, 1), x, y}
				c.f[0], c.f[1] = sign, period
				cases = append(cases, c)
			}
		}
	}
	return cases
}

func crossEntropyCases(rows, classes int, ignored bool, spread float64) (cases []*opCase) {
	c := newCase(ops.OpCrossEntropy, "[%d %d]/ignored=%v/spread=%v", rows, classes, ignored, spread)
	logits := newOperand(tensor.F32, offset, rows, classes).set(func(int) float64 { return spread * c.rng.NormFloat64() })
	targets := c.ids(offset, classes, rows)
	if ignored {
		targets.setRange(0, 0, 1, -100)
		targets.setRange(0, rows-1, rows, -1)
	}
	c.t = [9]*operand{c.out(offset, 1), logits, targets, c.out(offset, rows)}
	cases = append(cases, c)
	lse := c.computed(3)
	for _, acc := range flags {
		c := newCase(ops.OpCrossEntropyBackward, "[%d %d]/ignored=%v/spread=%v/%s", rows, classes, ignored, spread, accName(acc))
		c.t = [9]*operand{c.outAcc(0, acc, offset, rows, classes), c.in(offset, 1), logits, targets, lse}
		cases = append(cases, c)
	}
	return cases
}

// computed returns the reference's output i of the case as an input of another.
func (c *opCase) computed(i int) *operand {
	values := c.want()[i].elements
	shape := c.t[i].tensor.Shape()
	return newOperand(tensor.F32, whole, shape...).set(func(i int) float64 { return values[i] })
}

// optimizerCases are what a training step does with whole parameters.
func optimizerCases() (cases []*opCase) {
	for _, shape := range shapes() {
		for _, acc := range flags {
			c := newCase(ops.OpSumSquares, "%v/%s", shape, accName(acc))
			c.t = [9]*operand{c.outAcc(0, acc, offset, 1), c.in(offset, shape...)}
			if acc { // the sum so far is not negative
				c.t[0].set(func(int) float64 { return 1.25 })
			}
			cases = append(cases, c)
		}
		c := newCase(ops.OpScale, "%v", shape)
		c.t = [9]*operand{c.in(offset, shape...), c.in(offset, 1)}
		cases = append(cases, c)
		for _, step := range []int{1, 1000} {
			c = newCase(ops.OpAdamW, "%v/step=%d", shape, step)
			c.t = [9]*operand{c.in(offset, shape...), c.in(whole, shape...), c.in(offset, shape...), c.in(whole, shape...)}
			c.t[2].set(func(int) float64 { x := c.rng.NormFloat64(); return x * x })
			c.f = [8]float32{1e-2, 0.9, 0.999, 1e-8, 0.1, 0.1, 0.001}
			if step == 1000 {
				c.f[5], c.f[6] = 1, 0.6323
			}
			cases = append(cases, c)
		}
	}
	for _, squared := range []float64{0, 1e-20, 1, 16, 1e30} {
		c := newCase(ops.OpClipFactor, "squared=%v", squared)
		c.t = [9]*operand{c.out(offset, 1), newOperand(tensor.F32, offset, 1).set(func(int) float64 { return squared })}
		c.f[0] = 2
		cases = append(cases, c)
	}
	return cases
}

// nanCases have one NaN among the inputs, which must come out again where it
// counts: a training run that has gone wrong is found by it.
func nanCases() (cases []*opCase) {
	for op, at := range map[ops.Op]int{
		ops.OpCopy: 1, ops.OpAdd: 1, ops.OpMul: 2, ops.OpSumRows: 1, ops.OpMatMul: 1, ops.OpRMSNorm: 1, ops.OpLayerNorm: 1,
		ops.OpSwiGLU: 1, ops.OpLeakyReLU: 1, ops.OpGELU: 1, ops.OpTanh: 1, ops.OpMSE: 1, ops.OpMAE: 1, ops.OpSumSquares: 1, ops.OpCrossEntropy: 1,
	} {
		c := newCase(op, "NaN in T%d", at)
		c.t[0], c.t[1] = c.out(whole, 3, 40), c.in(whole, 3, 40)
		switch op {
		case ops.OpAdd, ops.OpMul, ops.OpSwiGLU, ops.OpMSE, ops.OpMAE:
			c.t[2] = c.in(whole, 3, 40)
		case ops.OpMatMul:
			c.t[2], c.t[0] = c.in(whole, 40, 40), c.out(whole, 3, 40)
		case ops.OpRMSNorm:
			c.t[2] = c.in(whole, 40)
		case ops.OpLayerNorm:
			c.t[2], c.t[3] = c.in(whole, 40), c.in(whole, 40)
		case ops.OpSumRows:
			c.t[0] = c.out(whole, 40)
		case ops.OpCrossEntropy:
			c.t[2], c.t[3] = c.ids(whole, 40, 3), c.out(whole, 3)
		}
		if op == ops.OpMSE || op == ops.OpMAE || op == ops.OpSumSquares || op == ops.OpCrossEntropy {
			c.t[0] = c.out(whole, 1)
		}
		c.f[0] = 1
		part := &operand{tensor: c.t[at].tensor.Slice(0, 1, 2)}
		part.setRange(1, 17, 18, nan)
		cases = append(cases, c)
	}
	return cases
}
