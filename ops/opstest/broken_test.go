// Tests of the suite itself: it finds backends and callers with faults.

package opstest

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// broken is the CPU with a fault. The suite must find every fault in every
// primitive that has it.
type broken struct {
	*ops.CPU
	run func(cpu *ops.CPU, op ops.Op, a *ops.Args)
}

func (b *broken) Run(op ops.Op, a *ops.Args) {
	own := *a
	b.run(b.CPU, op, &own)
}

// enlarge multiplies the elements of a tensor in host memory.
func enlarge(x tensor.Tensor, factor float32) {
	store := tensor.Of(x.Storage(), tensor.F32, x.Storage().Size()/4).Float32s()
	for _, off := range offsets(x) {
		store[off] *= factor
	}
}

func hasInputs(op ops.Op) bool { return op != ops.OpFill }

func always(ops.Op) bool { return true }

func TestSuiteFindsFaults(t *testing.T) {
	if underRace {
		t.Skip("skip: not all cases run under the race detector")
	}
	// around calls f with the storage, and the first and the last place, of T0.
	around := func(a *ops.Args, f func(store []float32, first, last int)) {
		x := a.T[0]
		if x.IsZero() || x.Len() == 0 {
			return
		}
		offs := offsets(x)
		store := tensor.Of(x.Storage(), tensor.F32, x.Storage().Size()/4).Float32s()
		f(store, slices.Min(offs), slices.Max(offs))
	}
	for _, fault := range []struct {
		name    string
		applies func(op ops.Op) bool
		run     func(cpu *ops.CPU, op ops.Op, a *ops.Args)
	}{
		{"does nothing", always, func(*ops.CPU, ops.Op, *ops.Args) {}},
		{"errors of 1e-4", always, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			cpu.Run(op, a)
			for _, i := range outputs(op) {
				if !a.T[i].IsZero() {
					enlarge(a.T[i], 1.0001)
				}
			}
		}},
		{"writes before its output", always, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			cpu.Run(op, a)
			around(a, func(store []float32, first, _ int) {
				if first > 0 {
					store[first-1] = 0
				}
			})
		}},
		{"writes past its output", always, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			cpu.Run(op, a)
			around(a, func(store []float32, _, last int) {
				if last+1 < len(store) {
					store[last+1] = 0
				}
			})
		}},
		{"changes an input", hasInputs, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			cpu.Run(op, a)
			for i := len(a.T) - 1; i > 0; i-- {
				if x := a.T[i]; !x.IsZero() && x.DType() == tensor.F32 && x.Len() > 0 && !slices.Contains(outputs(op), i) {
					x.Float32s()[0]++
					return
				}
			}
		}},
		{"never accumulates", func(op ops.Op) bool { return accumulates[op] != 0 }, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.Acc = 0
			cpu.Run(op, a)
		}},
		{"always accumulates", func(op ops.Op) bool { return accumulates[op] != 0 }, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.Acc = accumulates[op]
			cpu.Run(op, a)
		}},
		{"swaps the flags of T0 and T1", func(op ops.Op) bool { return accumulates[op] > 1 }, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.Acc = a.Acc&^3 | a.Acc>>1&1 | a.Acc&1<<1
			cpu.Run(op, a)
		}},
		{"ignores F0", func(op ops.Op) bool {
			return slices.Contains([]ops.Op{ops.OpFill, ops.OpCopy, ops.OpMatMul, ops.OpRMSNorm, ops.OpLayerNorm, ops.OpRMSNormBackward,
				ops.OpLayerNormBackward, ops.OpRoPE, ops.OpAttention, ops.OpAttentionBackward, ops.OpLeakyReLU, ops.OpLeakyReLUBackward,
				ops.OpMSEBackward, ops.OpMAE, ops.OpMAEBackward, ops.OpClipFactor, ops.OpAdamW}, op)
		}, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.F[0] = 1
			cpu.Run(op, a)
		}},
		{"ignores I0", func(op ops.Op) bool {
			return slices.Contains([]ops.Op{ops.OpRoPE, ops.OpAttention, ops.OpAttentionBackward, ops.OpSegmentSoftmax, ops.OpDropout}, op)
		}, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.I[0] = 0
			cpu.Run(op, a)
		}},
		{"ignores I1", func(op ops.Op) bool {
			return slices.Contains([]ops.Op{ops.OpRoPE, ops.OpAttention, ops.OpAttentionBackward, ops.OpDropout}, op)
		}, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.I[1] = 0
			cpu.Run(op, a)
		}},
		{"ignores I2", func(op ops.Op) bool { return op == ops.OpDropout }, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.I[2] = 0
			cpu.Run(op, a)
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			b := &broken{ops.NewCPU(1), fault.run}
			defer b.Close()
			for op, group := range byOp() {
				found := func(c *opCase) bool { return c.check(b) != nil }
				if fault.applies(ops.Op(op)) && !slices.ContainsFunc(group, found) {
					t.Errorf("%v: %d cases found nothing", ops.Op(op), len(group))
				}
			}
		})
	}
}

// rounder computes products by block types with rounded activations, and gets
// its weights changed, each in its own bytes.
type rounder struct {
	*ops.CPU
	activations func(tensor.Tensor) tensor.Tensor
	change      func(w tensor.Tensor)
}

func (r *rounder) RoundsActivations(tensor.DType) bool { return true }

func (r *rounder) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	if w.DType().IsBlock() && w.Len() > 0 {
		own := tensor.New(w.DType(), w.Shape()...)
		copy(own.Bytes(), w.Bytes())
		r.change(own)
		w = own
	}
	return r.CPU.Prepare(w)
}

func (r *rounder) Run(op ops.Op, a *ops.Args) {
	own := *a
	if roundable(op, a) {
		own.T[1] = r.activations(a.T[1])
	}
	r.CPU.Run(op, &own)
}

// scaleAt is where a block of a type has its float16 scale.
func scaleAt(dtype tensor.DType) int {
	if dtype == tensor.Q6_K {
		return 208
	}
	return 0
}

// codesAt is where the codes of a block, a byte for each or two, start.
func codesAt(dtype tensor.DType) int {
	return map[tensor.DType]int{
		tensor.Q8_0: 2, tensor.Q4_0: 2, tensor.Q4_1: 4, tensor.Q5_0: 6, tensor.Q5_1: 8, tensor.Q4_K: 16, tensor.Q5_K: 48, tensor.Q6_K: 0,
	}[dtype]
}

// A backend may round activations, but the bounds that hold then still find
// weights of which one block is wrong, and activations rounded otherwise.
func TestRoundedProducts(t *testing.T) {
	if underRace {
		t.Skip("skip: not all cases run under the race detector")
	}
	nothing := func(tensor.Tensor) {}
	scaled := func(factor float32) func(tensor.Tensor) tensor.Tensor {
		return func(x tensor.Tensor) tensor.Tensor {
			y := roundActivations(x)
			enlarge(y, factor)
			return y
		}
	}
	for _, test := range []struct {
		name        string
		right       bool
		activations func(tensor.Tensor) tensor.Tensor
		change      func(w tensor.Tensor)
	}{
		{"nothing rounded", true, func(x tensor.Tensor) tensor.Tensor { return x }, nothing},
		{"rounded", true, roundActivations, nothing},
		{"steps of max/128", false, scaled(127. / 128), nothing},
		{"rounded towards zero", false, func(x tensor.Tensor) tensor.Tensor {
			y := roundActivations(x)
			for i := range x.Dim(0) {
				for from := 0; from < x.Dim(1); from += activationBlock {
					block := y.Slice(0, i, i+1).Slice(1, from, min(from+activationBlock, x.Dim(1))).Float32s()
					step := max(slices.Max(block), -slices.Min(block)) / 127
					for j := range block {
						switch in := x.At(i, from+j); {
						case block[j] > 0 && block[j] > in:
							block[j] -= step
						case block[j] < 0 && block[j] < in:
							block[j] += step
						}
					}
				}
			}
			return y
		}, nothing},
		{"one block's scale off by a tenth", false, roundActivations, func(w tensor.Tensor) {
			b := w.Bytes()[scaleAt(w.DType()):]
			d := tensor.F16ToFloat32(binary.LittleEndian.Uint16(b))
			binary.LittleEndian.PutUint16(b, tensor.Float32ToF16(1.1*d))
		}},
		{"two quads of one block swapped", false, roundActivations, func(w tensor.Tensor) {
			b := w.Bytes()[codesAt(w.DType()):]
			for i := range 4 {
				b[i], b[4+i] = b[4+i], b[i]
			}
		}},
		{"the last block of a row is that before", false, roundActivations, func(w tensor.Tensor) {
			row, size := w.DType().Bytes(w.Dim(1)), w.DType().BlockBytes()
			if row > size {
				copy(w.Bytes()[row-size:row], w.Bytes()[row-2*size:])
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &rounder{ops.NewCPU(1), test.activations, test.change}
			defer r.Close()
			found := map[tensor.DType]error{}
			for _, c := range byOp()[ops.OpMatMul] {
				if dtype := c.t[2].tensor.DType(); dtype.IsBlock() && c.i[0] == 1 && found[dtype] == nil {
					found[dtype] = c.check(r)
				}
			}
			for _, g := range models() {
				if test.right && g.frozen.IsBlock() && found[g.frozen] == nil {
					found[g.frozen] = g.check(r)
				}
			}
			for _, dtype := range weightTypes {
				if err := found[dtype]; test.right && err != nil {
					t.Errorf("%v: got %v, want it accepted", dtype, err)
				} else if !test.right && err == nil && dtype.IsBlock() {
					t.Errorf("%v: no case found it", dtype)
				}
			}
		})
	}
}

// halver computes products by weights that are not F32 with both operands rounded.
type halver struct {
	*ops.CPU
	row, weight func(float32) float32
}

func (h *halver) RoundsToHalf(tensor.DType) bool { return true }

func (h *halver) RoundsActivations(tensor.DType) bool { return false }

func (h *halver) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	if w.DType() == tensor.F32 || w.Len() == 0 {
		return h.CPU.Prepare(w)
	}
	own := tensor.New(tensor.F32, w.Shape()...)
	tensor.Dequantize(w.DType(), own.Float32s(), w.Bytes())
	for i, v := range own.Float32s() {
		if w.DType() != tensor.F16 {
			own.Float32s()[i] = h.weight(v)
		}
	}
	return h.CPU.Prepare(own)
}

func (h *halver) Run(op ops.Op, a *ops.Args) {
	own := *a
	if op == ops.OpMatMul && a.T[1].Rank() == 2 {
		own.T[1] = tensor.New(tensor.F32, a.T[1].Dim(0), a.T[1].Dim(1))
		for i := range a.T[1].Dim(0) {
			var top float64
			for j := range a.T[1].Dim(1) {
				top = max(top, math.Abs(float64(a.T[1].At(i, j))))
			}
			_, exp := math.Frexp(top)
			shift := min(10-exp, 126)
			for j := range a.T[1].Dim(1) {
				v := a.T[1].At(i, j)
				if top != 0 && !math.IsInf(top, 0) && !math.IsNaN(top) {
					v = float32(math.Ldexp(float64(h.row(float32(math.Ldexp(float64(v), shift)))), -shift))
				}
				own.T[1].Float32s()[i*a.T[1].Dim(1)+j] = v
			}
		}
	}
	h.CPU.Run(op, &own)
}

// A backend may round to f16, and the bounds that hold then still find coarser rounding.
func TestHalvedProducts(t *testing.T) {
	if underRace {
		t.Skip("skip: not all cases run under the race detector")
	}
	same := func(v float32) float32 { return v }
	half := func(v float32) float32 { return tensor.F16ToFloat32(tensor.Float32ToF16(v)) }
	truncated := func(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ 0x1fff) }
	coarse := func(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ 0xffff) }
	for _, test := range []struct {
		name        string
		right       bool
		row, weight func(float32) float32
	}{
		{"nothing rounded", true, same, same},
		{"rounded", true, half, half},
		{"weights rounded towards zero", true, half, truncated},
		{"activations with 8 bits", false, coarse, half},
		{"weights with 8 bits", false, half, coarse},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &halver{ops.NewCPU(1), test.row, test.weight}
			defer h.Close()
			found := map[tensor.DType]error{}
			for _, c := range byOp()[ops.OpMatMul] {
				if dtype := c.t[2].tensor.DType(); dtype != tensor.F32 && c.i[0] == 1 && found[dtype] == nil {
					found[dtype] = c.check(h)
				}
			}
			for _, dtype := range weightTypes[1:] {
				if err := found[dtype]; test.right && err != nil {
					t.Errorf("%v: got %v, want it accepted", dtype, err)
				} else if !test.right && err == nil && (dtype.IsBlock() || test.name == "activations with 8 bits") {
					t.Errorf("%v: no case found it", dtype)
				}
			}
		})
	}
}

// The gradient checks find a backward primitive that is wrong.
func TestGradientsFindFaults(t *testing.T) {
	for _, op := range []ops.Op{
		ops.OpCopy, ops.OpMul, ops.OpSumRows, ops.OpMatMul, ops.OpScatterAdd, ops.OpRMSNormBackward, ops.OpLayerNormBackward, ops.OpRoPE,
		ops.OpAttentionBackward, ops.OpSwiGLUBackward, ops.OpLeakyReLUBackward, ops.OpTanhBackward, ops.OpLSTMBackward,
		ops.OpDropout, ops.OpCrossEntropyBackward, ops.OpMSEBackward, ops.OpMAEBackward, ops.OpSegmentMaxBackward,
	} {
		b := &broken{ops.NewCPU(1), func(cpu *ops.CPU, o ops.Op, a *ops.Args) {
			cpu.Run(o, a)
			if x := a.T[0]; o == op && !x.IsZero() {
				enlarge(x, 1.001)
			}
		}}
		if !slices.ContainsFunc(models(), func(g *gradientCase) bool { return g.check(b) != nil }) {
			t.Errorf("%v: %d models found nothing", op, len(models()))
		}
		b.Close()
	}
}

// The reference notices callers that break the contract.
func TestReferenceKeepsRules(t *testing.T) {
	r := NewReference()
	x := tensor.Of(r.Alloc(4*64), tensor.F32, 8, 8)
	y := tensor.Of(r.Alloc(4*64), tensor.F32, 8, 8)
	row := tensor.Of(r.Alloc(4*8), tensor.F32, 8)
	for _, test := range []struct {
		name string
		op   ops.Op
		args ops.Args
		want string
	}{
		{"gaps", ops.OpMul, ops.Args{T: [9]tensor.Tensor{x.Transpose(0, 1), y, y}}, "Mul: T0 (F32[8x8]) is not contiguous"},
		{"columns", ops.OpMatMul, ops.Args{T: [9]tensor.Tensor{x.Transpose(0, 1), y, y}}, "MatMul: T0 (F32[8x8]) has a last dimension of stride 8"},
		{"overlap", ops.OpAddRow, ops.Args{T: [9]tensor.Tensor{x, y, x.Slice(0, 0, 1).Reshape(8)}}, "AddRow: output T0 (F32[8x8]) overlaps T2 (F32[8])"},
		{"shifted", ops.OpAdd, ops.Args{T: [9]tensor.Tensor{x.Slice(0, 0, 4), x.Slice(0, 1, 5), y.Slice(0, 0, 4)}}, "overlaps T1"},
		{"two outputs", ops.OpRMSNormBackward, ops.Args{T: [9]tensor.Tensor{row.Reshape(1, 8), row, x.Slice(0, 0, 1), y.Slice(0, 0, 1), y.Slice(0, 1, 2).Reshape(8)}}, "output T0 (F32[1x8]) overlaps T1"},
		{"windows", ops.OpFill, ops.Args{T: [9]tensor.Tensor{x.Windows(2)}}, "output T0 (F32[8x7x2]) overlaps itself"},
		{"flags", ops.OpAdd, ops.Args{T: [9]tensor.Tensor{x, y, y}, Acc: 1}, "do not accumulate"},
		{"host memory", ops.OpAdd, ops.Args{T: [9]tensor.Tensor{x, y, tensor.New(tensor.F32, 8, 8)}}, "not in its memory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantPanic(t, test.name, func() { r.Run(test.op, &test.args) }, test.want)
		})
	}
}
