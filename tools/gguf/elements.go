// Going through the elements of large tensors: in chunks, several at a time, and
// with memory for a few of them only.

package main

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"netllm/tensor"
	"netllm/tools/internal/cli"
)

// chunkElements is how many elements are looked at together: a multiple of every
// block's length.
const chunkElements = 1 << 18

// chunk is a part of a tensor's elements.
type chunk struct {
	tensor   int // index in a list
	from, to int64
}

// chunksOf divides a tensor.
func chunksOf(list []chunk, index int, elements int64) []chunk {
	for from := int64(0); from < elements; from += chunkElements {
		list = append(list, chunk{index, from, min(from+chunkElements, elements)})
	}
	return list
}

// part returns the bytes of a chunk of a tensor's content.
func (c chunk) part(content []byte, dtype tensor.DType) []byte {
	return content[dtype.Bytes(int(c.from)):dtype.Bytes(int(c.to))]
}

// eachChunk calls do for the numbers of all chunks, from several goroutines; a
// worker has a buffer of its own. It ends early if the command is interrupted.
func eachChunk(ctx context.Context, threads, chunks int, do func(i int, b *buffer)) error {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(threads, max(chunks, 1)) {
		wait.Go(func() {
			var b buffer
			for {
				i := int(next.Add(1)) - 1
				if i >= chunks || ctx.Err() != nil {
					return
				}
				do(i, &b)
			}
		})
	}
	wait.Wait()
	return ctx.Err()
}

// threadCount checks the value of --threads.
func threadCount(n int) (int, error) {
	if n < 0 {
		return 0, cli.Usagef("--threads %d: want 1 or more", n)
	}
	if n == 0 {
		return runtime.GOMAXPROCS(0), nil
	}
	return n, nil
}

// buffer holds the numbers of a chunk or two.
type buffer struct {
	single []float32
	double [2][]float64
}

// numbers returns the elements of src in slot 0 or 1 of the buffer.
func (b *buffer) numbers(slot int, dtype tensor.DType, src []byte) []float64 {
	n := len(src) / dtype.BlockBytes() * dtype.BlockLen()
	if b.double[slot] == nil {
		b.double[slot] = make([]float64, chunkElements)
	}
	dst := b.double[slot][:n]
	le := binary.LittleEndian
	switch dtype {
	case tensor.F64:
		for i := range dst {
			dst[i] = math.Float64frombits(le.Uint64(src[8*i:]))
		}
	case tensor.I64:
		for i := range dst {
			dst[i] = float64(int64(le.Uint64(src[8*i:])))
		}
	case tensor.I32:
		for i := range dst {
			dst[i] = float64(int32(le.Uint32(src[4*i:])))
		}
	case tensor.I16:
		for i := range dst {
			dst[i] = float64(int16(le.Uint16(src[2*i:])))
		}
	case tensor.I8:
		for i := range dst {
			dst[i] = float64(int8(src[i]))
		}
	case tensor.U8, tensor.Bool:
		for i := range dst {
			dst[i] = float64(src[i])
		}
	default:
		for i, x := range b.floats(dtype, src) {
			dst[i] = float64(x)
		}
	}
	return dst
}

// floats returns the elements of src, which is of a type that can be
// dequantised.
func (b *buffer) floats(dtype tensor.DType, src []byte) []float32 {
	if b.single == nil {
		b.single = make([]float32, chunkElements)
	}
	dst := b.single[:len(src)/dtype.BlockBytes()*dtype.BlockLen()]
	tensor.Dequantize(dtype, dst, src)
	return dst
}

// notFinite returns how many elements of src are not finite, and the first.
func (b *buffer) notFinite(dtype tensor.DType, src []byte) (count, first int) {
	if dtype != tensor.F64 && !dtype.IsFloat() || allFinite(dtype, src) {
		return 0, 0
	}
	for i, x := range b.numbers(0, dtype, src) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			if count++; count == 1 {
				first = i
			}
		}
	}
	return count, first
}

// exponents of the types that are not blocks: the bits that are all set in a
// number that is not finite, in each element of 64 bits.
var exponents = map[tensor.DType]uint64{
	tensor.F64: 0x7ff0_0000_0000_0000, tensor.F32: 0x7f80_0000_7f80_0000,
	tensor.F16: 0x7c00_7c00_7c00_7c00, tensor.BF16: 0x7f80_7f80_7f80_7f80,
}

// scales are where the float16 numbers of a block are, by type: a block is finite
// if these are, for the rest is small integers. Source: ggml-common.h of the ggml
// project.
var scales = map[string][]int{
	"Q4_0": {0}, "Q4_1": {0, 2}, "Q5_0": {0}, "Q5_1": {0, 2}, "Q8_0": {0}, "IQ4_NL": {0}, "IQ4_XS": {0},
	"Q2_K": {80, 82}, "Q3_K": {108}, "Q4_K": {0, 2}, "Q5_K": {0, 2}, "Q6_K": {208},
}

// allFinite reports that all numbers are finite where bits tell that quickly. It
// may be false for others.
func allFinite(dtype tensor.DType, src []byte) bool {
	le := binary.LittleEndian
	if at, ok := scales[dtype.String()]; ok {
		size := dtype.BlockBytes()
		for ; len(src) >= size; src = src[size:] {
			for _, i := range at {
				if le.Uint16(src[i:])&0x7c00 == 0x7c00 {
					return false
				}
			}
		}
		return true
	}
	mask, ok := exponents[dtype]
	if !ok || len(src)%8 != 0 {
		return false
	}
	// A one added to an exponent that is all ones carries into the sign, which is
	// masked out.
	low, sign := mask&^(mask<<1), mask<<1&^mask // of each element
	for ; len(src) > 0; src = src[8:] {
		if (le.Uint64(src)&mask+low)&sign != 0 {
			return false
		}
	}
	return true
}
