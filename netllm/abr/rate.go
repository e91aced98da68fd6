// The rate-based rule.

package abr

import (
	"fmt"
	"math"
)

// Rate takes the highest bitrate of the ladder that is below the harmonic mean
// of the last five measured throughputs, whatever the buffer; the lowest where
// there is none. The harmonic mean is the cautious one, since an outlier above
// moves it little. Source: Jiang, Sekar and Zhang, "Improving Fairness,
// Efficiency, and Stability in HTTP-based Adaptive Video Streaming with
// FESTIVE", CoNEXT 2012, in the form of the baseline of Pensieve (Mao et al.,
// SIGCOMM 2017).
type Rate struct{}

// Reset does nothing: the observation has the history.
func (Rate) Reset() {}

// Decide returns the quality for the throughputs of o. It fails on an
// observation without one.
func (Rate) Decide(o *Observation) (int, error) {
	row := &o.State[RowThroughput]
	if x := row[History-1]; !(x > 0) || math.IsInf(x, 1) {
		return 0, fmt.Errorf("abr: rate: throughput of %v Mbyte/s", x)
	}
	kbps := float64(harmonicMean(row) * 8000)
	quality := 0
	for q, label := range BitratesKbps {
		if float64(label) < kbps {
			quality = q
		}
	}
	return quality, nil
}

// harmonicMean is that of the last five elements of a row, the zeros of a
// young session left out. The newest is positive.
func harmonicMean(row *[History]float64) float64 {
	recent := row[History-mpcMemory:]
	for recent[0] == 0 {
		recent = recent[1:]
	}
	sum := 0.0
	for _, x := range recent {
		sum += 1 / x
	}
	return 1 / (sum / float64(len(recent)))
}
