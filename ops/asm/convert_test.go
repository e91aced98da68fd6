package asm

import (
	"math"
	"math/rand/v2"
	"testing"
)

// f16Value is the value of a half-precision number by the definition of the format.
func f16Value(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exp, frac := int(h>>10&0x1f), float64(h&0x3ff)
	switch exp {
	case 0x1f:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	case 0:
		return sign * math.Ldexp(frac, -24)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

func TestF16ToF32All(t *testing.T) {
	all := make([]uint16, 1<<16)
	for i := range all {
		all[i] = uint16(i)
	}
	generic := make([]float32, len(all))
	f16ToF32Generic(generic, all)
	forEachImpl(t, func(t *testing.T) {
		got := make([]float32, len(all))
		F16ToF32(got, all)
		back := make([]uint16, len(all))
		F32ToF16(back, got)
		for i, h := range all {
			want := f16Value(h)
			if v := float64(got[i]); v != want && !(math.IsNaN(v) && math.IsNaN(want)) || math.Signbit(v) != (h&0x8000 != 0) {
				t.Fatalf("%#04x: got %g, want %g", h, got[i], want)
			}
			if !sameBits(got[i], generic[i]) {
				t.Fatalf("%#04x: got bits %#x, generic %#x", h, math.Float32bits(got[i]), math.Float32bits(generic[i]))
			}
			quiet := h
			if h&0x7fff > 0x7c00 {
				quiet |= 0x200
			}
			if back[i] != quiet {
				t.Fatalf("%#04x and back: got %#04x, want %#04x", h, back[i], quiet)
			}
		}
	})
}

// patterns are float32 bit patterns of every exponent: the halfway cases of both
// formats, their neighbours, and random ones.
func patterns() []float32 {
	r := rand.New(rand.NewPCG(5, 6))
	var x []float32
	for exp := range uint32(256) {
		for _, frac := range []uint32{0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x2fff, 0x3000, 0x3001,
			0x7fff, 0x8000, 0x8001, 0xffff, 0x10000, 0x17fff, 0x18000, 0x18001, 0x400000, 0x7fefff, 0x7ff000, 0x7fffff} {
			x = append(x, math.Float32frombits(exp<<23|frac), math.Float32frombits(1<<31|exp<<23|frac))
		}
		for range 200 {
			x = append(x, math.Float32frombits(r.Uint32()&0x807fffff|exp<<23))
		}
	}
	return x
}

// roundTo rounds v to a multiple of 2**(e-digits), ties to even, where 2**e <= |v|, e at least minExp.
func roundTo(v float64, digits, minExp int) float64 {
	if v == 0 {
		return v
	}
	_, e := math.Frexp(v)
	ulp := math.Ldexp(1, max(e-1, minExp)-digits)
	return math.RoundToEven(v/ulp) * ulp
}

func TestF32ToF16Rounds(t *testing.T) {
	x := patterns()
	forEachImpl(t, func(t *testing.T) {
		got := make([]uint16, len(x))
		F32ToF16(got, x)
		for i, v := range x {
			want := roundTo(float64(v), 10, -14)
			if math.Abs(want) >= 65536 {
				want = math.Inf(int(math.Copysign(1, want)))
			}
			if h := f16Value(got[i]); h != want && !(h != h && v != v) || got[i]>>15 != uint16(math.Float32bits(v)>>31) {
				t.Fatalf("%g (%#x): got %#04x = %g, want %g", v, math.Float32bits(v), got[i], h, want)
			}
			if g := roundF16(math.Float32bits(v)); g != got[i] {
				t.Fatalf("%g (%#x): got %#04x, generic %#04x", v, math.Float32bits(v), got[i], g)
			}
		}
	})
}

func TestBF16(t *testing.T) {
	x := patterns()
	forEachImpl(t, func(t *testing.T) {
		got, generic := make([]uint16, len(x)), make([]uint16, len(x))
		F32ToBF16(got, x)
		f32ToBF16Generic(generic, x)
		wide := make([]float32, len(x))
		BF16ToF32(wide, got)
		for i, v := range x {
			if got[i] != generic[i] {
				t.Fatalf("%g (%#x): got %#04x, generic %#04x", v, math.Float32bits(v), got[i], generic[i])
			}
			want := float32(roundTo(float64(v), 7, -126)) // beyond the largest: +-Inf
			if !sameBits(wide[i], want) && !(wide[i] != wide[i] && v != v) {
				t.Fatalf("%g (%#x): got %g, want %g", v, math.Float32bits(v), wide[i], want)
			}
			if math.Float32bits(wide[i]) != uint32(got[i])<<16 {
				t.Fatalf("%#04x: got %g widened, want the upper half of a float32", got[i], wide[i])
			}
		}
	})
}

func TestConvertOperands(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		x0 := uniform(r, n, 100)
		x := place(t, p, x0)
		narrow, wide := lend[uint16](t, p, n), lend[float32](t, p, n)
		for _, c := range []struct {
			name   string
			narrow func([]uint16, []float32)
			wide   func([]float32, []uint16)
			rel    float64
		}{
			{"F16", F32ToF16, F16ToF32, 0x1p-11},
			{"BF16", F32ToBF16, BF16ToF32, 0x1p-8},
		} {
			c.narrow(narrow, x)
			c.wide(wide, narrow)
			allWithin(t, c.name, wide, func(i int) (want, bound float64) {
				want = float64(x0[i])
				return want, c.rel*math.Abs(want) + 0x1p-25
			})
		}
		unchanged(t, "x", x, x0)
	})
}
