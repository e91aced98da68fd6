// Package samples makes numbers such as weights are, the same every time, on which
// quantisers are compared.
package samples

import (
	"math"
	"math/rand/v2"
)

// Kinds are the names that [Weights] takes.
var Kinds = []string{"normal", "heavy tails", "outliers", "uniform", "shifted", "sparse", "small"}

// Len is the number of elements that [Weights] returns, a multiple of every block's.
const Len = 1 << 14

// Weights returns numbers of that kind.
func Weights(kind string) []float32 {
	r := rand.New(rand.NewPCG(9, 10))
	draw := map[string]func() float64{
		"normal":      r.NormFloat64,
		"heavy tails": func() float64 { return r.NormFloat64() * math.Exp(r.NormFloat64()) },
		"outliers": func() float64 {
			x := r.NormFloat64()
			if r.IntN(100) == 0 {
				x *= 10
			}
			return x
		},
		"uniform": r.Float64,
		"shifted": func() float64 { return 3 + r.NormFloat64() },
		"sparse": func() float64 {
			if r.IntN(4) > 0 {
				return 0
			}
			return r.NormFloat64()
		},
		"small": func() float64 { return r.NormFloat64() * 0x1p-9 }, // scales that are float16 subnormals
	}[kind]
	x := make([]float32, Len)
	for i := range x {
		x[i] = float32(draw())
	}
	return x
}
