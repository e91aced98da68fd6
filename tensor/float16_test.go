package tensor

import (
	"math"
	"math/rand/v2"
	"testing"
)

// roundTo is x rounded to a binary format with so many bits of fraction, the
// smallest normal exponent and the largest finite value given: nearest, ties
// to even. It is exact in float64.
func roundTo(x float64, fraction, minExp int, largest float64) float64 {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return x
	}
	_, exp := math.Frexp(x) // x = m * 2^exp, m in [0.5, 1)
	step := math.Ldexp(1, max(exp-1, minExp)-fraction)
	y := math.RoundToEven(x/step) * step
	if math.Abs(y) > largest {
		return math.Inf(int(math.Copysign(1, x)))
	}
	return y
}

func roundF16(x float64) float64  { return roundTo(x, 10, -14, 65504) }
func roundBF16(x float64) float64 { return roundTo(x, 7, -126, 0x1.fep127) }

// decodeF16 is the value of a half by the standard's formula.
func decodeF16(h uint16) float64 {
	exp, frac := int(h>>10)&31, float64(h&0x3ff)
	var x float64
	switch {
	case exp == 31 && frac != 0:
		return math.NaN()
	case exp == 31:
		x = math.Inf(1)
	case exp == 0:
		x = math.Ldexp(frac, -24)
	default:
		x = math.Ldexp(1024+frac, exp-25)
	}
	if h&0x8000 != 0 {
		x = -x
	}
	return x
}

// sameFloat compares values, signs of zeros, and NaN with NaN.
func sameFloat(a, b float64) bool {
	return a == b && math.Signbit(a) == math.Signbit(b) || math.IsNaN(a) && math.IsNaN(b)
}

func TestF16AllValues(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		want := decodeF16(h)
		x := F16ToFloat32(h)
		if !sameFloat(float64(x), want) {
			t.Fatalf("F16ToFloat32(%#04x): got %v, want %v", h, x, want)
		}
		back := Float32ToF16(x)
		if math.IsNaN(want) {
			if !math.IsNaN(decodeF16(back)) || back>>15 != h>>15 {
				t.Fatalf("%#04x, a NaN: got %#04x back", h, back)
			}
		} else if back != h {
			t.Fatalf("Float32ToF16(%v): got %#04x, want %#04x", x, back, h)
		}
	}
}

func TestBF16AllValues(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		x := BF16ToFloat32(h)
		if math.Float32bits(x) != uint32(h)<<16 {
			t.Fatalf("BF16ToFloat32(%#04x): got %v", h, x)
		}
		back := Float32ToBF16(x)
		if x != x {
			if y := BF16ToFloat32(back); y == y || back>>15 != h>>15 {
				t.Fatalf("%#04x, a NaN: got %#04x back", h, back)
			}
		} else if back != h {
			t.Fatalf("Float32ToBF16(%v): got %#04x, want %#04x", x, back, h)
		}
	}
}

// checkRounding compares both conversions of x and -x with the reference.
func checkRounding(t *testing.T, x float32) {
	t.Helper()
	for _, x := range []float32{x, -x} {
		if got, want := decodeF16(Float32ToF16(x)), roundF16(float64(x)); !sameFloat(got, want) {
			t.Fatalf("Float32ToF16(%x): got %x, want %x", x, got, want)
		}
		if got, want := float64(BF16ToFloat32(Float32ToBF16(x))), roundBF16(float64(x)); !sameFloat(got, want) {
			t.Fatalf("Float32ToBF16(%x): got %x, want %x", x, got, want)
		}
	}
}

// around checks x and its neighbours.
func around(t *testing.T, x float32) {
	t.Helper()
	checkRounding(t, x)
	checkRounding(t, math.Nextafter32(x, float32(math.Inf(1))))
	checkRounding(t, math.Nextafter32(x, float32(math.Inf(-1))))
}

func TestFloat16Rounding(t *testing.T) {
	// Every half and every bfloat16, the middle to the next, and what is just
	// above and below.
	for i := range 0x7c00 {
		a, b := F16ToFloat32(uint16(i)), F16ToFloat32(uint16(i+1))
		around(t, a)
		if i < 0x7bff {
			around(t, (a+b)/2)
		}
	}
	for i := range 0x7f80 {
		around(t, BF16ToFloat32(uint16(i)))
		around(t, math.Float32frombits(uint32(i)<<16|0x8000))
	}
	around(t, 65520) // half way from the largest half to 2^16
	around(t, 0x1p-25)
	around(t, math.MaxFloat32)
	around(t, math.SmallestNonzeroFloat32)
	checkRounding(t, float32(math.NaN()))
	checkRounding(t, float32(math.Inf(1)))
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		checkRounding(t, math.Float32frombits(r.Uint32()))
	}
	// NaNs whose payload would round away.
	for _, bits := range []uint32{0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff} {
		x := math.Float32frombits(bits)
		if h := Float32ToF16(x); !math.IsNaN(decodeF16(h)) {
			t.Errorf("Float32ToF16(%#x): got %#04x, want NaN", bits, h)
		}
		if h := Float32ToBF16(x); !math.IsNaN(float64(BF16ToFloat32(h))) {
			t.Errorf("Float32ToBF16(%#x): got %#04x, want NaN", bits, h)
		}
	}
}
