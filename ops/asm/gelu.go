// GELU in both forms.

package asm

import "math"

// geluFar is from where on GELU is x, or 0, to the last bit of a float32.
const geluFar = 14

// GELUTanh stores x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) in dst[i] for each x[i]
// (Hendrycks & Gimpel 2016, as GPT-2 has it). dst may be x. It panics if the lengths
// differ.
func GELUTanh(dst, x []float32) {
	sameLen2("GELUTanh", len(dst), len(x))
	raceRead(x)
	raceWrite(dst)
	geluTanh(dst, x)
}

// GELUErf stores x times the probability that a normal number is below x in dst[i] for
// each x[i] (Hendrycks & Gimpel 2016). The probability may be wrong by 2e-7. dst may be x.
// It panics if the lengths differ.
func GELUErf(dst, x []float32) {
	sameLen2("GELUErf", len(dst), len(x))
	raceRead(x)
	raceWrite(dst)
	geluErf(dst, x)
}

func geluTanhGeneric(dst, x []float32) {
	for i, v := range x {
		w := float64(max(v, -geluFar)) // NaN stays
		u := min(w, geluFar)
		dst[i] = float32(w / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(u+0.044715*u*u*u))))
	}
}

func geluErfGeneric(dst, x []float32) {
	for i, v := range x {
		w := float64(max(v, -geluFar))
		dst[i] = float32(w * math.Erfc(-w/math.Sqrt2) / 2)
	}
}
