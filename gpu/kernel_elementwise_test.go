// Kernels on elements and views: what the conformance suite cannot see.

package gpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

func TestDivisor(t *testing.T) {
	check := func(n, d int) {
		multiplier, shift := divisor(d)
		got := int((uint32(uint64(n)*uint64(multiplier)>>32) + uint32(n)) >> shift)
		if got != n/d {
			t.Fatalf("%d / %d: got %d, want %d", n, d, got, n/d)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{9, 1 << 8, 1 << 16, 1<<31 - 1} {
		for range 2000 {
			d := 1 + rng.IntN(most)
			last := (1<<31 - 1) / d * d // the largest multiple
			for _, n := range []int{0, 1, d - 1, d, last - 1, last, 1<<31 - 1, rng.IntN(1 << 31)} {
				check(n, d)
			}
		}
	}
}

func TestAxes(t *testing.T) {
	whole := func(shape ...int) tensor.Tensor { return tensor.New(tensor.F32, shape...) }
	for _, c := range []struct {
		name  string
		views []tensor.Tensor
		want  []axis // innermost last
		quads bool
	}{
		{"contiguous", []tensor.Tensor{whole(2, 3, 5), whole(2, 3, 5)}, []axis{{30, [3]int{1, 1}}}, true},
		{"no dimension", []tensor.Tensor{whole()}, []axis{{n: 1}}, false},
		{"one element", []tensor.Tensor{whole(1, 1), whole(1, 1)}, []axis{{n: 1}}, false},
		{"sliced columns", []tensor.Tensor{whole(6, 8), whole(6, 12).Slice(1, 2, 10)}, []axis{{6, [3]int{8, 12}}, {8, [3]int{1, 1}}}, true},
		{"odd rows", []tensor.Tensor{whole(6, 7), whole(6, 12).Slice(1, 2, 9)}, []axis{{6, [3]int{7, 12}}, {7, [3]int{1, 1}}}, false},
		{"odd distance", []tensor.Tensor{whole(6, 8), whole(6, 9).Slice(1, 0, 8)}, []axis{{6, [3]int{8, 9}}, {8, [3]int{1, 1}}}, false},
		{"heads of a cache", []tensor.Tensor{whole(2, 10, 3, 8).Slice(1, 4, 5), whole(2, 1, 3, 8)}, []axis{{2, [3]int{240, 24}}, {24, [3]int{1, 1}}}, true},
		{"exchanged", []tensor.Tensor{whole(2, 3, 4, 8).Transpose(1, 2), whole(2, 4, 3, 8)},
			[]axis{{2, [3]int{96, 96}}, {3, [3]int{32, 8}}, {4, [3]int{8, 24}}, {8, [3]int{1, 1}}}, true},
		{"transposed output", []tensor.Tensor{whole(5, 4).Transpose(0, 1), whole(4, 5)}, []axis{{5, [3]int{4, 1}}, {4, [3]int{1, 5}}}, false},
		{"every second", []tensor.Tensor{whole(8, 2).Slice(1, 0, 1)}, []axis{{8, [3]int{2}}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := axesOf(c.views...)
			x.simplify()
			if got, want := fmt.Sprint(x.list[:x.rank]), fmt.Sprint(c.want); got != want {
				t.Errorf("got axes %v, want %v", got, want)
			}
			if got := x.quads(len(c.views)); got != c.quads {
				t.Errorf("quads: got %v, want %v", got, c.quads)
			}
		})
	}
}

// floats makes tensors of n random numbers on a backend, always the same ones.
type floats struct {
	b    ops.Backend
	rng  *rand.Rand
	made []tensor.Tensor
}

func (f *floats) new(n int) tensor.Tensor {
	raw := make([]byte, 0, 4*n)
	for range n {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(1+f.rng.Float32()))
	}
	x := tensor.Of(f.b.Alloc(4*n), tensor.F32, n)
	f.b.Upload(x, raw)
	f.made = append(f.made, x)
	return x
}

// after returns the content of all tensors, what lies between views included.
func (f *floats) after(t *testing.T) (all [][]float32) {
	for _, x := range f.made {
		raw := make([]byte, 4*x.Len())
		if err := f.b.Download(raw, x); err != nil {
			t.Fatal(err)
		}
		values := make([]float32, x.Len())
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		all = append(all, values)
	}
	return all
}

// TestParts compares with the CPU where tensors must be cut, and where they need
// not be.
func TestParts(t *testing.T) {
	const binding = 1 << 16
	type maker = func(n int) tensor.Tensor
	flat := func(op ops.Op, tensors, offset int, change func(make maker, a *ops.Args)) func(maker) (ops.Op, ops.Args) {
		const n = 50003
		return func(make maker) (ops.Op, ops.Args) {
			var a ops.Args
			for i := range tensors {
				a.T[i] = make(n+8).Slice(0, offset, offset+n)
			}
			a.Acc, a.F[0] = 1, 0.25
			change(make, &a)
			return op, a
		}
	}
	same := func(maker, *ops.Args) {}
	type call func(maker) (ops.Op, ops.Args)
	cases := []struct {
		name string
		call call
	}{
		{"fill", func(make maker) (ops.Op, ops.Args) {
			return ops.OpFill, ops.Args{T: [9]tensor.Tensor{make(90*700).Reshape(90, 700).Slice(1, 3, 600).Transpose(0, 1)}, F: [8]float32{3}}
		}},
		{"copy of a transposed matrix", func(make maker) (ops.Op, ops.Args) {
			return ops.OpCopy, ops.Args{T: [9]tensor.Tensor{make(300*203).Reshape(300, 203).Slice(1, 1, 203), make(300*202).Reshape(202, 300).Transpose(0, 1)}, F: [8]float32{0.5}, Acc: 1}
		}},
		{"copy of heads", func(make maker) (ops.Op, ops.Args) {
			return ops.OpCopy, ops.Args{T: [9]tensor.Tensor{make(3*5*23*96).Reshape(3, 5, 23, 96).Transpose(1, 2), make(3*5*23*96).Reshape(3, 23, 5, 96)}, F: [8]float32{1}}
		}},
		{"add", func(make maker) (ops.Op, ops.Args) {
			return ops.OpAdd, ops.Args{T: [9]tensor.Tensor{make(250*250).Reshape(250, 250), make(250*250).Reshape(250, 250).Transpose(0, 1), make(499).Windows(250)}}
		}},
		{"add row to many", func(make maker) (ops.Op, ops.Args) {
			return ops.OpAddRow, ops.Args{T: [9]tensor.Tensor{make(3*211*131).Reshape(3, 211, 131), make(3*211*131).Reshape(3, 211, 131), make(131)}}
		}},
		{"add row that is long", func(make maker) (ops.Op, ops.Args) {
			return ops.OpAddRow, ops.Args{T: [9]tensor.Tensor{make(2*40000).Reshape(2, 40000), make(2*40000).Reshape(2, 40000), make(40000)}}
		}},
		{"rope", func(make maker) (ops.Op, ops.Args) {
			return ops.OpRoPE, ops.Args{T: [9]tensor.Tensor{make(2*4*70*66).Reshape(2, 4, 70, 66).Transpose(1, 2), make(2*70*4*66).Reshape(2, 70, 4, 66), make(80*30*2).Reshape(80, 30, 2)},
				F: [8]float32{-1}, I: [4]int64{9, int64(ops.RoPEHalves)}, Acc: 1}
		}},
	}
	lstm := func(op ops.Op, offset int, acc uint16) call { // rows of which the device binds some
		const rows, width = 700, 33
		return func(make maker) (ops.Op, ops.Args) {
			a := ops.Args{Acc: acc}
			for i, n := range map[ops.Op][]int{ops.OpLSTM: {2, 4, 2}, ops.OpLSTMBackward: {4, 2, 2, 4, 2}}[op] {
				n *= width
				a.T[i] = make(rows*n+8).Slice(0, offset, offset+rows*n).Reshape(rows, n)
			}
			return op, a
		}
	}
	for _, offset := range []int{0, 3} {
		for _, c := range []struct {
			name string
			call call
		}{
			{"mul", flat(ops.OpMul, 3, offset, same)},
			{"swiglu", flat(ops.OpSwiGLU, 3, offset, func(_ maker, a *ops.Args) { a.Acc = 0 })},
			{"swiglu backward", flat(ops.OpSwiGLUBackward, 5, offset, func(_ maker, a *ops.Args) { a.Acc = 2 })},
			{"leaky relu backward", flat(ops.OpLeakyReLUBackward, 3, offset, same)},
			{"gelu backward", flat(ops.OpGELUBackward, 3, offset, func(_ maker, a *ops.Args) { a.I[0] = int64(ops.GELUErf) })},
			{"tanh", flat(ops.OpTanh, 2, offset, func(_ maker, a *ops.Args) { a.Acc = 0 })},
			{"tanh backward", flat(ops.OpTanhBackward, 3, offset, same)},
			{"lstm", lstm(ops.OpLSTM, offset, 0)},
			{"lstm backward", lstm(ops.OpLSTMBackward, offset, 0)},
			{"lstm backward, added", lstm(ops.OpLSTMBackward, offset, 3)},
			{"mae", flat(ops.OpMAE, 3, offset, func(make maker, a *ops.Args) { a.T[0], a.Acc = make(1), 0 })},
			{"mae backward", flat(ops.OpMAEBackward, 4, offset, func(make maker, a *ops.Args) { a.T[1], a.F[1] = make(1), 1.25 })},
			{"dropout", flat(ops.OpDropout, 2, offset, func(_ maker, a *ops.Args) { a.I = [4]int64{-5, 3<<32 + 1, 2} })},
			{"scale", flat(ops.OpScale, 1, offset, func(make maker, a *ops.Args) { a.T[1], a.Acc = make(1), 0 })},
			{"mse backward", flat(ops.OpMSEBackward, 4, offset, func(make maker, a *ops.Args) { a.T[1] = make(1) })},
			{"adamw", flat(ops.OpAdamW, 4, offset, func(_ maker, a *ops.Args) {
				a.F, a.Acc = [8]float32{0.01, 0.9, 0.999, 1e-8, 0.1, 0.5, 0.25}, 0
			})},
		} {
			c.name = fmt.Sprintf("%s from %d", c.name, offset)
			cases = append(cases, c)
		}
	}
	host := ops.NewCPU(1)
	defer host.Close()
	for _, limits := range []Limits{{}, {Binding: binding}} {
		b := open(t, WithLimits(limits))
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s/%d", c.name, limits.Binding), func(t *testing.T) {
				var results [2][][]float32
				for i, on := range []ops.Backend{b, host} {
					f := &floats{b: on, rng: rand.New(rand.NewPCG(3, 4))}
					op, args := c.call(f.new)
					on.Run(op, &args)
					results[i] = f.after(t)
				}
				compare(t, results[0], results[1])
			})
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func compare(t *testing.T, got, want [][]float32) {
	t.Helper()
	for i := range want {
		for j, w := range want[i] {
			g := got[i][j]
			if math.Abs(float64(g-w)) > 1e-5*(1+math.Abs(float64(w))) || math.IsNaN(float64(g)) {
				t.Fatalf("tensor %d, element %d: got %v, want %v", i, j, g, w)
			}
		}
	}
}

// TestCannotBind: one head vector that cannot be bound and not be cut is an error, not
// a wrong result.
func TestCannotBind(t *testing.T) {
	b := open(t, WithLimits(Limits{Binding: 1 << 16}))
	const d = 20000
	x := tensor.Of(b.Alloc(4*d), tensor.F32, 1, 1, 1, d)
	y := tensor.Of(b.Alloc(4*d), tensor.F32, 1, 1, 1, d)
	table := tensor.Of(b.Alloc(8), tensor.F32, 1, 1, 2)
	b.Run(ops.OpRoPE, &ops.Args{T: [9]tensor.Tensor{y, x, table}, F: [8]float32{1}})
	if err := b.Sync(); err == nil {
		t.Error("Sync: no error, want one that tells the sizes")
	}
	if err := b.Close(); err == nil {
		t.Error("Close: no error, want the first one")
	}
}

func TestNotFinite(t *testing.T) {
	b := open(t)
	defer b.Close()
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name     string
		op       ops.Op
		in, want []float64
	}{
		{"factor of a norm that is not finite", ops.OpClipFactor, []float64{nan}, []float64{nan}},
		{"factor of an infinite norm", ops.OpClipFactor, []float64{inf}, []float64{0}},
		{"gates", ops.OpSwiGLU, []float64{nan, inf, 200, 88, -88, -200}, []float64{nan, inf, 200, 88, 0, 0}},
		{"GELU", ops.OpGELU, []float64{nan, inf, 0x1p100, 20, -20, -0x1p100}, []float64{nan, inf, 0x1p100, 20, 0, 0}},
		{"tanh", ops.OpTanh, []float64{nan, inf, -inf, 0x1p100, -0x1p100, 200, -44.5, 8.5}, []float64{nan, 1, -1, 1, -1, 1, -1, 1}},
		{"magnitude of a difference, one NaN", ops.OpMAE, []float64{1, nan, 3}, []float64{nan}},
		{"magnitude of an infinite difference", ops.OpMAE, []float64{1, -inf, 3}, []float64{inf}},
		{"leaky ReLU", ops.OpLeakyReLU, []float64{nan, inf, -inf}, []float64{nan, inf, -inf}},
	} {
		t.Run(c.name, func(t *testing.T) {
			made := func(values []float64) tensor.Tensor {
				var raw []byte
				for _, v := range values {
					raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v)))
				}
				x := tensor.Of(b.Alloc(len(raw)), tensor.F32, len(values))
				b.Upload(x, raw)
				return x
			}
			f := &floats{b: b, made: []tensor.Tensor{made(make([]float64, len(c.want)))}}
			ones := make([]float64, len(c.in))
			for i := range ones {
				ones[i] = 1
			}
			b.Run(c.op, &ops.Args{T: [9]tensor.Tensor{f.made[0], made(c.in), made(ones)}, F: [8]float32{1}})
			for i, g := range f.after(t)[0] {
				got, want := float64(g), c.want[i]
				if math.IsNaN(got) != math.IsNaN(want) || !math.IsNaN(want) && got != want && !(math.Abs(got-want) < 1e-5) {
					t.Errorf("of %v: got %v, want %v", c.in[i], got, want)
				}
			}
		})
	}
}
