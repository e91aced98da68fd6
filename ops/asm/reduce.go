// Reductions of one vector: Sum, SumSquares, Max.

package asm

import "math"

// Sum returns the sum of x, every addition in float64; 0 if x is empty.
func Sum(x []float32) float64 {
	raceRead(x)
	return sum(x)
}

// SumSquares returns the sum of squares of x, squares and additions in float64
// (so no square overflows or is lost); 0 if x is empty.
func SumSquares(x []float32) float64 {
	raceRead(x)
	return sumSquares(x)
}

// Max returns the largest element of x: NaN if any is NaN, -Inf if x is empty.
func Max(x []float32) float32 {
	raceRead(x)
	return maxOf(x)
}

func sumGeneric(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return s
}

func sumSquaresGeneric(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return s
}

func maxGeneric(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v != v {
			return v
		}
		if v > m {
			m = v
		}
	}
	return m
}
