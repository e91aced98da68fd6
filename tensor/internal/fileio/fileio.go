// Package fileio has what the file formats of tensors share: how a tensor's
// bytes become storage and come out of it again.
package fileio

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"netllm/tensor"
)

// Elements returns the product of dims. It fails, saying which, if a dimension
// or the product does not fit the address space; zeros do not hide others that
// do not.
func Elements(dims []uint64) (int, error) {
	const limit = math.MaxInt / 8 // 8 bytes: the widest element
	n, product := uint64(1), uint64(1)
	for _, d := range dims {
		high, low := bits.Mul64(product, max(d, 1))
		if high != 0 || low > limit {
			few := append([]uint64(nil), dims[:min(len(dims), 16)]...) // a copy: dims can stay on the caller's stack
			return 0, fmt.Errorf("the product of dimensions %d overflows", few)
		}
		product = low
		n *= d
	}
	return int(n), nil
}

// Storage returns storage over b, or over a copy of b in memory of its own if b
// is not aligned for elements of the type.
func Storage(b []byte, dtype tensor.DType) *tensor.Storage {
	align := uintptr(dtype.BlockBytes())
	if dtype.IsBlock() {
		align = 2 // the float16 scale
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%align == 0 {
		return tensor.HostBytes(b)
	}
	s := tensor.NewHost(len(b))
	copy(s.Bytes(), b)
	return s
}

// Content returns the bytes of t, which is about to be written. It fails
// unless t is a contiguous tensor in host memory of the given type and shape.
func Content(t tensor.Tensor, dtype tensor.DType, shape []int) ([]byte, error) {
	switch {
	case t.IsZero():
		return nil, errors.New("no tensor")
	case !t.Storage().OnHost():
		return nil, fmt.Errorf("%v is not in host memory", t)
	case t.DType() != dtype || fmt.Sprint(t.Shape()) != fmt.Sprint(append([]int{}, shape...)):
		return nil, fmt.Errorf("got %v, want %v%v", t, dtype, shape)
	case !t.IsContiguous():
		return nil, fmt.Errorf("%v is not contiguous", t)
	}
	return t.Bytes(), nil
}
