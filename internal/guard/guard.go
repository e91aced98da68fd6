// Package guard lends test operands that lie against inaccessible memory.
//
// Assembly is not bounds-checked: a kernel that reads or writes one element too far
// usually gets away with it. A slice from Tail ends where a page begins that faults on
// any access, one from Head begins where such a page ends. What is left of the slice's
// own pages is filled with 0xFF bytes (NaN as a float32 or float64) and checked when the test ends.
//
//	x := guard.Tail[float32](t, 17) // x[17] faults
//	y := guard.Head[float32](t, 17) // y[-1] faults
//
// On systems other than Linux there are no inaccessible pages, only the filling.
package guard

import (
	"testing"
	"unsafe"
)

// Element is what a lent slice may hold.
type Element interface {
	~int8 | ~uint8 | ~uint16 | ~int32 | ~uint32 | ~float32 | ~float64
}

const filling = 0xFF

// Tail lends n elements that end at an inaccessible page. The memory belongs to tb and
// is given back when it ends; the elements are not zeroed but filled with 0xFF bytes.
func Tail[T Element](tb testing.TB, n int) []T {
	tb.Helper()
	size := n * int(unsafe.Sizeof(*new(T)))
	mem := lend(tb, size)
	return view[T](tb, mem, len(mem)-size, n)
}

// Head lends n elements that begin behind an inaccessible page, otherwise as Tail does.
func Head[T Element](tb testing.TB, n int) []T {
	tb.Helper()
	return view[T](tb, lend(tb, n*int(unsafe.Sizeof(*new(T)))), 0, n)
}

// view fills mem and returns the n elements at byte offset; the rest is checked at the end.
func view[T Element](tb testing.TB, mem []byte, offset, n int) []T {
	tb.Helper()
	for i := range mem {
		mem[i] = filling
	}
	size := n * int(unsafe.Sizeof(*new(T)))
	tb.Cleanup(func() {
		for i, b := range mem {
			if b != filling && (i < offset || i >= offset+size) {
				tb.Errorf("guard: byte %d of the slack round a slice of %d elements was overwritten", i-offset, n)
				return
			}
		}
	})
	if n == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[offset])), n)
}
