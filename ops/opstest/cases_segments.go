// Cases of operations on the rows of segments.

package opstest

import (
	"fmt"
	"math"

	"netllm/ops"
	"netllm/tensor"
)

// segmentSizes are rows, segments, columns: one row, segments without rows, many rows of few
// segments, results that threads share by segments and by columns, nothing.
func segmentSizes() [][3]int {
	return [][3]int{
		{1, 1, 1}, {1, 3, 4}, {7, 3, 5}, {9, 40, 16}, {64, 8, 8}, {300, 2, 3}, {2100, 5, 4}, {130, 17, 33},
		{1000, 300, 67}, {900, 50, 131}, {4100, 64, 12}, {0, 3, 4}, {5, 4, 0}, {0, 0, 4},
	}
}

func segmentCases() (cases []*opCase) {
	for _, s := range segmentSizes() {
		for _, order := range []string{"any", "sorted", "one"} {
			if order != "any" && (s[0] > 1000 || s[0] < 2) {
				continue
			}
			for _, l := range []layout{whole, offset} {
				cases = append(cases, segmentMaxCases(s, order, l)...)
				for _, spread := range []float64{1, 30} {
					c := newCase(ops.OpSegmentSoftmax, "%v/%s/%v/spread=%v", s, order, l, spread)
					x := newOperand(tensor.F32, l, s[0], s[2]).set(func(int) float64 { return spread * c.rng.NormFloat64() })
					c.t = [9]*operand{c.out(l, s[0], s[2]), x, c.segments(order, l, s)}
					c.i[0] = int64(s[1])
					cases = append(cases, c)
				}
			}
		}
	}
	return append(cases, specialSegmentCases()...)
}

// segments returns the numbers of rows' segments.
func (c *opCase) segments(order string, l layout, s [3]int) *operand {
	ids := newOperand(tensor.I32, l, s[0])
	return ids.set(func(i int) float64 {
		switch order {
		case "sorted":
			return float64(i * s[1] / s[0])
		case "one":
			return float64(s[1] - 1)
		}
		return float64(c.rng.IntN(s[1]))
	})
}

// segmentMaxCases have many elements that are equal, so that it counts which row is first.
func segmentMaxCases(s [3]int, order string, l layout) (cases []*opCase) {
	c := newCase(ops.OpSegmentMax, "%v/%s/%v", s, order, l)
	x := newOperand(tensor.F32, l, s[0], s[2]).set(func(int) float64 { return math.Round(2*c.rng.NormFloat64()) - 3 })
	ids := c.segments(order, l, s)
	c.t = [9]*operand{c.out(l, s[1], s[2]), x, ids, newOperand(tensor.I32, l, s[1], s[2])}
	cases = append(cases, c)
	rows := newOperand(tensor.I32, l, s[1], s[2])
	at := c.want()[3].elements
	rows.set(func(i int) float64 { return at[i] })
	for _, acc := range flags {
		c := newCase(ops.OpSegmentMaxBackward, "%v/%s/%v/%s", s, order, l, accName(acc))
		c.t = [9]*operand{c.outAcc(0, acc, l, s[0], s[2]), c.in(l, s[1], s[2]), ids, rows}
		cases = append(cases, c)
	}
	return cases
}

// specialSegmentCases have numbers among the rows of one segment that are none, or far from
// others; another segment has the same column without them.
func specialSegmentCases() (cases []*opCase) {
	inf, nan := math.Inf(1), math.NaN()
	for _, special := range [][]float64{
		{nan}, {nan, nan}, {inf}, {-inf}, {inf, inf}, {inf, -inf}, {-inf, nan}, {nan, inf}, {-inf, -inf, -inf, -inf, -inf},
		{3e38, -3e38}, {-3e38, -3e38, -3e38, -3e38, -3e38}, {1e30, 1e30, -1e30},
	} {
		const rows, segments, d = 10, 3, 20 // rows of segments 0 and 2 in turn
		for _, op := range []ops.Op{ops.OpSegmentMax, ops.OpSegmentSoftmax} {
			c := newCase(op, "special %s", fmt.Sprint(special))
			x := c.in(whole, rows, d)
			for i, v := range special {
				part := &operand{tensor: x.tensor.Slice(0, 2*i, 2*i+1)}
				part.setRange(1, 17, 18, v)
			}
			ids := newOperand(tensor.I32, whole, rows).set(func(i int) float64 { return float64(i % 2 * 2) })
			switch op {
			case ops.OpSegmentMax:
				c.t = [9]*operand{c.out(whole, segments, d), x, ids, newOperand(tensor.I32, whole, segments, d)}
			case ops.OpSegmentSoftmax:
				c.t, c.i[0] = [9]*operand{c.out(whole, rows, d), x, ids}, segments
			}
			cases = append(cases, c)
		}
	}
	return cases
}
