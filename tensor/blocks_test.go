package tensor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// panics checks that f does, with a text that has want.
func panics(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		switch r := recover().(type) {
		case nil:
			t.Errorf("got no panic, want one that says %q", want)
		case string:
			if !strings.Contains(r, want) {
				t.Errorf("got panic %q, want one that says %q", r, want)
			}
		default:
			t.Errorf("got panic %v, want one that says %q", r, want)
		}
	}()
	f()
}

func TestDequantizeLayouts(t *testing.T) {
	q8 := make([]byte, 34)
	q4 := make([]byte, 18)
	binary.LittleEndian.PutUint16(q8, 0x3800) // 0.5
	binary.LittleEndian.PutUint16(q4, 0xc000) // -2
	want8 := make([]float32, 32)
	want4 := make([]float32, 32)
	for i := range 32 {
		q8[2+i] = byte(i*8 - 128)
		want8[i] = 0.5 * float32(i*8-128)
	}
	for i := range 16 {
		q4[2+i] = byte(i | (15-i)<<4)
		want4[i] = -2 * float32(i-8)
		want4[i+16] = -2 * float32(7-i)
	}
	tests := []struct {
		dtype DType
		src   []byte
		want  []float32
	}{
		{F32, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}, []float32{1, -2}},
		{F16, []byte{0, 0x3c, 0, 0xc0}, []float32{1, -2}},
		{BF16, []byte{0x80, 0x3f, 0, 0xc0}, []float32{1, -2}},
		{Q8_0, slices.Concat(q8, q8), slices.Concat(want8, want8)},
		{Q4_0, slices.Concat(q4, q4), slices.Concat(want4, want4)},
		{Q8_0, nil, nil},
		{Q6_K, nil, nil},
	}
	for _, c := range tests {
		t.Run(c.dtype.String(), func(t *testing.T) {
			got := make([]float32, len(c.want))
			Dequantize(c.dtype, got, c.src)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// refQ8, refCentred and refRange quantise one block by the definition, in float32
// where the definition says so.
func refQ8(x []float32) []byte {
	var top float64
	for _, v := range x {
		top = max(top, math.Abs(float64(v)))
	}
	d := float32(top) / 127
	b := binary.LittleEndian.AppendUint16(nil, Float32ToF16(d))
	for _, v := range x {
		q := 0.0
		if d != 0 {
			y := float64(v * (1 / d))
			q = math.Copysign(math.Floor(math.Abs(y)+0.5), y)
		}
		b = append(b, byte(int8(q)))
	}
	return b
}

func refCentred(x []float32, zero int) []byte {
	var m float32
	for _, v := range x {
		if math.Abs(float64(v)) > math.Abs(float64(m)) {
			m = v
		}
	}
	d := m / float32(-zero)
	b := binary.LittleEndian.AppendUint16(nil, Float32ToF16(d))
	q := make([]int, 32)
	for i, v := range x {
		q[i] = zero
		if d != 0 {
			y := v * (1 / d)
			q[i] = min(2*zero-1, int(math.Floor(float64(y+float32(zero)+0.5))))
		}
	}
	return refCodes(b, q, zero == 16)
}

func refRange(x []float32, top int) []byte {
	lo, hi := slices.Min(x), slices.Max(x)
	d := (hi - lo) / float32(top)
	b := binary.LittleEndian.AppendUint16(nil, Float32ToF16(d))
	b = binary.LittleEndian.AppendUint16(b, Float32ToF16(lo))
	q := make([]int, 32)
	for i, v := range x {
		if d != 0 {
			q[i] = min(top, int(math.Floor(float64((v-lo)*(1/d)+0.5))))
		}
	}
	return refCodes(b, q, top == 31)
}

// refCodes appends 32 codes, their fifth bits first.
func refCodes(b []byte, q []int, fifths bool) []byte {
	for i := 0; fifths && i < 32; i += 8 {
		var bits byte
		for j := range 8 {
			bits |= byte(q[i+j] / 16 << j)
		}
		b = append(b, bits)
	}
	for i := range 16 {
		b = append(b, byte(q[i]%16+q[i+16]%16*16))
	}
	return b
}

func TestQuantizeBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	fill := func(f func(i int) float32) []float32 {
		x := make([]float32, 32)
		for i := range x {
			x[i] = f(i)
		}
		return x
	}
	blocks := map[string][]float32{
		"zeros":           make([]float32, 32),
		"minus zeros":     fill(func(int) float32 { return float32(math.Copysign(0, -1)) }),
		"equal":           fill(func(int) float32 { return 3 }),
		"ties":            fill(func(i int) float32 { return float32(i*8-127) / 2 }),
		"one":             fill(func(i int) float32 { return float32(i / 31) }),
		"first of two":    fill(func(i int) float32 { return float32((i&1)*2-1) * 5 }),
		"half subnormals": fill(func(i int) float32 { return float32(i-16) * 0x1p-26 }),
		"large":           fill(func(i int) float32 { return float32(i-16) * 1e5 }),
	}
	for i := range 200 {
		scale := math.Ldexp(1, r.IntN(20)-10)
		blocks[fmt.Sprint("random ", i)] = fill(func(int) float32 { return float32(r.NormFloat64() * scale) })
	}
	for name, x := range blocks {
		for _, c := range []struct {
			dtype DType
			want  []byte
			steps float64 // largest error, in quantisation steps
		}{
			{Q8_0, refQ8(x), 0.5}, {Q4_0, refCentred(x, 8), 1}, {Q5_0, refCentred(x, 16), 1},
			{Q4_1, refRange(x, 15), 0.5}, {Q5_1, refRange(x, 31), 0.5},
		} {
			got := make([]byte, len(c.want))
			Quantize(c.dtype, got, x)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s, %v: got %v, want %v", name, c.dtype, got, c.want)
			}
			y := make([]float32, 32)
			Dequantize(c.dtype, y, got)
			d := math.Abs(decodeF16(binary.LittleEndian.Uint16(got)))
			if math.IsInf(d, 0) {
				continue
			}
			var top float64
			for _, v := range x {
				top = max(top, math.Abs(float64(v)))
			}
			for i := range x {
				// The scale itself is rounded: 2^-11 of the value, or half the
				// smallest half for each step.
				slack := top*0x1p-10 + 127*0x1p-25
				if e := math.Abs(float64(x[i] - y[i])); e > c.steps*d+slack {
					t.Errorf("%s, %v, element %d: got %v, want %v within %v", name, c.dtype, i, y[i], x[i], c.steps*d+slack)
				}
			}
		}
	}
}

// Values that leave no number to round give the same bytes everywhere.
func TestQuantizeOddValues(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for dtype := Q8_0; dtype < numDTypes; dtype++ {
		n := dtype.BlockLen()
		for _, bad := range []float32{nan, inf, -inf} {
			x := make([]float32, 2*n)
			x[0], x[5] = 1, bad
			x[n+8] = 2
			b := bytes.Repeat([]byte{0xa5}, dtype.Bytes(2*n))
			Quantize(dtype, b, x)
			y := make([]float32, 2*n)
			Dequantize(dtype, y, b)
			for i, v := range y {
				if (v != v) != (i < n) {
					t.Errorf("%v with %v: element %d: got %v, want NaN in the first block alone", dtype, bad, i, v)
				}
			}
		}
		// A scale whose inverse is infinite.
		x := make([]float32, n)
		x[3], x[4] = 1e-44, -1e-40
		b := bytes.Repeat([]byte{0xa5}, dtype.BlockBytes())
		Quantize(dtype, b, x)
		y := make([]float32, n)
		Dequantize(dtype, y, b)
		for i, v := range y {
			if v != 0 {
				t.Errorf("%v of tiny values: element %d: got %v, want 0", dtype, i, v)
			}
		}
		// Finite values too large for the scale: none may come back as a small one.
		for i := range x {
			x[i] = float32(i%5-2) * 1e38
		}
		Quantize(dtype, b, x)
		Dequantize(dtype, y, b)
		for i, v := range y {
			if x[i] != 0 && math.Abs(float64(v)) <= math.MaxFloat32 {
				t.Errorf("%v of large values: element %d: got %v for %v, want no finite number", dtype, i, v, x[i])
			}
		}
	}
}

func TestQuantizeFloats(t *testing.T) {
	x := []float32{0, 1, -2.5, 1e-7, 7e4, 3.14159}
	for _, dtype := range []DType{F32, F16, BF16} {
		b := make([]byte, dtype.Bytes(len(x)))
		Quantize(dtype, b, x)
		y := make([]float32, len(x))
		Dequantize(dtype, y, b)
		for i, v := range x {
			want := map[DType]float64{F32: float64(v), F16: roundF16(float64(v)), BF16: roundBF16(float64(v))}[dtype]
			if float64(y[i]) != want {
				t.Errorf("%v: got %v, want %v", dtype, y[i], want)
			}
		}
	}
}

func TestQuantizePanics(t *testing.T) {
	panics(t, "Dequantize: 3 elements of F16 from 5 bytes", func() { Dequantize(F16, make([]float32, 3), make([]byte, 5)) })
	panics(t, "Quantize: 3 elements of F16 into 7 bytes", func() { Quantize(F16, make([]byte, 7), make([]float32, 3)) })
	panics(t, "not a multiple of 32", func() { Quantize(Q8_0, make([]byte, 34), make([]float32, 31)) })
	panics(t, "not a multiple of 256", func() { Dequantize(Q6_K, make([]float32, 128), make([]byte, 105)) })
	panics(t, "I32 has no conversion", func() { Dequantize(I32, make([]float32, 1), make([]byte, 4)) })
	panics(t, "BOOL has no conversion", func() { Quantize(Bool, make([]byte, 1), make([]float32, 1)) })
}

func TestQuantizeAllocatesNothing(t *testing.T) {
	x, y := make([]float32, 1024), make([]float32, 1024)
	for _, dtype := range []DType{F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, Q2_K, Q3_K, IQ4_NL, IQ4_XS} {
		b := make([]byte, dtype.Bytes(len(x)))
		if n := testing.AllocsPerRun(10, func() {
			Quantize(dtype, b, x)
			Dequantize(dtype, y, b)
		}); n != 0 {
			t.Errorf("%v: got %v allocations, want 0", dtype, n)
		}
	}
}
