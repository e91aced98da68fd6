// What an arena hands out, and when it asks its backend for more.

package ops_test

import (
	"testing"
	"unsafe"

	"netllm/ops"
	"netllm/tensor"
)

// counter counts what an arena asks of its backend.
type counter struct {
	ops.Backend
	allocs, frees int
}

func (b *counter) Alloc(size int) *tensor.Storage {
	b.allocs++
	return b.Backend.Alloc(size)
}

func (b *counter) Free(s *tensor.Storage) {
	b.frees++
	b.Backend.Free(s)
}

// address is where a tensor of host memory begins.
func address(x tensor.Tensor) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(x.Storage().Bytes())))
}

func TestArenaMarkAndRelease(t *testing.T) {
	a := ops.NewArena(ops.NewCPU(1))
	x := a.New(tensor.F32, 3)
	mark := a.Mark()
	y := a.New(tensor.F32, 5, 7)
	at := address(y)
	if y.Dim(0) != 5 || y.Dim(1) != 7 || !y.IsWhole() {
		t.Errorf("New: got %v, want all of a storage F32[5x7]", y)
	}
	z := a.New(tensor.I32, 2)
	if z.DType() != tensor.I32 {
		t.Errorf("New: got %v, want I32", z)
	}
	for i, p := range []uintptr{address(x), at, address(z)} {
		if p%64 != 0 {
			t.Errorf("tensor %d begins at %#x, not at a multiple of 64", i, p)
		}
	}
	if at < address(x)+12 || address(z) < at+140 {
		t.Errorf("tensors overlap: at %#x, %#x, %#x", address(x), at, address(z))
	}
	a.Release(mark)
	if again := a.New(tensor.F32, 35); address(again) != at {
		t.Errorf("after Release: got memory at %#x, want %#x again", address(again), at)
	}
	first := address(x)
	a.Reset()
	if again := a.New(tensor.F32, 1); address(again) != first {
		t.Errorf("after Reset: got memory at %#x, want %#x again", address(again), first)
	}
}

func TestArenaReachesSteadyState(t *testing.T) {
	b := &counter{Backend: ops.NewCPU(1)}
	a := ops.NewArena(b)
	round := func() {
		for i := range 40 {
			a.New(tensor.F32, 1+i*5000) // 16 MB in all
		}
		a.New(tensor.F32, 5<<20) // more than a block has
		a.New(tensor.F32, 0)
		a.New(tensor.F32)
	}
	round()
	allocs, bytes := b.allocs, a.Bytes()
	if allocs < 3 {
		t.Errorf("first round: got %d blocks, want several", allocs)
	}
	if n := testing.AllocsPerRun(3, func() {
		a.Reset()
		round()
	}); n != 0 {
		t.Errorf("heap allocations per round: got %v, want 0", n)
	}
	if b.allocs != allocs || a.Bytes() != bytes {
		t.Errorf("later rounds: got %d blocks of %d bytes, want %d of %d", b.allocs, a.Bytes(), allocs, bytes)
	}
	a.Free()
	if b.frees != allocs || a.Bytes() != 0 {
		t.Errorf("Free: got %d of %d blocks freed, %d bytes left", b.frees, allocs, a.Bytes())
	}
	round() // usable all the same
	if b.allocs != 2*allocs {
		t.Errorf("round after Free: got %d blocks, want %d", b.allocs-allocs, allocs)
	}
}

// A released mark in an earlier block leads back to that block.
func TestArenaReleaseAcrossBlocks(t *testing.T) {
	b := &counter{Backend: ops.NewCPU(1)}
	a := ops.NewArena(b)
	a.New(tensor.F32, 1000)
	mark := a.Mark()
	at := address(a.New(tensor.F32, 1000))
	for range 5 {
		a.New(tensor.F32, 1<<19)
	}
	allocs := b.allocs
	a.Release(mark)
	if got := address(a.New(tensor.F32, 1000)); got != at {
		t.Errorf("after Release: got memory at %#x, want %#x", got, at)
	}
	for range 5 {
		a.New(tensor.F32, 1<<19)
	}
	if b.allocs != allocs {
		t.Errorf("the same again: got %d blocks, want %d", b.allocs, allocs)
	}
}
