package guard

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"unsafe"
)

func TestPlacement(t *testing.T) {
	page := uintptr(os.Getpagesize())
	for _, n := range []int{0, 1, 17, 5000} {
		tail, head := Tail[float32](t, n), Head[float32](t, n)
		if len(tail) != n || len(head) != n {
			t.Fatalf("got lengths %d and %d, want %d", len(tail), len(head), n)
		}
		for i := range n {
			if !math.IsNaN(float64(tail[i])) || !math.IsNaN(float64(head[i])) {
				t.Fatalf("element %d of %d is not NaN", i, n)
			}
			tail[i], head[i] = 1, 1
		}
		if runtime.GOOS != "linux" || n == 0 {
			continue
		}
		if end := uintptr(unsafe.Pointer(&tail[n-1])) + 4; end%page != 0 {
			t.Errorf("tail of %d ends at %#x, not at a page", n, end)
		}
		if begin := uintptr(unsafe.Pointer(&head[0])); begin%page != 0 {
			t.Errorf("head of %d begins at %#x, not at a page", n, begin)
		}
	}
}

func TestAccessOutsideFaults(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("inaccessible pages are for Linux only")
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	faults := func(p unsafe.Pointer) (fault bool) {
		defer func() { fault = recover() != nil }()
		*(*float32)(p) = 1
		return
	}
	tail, head := Tail[float32](t, 3), Head[float32](t, 3)
	if !faults(unsafe.Add(unsafe.Pointer(&tail[2]), 4)) {
		t.Error("writing behind a tail: got no fault, want one")
	}
	if !faults(unsafe.Add(unsafe.Pointer(&head[0]), -4)) {
		t.Error("writing before a head: got no fault, want one")
	}
	if faults(unsafe.Pointer(&tail[0])) || faults(unsafe.Pointer(&head[2])) {
		t.Error("writing inside: got a fault, want none")
	}
}

// A recorder is a TB that notes errors instead of failing.
type recorder struct {
	testing.TB
	failed  bool
	cleanup []func()
}

func (r *recorder) Helper()               {}
func (r *recorder) Cleanup(f func())      { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestSlackIsChecked(t *testing.T) {
	for _, c := range []struct {
		name  string
		write bool
	}{{"untouched", false}, {"overwritten", true}} {
		r := &recorder{TB: t}
		x := Head[float32](r, 3)
		x[2] = 1
		if c.write && runtime.GOOS == "linux" {
			*(*float32)(unsafe.Add(unsafe.Pointer(&x[2]), 4)) = 1
		}
		for i := len(r.cleanup) - 1; i >= 0; i-- {
			r.cleanup[i]()
		}
		if want := c.write && runtime.GOOS == "linux"; r.failed != want {
			t.Errorf("%s: got failure %t, want %t", c.name, r.failed, want)
		}
	}
}
