package asm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDot(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		a0, b0 := uniform(r, n, 1), uniform(r, n, 1)
		a, b := place(t, p, a0), place(t, p, b0)
		var want, sumAbs float64
		for i := range a0 {
			want += float64(a0[i]) * float64(b0[i])
			sumAbs += math.Abs(float64(a0[i]) * float64(b0[i]))
		}
		within(t, "Dot", Dot(a, b), want, float64(n+2)*eps*sumAbs)
		unchanged(t, "a", a, a0)
		unchanged(t, "b", b, b0)
		if again := Dot(a0, b0); !sameBits(again, Dot(a, b)) {
			t.Errorf("elsewhere in memory: got %g, want the same bits as %g", again, Dot(a, b))
		}
	})
}

func TestElementwise(t *testing.T) {
	const alpha = 0.3
	for _, op := range []struct {
		name string
		run  func(dst, a, b []float32)
		want func(dst, a, b float64) float64
	}{
		{"Axpy", func(dst, a, _ []float32) { Axpy(alpha, a, dst) }, func(dst, a, _ float64) float64 { return dst + float64(float32(alpha))*a }},
		{"Scale", func(dst, _, _ []float32) { Scale(alpha, dst) }, func(dst, _, _ float64) float64 { return dst * float64(float32(alpha)) }},
		{"Add", Add, func(_, a, b float64) float64 { return a + b }},
		{"Mul", Mul, func(_, a, b float64) float64 { return a * b }},
		{"MulAdd", MulAdd, func(dst, a, b float64) float64 { return dst + a*b }},
	} {
		t.Run(op.name, func(t *testing.T) {
			forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
				a0, b0, dst0 := uniform(r, n, 1), uniform(r, n, 1), uniform(r, n, 1)
				a, b, dst := place(t, p, a0), place(t, p, b0), place(t, p, dst0)
				op.run(dst, a, b)
				// Two roundings, each of a number below 2.
				const bound = 4 * eps
				check := func(what string, got, dst, a, b []float32) {
					t.Helper()
					allWithin(t, what, got, func(i int) (float64, float64) {
						return op.want(float64(dst[i]), float64(a[i]), float64(b[i])), bound
					})
				}
				check("apart", dst, dst0, a0, b0)
				unchanged(t, "a", a, a0)
				unchanged(t, "b", b, b0)
				op.run(a, a, b)
				check("dst is a", a, a0, a0, b0)
				op.run(b, a0, b)
				check("dst is b", b, b0, a0, b0)
			})
		})
	}
}

func TestSums(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		x0 := uniform(r, n, 1)
		x := place(t, p, x0)
		var sum, squares, sumAbs float64
		for _, v := range x0 {
			sum += float64(v)
			sumAbs += math.Abs(float64(v))
			squares += float64(v) * float64(v)
		}
		if got, bound := Sum(x), float64(n)*0x1p-52*sumAbs; math.Abs(got-sum) > bound {
			t.Errorf("Sum: got %g, want %g, bound %.3g", got, sum, bound)
		}
		if got, bound := SumSquares(x), float64(n)*0x1p-52*squares; math.Abs(got-squares) > bound {
			t.Errorf("SumSquares: got %g, want %g, bound %.3g", got, squares, bound)
		}
		unchanged(t, "x", x, x0)
	})
	forEachImpl(t, func(t *testing.T) {
		big := slices.Repeat([]float32{math.MaxFloat32}, 100)
		if got, want := SumSquares(big), 100*math.MaxFloat32*math.MaxFloat32; math.Abs(got/want-1) > 1e-12 {
			t.Errorf("squares beyond float32: got %g, want %g", got, want)
		}
	})
}

func TestMax(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		x0 := uniform(r, n, 1)
		for i := range x0 {
			x0[i] -= 2 // all negative: zeros behind a mask would show
		}
		x := place(t, p, x0)
		want := float32(math.Inf(-1))
		if n > 0 {
			want = slices.Max(x0)
		}
		if got := Max(x); got != want {
			t.Errorf("got %g, want %g", got, want)
		}
		unchanged(t, "x", x, x0)
	})
}

// Each element must count, wherever it is, and so must a NaN.
func TestEveryElementCounts(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		for _, n := range []int{1, 7, 8, 9, 17, 40, 64, 65, 129, 150} {
			zeros, ones := make([]float32, n), slices.Repeat([]float32{1}, n)
			for i := range n {
				one := slices.Clone(zeros)
				one[i] = 2
				if got := Dot(one, ones); got != 2 {
					t.Fatalf("Dot, element %d of %d: got %g, want 2", i, n, got)
				}
				if got := Sum(one); got != 2 {
					t.Fatalf("Sum, element %d of %d: got %g, want 2", i, n, got)
				}
				if got := SumSquares(one); got != 4 {
					t.Fatalf("SumSquares, element %d of %d: got %g, want 4", i, n, got)
				}
				if got := Max(one); got != 2 {
					t.Fatalf("Max, element %d of %d: got %g, want 2", i, n, got)
				}
				one[i] = nan
				if d, s, q, m := Dot(one, ones), Sum(one), SumSquares(one), Max(one); d == d || s == s || q == q || m == m {
					t.Fatalf("NaN at %d of %d: got Dot %g, Sum %g, SumSquares %g, Max %g, want NaN", i, n, d, s, q, m)
				}
			}
		}
	})
}

func TestLengthsMustAgree(t *testing.T) {
	x, y := make([]float32, 3), make([]float32, 4)
	h := make([]uint16, 4)
	for _, c := range []struct {
		name string
		call func()
	}{
		{"Dot", func() { Dot(x, y) }},
		{"Axpy", func() { Axpy(1, x, y) }},
		{"Add", func() { Add(x, x, y) }},
		{"Mul", func() { Mul(x, y, x) }},
		{"MulAdd", func() { MulAdd(y, x, x) }},
		{"Exp", func() { Exp(x, y) }},
		{"SoftmaxRow", func() { SoftmaxRow(x, y) }},
		{"SiLUMul", func() { SiLUMul(x, x, y) }},
		{"SiLUMulBackward", func() { SiLUMulBackward(x, x, x, x, y) }},
		{"F16ToF32", func() { F16ToF32(x, h) }},
		{"F32ToF16", func() { F32ToF16(h, x) }},
		{"BF16ToF32", func() { BF16ToF32(x, h) }},
		{"F32ToBF16", func() { F32ToBF16(h, x) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("got no panic, want one")
				}
			}()
			c.call()
		})
	}
}
