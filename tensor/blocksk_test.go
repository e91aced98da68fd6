package tensor

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// bitsAt reads a number of n bits at a bit offset, the lowest first, as the tables
// of the block types give places.
func bitsAt(b []byte, at, n int) int {
	v := 0
	for i := range n {
		v |= int(b[(at+i)/8]>>((at+i)%8)&1) << i
	}
	return v
}

// refBlock dequantises one block, element by element, from tables of where the
// bits are; in float64, rounded where ggml's reference rounds.
func refBlock(dtype DType, b []byte) []float32 {
	f16 := func(at int) float32 { return float32(decodeF16(binary.LittleEndian.Uint16(b[at:]))) }
	x := make([]float32, dtype.BlockLen())
	for e := range x {
		i, high := e%32, e/32%2 // in a row of 32 bytes: the byte, and which half of it
		switch dtype {
		case Q4_1, Q5_0, Q5_1:
			at := map[DType]int{Q4_1: 4, Q5_0: 6, Q5_1: 8}[dtype]
			q := bitsAt(b, 8*at+8*(e%16)+4*(e/16), 4)
			if dtype != Q4_1 {
				q += 16 * bitsAt(b, 8*(at-4)+e, 1)
			}
			if dtype == Q5_0 {
				x[e] = f16(0) * float32(q-16)
			} else {
				x[e] = float32(float64(f16(0)*float32(q)) + float64(f16(2)))
			}
		case Q4_K, Q5_K:
			at, q := 16, 0
			if dtype == Q5_K {
				q, at = 16*bitsAt(b, 8*(16+i)+e/32, 1), 48
			}
			q += bitsAt(b, 8*(at+e/64*32+i)+4*high, 4)
			g := e / 32
			var s, m int
			if g < 4 {
				s, m = bitsAt(b, 8*(4+g), 6), bitsAt(b, 8*(8+g), 6)
			} else {
				s = bitsAt(b, 8*(8+g), 4) + 16*bitsAt(b, 8*g+6, 2)
				m = bitsAt(b, 8*(8+g)+4, 4) + 16*bitsAt(b, 8*(4+g)+6, 2)
			}
			x[e] = float32(float64(f16(0)*float32(s)*float32(q)) - float64(f16(2)*float32(m)))
		case Q6_K:
			half, quarter := e/128, e%128/32
			q := bitsAt(b, 8*(64*half+32*(quarter%2)+i)+4*(quarter/2), 4) + 16*bitsAt(b, 8*(128+32*half+i)+2*quarter, 2)
			x[e] = f16(208) * float32(int8(b[192+e/16])) * float32(q-32)
		}
	}
	return x
}

// Blocks of random bytes, which use every bit.
func TestDequantizeBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for dtype := Q4_1; dtype < numDTypes; dtype++ {
		t.Run(dtype.String(), func(t *testing.T) {
			const blocks = 40
			var want []float32
			src := make([]byte, blocks*dtype.BlockBytes())
			for i := range src {
				src[i] = byte(r.Uint32())
			}
			for i := range blocks {
				b := src[i*dtype.BlockBytes():][:dtype.BlockBytes()]
				for _, at := range []int{0, 2, len(b) - 2} { // wherever the float16 numbers are: finite ones
					binary.LittleEndian.PutUint16(b[at:], binary.LittleEndian.Uint16(b[at:])&^0x4000)
				}
				want = append(want, refBlock(dtype, b)...)
			}
			got := make([]float32, len(want))
			Dequantize(dtype, got, src)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("block %d, element %d: got %v, want %v", i/dtype.BlockLen(), i%dtype.BlockLen(), got[i], want[i])
				}
			}
		})
	}
}

// What can be represented comes back: a block whose largest codes are used.
func TestQuantizeExact(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, dtype := range []DType{Q4_K, Q5_K, Q6_K} {
		x := make([]float32, 256)
		for i := range x {
			if dtype == Q6_K { // scales -128 to 127, every group from -32 to 31
				s := []int{-128, 127, 5, -77}[i/16%4]
				x[i] = 0.25 * float32(s*[]int{-32, 31, r.IntN(64) - 32}[min(i%16, 2)])
				continue
			}
			top := map[DType]int{Q4_K: 15, Q5_K: 31}[dtype]
			s, m := []int{63, 1, 33, 14}[i/32%4], []int{0, 63, 17, 40}[i/64]
			x[i] = 0.25*float32(s*[]int{0, top, r.IntN(top + 1)}[min(i%32, 2)]) - 0.5*float32(m)
		}
		b := make([]byte, dtype.BlockBytes())
		Quantize(dtype, b, x)
		y := make([]float32, 256)
		Dequantize(dtype, y, b)
		if !slices.Equal(x, y) {
			t.Errorf("%v: got %v, want %v", dtype, y, x)
		}
	}
}

// The root mean square errors of normal numbers of variance 1. Those of ggml's
// reference quantisers, measured on 57344 such numbers, are in the comments; the
// types of 32 have the same bytes as ggml.
func TestQuantizeError(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	x := make([]float32, 1<<15)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, c := range []struct {
		dtype DType
		most  float64
	}{
		{Q4_1, 0.0795}, // 0.0784
		{Q5_0, 0.0435}, // 0.0429
		{Q5_1, 0.0386}, // 0.0381
		{Q4_K, 0.0715}, // 0.0715
		{Q5_K, 0.0362}, // 0.0363
		{Q6_K, 0.0177}, // 0.0178
	} {
		for _, scale := range []float32{1, 0x1p-9} { // 0x1p-9: float16 subnormals for some scales
			scaled := make([]float32, len(x))
			for i := range x {
				scaled[i] = x[i] * scale
			}
			b := make([]byte, c.dtype.Bytes(len(x)))
			Quantize(c.dtype, b, scaled)
			y := make([]float32, len(x))
			Dequantize(c.dtype, y, b)
			var sum float64
			for i := range x {
				e := float64(y[i]/scale) - float64(x[i])
				sum += e * e
			}
			if got := math.Sqrt(sum / float64(len(x))); !(got < c.most && got > 0.9*c.most) {
				t.Errorf("%v, numbers of size %v: got an error of %.4f, want at most %.4f, and near it", c.dtype, scale, got, c.most)
			}
		}
	}
}

// No single value is much further off than a step of its group: the largest may
// be cut off, and the scale is rounded to six bits of that of other groups.
func TestQuantizeWorst(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	x, y := make([]float32, 256), make([]float32, 256)
	for _, c := range []struct {
		dtype DType
		group int
		steps float64 // of the group's range
	}{{Q4_K, 32, 15}, {Q5_K, 32, 31}, {Q6_K, 16, 31}} {
		b := make([]byte, c.dtype.BlockBytes())
		for range 200 {
			for i := range x {
				x[i] = float32(r.NormFloat64()*(1+float64(i/64)) + float64(i/128)) // groups of unlike range
			}
			Quantize(c.dtype, b, x)
			Dequantize(c.dtype, y, b)
			for g := 0; g < 256; g += c.group {
				lo, hi := float32(0), float32(0)
				for _, v := range x[g : g+c.group] {
					lo, hi = min(lo, v), max(hi, v)
					if c.dtype == Q6_K {
						lo, hi = 0, max(hi, v, -v)
					}
				}
				for i := g; i < g+c.group; i++ {
					if e := math.Abs(float64(y[i] - x[i])); e > 4*float64(hi-lo)/c.steps {
						t.Fatalf("%v, element %d: got %v, want %v within 4 steps of %v", c.dtype, i, y[i], x[i], float64(hi-lo)/c.steps)
					}
				}
			}
		}
	}
}
