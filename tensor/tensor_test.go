package tensor

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// count123 is the F32 tensor 0, 1, 2, ... of a shape.
func count123(shape ...int) Tensor {
	t := New(F32, shape...)
	for i := range t.Float32s() {
		t.Float32s()[i] = float32(i)
	}
	return t
}

// elements returns all elements of a view in row order, through At.
func elements(t Tensor) []float32 {
	out := []float32{}
	index := make([]int, t.Rank())
	for range t.Len() {
		out = append(out, t.At(index...))
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < t.Dim(i) {
				break
			}
			index[i] = 0
		}
	}
	return out
}

func TestDType(t *testing.T) {
	tests := []struct {
		dtype                  DType
		name                   string
		block, bytes, of256    int
		isBlock, convertsFloat bool
	}{
		{F32, "F32", 1, 4, 1024, false, true}, {F16, "F16", 1, 2, 512, false, true}, {BF16, "BF16", 1, 2, 512, false, true},
		{F64, "F64", 1, 8, 2048, false, false}, {I8, "I8", 1, 1, 256, false, false}, {U8, "U8", 1, 1, 256, false, false},
		{I16, "I16", 1, 2, 512, false, false}, {I32, "I32", 1, 4, 1024, false, false}, {I64, "I64", 1, 8, 2048, false, false},
		{Bool, "BOOL", 1, 1, 256, false, false}, {Q8_0, "Q8_0", 32, 34, 272, true, true}, {Q4_0, "Q4_0", 32, 18, 144, true, true},
		{Q4_1, "Q4_1", 32, 20, 160, true, true}, {Q5_0, "Q5_0", 32, 22, 176, true, true}, {Q5_1, "Q5_1", 32, 24, 192, true, true},
		{Q4_K, "Q4_K", 256, 144, 144, true, true}, {Q5_K, "Q5_K", 256, 176, 176, true, true}, {Q6_K, "Q6_K", 256, 210, 210, true, true},
		{Q2_K, "Q2_K", 256, 84, 84, true, true}, {Q3_K, "Q3_K", 256, 110, 110, true, true},
		{IQ4_NL, "IQ4_NL", 32, 18, 144, true, true}, {IQ4_XS, "IQ4_XS", 256, 136, 136, true, true},
	}
	for _, c := range tests {
		d := c.dtype
		if d.String() != c.name || d.BlockLen() != c.block || d.BlockBytes() != c.bytes || d.Bytes(256) != c.of256 || d.IsBlock() != c.isBlock || d.IsFloat() != c.convertsFloat {
			t.Errorf("%s: got %v, blocks of %d in %d bytes, 256 in %d, block %v, float %v", c.name, d, d.BlockLen(), d.BlockBytes(), d.Bytes(256), d.IsBlock(), d.IsFloat())
		}
	}
	if len(tests) != int(numDTypes)-1 {
		t.Errorf("got %d types tested, want all %d", len(tests), numDTypes-1)
	}
	if got := Invalid.String(); got != "invalid" {
		t.Errorf("got %q, want invalid", got)
	}
	if got := DType(200).String(); got != "DType(200)" {
		t.Errorf("got %q, want DType(200)", got)
	}
	panics(t, "Bytes: 33 elements of Q8_0: not a multiple of 32", func() { Q8_0.Bytes(33) })
	panics(t, "Bytes: 288 elements of Q5_K: not a multiple of 256", func() { Q5_K.Bytes(288) })
}

func TestViews(t *testing.T) {
	x := count123(2, 3, 4)
	tests := []struct {
		name       string
		view       Tensor
		shape      []int
		want       []float32
		contiguous bool
		whole      bool
	}{
		{"all", x, []int{2, 3, 4}, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}, true, true},
		{"reshape", x.Slice(0, 1, 2).Reshape(4, 3), []int{4, 3}, []float32{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}, true, false},
		{"flat", x.Flat().Slice(0, 5, 6), []int{1, 4}, []float32{20, 21, 22, 23}, true, false},
		{"slice first", x.Slice(0, 1, 2).Slice(1, 0, 1), []int{1, 1, 4}, []float32{12, 13, 14, 15}, true, false},
		{"slice last", x.Slice(2, 1, 3).Slice(0, 0, 1), []int{1, 3, 2}, []float32{1, 2, 5, 6, 9, 10}, false, false},
		{"slice to nothing", x.Slice(1, 1, 1), []int{2, 0, 4}, []float32{}, true, false},
		{"transpose", x.Slice(0, 0, 1).Reshape(3, 4).Transpose(0, 1), []int{4, 3}, []float32{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}, false, false},
		{"transpose outer", x.Transpose(0, 2).Slice(0, 3, 4), []int{1, 3, 2}, []float32{3, 15, 7, 19, 11, 23}, false, false},
		{"transpose of ones", count123(1, 3, 1).Transpose(0, 2), []int{1, 3, 1}, []float32{0, 1, 2}, true, true},
		{"windows", count123(2, 4).Windows(3), []int{2, 2, 3}, []float32{0, 1, 2, 1, 2, 3, 4, 5, 6, 5, 6, 7}, false, false},
		{"one window", count123(4).Windows(4), []int{1, 4}, []float32{0, 1, 2, 3}, true, true},
		{"windows of a slice", count123(2, 4).Slice(1, 1, 4).Windows(2), []int{2, 2, 2}, []float32{1, 2, 2, 3, 5, 6, 6, 7}, false, false},
		{"scalar", count123(), []int{}, []float32{0}, true, true},
		{"scalar as matrix", count123().Flat(), []int{1, 1}, []float32{0}, true, true},
		{"vector as matrix", count123(3).Flat(), []int{1, 3}, []float32{0, 1, 2}, true, true},
		{"empty", New(F32, 0, 3), []int{0, 3}, []float32{}, true, true},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			v := c.view
			if !slices.Equal(v.Shape(), c.shape) {
				t.Fatalf("shape: got %v, want %v", v.Shape(), c.shape)
			}
			if got := elements(v); !slices.Equal(got, c.want) {
				t.Errorf("elements: got %v, want %v", got, c.want)
			}
			if v.IsContiguous() != c.contiguous || v.IsWhole() != c.whole {
				t.Errorf("got contiguous %v, whole %v, want %v, %v", v.IsContiguous(), v.IsWhole(), c.contiguous, c.whole)
			}
			if v.Len() != len(c.want) {
				t.Errorf("Len: got %d, want %d", v.Len(), len(c.want))
			}
			if c.contiguous {
				if got := v.Float32s(); !slices.Equal(got, c.want) {
					t.Errorf("Float32s: got %v, want %v", got, c.want)
				}
				if got := len(v.Bytes()); got != 4*len(c.want) {
					t.Errorf("Bytes: got %d, want %d", got, 4*len(c.want))
				}
			} else {
				panics(t, "not contiguous", func() { v.Bytes() })
				panics(t, "not contiguous", func() { v.Reshape(v.Len()) })
			}
			if n := v.Len(); n > 0 {
				if first, last := v.Float32s()[0], v.Float32s()[len(v.Float32s())-1]; first != c.want[0] || last != c.want[n-1] {
					t.Errorf("Float32s: from %v to %v, want %v to %v", first, last, c.want[0], c.want[n-1])
				}
			}
		})
	}
}

func TestDims(t *testing.T) {
	x := New(F32, 2, 3, 4)
	for i, want := range []int{2, 3, 4, 1, 1} {
		if got := x.Dim(i); got != want {
			t.Errorf("Dim(%d): got %d, want %d", i, got, want)
		}
	}
	for i, want := range map[int]int{-1: 4, -2: 3, -3: 2, -4: 1} {
		if got := x.Dim(i); got != want {
			t.Errorf("Dim(%d): got %d, want %d", i, got, want)
		}
	}
	if x.Stride(0) != 12 || x.Stride(1) != 4 || x.Stride(-1) != 1 || x.Rank() != 3 || x.Rows() != 6 || x.Offset() != 0 || x.DType() != F32 {
		t.Errorf("got strides %d %d %d, rank %d, rows %d, offset %d, %v", x.Stride(0), x.Stride(1), x.Stride(-1), x.Rank(), x.Rows(), x.Offset(), x.DType())
	}
	if y := x.Slice(0, 1, 2).Slice(2, 3, 4); y.Offset() != 15 || y.Storage() != x.Storage() {
		t.Errorf("offset of a slice: got %d, want 15", y.Offset())
	}
	if !x.SameShape(New(I8, 2, 3, 4)) || x.SameShape(New(F32, 2, 12)) || x.SameShape(New(F32, 2, 3, 4, 1)) {
		t.Error("SameShape: got it wrong")
	}
	if got := fmt.Sprint(x, Tensor{}, New(Q8_0, 2, 32), New(I32)); got != "F32[2x3x4] none Q8_0[2x32] I32[]" {
		t.Errorf("got %q", got)
	}
	if !(Tensor{}).IsZero() || x.IsZero() || New(F32, 0).IsZero() {
		t.Error("IsZero: got it wrong")
	}
	if got := New(F32).Rows(); got != 1 {
		t.Errorf("rows of a scalar: got %d, want 1", got)
	}
}

func TestFrom(t *testing.T) {
	data := []float32{1, 2, 3, 4}
	x := FromFloat32(data, 2, 2)
	data[3] = 9
	if x.At(1, 1) != 9 {
		t.Error("FromFloat32: got a copy")
	}
	ints := []int32{1, 2}
	y := FromInt32(ints, 2)
	y.Int32s()[0] = 7
	if ints[0] != 7 {
		t.Error("FromInt32: got a copy")
	}
	if got := FromFloat32(nil, 0, 5).Len(); got != 0 {
		t.Errorf("got %d elements of nothing", got)
	}
	h := New(F16, 3)
	h.Uint16s()[2] = 0x3c00
	if b := h.Bytes(); b[4] != 0 || b[5] != 0x3c {
		t.Errorf("got %v, want the half 1 at the end", b)
	}
}

func TestBlockTypes(t *testing.T) {
	x := New(Q8_0, 3, 2, 64)
	for i := range x.Bytes() {
		x.Bytes()[i] = byte(i)
	}
	row := 68
	v := x.Slice(0, 1, 3)
	if got := v.Bytes(); len(got) != 4*row || &got[0] != &x.Bytes()[2*row] {
		t.Errorf("slice: got %d bytes", len(got))
	}
	flat := v.Flat()
	if flat.Dim(0) != 4 || flat.Dim(1) != 64 || flat.Slice(0, 3, 4).Bytes()[0] != x.Bytes()[5*row] {
		t.Errorf("flat: got %v", flat)
	}
	if got := x.Slice(0, 2, 2); got.Len() != 0 || len(got.Bytes()) != 0 {
		t.Errorf("empty slice: got %v", got)
	}
	panics(t, "rows of 48 elements of Q8_0: not a multiple of 32", func() { New(Q8_0, 2, 48) })
	panics(t, "Reshape: Q8_0[3x2x64] to rows of 16: not a multiple of 32", func() { x.Reshape(24, 16) })
	panics(t, "Slice: dimension 2", func() { x.Slice(2, 0, 32) })
	panics(t, "Transpose", func() { x.Transpose(0, 1) })
	panics(t, "Windows", func() { New(Q4_0, 64).Windows(2) })
	panics(t, "Float32s: Q8_0[3x2x64]", func() { x.Float32s() })
}

func TestPanics(t *testing.T) {
	x := New(F32, 2, 3)
	panics(t, "5 dimensions, at most 4", func() { New(F32, 1, 1, 1, 1, 1) })
	panics(t, "dimension 1 is -3", func() { Of(NewHost(24), F32, -2, -3) })
	panics(t, "F32[2 3] takes 24 bytes, storage has 20", func() { Of(NewHost(20), F32, 2, 3) })
	panics(t, "do not fit the address space", func() { New(F32, math.MaxInt/2+1, 2, 2) })
	panics(t, "do not fit the address space", func() { Of(NewHost(0), F64, math.MaxInt/4) })
	panics(t, "storage has 12", func() { FromFloat32(make([]float32, 3), 2, 2) })
	panics(t, "F32[2x3] has 6 elements, [4] has 4", func() { x.Reshape(4) })
	panics(t, "Slice: dimension 0, 1 to 3, of F32[2x3]", func() { x.Slice(0, 1, 3) })
	panics(t, "Slice", func() { x.Slice(2, 0, 1) })
	panics(t, "Slice", func() { x.Slice(0, 2, 1) })
	panics(t, "Slice", func() { x.Slice(0, -1, 1) })
	panics(t, "Transpose: dimensions 0 and 2", func() { x.Transpose(0, 2) })
	panics(t, "Windows: width 4", func() { x.Windows(4) })
	panics(t, "Windows: width 0", func() { x.Windows(0) })
	panics(t, "Windows", func() { New(F32).Windows(1) })
	panics(t, "Windows", func() { New(F32, 1, 1, 1, 5).Windows(1) })
	panics(t, "At: index [2 0]", func() { x.At(2, 0) })
	panics(t, "At: index [0 -1]", func() { x.At(0, -1) })
	panics(t, "At: index [1]", func() { x.At(1) })
	panics(t, "At: index [0 0 0]", func() { x.At(0, 0, 0) })
	panics(t, "Float32s: I32[2]", func() { New(I32, 2).Float32s() })
	panics(t, "Int32s: F32[2x3]", func() { x.Int32s() })
	panics(t, "Uint16s: F32[2x3]", func() { x.Uint16s() })
	panics(t, "storage of 8 bytes for 24", func() { x.With(NewHost(8)) })
}

func TestWith(t *testing.T) {
	x := count123(2, 3)
	v := x.Transpose(0, 1).Slice(0, 1, 3)
	grad := v.With(NewHost(x.Storage().Size()))
	if grad.Storage() == v.Storage() || !grad.SameShape(v) || grad.Offset() != v.Offset() || grad.Stride(0) != v.Stride(0) || grad.Stride(1) != v.Stride(1) {
		t.Errorf("got %v, want a view like %v over other storage", grad, v)
	}
	if grad.At(0, 1) != 0 || v.At(0, 1) != 4 {
		t.Errorf("got %v and %v", grad.At(0, 1), v.At(0, 1))
	}
}

// Views are values: making them costs no memory.
func TestViewsAllocateNothing(t *testing.T) {
	x := New(F32, 2, 3, 4)
	store := x.Storage()
	var sink int
	if n := testing.AllocsPerRun(100, func() {
		y := Of(store, F32, 4, 6).Transpose(0, 1).Slice(0, 1, 3)
		z := x.Reshape(6, 4).Flat()
		sink += y.Len() + z.Rows() + len(z.Float32s())
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
