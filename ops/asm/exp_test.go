package asm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestExpAccuracy samples every binade of both signs, and the ends of the range closely.
func TestExpAccuracy(t *testing.T) {
	var x []float32
	for bits := uint32(0); bits < 0x42b20000; bits += 977 { // up to 89
		v := math.Float32frombits(bits)
		x = append(x, v, -v)
	}
	for i := range uint32(4000) {
		x = append(x, math.Float32frombits(math.Float32bits(88.72283)-2000+i),
			-math.Float32frombits(math.Float32bits(87.3365)-2000+i))
	}
	forEachImpl(t, func(t *testing.T) {
		got := make([]float32, len(x))
		Exp(got, x)
		worst, at := 0.0, float32(0)
		for i, v := range x {
			want := math.Exp(float64(v))
			switch {
			case v < expLow:
				if got[i] != 0 {
					t.Fatalf("Exp(%g): got %g, want 0", v, got[i])
				}
			case math.IsInf(float64(float32(want)), 1):
				if got[i] != inf {
					t.Fatalf("Exp(%g): got %g, want +Inf", v, got[i])
				}
			default:
				if e := math.Abs(float64(got[i])/want - 1); !(e <= worst) {
					worst, at = e, v
				}
			}
		}
		t.Logf("worst relative error %.3g at %g over %d points", worst, at, len(x))
		if !(worst <= 2e-7) {
			t.Errorf("relative error: got %.3g at %g, want at most 2e-7", worst, at)
		}
	})
}

func TestExpLimits(t *testing.T) {
	max32 := float32(math.MaxFloat32)
	cases := []struct{ x, want float32 }{
		{0, 1}, {float32(math.Copysign(0, -1)), 1},
		{inf, inf}, {-inf, 0}, {nan, nan}, {max32, inf}, {-max32, 0},
		{88.72284, inf}, {89, inf}, {1e10, inf}, {-87.34, 0}, {-104, 0}, {-1e10, 0},
		{math.SmallestNonzeroFloat32, 1}, {-math.SmallestNonzeroFloat32, 1},
		{math.Float32frombits(0xffffffff), nan}, {math.Float32frombits(0x7f800001), nan},
	}
	forEachImpl(t, func(t *testing.T) {
		for _, c := range cases {
			// In a whole vector, and behind the mask of a tail.
			for _, n := range []int{1, 16, 19} {
				x := slices.Repeat([]float32{c.x}, n)
				Exp(x, x)
				for i, got := range x {
					if got != c.want && !(got != got && c.want != c.want) {
						t.Errorf("Exp(%g), element %d of %d: got %g, want %g", c.x, i, n, got, c.want)
					}
				}
			}
		}
	})
}

func TestExpOperands(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		x0 := uniform(r, n, 20)
		x, dst := place(t, p, x0), lend[float32](t, p, n)
		Exp(dst, x)
		unchanged(t, "x", x, x0)
		allWithin(t, "Exp", dst, func(i int) (want, bound float64) {
			want = math.Exp(float64(x0[i]))
			return want, 2e-7 * want
		})
	})
}

func TestSoftmaxRow(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		if n == 0 {
			return
		}
		x0 := uniform(r, n, 30)
		for i := range x0 {
			if i%5 == 2 {
				x0[i] = -inf // masked
			}
			x0[i] += 1000
		}
		x, dst := place(t, p, x0), lend[float32](t, p, n)
		lse := SoftmaxRow(dst, x)
		unchanged(t, "x", x, x0)
		top := float64(slices.Max(x0))
		var sum float64
		for _, v := range x0 {
			sum += math.Exp(float64(v) - top)
		}
		// The difference to the maximum is exact or rounded once, at most 60.
		const rel = 3e-7 + 60*eps
		within(t, "log-sum-exp", lse, top+math.Log(sum), rel+1030*eps)
		allWithin(t, "softmax", dst, func(i int) (want, bound float64) {
			want = math.Exp(float64(x0[i])-top) / sum
			return want, rel * want
		})
		SoftmaxRow(x, x)
		unchanged(t, "in place", x, dst)
	})
}

func TestSoftmaxRowLimits(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		for _, n := range []int{1, 5, 16, 21, 70} {
			dst := make([]float32, n)
			row := func(fill float32, first float32) []float32 {
				x := slices.Repeat([]float32{fill}, n)
				x[0] = first
				return x
			}
			if lse := SoftmaxRow(dst, row(-inf, -inf)); lse != -inf || Sum(dst) != 0 {
				t.Errorf("all masked, n %d: got lse %g, sum %g, want -Inf, 0", n, lse, Sum(dst))
			}
			if lse := SoftmaxRow(dst, row(-inf, 3)); lse != 3 || dst[0] != 1 || Sum(dst) != 1 {
				t.Errorf("one left, n %d: got lse %g, first %g, sum %g, want 3, 1, 1", n, lse, dst[0], Sum(dst))
			}
			if lse := SoftmaxRow(dst, row(-3e38, 3e38)); lse != 3e38 || dst[0] != 1 || Sum(dst) != 1 {
				t.Errorf("far apart, n %d: got lse %g, first %g, sum %g, want 3e38, 1, 1", n, lse, dst[0], Sum(dst))
			}
			for _, bad := range []float32{nan, inf} {
				lse := SoftmaxRow(dst, row(1, bad))
				for i, v := range append(dst, lse) {
					if v == v {
						t.Errorf("row with %g, n %d: element %d: got %g, want NaN", bad, n, i, v)
					}
				}
			}
		}
		if lse := SoftmaxRow(nil, nil); lse != -inf {
			t.Errorf("empty row: got lse %g, want -Inf", lse)
		}
	})
}

func TestSiLUMul(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		gate0, up0 := uniform(r, n, 20), uniform(r, n, 2)
		for i := range gate0 {
			if i%7 == 3 {
				gate0[i] *= 6 // beyond what exp(-gate) can hold
			}
		}
		gate, up, dst := place(t, p, gate0), place(t, p, up0), lend[float32](t, p, n)
		SiLUMul(dst, gate, up)
		unchanged(t, "gate", gate, gate0)
		unchanged(t, "up", up, up0)
		allWithin(t, "SiLUMul", dst, func(i int) (want, bound float64) {
			g := float64(gate0[i])
			want = g / (1 + math.Exp(-g)) * float64(up0[i])
			return want, 6e-7*math.Abs(want) + 1e-35
		})
		SiLUMul(gate, gate, up)
		unchanged(t, "dst is gate", gate, dst)
		SiLUMul(up, gate0, up)
		unchanged(t, "dst is up", up, dst)
	})
}

func TestSiLUMulBackward(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		gate0, up0, dout0 := uniform(r, n, 20), uniform(r, n, 2), uniform(r, n, 1)
		dgate0, dup0 := uniform(r, n, 1), uniform(r, n, 1)
		for i := range gate0 {
			if i%7 == 3 {
				gate0[i] *= 6
			}
		}
		gate, up, dout := place(t, p, gate0), place(t, p, up0), place(t, p, dout0)
		dgate, dup := place(t, p, dgate0), place(t, p, dup0)
		SiLUMulBackward(dgate, dup, dout, gate, up)
		unchanged(t, "gate", gate, gate0)
		unchanged(t, "up", up, up0)
		unchanged(t, "dout", dout, dout0)
		// Relative to the terms, before they cancel.
		allWithin(t, "dup", dup, func(i int) (want, bound float64) {
			g, d := float64(gate0[i]), float64(dout0[i])
			add := d * g / (1 + math.Exp(-g))
			return float64(dup0[i]) + add, 6e-7*math.Abs(add) + 2*eps*(1+math.Abs(add))
		})
		allWithin(t, "dgate", dgate, func(i int) (want, bound float64) {
			g := float64(gate0[i])
			s := 1 / (1 + math.Exp(-g))
			scale := float64(dout0[i]) * float64(up0[i]) * s
			size := math.Abs(scale * (1 + math.Abs(g)))
			return float64(dgate0[i]) + scale*(1+g*(1-s)), 1e-6*size + 2*eps*(1+size)
		})
	})
}

// TestSiLUGradient compares the backward with central differences of the forward.
func TestSiLUGradient(t *testing.T) {
	silu := func(g float64) float64 { return g / (1 + math.Exp(-g)) }
	forEachImpl(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		const n = 37
		gate, up, dout := uniform(r, n, 6), uniform(r, n, 1), uniform(r, n, 1)
		dgate, dup := make([]float32, n), make([]float32, n)
		SiLUMulBackward(dgate, dup, dout, gate, up)
		const h = 1e-5
		allWithin(t, "dgate", dgate, func(i int) (want, bound float64) {
			g := float64(gate[i])
			return float64(dout[i]) * float64(up[i]) * (silu(g+h) - silu(g-h)) / (2 * h), 1e-5
		})
		allWithin(t, "dup", dup, func(i int) (want, bound float64) {
			return float64(dout[i]) * silu(float64(gate[i])), 1e-5
		})
	})
}
