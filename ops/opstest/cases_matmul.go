// Cases of products, and of the primitives that pick rows by number.

package opstest

import (
	"math"
	"slices"

	"netllm/ops"
	"netllm/tensor"
)

// weightTypes are the types that a frozen weight may have.
var weightTypes = []tensor.DType{
	tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0,
	tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K, tensor.Q2_K, tensor.Q3_K,
	tensor.IQ4_NL, tensor.IQ4_XS,
}

// weightShapes are m and the rows and columns of the weights that each type is
// tried with.
func weightShapes(dtype tensor.DType) [][3]int {
	if dtype.BlockLen() == 256 {
		return [][3]int{{1, 1, 256}, {1, 5, 512}, {3, 65, 256}, {4, 130, 256}, {1, 300, 1024}, {40, 33, 256}, {13, 70, 512}}
	}
	return [][3]int{{1, 1, 32}, {1, 5, 64}, {3, 65, 96}, {4, 130, 32}, {1, 300, 1056}, {70, 100, 64}, {13, 129, 160}}
}

// matMulCases are products of F32 views, of batches, and by weights of all types.
func matMulCases() (cases []*opCase) {
	for _, s := range [][3]int{ // m, n, k
		{1, 1, 1}, {1, 7, 5}, {5, 1, 3}, {2, 3, 1}, {4, 4, 4}, {6, 16, 8}, {12, 32, 16}, {13, 33, 17}, {1, 64, 129},
		{31, 17, 64}, {64, 64, 64}, {8, 1, 600}, {0, 3, 2}, {3, 0, 2}, {3, 4, 0},
	} {
		cases = append(cases, matMulViews(s[0], s[1], s[2])...)
	}
	// Large enough for threads, with remainders at every place where rows or
	// columns may be divided, and deep enough for several blocks of a sum.
	for _, s := range [][3]int{
		{13, 40, 600}, {25, 36, 520}, {13, 12, 2000}, {25, 9, 1500}, {37, 1, 9000}, {97, 130, 71}, {49, 37, 300}, {130, 97, 71}, {1, 33, 9000}, {1, 257, 1100},
		{2, 129, 1100}, {33, 1, 9000}, {300, 2, 520}, {65, 65, 1030},
	} {
		for _, transpose := range flags {
			c := matMul(s[0], s[1], s[2], transpose, true, whole, whole, whole)
			cases = append(cases, c)
		}
	}
	for _, batch := range []int{0, 1, 2, 5} {
		for _, l := range []layout{whole, sliced, transposed} {
			for _, transpose := range flags {
				cases = append(cases, batchMatMul(batch, 7, 9, 6, l, transpose))
			}
		}
	}
	for _, transpose := range flags {
		cases = append(cases, batchMatMul(3, 40, 60, 80, permuted, transpose))
		cases = append(cases, batchMatMul(4, 65, 33, 70, whole, transpose))
	}
	return append(cases, weightCases()...)
}

// matMul is one product of two matrices; the scale is not 1.
func matMul(m, n, k int, transpose, acc bool, lo, lx, lw layout) *opCase {
	name := "normal"
	w := []int{k, n}
	if transpose {
		name, w = "transposed", []int{n, k}
	}
	c := newCase(ops.OpMatMul, "m=%d/n=%d/k=%d/%s/%s/%v %v %v", m, n, k, name, accName(acc), lo, lx, lw)
	c.t = [9]*operand{c.outAcc(0, acc, lo, m, n), c.in(lx, m, k), c.in(lw, w...)}
	c.f[0] = 0.5
	if transpose {
		c.i[0] = 1
	}
	return c
}

func matMulViews(m, n, k int) (cases []*opCase) {
	for _, transpose := range flags {
		for _, acc := range flags {
			for _, l := range [][3]layout{
				{whole, whole, whole}, {offset, offset, offset}, {sliced, sliced, sliced}, {whole, transposed, whole},
				{sliced, whole, transposed}, {whole, transposed, transposed},
			} {
				cases = append(cases, matMul(m, n, k, transpose, acc, l[0], l[1], l[2]))
			}
		}
	}
	return cases
}

// batchMatMul is a batch of products; T0 keeps its columns adjacent.
func batchMatMul(batch, m, n, k int, l layout, transpose bool) *opCase {
	w := []int{batch, k, n}
	if transpose {
		w = []int{batch, n, k}
	}
	c := newCase(ops.OpMatMul, "batch=%d/m=%d/n=%d/k=%d/%v/transposed=%v", batch, m, n, k, l, transpose)
	lo := whole
	if l != whole {
		lo = sliced
	}
	c.t = [9]*operand{c.outAcc(0, batch%2 == 1, lo, batch, m, n), c.in(l, batch, m, k), c.in(l, w...)}
	c.f[0] = 1
	if transpose {
		c.i[0] = 1
	}
	return c
}

// weightCases are products by prepared weights [rows, columns]: rows are
// outputs where I0 is 1, as in a layer, and inputs where it is 0, as in the
// gradient of a frozen layer.
func weightCases() (cases []*opCase) {
	for _, dtype := range weightTypes {
		for _, s := range weightShapes(dtype) {
			for _, transpose := range flags {
				for _, acc := range flags {
					for _, l := range []layout{whole, sliced, transposed} {
						m, rows, columns := s[0], s[1], s[2]
						if l != whole && rows == 300 {
							continue
						}
						in, out := rows, columns
						if transpose {
							in, out = columns, rows
						}
						c := newCase(ops.OpMatMul, "%v/m=%d/[%d %d]/transposed=%v/%s/%v", dtype, m, rows, columns, transpose, accName(acc), l)
						lo := whole
						if l != whole {
							lo = sliced
						}
						c.t = [9]*operand{c.outAcc(0, acc, lo, m, out), c.in(l, m, in), c.weight(dtype, rows, columns)}
						c.f[0] = 1.5
						if transpose {
							c.i[0] = 1
						}
						cases = append(cases, c)
					}
				}
			}
		}
	}
	for _, dtype := range weightTypes { // sums of nothing
		for _, acc := range flags {
			c := newCase(ops.OpMatMul, "%v/no rows/%s", dtype, accName(acc))
			c.t = [9]*operand{c.outAcc(0, acc, whole, 3, 256), c.in(whole, 3, 0), c.weight(dtype, 0, 256)}
			c.f[0] = 1
			cases = append(cases, c)
		}
	}
	return append(cases, oddActivationCases()...)
}

// oddActivationCases are layers whose input has blocks of zeros, of tiny and of
// large numbers, beside others, and rows with a NaN or an infinity among them.
func oddActivationCases() (cases []*opCase) {
	for i, dtype := range slices.Concat(weightTypes, weightTypes) {
		m := 7 // few rows, or enough for tiles
		if i >= len(weightTypes) {
			m = 20
		}
		for _, odd := range []float64{0, 1e-30, 1e-41, 1e20, nan, math.Inf(1), math.Inf(-1)} {
			c := newCase(ops.OpMatMul, "%v/m=%d/activations of %v", dtype, m, odd)
			x := c.in(whole, m, 512)
			block := &operand{tensor: x.tensor.Slice(0, 2, 3)}
			if math.IsNaN(odd) || math.IsInf(odd, 0) {
				block.setRange(1, 77, 78, odd)
			} else {
				block.tensor = block.tensor.Slice(1, 64, 96)
				block.set(func(int) float64 { return odd * c.rng.NormFloat64() })
			}
			if odd == 1e-41 { // nothing else in the row
				all := &operand{tensor: x.tensor.Slice(0, 4, 5)}
				all.set(func(int) float64 { return odd * c.rng.NormFloat64() })
			}
			c.t = [9]*operand{c.out(whole, m, 40), x, c.weight(dtype, 40, 512)}
			c.f[0], c.i[0] = 1, 1
			cases = append(cases, c)
		}
	}
	return cases
}

// rowTableCases are the primitives that pick rows by number.
func rowTableCases() (cases []*opCase) {
	for _, dtype := range weightTypes {
		n := max(32, dtype.BlockLen())
		for _, s := range [][3]int{{1, 1, n}, {7, 10, 2 * n}, {0, 3, n}, {300, 40, max(128, n)}} {
			c := newCase(ops.OpGather, "%v/%v", dtype, s)
			c.t = [9]*operand{c.out(offset, s[0], s[2]), c.weight(dtype, s[1], s[2]), c.ids(offset, s[1], s[0])}
			cases = append(cases, c)
		}
	}
	for _, s := range [][3]int{{1, 1, 1}, {9, 4, 5}, {3, 100, 17}, {0, 3, 4}, {500, 70, 67}} { // rows drawn, of rows, columns
		c := newCase(ops.OpGather, "parameter/%v", s)
		c.t = [9]*operand{c.out(whole, s[0], s[2]), c.in(offset, s[1], s[2]), c.ids(whole, s[1], s[0])}
		cases = append(cases, c)
		c = newCase(ops.OpScatterAdd, "%v", s) // some rows more than once
		c.t = [9]*operand{c.in(offset, s[1], s[2]), c.in(offset, s[0], s[2]), c.ids(offset, s[1], s[0])}
		cases = append(cases, c)
	}
	return cases
}
