package gpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

var weightTypes = []tensor.DType{
	tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_1,
	tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
	tensor.Q2_K, tensor.Q3_K, tensor.IQ4_NL, tensor.IQ4_XS,
}

// weightCase is a product of m rows and rows from to rows-1 of a weight, or of its
// transpose.
type weightCase struct {
	m, rows, cols, from int
	transposed, add     bool
}

func (c weightCase) String() string {
	return fmt.Sprintf("m=%d/[%d %d] from row %d/transposed=%v/add=%v", c.m, c.rows, c.cols, c.from, c.transposed, c.add)
}

// check compares the product with sums in float64 of what Dequantize says. Each sum
// may be off by a few roundings of its terms' sizes.
func (c weightCase) check(t *testing.T, b *Backend, dtype tensor.DType) {
	t.Helper()
	const scale, tolerance = 0.5, 8 * 0x1p-24
	rng := rand.New(rand.NewPCG(uint64(c.m), uint64(c.rows*c.cols)))
	random := func(shape ...int) tensor.Tensor {
		x := tensor.New(tensor.F32, shape...)
		for i := range x.Float32s() {
			x.Float32s()[i] = float32(rng.NormFloat64())
		}
		return x
	}
	w := tensor.New(dtype, c.rows, c.cols)
	tensor.Quantize(dtype, w.Bytes(), random(c.rows, c.cols).Float32s())
	values := make([]float32, w.Len())
	tensor.Dequantize(dtype, values, w.Bytes())
	values = values[c.from*c.cols:]
	prepared, err := b.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	n, k := c.cols, c.rows-c.from
	nextColumn, nextTerm := 1, c.cols
	args := ops.Args{F: [8]float32{scale}}
	if c.transposed {
		n, k, nextColumn, nextTerm = k, n, nextTerm, nextColumn
		args.I[0] = 1
	}
	if c.add {
		args.Acc = 1
	}
	y, x := random(c.m, n), random(c.m, k)
	if !c.add {
		for i := range y.Float32s() {
			y.Float32s()[i] = float32(math.NaN())
		}
	}
	out := upload(b, y)
	args.T = [9]tensor.Tensor{out, upload(b, x), prepared.Slice(0, c.from, c.rows)}
	b.Run(ops.OpMatMul, &args)
	got := read(t, b, out)
	for _, s := range args.T[:3] {
		b.Free(s.Storage())
	}
	for i := range c.m {
		for j := range n {
			var want, size float64
			for l, a := range x.Float32s()[i*k : i*k+k] {
				term := scale * float64(a) * float64(values[j*nextColumn+l*nextTerm])
				want += term
				size += math.Abs(term)
			}
			if c.add {
				want += float64(y.Float32s()[i*n+j])
				size += math.Abs(float64(y.Float32s()[i*n+j]))
			}
			if g := float64(got[i*n+j]); !(math.Abs(g-want) <= tolerance*size) {
				t.Errorf("%v: %v: element [%d %d]: got %v, want %v", dtype, c, i, j, g, want)
				return
			}
		}
	}
}

// Products by rows of a weight from the middle, with sums in one and in several
// parts.
func TestWeightViews(t *testing.T) {
	b := open(t, Without(CooperativeMatrices, IntegerDots))
	defer b.Close()
	for _, dtype := range weightTypes {
		cases := []weightCase{
			{7, 41, 1280, 1, true, true}, {20, 50, 1280, 7, true, true}, {33, 1029, 256, 4, false, true},
		}
		if layouts[dtype].length == 1 {
			// Rows that do not begin at whole words, and views that do not.
			cases = append(cases, weightCase{3, 9, 33, 2, true, false}, weightCase{3, 9, 33, 2, false, true},
				weightCase{20, 37, 1027, 1, true, true}, weightCase{3, 9, 12, 1, true, false})
		}
		for _, c := range cases {
			c.check(t, b, dtype)
		}
	}
}

// Products of the sizes that tiles of each size, and more rows in a workgroup, are
// for.
func TestWeightTiles(t *testing.T) {
	b := open(t, Without(CooperativeMatrices, IntegerDots))
	defer b.Close()
	for _, c := range []weightCase{
		{520, 1030, 32, 0, true, false}, {1030, 1029, 32, 2, true, true},
		{1030, 20, 544, 1, false, true}, {2050, 20, 544, 0, false, false}, {2, 8195, 64, 0, true, false},
	} {
		c.check(t, b, tensor.Q5_1)
	}
}

// Weights, and the other operands, that are larger than what the device binds; and sums
// without subgroups.
func TestWeightParts(t *testing.T) {
	b := open(t, Without(CooperativeMatrices, IntegerDots), WithLimits(Limits{Binding: 64 << 10, Invocations: 128}), Without(Subgroups))
	defer b.Close()
	for _, dtype := range []tensor.DType{tensor.BF16, tensor.Q8_0, tensor.Q6_K, tensor.Q3_K, tensor.IQ4_XS} {
		for _, c := range []weightCase{
			{3, 450, 768, 2, true, true}, {20, 450, 768, 0, true, false}, {3, 450, 768, 1, false, false}, {90, 450, 768, 0, false, true},
		} {
			c.check(t, b, dtype)
		}
	}
}
