package fileio

import (
	"math"
	"strings"
	"testing"

	"netllm/tensor"
)

func TestElements(t *testing.T) {
	tests := []struct {
		name string
		dims []uint64
		want int
		ok   bool
	}{
		{"scalar", nil, 1, true},
		{"matrix", []uint64{3, 4}, 12, true},
		{"zero", []uint64{3, 0, 4}, 0, true},
		{"one too large", []uint64{math.MaxUint64}, 0, false},
		{"product 2^64", []uint64{1 << 32, 1 << 32}, 0, false},
		{"product wraps to 6", []uint64{1 << 63, 2, 3}, 0, false},
		{"hidden by zero", []uint64{1 << 40, 0, 1 << 40}, 0, false},
		{"zero before", []uint64{0, 1 << 40, 1 << 40}, 0, false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got, err := Elements(c.dims)
			if got != c.want || (err == nil) != c.ok {
				t.Errorf("got %d, %v, want %d, ok %v", got, err, c.want, c.ok)
			}
		})
	}
}

func TestStorage(t *testing.T) {
	b := tensor.NewHost(64).Bytes()
	for i := range b {
		b[i] = byte(i)
	}
	tests := []struct {
		dtype tensor.DType
		skip  int
		same  bool
	}{
		{tensor.F32, 4, true}, {tensor.F32, 2, false}, {tensor.I64, 8, true}, {tensor.I64, 4, false},
		{tensor.F16, 2, true}, {tensor.F16, 1, false}, {tensor.U8, 1, true},
		{tensor.Q8_0, 2, true}, {tensor.Q8_0, 1, false},
	}
	for _, c := range tests {
		part := b[c.skip : c.skip+16]
		got := Storage(part, c.dtype).Bytes()
		if string(got) != string(part) {
			t.Errorf("%v at %d: got %v, want %v", c.dtype, c.skip, got, part)
		}
		if same := &got[0] == &part[0]; same != c.same {
			t.Errorf("%v at %d: in place: got %v, want %v", c.dtype, c.skip, same, c.same)
		}
	}
	if got := Storage(nil, tensor.F32); got.Size() != 0 {
		t.Errorf("no bytes: got %d", got.Size())
	}
}

func TestContent(t *testing.T) {
	x := tensor.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if b, err := Content(x, tensor.F32, []int{2, 3}); err != nil || len(b) != 24 {
		t.Errorf("got %d bytes, %v", len(b), err)
	}
	device := tensor.Of(tensor.NewDevice("gpu", 24), tensor.F32, 2, 3)
	tests := []struct {
		name, want string
		t          tensor.Tensor
	}{
		{"none", "no tensor", tensor.Tensor{}},
		{"device", "not in host memory", device},
		{"type", "want F32", tensor.New(tensor.I32, 2, 3)},
		{"shape", "got F32[3x2], want F32[2 3]", x.Reshape(3, 2)},
		{"strided", "not contiguous", tensor.New(tensor.F32, 3, 2).Transpose(0, 1)},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Content(c.t, tensor.F32, []int{2, 3}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
