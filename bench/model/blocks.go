// Random elements of every type, fast: several bytes a nanosecond for the block
// types, since random bytes are valid codes and only the scales must be chosen.

package model

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"

	"netllm/tensor"
)

func invSqrt(n int) float64 { return 1 / math.Sqrt(float64(n)) }

// A source draws 64 random bits at a time (xorshift64*, Vigna 2016).
type source uint64

// newSource returns the stream of a tensor.
func newSource(seed uint64, name string) source {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, seed) // a hash takes everything
	h.Write([]byte(name))
	return source(h.Sum64() | 1)
}

func (s *source) next() uint64 {
	x := uint64(*s)
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*s = source(x)
	return x * 2685821657736338717
}

// bytes fills b.
func (s *source) bytes(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, s.next())
	}
	for i, last := 0, s.next(); i < len(b); i++ {
		b[i] = byte(last >> (8 * i))
	}
}

// uniform returns a number in [-1, 1).
func (s *source) uniform() float32 { return float32(int32(s.next()>>32)) * 0x1p-31 }

// fill writes random elements of type dtype, with mean 0 and the given standard
// deviation, to dst, a whole number of blocks.
func (s *source) fill(dtype tensor.DType, dst []byte, std float64) error {
	switch dtype {
	case tensor.F32:
		wide := float32(std * math.Sqrt(3)) // of a uniform distribution
		for ; len(dst) > 0; dst = dst[4:] {
			binary.LittleEndian.PutUint32(dst, math.Float32bits(wide*s.uniform()))
		}
		return nil
	case tensor.F16, tensor.BF16:
		s.halves(dtype, dst, std)
		return nil
	}
	return s.blocks(dtype, dst, std)
}

// halves draws from a table of some thousand numbers: converting each would take
// longer than all the rest.
func (s *source) halves(dtype tensor.DType, dst []byte, std float64) {
	const entries = 1 << 12
	values := make([]float32, entries)
	for i := range values {
		values[i] = float32(std*math.Sqrt(3)) * (2*(float32(i)+0.5)/entries - 1)
	}
	codes := make([]byte, 2*entries)
	tensor.Quantize(dtype, codes, values)
	for i := 0; i < len(dst); i += 2 {
		at := s.next() >> 52 * 2
		dst[i], dst[i+1] = codes[at], codes[at+1]
	}
}

// A field is a float16 in a block, at a byte, that is to be the standard deviation
// of the elements times a factor.
type field struct {
	at     int
	factor float64
}

// blockFields lists the scales of each block type; all other bytes are codes, and
// any codes are valid. With codes uniform in 0..n, x = d*(c - n/2) has the
// deviation d*sqrt(n(n+2)/12), and so on: the layouts are those of ggml-common.h of
// the ggml project.
var blockFields = map[string][]field{
	"Q8_0": {{0, 1 / 73.9}},
	"Q4_0": {{0, 1 / 4.64}},
	"Q4_1": {{0, 1 / 4.61}, {2, -7.5 / 4.61}},
	"Q5_0": {{0, 1 / 9.25}},
	"Q5_1": {{0, 1 / 9.23}, {2, -15.5 / 9.23}},
	"Q4_K": {{0, 1 / 258.}, {2, 7.5 / 258.}}, // x = d*s*c - dmin*m, s and m of six bits
	"Q5_K": {{0, 1 / 527.}, {2, 15.5 / 527.}},
	"Q6_K": {{208, 1 / (18.5 * 73.9)}}, // x = d*s*(c-32), s of eight bits with sign
	"Q2_K": {{80, 1 / 13.87}, {82, 1.5 / 13.87}},
	"Q3_K": {{108, 1 / 43.3}}, // s of six bits with sign

	"IQ4_NL": {{0, 1 / 67.2}}, // x = d*table[c]
	"IQ4_XS": {{0, 1 / 1246.}},
}

func (s *source) blocks(dtype tensor.DType, dst []byte, std float64) error {
	fields, ok := blockFields[dtype.String()]
	if !ok {
		return fmt.Errorf("model: no random blocks of type %v", dtype)
	}
	s.bytes(dst)
	for _, f := range fields {
		scale := tensor.Float32ToF16(float32(std * f.factor))
		for i := f.at; i < len(dst); i += dtype.BlockBytes() {
			binary.LittleEndian.PutUint16(dst[i:], scale)
		}
	}
	return nil
}

// Random returns a matrix in memory with random elements of mean 0 and the given
// standard deviation. It fails if there are no such elements of the type, and panics
// if rows are no whole blocks.
func Random(dtype tensor.DType, seed uint64, std float64, rows, cols int) (tensor.Tensor, error) {
	t := tensor.New(dtype, rows, cols)
	src := newSource(seed, "matrix")
	return t, src.fill(dtype, t.Bytes(), std)
}
