package main

import (
	"math"
	"testing"

	"netllm/tensor"
)

// What bits tell of finite numbers is what dequantising tells, for every type,
// whatever the element and wherever it is.
func TestNotFinite(t *testing.T) {
	var b buffer
	for dtype := tensor.Invalid + 1; dtype <= tensor.Q6_K; dtype++ {
		if !dtype.IsFloat() && dtype != tensor.F64 {
			continue
		}
		n := 3 * max(dtype.BlockLen(), 8)
		clean := make([]byte, dtype.Bytes(n))
		if _, known := scales[dtype.String()]; dtype.IsBlock() && !known {
			t.Errorf("%v: nobody says where its scales are", dtype)
		}
		for i := range len(clean) / 2 {
			for _, bits := range []uint16{0x7c00, 0xfc01, 0x7f80, 0xff81, 0x7ff0, 0x7bff, 0x7f7f, 0x7fef, 0xffff} {
				src := make([]byte, len(clean))
				src[2*i], src[2*i+1] = byte(bits), byte(bits>>8)
				want, first := 0, 0
				for j, x := range b.numbers(0, dtype, src) {
					if math.IsNaN(x) || math.IsInf(x, 0) {
						if want++; want == 1 {
							first = j
						}
					}
				}
				if count, at := b.notFinite(dtype, src); count != want || at != first {
					t.Fatalf("%v, %#x at byte %d: got %d elements, the first at %d, want %d, %d", dtype, bits, 2*i, count, at, want, first)
				}
			}
		}
	}
}
