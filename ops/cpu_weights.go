// Frozen weights in the layout that this machine's products read fastest.

package ops

import (
	"fmt"
	"runtime"
	"unsafe"

	"netllm/ops/asm"
	"netllm/tensor"
)

// stripWeight is a frozen matrix [n, k] in the strips of package asm: the handle
// of the opaque storage that [CPU.Prepare] returns. Its memory lies outside the
// Go heap and is given back by [CPU.Free], or when nothing refers to it any more.
type stripWeight struct {
	dtype   tensor.DType
	n, k    int
	strip   int // bytes of one strip
	memory  *tensor.Mapping
	cleanup runtime.Cleanup
}

// Prepare returns the matrix w in strips of rows, in memory outside the Go heap:
// as large as w, but for 2 to 4 percent more in Q3_K, Q4_K and Q5_K. w is not used any more
// afterwards. Vectors, and with [NoRepack] all tensors, are returned as they are.
func (c *CPU) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	if !w.DType().IsFloat() {
		return tensor.Tensor{}, fmt.Errorf("ops: a weight of type %v", w.DType())
	}
	if !c.repacks(w) {
		return w, nil
	}
	s := &stripWeight{dtype: w.DType(), n: w.Dim(0), k: w.Dim(1)}
	s.strip = stripBytes(s.dtype, s.k)
	var err error
	if s.memory, err = tensor.MapMemory(asm.Strips(s.n) * s.strip); err != nil {
		return tensor.Tensor{}, fmt.Errorf("ops: strips of %v: %w", w, err)
	}
	s.cleanup = runtime.AddCleanup(s, func(m *tensor.Mapping) { m.Close() }, s.memory)
	packed := tensor.Of(tensor.NewDevice(s, w.DType().Bytes(w.Len())), w.DType(), s.n, s.k)
	c.split(cpuPackStrips, &Args{T: [9]tensor.Tensor{packed, w}}, w.Len())
	return packed, nil
}

func cpuPackStrips(_ *CPU, a *Args, w *worker) {
	s := stripsOf(a.T[0])
	from, to := w.span(s.n, asm.StripRows)
	if from == to {
		return
	}
	rows := a.T[1].Slice(0, from, to)
	packStrips(s.dtype, s.from(from)[:asm.Strips(to-from)*s.strip], rows.Bytes(), to-from, s.k)
}

// packStrips brings n rows of k elements to strips.
func packStrips(dtype tensor.DType, dst, rows []byte, n, k int) {
	switch dtype {
	case tensor.F32:
		asm.PackStrips(as[float32](dst), as[float32](rows), n, k)
	case tensor.F16, tensor.BF16:
		asm.PackStrips16(as[uint16](dst), as[uint16](rows), n, k)
	default:
		asm.PackBlocks(blockFormats[dtype], dst, rows, n, k)
	}
}

// blockFormats are the names of package asm for block types.
var blockFormats = [...]asm.BlockFormat{
	tensor.Q8_0: asm.Q8_0, tensor.Q4_0: asm.Q4_0, tensor.Q4_1: asm.Q4_1, tensor.Q5_0: asm.Q5_0, tensor.Q5_1: asm.Q5_1,
	tensor.Q4_K: asm.Q4_K, tensor.Q5_K: asm.Q5_K, tensor.Q6_K: asm.Q6_K,
	tensor.Q2_K: asm.Q2_K, tensor.Q3_K: asm.Q3_K, tensor.IQ4_NL: asm.IQ4_NL, tensor.IQ4_XS: asm.IQ4_XS,
}

// stripBytes returns the size of a strip of rows of k elements.
func stripBytes(dtype tensor.DType, k int) int {
	if dtype.IsBlock() {
		return blockFormats[dtype].StripBytes(k)
	}
	return asm.StripRows * k * dtype.BlockBytes()
}

// Free gives the memory of prepared weights back; that of others is the garbage
// collector's. No tensor over it may be used later.
func (c *CPU) Free(store *tensor.Storage) {
	if handle, _ := store.Device(); handle != nil {
		s := handle.(*stripWeight)
		s.cleanup.Stop()
		s.memory.Close() // taking back what was mapped does not fail
	}
}

// stripsOf returns what a prepared weight is, or nil for an ordinary tensor.
func stripsOf(t tensor.Tensor) *stripWeight {
	if t.IsZero() || t.Storage().OnHost() {
		return nil
	}
	handle, _ := t.Storage().Device()
	return handle.(*stripWeight)
}

// from returns the bytes of the strips from row r on, a multiple of asm.StripRows.
func (s *stripWeight) from(r int) []byte { return s.memory.Bytes()[r/asm.StripRows*s.strip:] }

// elements returns the strips from row r on of a weight of plain elements.
func elements[T float32 | uint16](s *stripWeight, r int) []T { return as[T](s.from(r)) }

// as returns aligned bytes as the elements that they hold.
func as[T float32 | uint16](b []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

// rowRange returns which rows of the weight the view t has.
func (s *stripWeight) rowRange(t tensor.Tensor) (from, to int) {
	from = t.Offset() / s.k
	return from, from + t.Len()/s.k
}

// row stores row r in dst as float32.
func (s *stripWeight) row(dst []float32, w *worker, r int) {
	raw := bytesOf(w.scratch(s.k))[:s.dtype.Bytes(s.k)]
	s.unpack(raw, r, r+1)
	dequantize(s.dtype, dst, raw)
}

// unpack stores rows from to to-1 in dst with the bytes that they had before
// [CPU.Prepare].
func (s *stripWeight) unpack(dst []byte, from, to int) {
	switch s.dtype {
	case tensor.F32:
		asm.UnpackStrips(as[float32](dst), elements[float32](s, 0), s.n, s.k, from, to)
	case tensor.F16, tensor.BF16:
		asm.UnpackStrips16(as[uint16](dst), elements[uint16](s, 0), s.n, s.k, from, to)
	default:
		asm.UnpackBlocks(blockFormats[s.dtype], dst, s.from(0), s.n, s.k, from, to)
	}
}
