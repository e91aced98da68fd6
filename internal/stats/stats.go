// Package stats has what several measurements need: means with their errors, and quantiles.
package stats

import "math"

// MeanStdErr returns the mean of values and its standard error, with n-1; the error of one value is 0.
func MeanStdErr(values []float64) (mean, stderr float64) {
	mean, sd := MeanSD(values)
	return mean, sd / math.Sqrt(float64(len(values)))
}

// MeanSD returns the mean of values and their standard deviation, with n-1; that of one value is 0.
func MeanSD(values []float64) (mean, sd float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v
	}
	mean /= n
	if len(values) < 2 {
		return mean, 0
	}
	sum := 0.0
	for _, v := range values {
		sum += float64((v - mean) * (v - mean))
	}
	return mean, math.Sqrt(sum / (n - 1))
}

// Quantile interpolates between values, which are sorted.
func Quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
