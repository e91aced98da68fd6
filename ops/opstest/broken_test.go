// Tests of the suite itself: it finds backends and callers with faults.

package opstest

import (
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
				ops.OpMSEBackward, ops.OpClipFactor, ops.OpAdamW}, op)
		}, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.F[0] = 1
			cpu.Run(op, a)
		}},
		{"ignores I0", func(op ops.Op) bool {
			return slices.Contains([]ops.Op{ops.OpRoPE, ops.OpAttention, ops.OpAttentionBackward, ops.OpDropout}, op)
		}, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
			a.I[0] = 0
			cpu.Run(op, a)
		}},
		{"ignores I1", func(op ops.Op) bool { return op == ops.OpRoPE || op == ops.OpDropout }, func(cpu *ops.CPU, op ops.Op, a *ops.Args) {
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

// The gradient checks find a backward primitive that is wrong.
func TestGradientsFindFaults(t *testing.T) {
	for _, op := range []ops.Op{
		ops.OpCopy, ops.OpMul, ops.OpSumRows, ops.OpMatMul, ops.OpScatterAdd, ops.OpRMSNormBackward, ops.OpLayerNormBackward, ops.OpRoPE,
		ops.OpAttentionBackward, ops.OpSwiGLUBackward, ops.OpLeakyReLUBackward, ops.OpDropout, ops.OpCrossEntropyBackward, ops.OpMSEBackward,
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
