package tensor

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"netllm/internal/samples"
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
		case Q2_K:
			q := bitsAt(b, 8*(16+e/128*32+i)+2*(e/32%4), 2)
			s, m := bitsAt(b, 8*(e/16), 4), bitsAt(b, 8*(e/16)+4, 4)
			x[e] = float32(float64(f16(80)*float32(s)*float32(q)) - float64(f16(82)*float32(m)))
		case Q3_K:
			g := e / 16
			q := bitsAt(b, 8*(32+e/128*32+i)+2*(e/32%4), 2) + 4*bitsAt(b, 8*i+e/32, 1)
			s := bitsAt(b, 8*(96+g%8)+4*(g/8), 4) + 16*bitsAt(b, 8*(104+g%4)+2*(g/4), 2)
			x[e] = f16(108) * float32(s-32) * float32(q-4)
		case IQ4_NL:
			x[e] = f16(0) * float32(tableIQ4[bitsAt(b, 8*(2+e%16)+4*(e/16), 4)])
		case IQ4_XS:
			g := e / 32
			s := bitsAt(b, 8*4+4*g, 4) + 16*bitsAt(b, 8*2+2*g, 2)
			x[e] = f16(0) * float32(s-32) * float32(tableIQ4[bitsAt(b, 8*(8+16*g+e%16)+4*(e/16%2), 4)])
		}
	}
	return x
}

// tableIQ4 is kvalues_iq4nl of ggml-common.h.
var tableIQ4 = []int{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

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
				for _, at := range []int{0, 2, len(b) - 4, len(b) - 2} { // wherever the float16 numbers are: finite ones
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
	for _, dtype := range []DType{Q4_K, Q5_K, Q6_K, Q2_K, Q3_K, IQ4_NL, IQ4_XS} {
		x := make([]float32, 256)
		for i := range x {
			switch dtype {
			case Q2_K: // groups of 16, from 0 to 3, scales and minima to 15
				s, m := []int{15, 1, 7, 4}[i/16%4], []int{0, 15, 3, 9}[i/64]
				x[i] = 0.25*float32(s*[]int{0, 3, r.IntN(4)}[min(i%16, 2)]) - 0.5*float32(m)
				continue
			case Q3_K: // scales -32 to 31, groups from -4 to 3
				s := []int{-32, 31, 5, -17}[i/16%4]
				x[i] = 0.25 * float32(s*[]int{-4, 3, r.IntN(8) - 4}[min(i%16, 2)])
				continue
			case IQ4_NL, IQ4_XS: // scales -32 to 31, groups with both ends of the table
				s := []int{-32, 31, 5, -17}[i/32%4]
				x[i] = 0.25 * float32(s*tableIQ4[[]int{0, 15, r.IntN(16)}[min(i%32, 2)]])
				continue
			}
			if dtype == Q6_K { // scales -128 to 127, every group from -32 to 31
				s := []int{-128, 127, 5, -77}[i/16%4]
				x[i] = 0.25 * float32(s*[]int{-32, 31, r.IntN(64) - 32}[min(i%16, 2)])
				continue
			}
			top := map[DType]int{Q4_K: 15, Q5_K: 31}[dtype]
			s, m := []int{63, 1, 33, 14}[i/32%4], []int{0, 63, 17, 40}[i/64]
			x[i] = 0.25*float32(s*[]int{0, top, r.IntN(top + 1)}[min(i%32, 2)]) - 0.5*float32(m)
		}
		b := make([]byte, dtype.Bytes(256))
		Quantize(dtype, b, x)
		y := make([]float32, 256)
		Dequantize(dtype, y, b)
		if !slices.Equal(x, y) {
			t.Errorf("%v: got %v, want %v", dtype, y, x)
		}
	}
}

// ggmlErrors are the root mean square errors of ggml's quantisers, without an importance
// matrix, on [samples.Weights], in the order of its kinds; bench/peers/quantize prints
// them.
var ggmlErrors = []struct {
	dtype DType
	rms   [7]float64
}{
	{Q4_0, [...]float64{0.086554, 0.35619, 0.1963, 0.034563, 0.18089, 0.033774, 0.00016905}},
	{Q4_1, [...]float64{0.078155, 0.30081, 0.13426, 0.017623, 0.07816, 0.055054, 0.00015265}},
	{Q5_0, [...]float64{0.042879, 0.19467, 0.10163, 0.01724, 0.091165, 0.01658, 8.3749e-05}},
	{Q5_1, [...]float64{0.037689, 0.14331, 0.065035, 0.0084593, 0.037686, 0.027279, 7.3611e-05}},
	{Q8_0, [...]float64{0.0053956, 0.026085, 0.012466, 0.0021666, 0.011468, 0.0020937, 1.0559e-05}},
	{Q2_K, [...]float64{0.29842, 0.99151, 0.44049, 0.078603, 0.39537, 0.21935, 0.00058286}},
	{Q3_K, [...]float64{0.15148, 0.49335, 0.26388, 0.063389, 0.32344, 0.053091, 0.00029586}},
	{Q4_K, [...]float64{0.071388, 0.26739, 0.12575, 0.016855, 0.088448, 0.030055, 0.00013963}},
	{Q5_K, [...]float64{0.036315, 0.13991, 0.063363, 0.0083528, 0.043836, 0.018668, 7.1322e-05}},
	{Q6_K, [...]float64{0.017859, 0.078317, 0.037172, 0.0076413, 0.038073, 0.0061172, 3.7925e-05}},
	{IQ4_NL, [...]float64{0.076389, 0.29004, 0.15091, 0.034879, 0.19352, 0.032654, 0.00014919}},
	{IQ4_XS, [...]float64{0.076995, 0.29405, 0.15327, 0.035132, 0.19536, 0.033174, 0.00015218}},
}

// No quantiser is worse than ggml's, but for the digits that the table has.
func TestQuantizeError(t *testing.T) {
	for k, kind := range samples.Kinds {
		x := samples.Weights(kind)
		y := make([]float32, len(x))
		for _, c := range ggmlErrors {
			b := make([]byte, c.dtype.Bytes(len(x)))
			Quantize(c.dtype, b, x)
			Dequantize(c.dtype, y, b)
			var sum float64
			for i := range x {
				e := float64(y[i]) - float64(x[i])
				sum += e * e
			}
			if got := math.Sqrt(sum / float64(len(x))); !(got <= 1.0001*c.rms[k] && got > 0.3*c.rms[k]) {
				t.Errorf("%v, %s: got an error of %.5g, want at most %.5g, and near it", c.dtype, kind, got, c.rms[k])
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
	}{{Q4_K, 32, 15}, {Q5_K, 32, 31}, {Q6_K, 16, 31}, {Q2_K, 16, 3}, {Q3_K, 16, 3}, {IQ4_NL, 32, 8}, {IQ4_XS, 32, 8}} {
		b := make([]byte, c.dtype.Bytes(256))
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
					if c.dtype != Q4_K && c.dtype != Q5_K && c.dtype != Q2_K {
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
