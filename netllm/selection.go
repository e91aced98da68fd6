// Which weights a training ends with.

package netllm

import (
	"math"

	"netllm/ops"
)

// Selection chooses the weights that a training ends with among those that parameters had on the way, or among running means
// of these: the candidate with the smallest score.
type Selection struct {
	Best float64 // the smallest score so far; NaN before the first

	b      ops.Backend
	params []*ops.Param
	mean   *RunningMean // or nil
	values [][]float32
}

// NewSelection returns a selection for params. average is the share of the old mean in the running mean, per step, see
// [RunningMean]; 0 takes the parameters as they are.
func NewSelection(b ops.Backend, params []*ops.Param, average float64) *Selection {
	s := &Selection{Best: math.NaN(), b: b, params: params}
	if average > 0 {
		s.mean = NewRunningMean(b, params, average)
	}
	return s
}

// Stepped takes note of an optimiser step.
func (s *Selection) Stepped() error {
	if s.mean == nil {
		return nil
	}
	return s.mean.Add()
}

// Try runs f with the candidate of now in the parameters' place. They are afterwards what they were, unless f fails.
func (s *Selection) Try(f func() error) error {
	return s.try(func([][]float32) error { return f() })
}

// Look is Try with the candidate's score, which it returns: the candidate is chosen if none before had a smaller one.
func (s *Selection) Look(score func() (float64, error)) (got float64, err error) {
	err = s.try(func(candidate [][]float32) error {
		if got, err = score(); err == nil && !(got >= s.Best) { // the first, too
			s.Best, s.values = got, candidate
		}
		return err
	})
	return got, err
}

func (s *Selection) try(f func(candidate [][]float32) error) error {
	now, err := Snapshot(s.b, s.params)
	if err != nil {
		return err
	}
	if s.mean == nil || s.mean.steps == 0 { // there is no mean yet
		return f(now)
	}
	candidate := s.mean.Mean()
	if err := Restore(s.b, s.params, candidate); err != nil {
		return err
	}
	if err := f(candidate); err != nil {
		return err
	}
	return Restore(s.b, s.params, now)
}

// Finish gives the parameters the values that were chosen.
func (s *Selection) Finish() error { return Restore(s.b, s.params, s.values) }
