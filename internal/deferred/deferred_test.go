// Tests of the backend that tests use, among them the conformance suite.

package deferred_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"netllm/internal/deferred"
	"netllm/ops"
	"netllm/ops/opstest"
	"netllm/tensor"
)

func TestConformance(t *testing.T) {
	opstest.Run(t, func(testing.TB) ops.Backend { return deferred.New() })
}

func TestNothingHappensBeforeSync(t *testing.T) {
	b := deferred.New()
	defer b.Close()
	c := ops.NewContext(b)
	x := c.Float32s([]float32{1, 2, 3}, 3)
	ops.Add(c, x, x)
	if got := b.Pending(); got != 2 {
		t.Errorf("pending after an upload and a sum: got %d, want 2", got)
	}
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := b.Pending(); got != 0 {
		t.Errorf("pending after Sync: got %d, want 0", got)
	}
}

func TestFail(t *testing.T) {
	b := deferred.New()
	defer b.Close()
	c := ops.NewContext(b)
	lost, later := errors.New("device lost"), errors.New("later")
	x := c.Float32s([]float32{1, 2}, 2)
	y := ops.Add(c, x, x)
	got, err := c.Floats(y)
	if err != nil || got[0] != 2 || got[1] != 4 {
		t.Fatalf("before Fail: got %v, %v", got, err)
	}
	b.Fail(lost)
	b.Fail(later)
	ops.CopyInto(c, y, x)
	for range 2 {
		if err := b.Sync(); err != lost {
			t.Errorf("Sync: got %v, want %v", err, lost)
		}
		dst := []float32{7, 7}
		if err := c.Read(dst, y); err != lost {
			t.Errorf("Read: got %v, want %v", err, lost)
		}
		if dst[0] != 7 || dst[1] != 7 {
			t.Errorf("Read after an error changed its destination to %v", dst)
		}
	}
	if _, err := c.ReadScalar(y.Slice(0, 0, 1)); err != lost {
		t.Errorf("ReadScalar: got %v, want %v", err, lost)
	}
	if _, err := c.Floats(x); err != lost {
		t.Errorf("Floats: got %v, want %v", err, lost)
	}
}

func TestPanics(t *testing.T) {
	b, other := deferred.New(), deferred.New()
	defer b.Close()
	defer other.Close()
	x := tensor.Of(b.Alloc(8), tensor.F32, 2)
	freed := tensor.Of(b.Alloc(8), tensor.F32, 2)
	b.Free(freed.Storage())
	half := new(tensor.Storage)
	x.Storage().Carve(half, 0, 4)
	run := func(ts ...tensor.Tensor) func() {
		return func() {
			args := ops.Args{}
			copy(args.T[:], ts)
			b.Run(ops.OpAdd, &args)
		}
	}
	for _, test := range []struct {
		name, want string
		f          func()
	}{
		{"host reads a device", "on a device", func() { x.Float32s() }},
		{"host memory", "Add: T1 (F32[2]): storage of 8 bytes is in host memory", run(x, tensor.New(tensor.F32, 2), x)},
		{"another backend's", "Add: T2 (F32[2]): storage of 8 bytes is another backend's", run(x, x, tensor.Of(other.Alloc(8), tensor.F32, 2))},
		{"another device's", "another backend's", run(x, x, tensor.Of(tensor.NewDevice("gpu", 8), tensor.F32, 2))},
		{"freed", "Add: T0 (F32[2]): storage of 8 bytes was freed", run(freed, x, x)},
		{"upload to freed", "Upload: storage of 8 bytes was freed", func() { b.Upload(freed, make([]byte, 8)) }},
		{"freed twice", "Free: storage of 8 bytes was freed", func() { b.Free(freed.Storage()) }},
		{"a part freed", "not a whole allocation", func() { b.Free(half) }},
		{"no error", "no error", func() { b.Fail(nil) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, test.want) {
					t.Errorf("got panic %q, want %q in it", got, test.want)
				}
			}()
			test.f()
		})
	}
}

// Memory is used again only after Free, and is zero whatever it held.
func TestFreedMemoryIsReused(t *testing.T) {
	b := deferred.New()
	defer b.Close()
	c := ops.NewContext(b)
	sum := tensor.Of(b.Alloc(16), tensor.F32, 4)
	for i := range 3 {
		x := tensor.Of(b.Alloc(64), tensor.F32, 16).Slice(0, 0, 4)
		b.Run(ops.OpAdd, &ops.Args{T: [9]tensor.Tensor{sum, sum, x}}) // of zeros
		b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{float32(i + 1)}})
		b.Run(ops.OpAdd, &ops.Args{T: [9]tensor.Tensor{sum, sum, x}})
		b.Free(x.Storage())
	}
	got, err := c.Floats(sum)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != 6 {
			t.Errorf("element %d: got %v, want 6", i, v)
		}
	}
}
