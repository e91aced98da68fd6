// Threads of the CPU backend: their number, their end, their pins.

package ops_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"netllm/ops"
	"netllm/ops/asm"
	"netllm/tensor"
)

func TestCPUName(t *testing.T) {
	b := ops.NewCPU(3)
	defer b.Close()
	if got, want := b.Name(), fmt.Sprintf("cpu (%s, threads 3)", asm.Level()); got != want {
		t.Errorf("Name: got %q, want %q", got, want)
	}
	all := ops.NewCPU(0)
	defer all.Close()
	if got, want := all.Threads(), runtime.GOMAXPROCS(0); got != want {
		t.Errorf("threads of NewCPU(0): got %d, want %d", got, want)
	}
}

func TestCloseStopsThreads(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		b := ops.NewCPU(4)
		x := tensor.Of(b.Alloc(4<<16), tensor.F32, 1<<16)
		b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{1}})
		for range 2 { // once more does no harm
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	idle := ops.NewCPU(4) // threads that never worked
	idle.Close()
	// A thread that was told to stop may need a moment.
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines: got %d, want at most %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestUseAfterClosePanics(t *testing.T) {
	b := ops.NewCPU(2)
	x := tensor.Of(b.Alloc(4<<16), tensor.F32, 1<<16)
	b.Close()
	wantPanic(t, "Run", func() { b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}}) }, "ops: CPU", "Close")
}

// Several backends work at the same time, each for its own goroutine, with
// kernels for all threads and for one in turn, and frozen weights in common.
func TestBackendsSideBySide(t *testing.T) {
	const n = 1 << 15
	shared := tensor.New(tensor.F32, n)
	for i := range shared.Float32s() {
		shared.Float32s()[i] = 1
	}
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			b := ops.NewCPU(1 + g)
			defer b.Close()
			frozen, err := b.Prepare(shared)
			if err != nil {
				t.Error(err)
				return
			}
			sum, one := tensor.Of(b.Alloc(4*n), tensor.F32, n), tensor.Of(b.Alloc(4), tensor.F32, 1)
			const rounds = 200
			for i := range rounds {
				b.Run(ops.OpAdd, &ops.Args{T: [9]tensor.Tensor{sum, sum, frozen}})
				for range i % 7 { // now and then long enough for threads to fall asleep
					b.Run(ops.OpSumSquares, &ops.Args{T: [9]tensor.Tensor{one, frozen}})
				}
			}
			for i, v := range sum.Float32s() {
				if v != rounds {
					t.Errorf("%s: element %d: got %v, want %d", b.Name(), i, v, rounds)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Pinned threads compute, and give the processors free again.
func TestPin(t *testing.T) {
	const n = 1 << 16
	b := ops.NewCPU(2)
	defer b.Close()
	x := tensor.Of(b.Alloc(4*n), tensor.F32, n)
	unpin, err := b.Pin()
	if err != nil {
		t.Skipf("skip: %v", err)
	}
	b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{1}})
	unpin()
	b.Run(ops.OpAdd, &ops.Args{T: [9]tensor.Tensor{x, x, x}})
	for i, v := range x.Float32s() {
		if v != 2 {
			t.Fatalf("element %d: got %v, want 2", i, v)
		}
	}

	many := ops.NewCPU(runtime.NumCPU() + 1)
	defer many.Close()
	wantErr := fmt.Sprintf("%d threads", runtime.NumCPU()+1)
	if _, err := many.Pin(); err == nil || !strings.Contains(err.Error(), wantErr) {
		t.Errorf("Pin of more threads than processors: got %v, want an error with %q", err, wantErr)
	}
}
