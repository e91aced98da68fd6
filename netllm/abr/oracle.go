// The best that could have been done in a session.

package abr

import (
	"fmt"
	"math"
)

// effort is what a search spends.
type effort struct {
	tableSec float64 // between times of the table
	widths   []int   // of beams, until one has room for all: what a narrow one finds lets the next leave out much
}

var (
	fullEffort = effort{0.05, []int{50, 1000, 5000}}
	quickLook  = effort{0.2, []int{50}}
)

// Oracle knows the whole trace of a session and looks for the qualities that bring most. What it finds was played in the simulator
// itself, and is hence a lower bound of the best there is; [Oracle.UpperBound] is one from above. No player could have it as a policy.
//
// It is a beam search. Of all beginnings of a session up to some chunk it keeps those that can come to most by a bound of what
// can follow (see relaxed); it leaves out those that cannot beat the best session known, and those that another one is no worse than.
//
// An Oracle holds some 50 MB, which it uses again and again. One goroutine uses it at a time.
type Oracle struct {
	video *Video
	beam  beam
}

// NewOracle makes an oracle for sessions of a video. It fails if the video is not valid.
func NewOracle(video *Video) (*Oracle, error) {
	if err := video.Validate(); err != nil {
		return nil, fmt.Errorf("abr: oracle: video %q: %w", video.Name, err)
	}
	return &Oracle{video: video}, nil
}

// Best returns the best session that it finds and its mean QoE over chunks 1 to 47, without noise. It is no worse than any of those known. It fails
// if the session is not valid, or a choice that is known does not exist.
func (o *Oracle) Best(s Session, known ...Choices) (Choices, float64, error) {
	sim, err := o.start(s)
	if err != nil {
		return Choices{}, 0, err
	}
	for _, c := range known {
		for k, q := range c {
			if q < 0 || q >= Qualities {
				return Choices{}, 0, fmt.Errorf("abr: oracle: a known session has quality %d at chunk %d, want 0 to %d", q, k+1, Qualities-1)
			}
		}
	}
	choices, value := o.best(sim, known, fullEffort)
	return choices, value / Decisions, nil
}

// UpperBound returns a mean QoE over chunks 1 to 47, without noise, that no qualities exceed; some reach the mean reached,
// such as those of Best; without any it is minus infinity. It is the optimum of a relaxed problem (see relaxed), or more where the search for that left out what might have
// been better. Rounding apart it is exact, and equal to reached where that is the best there is and the buffer's cap costs
// nothing. It fails if the session is not valid.
func (o *Oracle) UpperBound(s Session, reached float64) (float64, error) {
	sim, err := o.start(s)
	if err != nil {
		return 0, err
	}
	return o.upperBound(sim, reached*Decisions) / Decisions, nil
}

// start is the state after chunk 0.
func (o *Oracle) start(s Session) (simulator, error) {
	if err := s.validate(); err != nil {
		return simulator{}, fmt.Errorf("abr: oracle: %w", err)
	}
	if err := s.Trace.checkSession(o.video); err != nil {
		return simulator{}, fmt.Errorf("abr: oracle: trace %q: %w", s.Trace.Name, err)
	}
	sim := simulator{video: o.video}
	sim.start(s)
	sim.fetch(0)
	return sim, nil
}

// best finds the way on from the state of sim that brings most, and what that is; no less than the best of those known.
func (o *Oracle) best(sim simulator, known []Choices, e effort) (choices Choices, value float64) {
	value = math.Inf(-1)
	for i := range known {
		if v := worthOf(sim, &known[i]); v > value {
			choices, value = known[i], v
		}
	}
	o.beam.table.reset(&sim, e.tableSec)
	for _, width := range e.widths {
		top := 0.0
		if value, top = o.beam.search(sim, false, width, value, &choices); top <= value {
			break // there was room for all
		}
	}
	return choices, value
}

// worthOf is what choices bring from the state of sim on.
func worthOf(sim simulator, choices *Choices) float64 {
	sum := 0.0
	for sim.chunk < Chunks {
		sum += sim.fetch(int(choices[sim.chunk-1])).Reward
	}
	return sum
}

// upperBound is no less than what any choices bring from the state of sim on, of which some bring as much as is reached.
func (o *Oracle) upperBound(sim simulator, reached float64) (top float64) {
	var unused Choices
	o.beam.table.reset(&sim, fullEffort.tableSec)
	for _, width := range fullEffort.widths {
		if reached, top = o.beam.search(sim, true, width, reached, &unused); top <= reached {
			break
		}
	}
	return top
}
