// What the contract says about memory, transfers, order and counters.

package opstest

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// contract checks memory, transfers, order and counters.
func contract(t *testing.T, b ops.Backend) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, b ops.Backend)
	}{
		{"name", contractName},
		{"alloc", contractAlloc},
		{"transfer", contractTransfer},
		{"arguments", contractArguments},
		{"order", contractOrder},
		{"free", contractFree},
		{"prepare", contractPrepare},
		{"counters", contractCounters},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, b) })
	}
}

func contractName(t *testing.T, b ops.Backend) {
	if b.Name() == "" {
		t.Error("Name is empty")
	}
	if err := b.Sync(); err != nil {
		t.Errorf("Sync of a fresh backend: %v", err)
	}
}

// allocated returns a tensor of n floats in storage of its own.
func allocated(b ops.Backend, n int) tensor.Tensor {
	return tensor.Of(b.Alloc(4*n), tensor.F32, n)
}

// floatBytes returns numbers as Upload takes them.
func floatBytes(values ...float32) []byte {
	buf := make([]byte, 0, 4*len(values))
	for _, v := range values {
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
	}
	return buf
}

// counting returns n numbers from first on.
func counting(first float32, n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = first + float32(i)
	}
	return values
}

func wantFloats(t *testing.T, b ops.Backend, what string, x tensor.Tensor, want ...float32) {
	t.Helper()
	got := make([]byte, 4*len(want))
	if err := b.Download(got, x); err != nil {
		t.Fatalf("%s: Download: %v", what, err)
	}
	if w := floatBytes(want...); !bytes.Equal(got, w) {
		for i := range want {
			if g := math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])); g != want[i] {
				t.Errorf("%s: element %d: got %v, want %v", what, i, g, want[i])
				return
			}
		}
		t.Errorf("%s: got bytes %x, want %x", what, got, w)
	}
}

func contractAlloc(t *testing.T, b ops.Backend) {
	for _, size := range []int{0, 4, 100, 4096, 1 << 20} {
		for range 2 { // the second time, memory may be that of the first
			s := b.Alloc(size)
			if s.Size() != size {
				t.Fatalf("Alloc(%d): got size %d", size, s.Size())
			}
			x := tensor.Of(s, tensor.F32, size/4)
			wantFloats(t, b, "fresh memory", x, make([]float32, size/4)...)
			b.Upload(x, floatBytes(counting(1, size/4)...))
			b.Free(s)
		}
	}
}

func contractTransfer(t *testing.T, b ops.Backend) {
	x := allocated(b, 12)
	data := floatBytes(counting(0, 12)...)
	b.Upload(x, data)
	clear(data) // Upload has copied it
	wantFloats(t, b, "whole", x, counting(0, 12)...)
	b.Upload(x.Slice(0, 3, 5), floatBytes(-1, -2))
	wantFloats(t, b, "part of a tensor", x, 0, 1, 2, -1, -2, 5, 6, 7, 8, 9, 10, 11)
	wantFloats(t, b, "downloaded part", x.Slice(0, 4, 7), -2, 5, 6)
	b.Upload(x.Slice(0, 4, 4), nil)
	wantFloats(t, b, "nothing", x.Slice(0, 7, 7))

	ids := tensor.Of(b.Alloc(8), tensor.I32, 2)
	b.Upload(ids, []byte{1, 2, 3, 4, 255, 255, 255, 255})
	got := make([]byte, 8)
	if err := b.Download(got, ids); err != nil || !bytes.Equal(got, []byte{1, 2, 3, 4, 255, 255, 255, 255}) {
		t.Errorf("I32: got %v, %v", got, err)
	}
	nans := floatBytes(1, 2)
	binary.LittleEndian.PutUint32(nans, slackBits)
	b.Upload(x.Slice(0, 0, 2), nans)
	if err := b.Download(got, x.Slice(0, 0, 2)); err != nil || !bytes.Equal(got, nans) {
		t.Errorf("bits of a NaN: got %x, %v, want %x", got, err, nans)
	}

	column := x.Reshape(3, 4).Slice(1, 0, 1)
	wantPanic(t, "Upload to a view with gaps", func() { b.Upload(column, make([]byte, 12)) })
	wantPanic(t, "Download of a view with gaps", func() { _ = b.Download(make([]byte, 12), column) })
	wantPanic(t, "Upload of too much", func() { b.Upload(x, make([]byte, 52)) }, "48", "52")
	wantPanic(t, "Download of too little", func() { _ = b.Download(make([]byte, 44), x) }, "48", "44")
}

// contractArguments: the caller reuses its Args as soon as Run returns.
func contractArguments(t *testing.T, b ops.Backend) {
	x := allocated(b, 3)
	args := ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{7}}
	b.Run(ops.OpFill, &args)
	args.F[0], args.T[0] = 9, tensor.Tensor{}
	wantFloats(t, b, "filled", x, 7, 7, 7)
}

// contractOrder: calls take effect in their order, transfers among them.
func contractOrder(t *testing.T, b ops.Backend) {
	x, y, z := allocated(b, 4), allocated(b, 4), allocated(b, 4)
	run := func(op ops.Op, f float32, ts ...tensor.Tensor) {
		args := ops.Args{F: [8]float32{f}}
		copy(args.T[:], ts)
		b.Run(op, &args)
	}
	// Reading, then writing over what was read.
	b.Upload(x, floatBytes(1, 2, 3, 4))
	run(ops.OpCopy, 1, y, x)
	b.Upload(x, floatBytes(10, 20, 30, 40))
	run(ops.OpAdd, 0, z, x, y)
	run(ops.OpFill, -1, x)
	run(ops.OpCopy, 2, y, x)
	wantFloats(t, b, "written after it was read", z, 11, 22, 33, 44)
	wantFloats(t, b, "read after it was written", y, -2, -2, -2, -2)

	// A long chain without waiting.
	b.Upload(x, floatBytes(0, 0, 0, 0))
	b.Upload(y, floatBytes(1, 2, 3, 4))
	const steps = 3000
	for i := range steps {
		from, to := x, z
		if i%2 == 1 {
			from, to = z, x
		}
		run(ops.OpAdd, 0, to, from, y)
	}
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	wantFloats(t, b, "a long chain", x, steps, 2*steps, 3*steps, 4*steps)

	// The arena's memory is used again while results computed from it wait.
	c := ops.NewContext(b)
	var kept []tensor.Tensor
	for i := range 20 {
		keep := allocated(b, 4)
		mark := c.Arena.Mark()
		u := c.Float32s(counting(float32(i), 4), 4)
		ops.CopyInto(c, keep, ops.Add(c, u, u))
		c.Arena.Release(mark)
		kept = append(kept, keep)
	}
	for i, keep := range kept {
		f := float32(2 * i)
		wantFloats(t, b, "computed in memory used again", keep, f, f+2, f+4, f+6)
	}
	c.Arena.Free()
}

// contractFree: what was asked for before Free still happens.
func contractFree(t *testing.T, b ops.Backend) {
	const n = 1000
	y := allocated(b, n)
	for round := range 10 {
		x := allocated(b, n)
		b.Upload(x, floatBytes(counting(float32(round), n)...))
		b.Run(ops.OpAdd, &ops.Args{T: [9]tensor.Tensor{y, y, x}})
		b.Free(x.Storage())
	}
	want := make([]float32, n)
	for i := range want {
		want[i] = float32(45 + 10*i)
	}
	wantFloats(t, b, "sum of freed tensors", y, want...)
}

func contractPrepare(t *testing.T, b ops.Backend) {
	for _, dtype := range weightTypes {
		w := (newCase(ops.OpMatMul, "prepare")).weight(dtype, 3, 256).tensor
		before := append([]byte{}, w.Bytes()...)
		p, err := b.Prepare(w)
		if err != nil {
			t.Errorf("Prepare(%v): %v", w, err)
			continue
		}
		if !p.SameShape(w) || p.DType() != dtype {
			t.Errorf("Prepare(%v): got %v", w, p)
		}
		if !bytes.Equal(w.Bytes(), before) {
			t.Errorf("Prepare(%v) changed it", w)
		}
	}
	bias, err := b.Prepare(tensor.FromFloat32([]float32{1, 2, 3}, 3))
	if err != nil {
		t.Fatalf("Prepare of a vector: %v", err)
	}
	x, y := allocated(b, 3), allocated(b, 3)
	b.Upload(x, floatBytes(10, 20, 30))
	b.Run(ops.OpAdd, &ops.Args{T: [9]tensor.Tensor{y, x, bias}})
	wantFloats(t, b, "sum with a prepared vector", y, 11, 22, 33)
	if _, err := b.Prepare(tensor.New(tensor.I32, 4)); err == nil {
		t.Error("Prepare of I32: got no error")
	}
}

func contractCounters(t *testing.T, b ops.Backend) {
	const n = 256
	x := allocated(b, n)
	before := b.Counters()
	b.Upload(x, make([]byte, 4*n))
	b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}})
	if err := b.Download(make([]byte, 4*n), x); err != nil {
		t.Fatal(err)
	}
	got := b.Counters().BytesTransferred - before.BytesTransferred
	want := int64(8 * n)
	if x.Storage().OnHost() {
		want = 0
	}
	if got != want {
		t.Errorf("BytesTransferred of an upload and a download of %d bytes each: got %d, want %d", 4*n, got, want)
	}
}
