// Marks on axes: few, and round.

package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// roundTicks puts about six marks on an axis, at multiples of 1, 2 or 5 times a
// power of ten.
type roundTicks struct{}

// Ticks implements plot.Ticker.
func (roundTicks) Ticks(low, high float64) []plot.Tick {
	step := roundStep((high - low) / 5)
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var ticks []plot.Tick
	const most = 50 // where numbers are so large that adding 1 to them changes nothing
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*step && len(ticks) < most; i++ {
		value := i * step
		if value == 0 {
			value = 0 // not -0
		}
		ticks = append(ticks, plot.Tick{Value: value, Label: strconv.FormatFloat(value, 'f', digits, 64)})
	}
	return ticks
}

// roundStep returns the round number next to a positive one, 1 if it is none.
func roundStep(step float64) float64 {
	if !(step > 0) || math.IsInf(step, 0) {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(step)))
	for _, m := range []float64{1, 2, 5} {
		if step <= m*unit*1.000001 {
			return m * unit
		}
	}
	return 10 * unit
}
