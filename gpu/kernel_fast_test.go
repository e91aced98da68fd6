package gpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"netllm/ops"
	"netllm/ops/opstest"
	"netllm/tensor"
)

// The products with 8-bit activations keep to the contract on any device that has the
// instructions, fast or not.
func TestIntegerDots(t *testing.T) {
	options := []Option{WithIntegerDots(), Without(CooperativeMatrices)}
	b := open(t, options...)
	rounds := b.RoundsActivations(tensor.Q8_0)
	b.Close()
	if !rounds {
		t.Skip("skip: the device has no packed 8-bit dot products")
	}
	opstest.RunOp(t, ops.OpMatMul, func(t testing.TB) ops.Backend { return open(t, options...) })
	b = open(t, options...)
	defer b.Close()
	for dtype, shader := range dotShaders {
		if shader == "" {
			continue
		}
		for _, tile := range dotTiles {
			t.Run(fmt.Sprint(tensor.DType(dtype), tile), func(t *testing.T) {
				for _, s := range productSizes {
					checkRounded(t, b, tensor.DType(dtype), s, 4e-2, func(p weightProduct) { b.dotProduct(p, tile) })
				}
			})
		}
	}
}

// productSizes are m, n and k of products with few rows, with one column, and with more
// of each than a tile has.
var productSizes = [][3]int{{9, 1, 256}, {150, 131, 512}}

// Products by cooperative matrices keep to the contract, in all tiles.
func TestCooperativeMatrices(t *testing.T) {
	b := open(t)
	defer b.Close()
	best, ok := b.coopShape()
	if !ok {
		t.Skip("skip: the device has no cooperative matrices of f16")
	}
	t.Logf("%s: shapes %v, subgroups of %d", b.Name(), b.caps.cooperative, b.caps.subgroup)
	opstest.RunOp(t, ops.OpMatMul, func(t testing.TB) ops.Backend { return open(t) })
	for dtype, shader := range coopShaders {
		if shader == "" {
			continue
		}
		for _, tile := range []coopTile{wideTile, tile64, flatTile, smallTile} {
			if !tile.fits(best, b.limits) || best.M < 16 && tile != smallTile {
				continue
			}
			t.Run(fmt.Sprint(tensor.DType(dtype), tile), func(t *testing.T) {
				for _, s := range productSizes {
					checkRounded(t, b, tensor.DType(dtype), s, 3e-3, func(p weightProduct) { b.coopProduct(p, best, tile) })
				}
			})
		}
	}
}

// checkRounded compares a product of m, n and k with what float64 gives. Results may
// differ by a part of the root of the sum of the squares of their terms.
func checkRounded(t *testing.T, b *Backend, dtype tensor.DType, s [3]int, part float64, product func(weightProduct)) {
	m, n, k := s[0], s[1], s[2]
	rng := rand.New(rand.NewPCG(uint64(m), uint64(dtype)))
	x := tensor.New(tensor.F32, m, k)
	for i := range x.Float32s() {
		x.Float32s()[i] = float32(rng.NormFloat64())
	}
	values := make([]float32, n*k)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	host := tensor.New(dtype, n, k)
	tensor.Quantize(dtype, host.Bytes(), values)
	tensor.Dequantize(dtype, values, host.Bytes())
	w, err := b.Prepare(host)
	if err != nil {
		t.Fatal(err)
	}
	y := tensor.Of(b.Alloc(4*m*n), tensor.F32, m, n)
	product(weightProduct{y: y, x: upload(b, x), w: w, transposed: true, scale: 0.5})
	got := read(t, b, y)
	rows := x.Float32s()
	for i := range m {
		for j := range n {
			var want, squares float64
			for l := range k {
				term := 0.5 * float64(rows[i*k+l]) * float64(values[j*k+l])
				want += term
				squares += term * term
			}
			if d := math.Abs(float64(got[i*n+j]) - want); !(d <= part*math.Sqrt(squares)) {
				t.Fatalf("m, n, k %v: [%d %d]: got %v, want %v within %.3g", s, i, j, got[i*n+j], want, part*math.Sqrt(squares))
			}
		}
	}
}
