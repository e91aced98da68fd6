// The buffer-based rule.

package abr

// BBA maps the buffer linearly to a quality between a reservoir of 5 s and a
// cushion of 10 s above it, whatever the bandwidth. Source: Huang et al., "A
// Buffer-Based Approach to Rate Adaptation", SIGCOMM 2014, in the form that
// Pensieve's baselines use.
type BBA struct{}

const (
	bbaReservoirSec = 5.0
	bbaCushionSec   = 10.0
)

// Reset does nothing: the rule has no memory.
func (BBA) Reset() {}

// Decide returns the quality for the buffer of o.
func (BBA) Decide(o *Observation) (int, error) {
	const top = Qualities - 1
	switch buffer := o.Last.BufferSec; {
	case buffer < bbaReservoirSec:
		return 0, nil
	case buffer >= bbaReservoirSec+bbaCushionSec:
		return top, nil
	default:
		return int(top * (buffer - bbaReservoirSec) / bbaCushionSec), nil
	}
}
