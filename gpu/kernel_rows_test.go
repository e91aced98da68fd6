package gpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"netllm/ops"
	"netllm/ops/opstest"
	"netllm/tensor"
)

// rowCase is a call of one primitive: its operands by place. Where out is set, the
// operand is compared with the reference afterwards, to within tol times the
// largest number that is wanted in it.
type rowCase struct {
	name string
	op   ops.Op
	acc  uint16
	f    float32
	t    map[int]rowOperand
	tol  float64
}

type rowOperand struct {
	shape  []int
	ids    []int32      // of an I32 tensor; or
	weight tensor.DType // what it is quantised to, if not 0
	out    bool
	fill   func(i int) float32 // instead of normally distributed numbers
}

func input(shape ...int) rowOperand  { return rowOperand{shape: shape} }
func output(shape ...int) rowOperand { return rowOperand{shape: shape, out: true} }

// someIDs returns n numbers below limit.
func someIDs(n, limit int) rowOperand {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(limit)))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(rng.IntN(limit))
	}
	return rowOperand{shape: []int{n}, ids: ids}
}

// host returns the operand in host memory.
func (o rowOperand) host(seed uint64) tensor.Tensor {
	if o.ids != nil {
		t := tensor.New(tensor.I32, o.shape...)
		copy(t.Int32s(), o.ids)
		return t
	}
	t := tensor.New(tensor.F32, o.shape...)
	rng := rand.New(rand.NewPCG(seed, 7))
	for i := range t.Float32s() {
		t.Float32s()[i] = float32(rng.NormFloat64())
		if o.fill != nil {
			t.Float32s()[i] = o.fill(i)
		}
	}
	if o.weight == 0 {
		return t
	}
	w := tensor.New(o.weight, o.shape...)
	tensor.Quantize(o.weight, w.Bytes(), t.Float32s())
	return w
}

// logSumsOf returns the logarithm of the sum of exponentials of each row of x, operand i.
func logSumsOf(x rowOperand, i uint64) rowOperand {
	rows, n := x.shape[0], x.shape[1]
	values := x.host(i).Float32s()
	return rowOperand{shape: []int{rows}, fill: func(r int) float32 {
		var sum float64
		for _, v := range values[r*n : r*n+n] {
			sum += math.Exp(float64(v))
		}
		return float32(math.Log(sum))
	}}
}

// run performs the case and returns the outputs' elements.
func (c rowCase) run(t *testing.T, b ops.Backend) map[int][]float64 {
	t.Helper()
	args := ops.Args{Acc: c.acc, F: [8]float32{c.f}}
	for i, o := range c.t {
		host := o.host(uint64(i))
		if host.DType() != tensor.F32 && host.DType() != tensor.I32 || o.weight != 0 {
			w, err := b.Prepare(host)
			if err != nil {
				t.Fatal(err)
			}
			args.T[i] = w
			continue
		}
		args.T[i] = tensor.Of(b.Alloc(4*host.Len()), host.DType(), o.shape...)
		b.Upload(args.T[i], host.Bytes())
	}
	b.Run(c.op, &args)
	got := map[int][]float64{}
	for i, o := range c.t {
		if !o.out {
			continue
		}
		raw := make([]byte, 4*args.T[i].Len())
		if err := b.Download(raw, args.T[i]); err != nil {
			t.Fatal(err)
		}
		for ; len(raw) > 0; raw = raw[4:] {
			got[i] = append(got[i], float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
		}
	}
	return got
}

// check compares the case on b with the reference.
func (c rowCase) check(t *testing.T, b ops.Backend) {
	t.Helper()
	want := c.run(t, opstest.NewReference())
	got := c.run(t, b)
	for i, w := range want {
		var largest float64
		for _, x := range w {
			if a := math.Abs(x); a > largest && !math.IsInf(a, 0) {
				largest = a
			}
		}
		for j, x := range w {
			g := got[i][j]
			same := g == x || math.IsNaN(g) && math.IsNaN(x) || math.Abs(g-x) <= c.tol*largest
			if !same {
				t.Errorf("output T%d: element %d: got %v, want %v, largest %v", i, j, g, x, largest)
				break
			}
		}
	}
}

// manyRows are cases of sizes at which kernels work in several steps: long rows,
// many rows, tables that are bound in parts where the binding limit is small.
func manyRows() (cases []rowCase) {
	add := func(op ops.Op, tol float64, acc uint16, f float32, operands map[int]rowOperand) {
		cases = append(cases, rowCase{fmt.Sprintf("%v/%d", op, len(cases)), op, acc, f, operands, tol})
	}
	for _, s := range [][2]int{{3, 4100}, {2, 5003}, {700, 72}, {1030, 17}, {9000, 2}} {
		rows, n := s[0], s[1]
		x, v := input(s[:]...), input(n)
		y, row := output(s[:]...), output(n)
		add(ops.OpRMSNorm, 1e-6, 0, 1e-5, map[int]rowOperand{0: y, 1: x, 2: v})
		add(ops.OpLayerNorm, 1e-6, 0, 1e-5, map[int]rowOperand{0: y, 1: x, 2: v, 3: v})
		add(ops.OpRMSNormBackward, 3e-6, 3, 1e-5, map[int]rowOperand{0: y, 1: row, 2: x, 3: x, 4: v})
		add(ops.OpRMSNormBackward, 3e-6, 0, 1e-5, map[int]rowOperand{1: row, 2: x, 3: x, 4: v})
		add(ops.OpLayerNormBackward, 5e-6, 5, 1e-5, map[int]rowOperand{0: y, 1: row, 2: row, 3: x, 4: x, 5: v})
		add(ops.OpLayerNormBackward, 5e-6, 0, 1e-5, map[int]rowOperand{0: y, 3: x, 4: x, 5: v})
		add(ops.OpSumRows, 3e-6, 0, 0, map[int]rowOperand{0: row, 1: x})
		add(ops.OpSumRows, 3e-6, 1, 0, map[int]rowOperand{0: row, 1: x})
		add(ops.OpCrossEntropy, 2e-6, 0, 0, map[int]rowOperand{0: output(1), 1: x, 2: someIDs(rows, n), 3: output(rows)})
		add(ops.OpCrossEntropyBackward, 2e-6, 1, 0, map[int]rowOperand{0: y, 1: input(1), 2: x, 3: someIDs(rows, n), 4: logSumsOf(x, 2)})
		add(ops.OpCrossEntropyBackward, 2e-6, 0, 0, map[int]rowOperand{0: y, 1: input(1), 2: x, 3: someIDs(rows, n), 4: logSumsOf(x, 2)})
		add(ops.OpMSE, 2e-6, 0, 0, map[int]rowOperand{0: output(1), 1: x, 2: input(s[:]...)})
		add(ops.OpSumSquares, 2e-6, 1, 0, map[int]rowOperand{0: output(1), 1: x})
		add(ops.OpGather, 0, 0, 0, map[int]rowOperand{0: output(101, n), 1: x, 2: someIDs(101, rows)})
		add(ops.OpScatterAdd, 2e-6, 0, 0, map[int]rowOperand{0: y, 1: input(201, n), 2: someIDs(201, rows)})
	}
	add(ops.OpCrossEntropy, 2e-6, 0, 0, map[int]rowOperand{0: output(1), 1: input(2, 15000), 2: someIDs(2, 15000), 3: output(2)})
	add(ops.OpScatterAdd, 2e-6, 0, 0, map[int]rowOperand{0: output(2, 5), 1: input(5000, 5), 2: someIDs(5000, 2)})
	return cases
}

func TestManyRows(t *testing.T) {
	for _, v := range []struct {
		name    string
		options []Option
	}{
		{"whole", nil},
		{"split", []Option{WithLimits(Limits{Binding: 1 << 16})}},
		{"without subgroups", []Option{Without(Subgroups)}},
	} {
		t.Run(v.name, func(t *testing.T) {
			b := open(t, v.options...)
			defer b.Close()
			for _, c := range manyRows() {
				t.Run(c.name, func(t *testing.T) { c.check(t, b) })
			}
		})
	}
}

func TestGatherFromParts(t *testing.T) {
	for _, binding := range []int{0, 1 << 16} {
		b := open(t, WithLimits(Limits{Binding: binding}))
		defer b.Close()
		for dtype, name := range gathers {
			if name == "" {
				continue
			}
			const rows, columns = 300, 768
			table := rowOperand{shape: []int{rows, columns}, weight: tensor.DType(dtype)}
			c := rowCase{op: ops.OpGather, t: map[int]rowOperand{0: output(50, columns), 1: table, 2: someIDs(50, rows)}}
			t.Run(fmt.Sprintf("%v/binding=%d", tensor.DType(dtype), binding), func(t *testing.T) { c.check(t, b) })
		}
	}
}

// TestScatterAddOrder: the sums are those of float32 in the order of the rows.
func TestScatterAddOrder(t *testing.T) {
	b := open(t)
	defer b.Close()
	for _, s := range [][3]int{{500, 70, 96}, {2300, 3, 5}, {64, 4000, 260}, {4100, 1, 8}} {
		n, rows, d := s[0], s[1], s[2]
		ids := someIDs(n, rows)
		c := rowCase{op: ops.OpScatterAdd, t: map[int]rowOperand{0: output(rows, d), 1: input(n, d), 2: ids}}
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			want, x := c.t[0].host(0).Float32s(), c.t[1].host(1).Float32s()
			for i, id := range ids.ids {
				for j := range d {
					want[int(id)*d+j] += x[i*d+j]
				}
			}
			for i, got := range c.run(t, b)[0] {
				if got != float64(want[i]) {
					t.Fatalf("element %d: got %v, want %v", i, got, want[i])
				}
			}
		})
	}
}

func TestLossesOfNoNumbers(t *testing.T) {
	b := open(t)
	defer b.Close()
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name    string
		special map[int]float32 // of 3 rows of 8 logits
		targets []int32
	}{
		{"minus infinity", map[int]float32{0: -inf, 1: -inf, 9: -inf, 23: -inf}, []int32{2, 3, 4}},
		{"target at minus infinity", map[int]float32{9: -inf}, []int32{2, 1, 4}},
		{"infinity", map[int]float32{10: inf}, []int32{0, 1, 2}},
		{"infinity among the ignored", map[int]float32{10: inf}, []int32{0, -1, 2}},
		{"NaN among the ignored", map[int]float32{8: nan}, []int32{0, -100, 2}},
		{"NaN first", map[int]float32{8: nan}, []int32{0, 1, 2}},
		{"only minus infinities", map[int]float32{8: -inf, 9: -inf, 10: -inf, 11: -inf, 12: -inf, 13: -inf, 14: -inf, 15: -inf}, []int32{0, 1, 2}},
		{"all ignored", nil, []int32{-1, -1, -1}},
		{"far apart", map[int]float32{0: 1e30, 1: -1e30, 8: 3e38, 9: -3e38}, []int32{0, 0, 0}},
	} {
		logits := rowOperand{shape: []int{3, 8}, fill: func(i int) float32 {
			if x, ok := c.special[i]; ok {
				return x
			}
			return float32(i%5) / 4
		}}
		targets := rowOperand{shape: []int{3}, ids: c.targets}
		t.Run(c.name, func(t *testing.T) {
			rowCase{op: ops.OpCrossEntropy, tol: 1e-6,
				t: map[int]rowOperand{0: output(1), 1: logits, 2: targets, 3: output(3)}}.check(t, b)
		})
	}
	t.Run("nothing", func(t *testing.T) {
		rowCase{op: ops.OpMSE, t: map[int]rowOperand{0: output(1), 1: input(0), 2: input(0)}}.check(t, b)
		rowCase{op: ops.OpSumSquares, acc: 1, t: map[int]rowOperand{0: output(1), 1: input(0)}}.check(t, b)
		rowCase{op: ops.OpCrossEntropy, t: map[int]rowOperand{0: output(1), 1: input(0, 4), 2: {shape: []int{0}, ids: []int32{}}, 3: output(0)}}.check(t, b)
	})
}
