// What operations say about wrong shapes.

package ops_test

import (
	"fmt"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// Wrong shapes are named, both of them, by the operation that got them.
func TestShapePanics(t *testing.T) {
	c := ops.NewContext(ops.NewCPU(1))
	c.Training = true
	x := func(shape ...int) tensor.Tensor { return c.New(tensor.F32, shape...) }
	ids := func(shape ...int) tensor.Tensor { return c.New(tensor.I32, shape...) }
	gaps := x(1, 4, 2, 3).Transpose(1, 3) // [1 3 2 4], d is not adjacent
	for _, test := range []struct {
		name string
		f    func()
		want []string
	}{
		{"Add", func() { ops.Add(c, x(2, 3), x(3, 2)) }, []string{"F32[2x3]", "F32[3x2]"}},
		{"Add", func() { ops.Add(c, x(2, 3), x(6)) }, []string{"F32[2x3]", "F32[6]"}},
		{"Mul", func() { ops.Mul(c, x(2), x(3)) }, []string{"F32[2]", "F32[3]"}},
		{"SwiGLU", func() { ops.SwiGLU(c, x(2), x(3)) }, []string{"F32[2]", "F32[3]"}},
		{"MSE", func() { ops.MSE(c, x(2), x(3)) }, []string{"F32[2]", "F32[3]"}},
		{"CopyInto", func() { ops.CopyInto(c, x(2), x(3)) }, []string{"F32[2]", "F32[3]"}},
		{"AddRow", func() { ops.AddRow(c, x(2, 3), x(2)) }, []string{"F32[2x3]", "F32[2]"}},
		{"AddRow", func() { ops.AddRow(c, x(2, 3), x(1, 3)) }, []string{"F32[2x3]", "F32[1x3]"}},
		{"Linear", func() { ops.Linear(c, x(2, 3), x(4, 5)) }, []string{"F32[2x3]", "F32[4x5]"}},
		{"Linear", func() { ops.Linear(c, x(2, 3), x(3)) }, []string{"F32[2x3]", "F32[3]"}},
		{"LinearAdd", func() { ops.LinearAdd(c, x(2, 4), x(2, 3), x(5, 3), 1) }, []string{"F32[2x4]", "F32[2x3]", "F32[5x3]"}},
		{"LinearAdd", func() { ops.LinearAdd(c, x(2, 4), x(2, 3), x(4, 2), 1) }, []string{"F32[2x3]", "F32[4x2]"}},
		{"MatMul", func() { ops.MatMul(c, x(2, 3), x(4, 5)) }, []string{"F32[2x3]", "F32[4x5]"}},
		{"MatMul", func() { ops.MatMul(c, x(2, 3, 4), x(3, 4, 5)) }, []string{"F32[2x3x4]", "F32[3x4x5]"}},
		{"MatMul", func() { ops.MatMul(c, x(2, 3, 4), x(4, 5)) }, []string{"F32[2x3x4]", "F32[4x5]"}},
		{"Conv1D", func() { ops.Conv1D(c, x(2, 6), x(4, 2), 3) }, []string{"F32[4x2]", "width 3"}},
		{"Conv1D", func() { ops.Conv1D(c, x(2, 2), x(4, 3), 3) }, []string{"F32[4x3]", "width 3"}},
		{"Gather", func() { ops.Gather(c, x(5), ids(3)) }, []string{"F32[5]", "I32[3]"}},
		{"Gather", func() { ops.Gather(c, x(5, 2), x(3)) }, []string{"F32[5x2]", "F32[3]"}},
		{"SegmentSum", func() { ops.SegmentSum(c, x(5, 2), ids(3), 4) }, []string{"F32[5x2]", "I32[3]", "4"}},
		{"SegmentSum", func() { ops.SegmentSum(c, x(5, 2), x(5), 4) }, []string{"F32[5x2]", "F32[5]"}},
		{"SegmentMax", func() { ops.SegmentMax(c, x(5), ids(5), 4) }, []string{"F32[5]", "I32[5]"}},
		{"SegmentMax", func() { ops.SegmentMax(c, x(5, 2), ids(5), -1) }, []string{"-1 segments"}},
		{"SegmentSoftmax", func() { ops.SegmentSoftmax(c, x(5, 2), ids(1, 5), 4) }, []string{"F32[5x2]", "I32[1x5]"}},
		{"ScatterAdd", func() { ops.ScatterAdd(c, x(4, 3), x(5, 2), ids(5)) }, []string{"F32[4x3]", "F32[5x2]", "I32[5]"}},
		{"ScatterAdd", func() { ops.ScatterAdd(c, x(4, 2), x(5, 2), ids(4)) }, []string{"F32[4x2]", "F32[5x2]", "I32[4]"}},
		{"RMSNorm", func() { ops.RMSNorm(c, x(2, 3), x(2), 1) }, []string{"F32[2x3]", "F32[2]"}},
		{"LayerNorm", func() { ops.LayerNorm(c, x(2, 3), x(3), x(2), 1) }, []string{"F32[2x3]", "F32[3]", "F32[2]"}},
		{"RoPE", func() { ops.RoPE(c, x(2, 3), x(4, 1, 2), 0, ops.RoPEHalves) }, []string{"F32[2x3]", "F32[4x1x2]"}},
		{"RoPE", func() { ops.RoPE(c, x(1, 2, 1, 4), x(4, 3, 2), 0, ops.RoPEHalves) }, []string{"F32[1x2x1x4]", "F32[4x3x2]"}},
		{"RoPE", func() { ops.RoPE(c, x(1, 2, 1, 4), x(4, 2, 2), 3, ops.RoPEHalves) }, []string{"3 to 4", "F32[4x2x2]"}},
		{"RoPE", func() { ops.RoPE(c, x(1, 2, 1, 4), x(4, 2, 4).Slice(2, 0, 2), 0, ops.RoPEHalves) }, []string{"F32[4x2x2]", "contiguous"}},
		{"Attention", func() { ops.Attention(c, x(1, 2, 4, 8), x(1, 2, 3, 8), x(1, 2, 3, 8), 0) }, []string{"F32[1x2x4x8]", "F32[1x2x3x8]"}},
		{"Attention", func() { ops.Attention(c, x(1, 2, 4, 8), x(1, 2, 4, 8), x(1, 2, 2, 8), 0) }, []string{"F32[1x2x4x8]", "F32[1x2x2x8]"}},
		{"Attention", func() { ops.Attention(c, x(1, 2, 4, 8), x(1, 3, 4, 8), x(1, 3, 4, 8), 2) }, []string{"at 2", "F32[1x3x4x8]"}},
		{"Attention", func() { ops.AttentionWindow(c, x(1, 2, 4, 8), x(1, 2, 4, 8), x(1, 2, 4, 8), 0, -1) }, []string{"window of -1"}},
		{"Attention", func() { ops.AttentionAll(c, x(1, 2, 4, 8), x(1, 3, 4, 8), x(1, 3, 4, 8)) }, []string{"F32[1x2x4x8]", "F32[1x3x4x8]"}},
		{"LSTM", func() { ops.LSTM(c, x(2, 8), x(2, 3)) }, []string{"F32[2x8]", "F32[2x3]"}},
		{"LSTM", func() { ops.LSTM(c, x(2, 8), x(3, 4)) }, []string{"F32[2x8]", "F32[3x4]"}},
		{"MAE", func() { ops.MAE(c, x(2, 3), x(3, 2), 0) }, []string{"F32[2x3]", "F32[3x2]"}},
		{"MAE", func() { ops.MAE(c, x(2, 3), x(2, 3), -1) }, []string{"period -1"}},
		{"GELU", func() { ops.GELU(c, x(2, 3), 2) }, []string{"form 2"}},
		{"Attention", func() { ops.Attention(c, gaps, x(1, 3, 2, 4), x(1, 3, 2, 4), 0) }, []string{"adjacent"}},
		{"Attention", func() { ops.Attention(c, x(1, 3, 2, 4), x(1, 3, 2, 4), gaps, 0) }, []string{"adjacent"}},
		{"CrossEntropy", func() { ops.CrossEntropy(c, x(2, 3), ids(3)) }, []string{"F32[2x3]", "I32[3]"}},
		{"CrossEntropy", func() { ops.CrossEntropy(c, x(2, 3), x(2)) }, []string{"F32[2x3]", "F32[2]"}},
		{"Dropout", func() { ops.Dropout(c, x(2), 1) }, []string{"probability 1"}},
		{"Dropout", func() { ops.Dropout(c, x(2), -0.5) }, []string{"probability -0.5"}},
		{"Read", func() { _ = c.Read(make([]float32, 3), x(2, 2)) }, []string{"F32[2x2]", "3"}},
		{"Read", func() { _ = c.Read(make([]float32, 3), ids(3)) }, []string{"I32[3]"}},
	} {
		wantPanic(t, test.name, test.f, append(test.want, "ops: "+test.name)...)
	}
}

func wantPanic(t *testing.T, what string, f func(), parts ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if r == nil {
			t.Errorf("%s: no panic, want one with %q", what, parts)
			return
		}
		got := fmt.Sprint(r)
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("%s: got panic %q, want %q in it", what, got, part)
			}
		}
	}()
	f()
}
