package asm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// sameAsTwin runs an operation on guarded operands and its generic twin on copies:
// all must end with the same bits.
func sameAsTwin(t *testing.T, p placement, operands [][]float32, run, twin func(x [][]float32)) {
	t.Helper()
	got, want := make([][]float32, len(operands)), make([][]float32, len(operands))
	for i, x := range operands {
		got[i], want[i] = place(t, p, x), slices.Clone(x)
	}
	run(got)
	twin(want)
	for i := range got {
		for j := range got[i] {
			g, w := got[i][j], want[i][j]
			if !sameBits(g, w) && (g == g || w == w) {
				t.Fatalf("operand %d, element %d of %d: got %g, want %g", i, j, len(got[i]), g, w)
			}
		}
	}
}

// special puts numbers that are none, and signed zeros, among x.
func special(r *rand.Rand, x []float32) []float32 {
	for i := range x {
		switch r.IntN(40) {
		case 0:
			x[i] = nan
		case 1:
			x[i] = inf
		case 2:
			x[i] = -inf
		case 3:
			x[i] = -x[i] * 0
		}
	}
	return x
}

func TestRowOperations(t *testing.T) {
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		x := [][]float32{special(r, uniform(r, n, 1)), special(r, uniform(r, n, 1)), special(r, uniform(r, n, 1))}
		sameAsTwin(t, p, x,
			func(x [][]float32) { ScaleMul(x[0], 0.7, x[1], x[2]) },
			func(x [][]float32) { scaleMulGeneric(x[0], 0.7, x[1], x[2]) })
		sameAsTwin(t, p, x[:1],
			func(x [][]float32) { Subtract(x[0], 0.7) },
			func(x [][]float32) { subtractGeneric(x[0], 0.7) })
		sameAsTwin(t, p, x[:2],
			func(x [][]float32) { SoftmaxGrad(x[0], x[1], 0.7, 0.2) },
			func(x [][]float32) { softmaxGradGeneric(x[0], x[1], 0.7, 0.2) })
		for _, acc := range []bool{false, true} {
			sameAsTwin(t, p, x,
				func(x [][]float32) { Combine(x[0], x[1], x[2], 0.3, -1.7, 0.01, acc) },
				func(x [][]float32) { combineGeneric(x[0], x[1], x[2], 0.3, -1.7, 0.01, acc) })
		}
	})
}

func TestAdamW(t *testing.T) {
	c := &AdamWStep{Beta1: 0.9, Rest1: 0.1, Beta2: 0.999, Rest2: 0.001, Decay: 0.99, Rate: 0.01, Unbias: 1.3, Eps: 1e-8}
	forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
		v := uniform(r, n, 1)
		for i := range v {
			v[i] *= v[i]
		}
		x := [][]float32{uniform(r, n, 1), uniform(r, n, 1), special(r, v), special(r, uniform(r, n, 1))}
		sameAsTwin(t, p, x,
			func(x [][]float32) { AdamW(c, x[0], x[1], x[2], x[3]) },
			func(x [][]float32) { adamWGeneric(c, x[0], x[1], x[2], x[3]) })
	})
}

func TestRotate(t *testing.T) {
	type rotation func(dst, src, table []float32, sign float32, acc bool)
	for _, op := range []struct {
		name      string
		run, twin rotation
	}{{"pairs", RotatePairs, rotatePairsGeneric}, {"halves", RotateHalves, rotateHalvesGeneric}} {
		for _, acc := range []bool{false, true} {
			for _, sign := range []float32{1, -1} {
				t.Run(fmt.Sprintf("%s/acc=%v/sign=%v", op.name, acc, sign), func(t *testing.T) {
					forEachOperand(t, func(t *testing.T, r *rand.Rand, p placement, n int) {
						n &^= 1
						x := [][]float32{special(r, uniform(r, n, 1)), special(r, uniform(r, n, 1)), uniform(r, n, 1)}
						sameAsTwin(t, p, x,
							func(x [][]float32) { op.run(x[0], x[1], x[2], sign, acc) },
							func(x [][]float32) { op.twin(x[0], x[1], x[2], sign, acc) })
					})
				})
			}
		}
	}
}

// A turn by an angle and one back give the same numbers again, up to rounding.
func TestRotateBack(t *testing.T) {
	forEachImpl(t, func(t *testing.T) {
		table := []float32{0.6, 0.8, 0.8, -0.6, 0, 1, 1, 0, 0.6, 0.8, 0.8, -0.6, 0, 1, 1, 0}
		for _, rotate := range []func(dst, src, table []float32, sign float32, acc bool){RotatePairs, RotateHalves} {
			r := rand.New(rand.NewPCG(3, 4))
			x, y := uniform(r, 16, 1), make([]float32, 16)
			rotate(y, x, table, 1, false)
			if slices.Equal(x, y) {
				t.Error("a turn changed nothing")
			}
			rotate(y, y, table, -1, false)
			allWithin(t, "back", y, func(i int) (float64, float64) { return float64(x[i]), 8 * eps })
		}
	})
}
