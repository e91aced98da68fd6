// Policies that now and then do something else, so that a pool has more than one path.

package abr

import (
	"fmt"
	"math"
)

// Exploring returns a policy that plays as f's does, but takes any quality, by chance, in a share of its decisions. Its chances
// follow from seed and from what is observed: what it does in a session depends neither on other sessions nor on how many
// are played at a time, if f's does not. It fails unless share is 0 to 1.
func Exploring(f Factory, share float64, seed uint64) (Factory, error) {
	if !(share >= 0 && share <= 1) {
		return f, fmt.Errorf("abr: exploring: a share of %v", share)
	}
	inner := f.New
	f.New = func() (Policy, error) {
		p, err := inner()
		return &exploring{p, share, seed}, err
	}
	return f, nil
}

type exploring struct {
	Policy
	share float64
	seed  uint64
}

// Foresee implements [Foreseer], if the policy within does.
func (e *exploring) Foresee(video *Video, s Session) error {
	if f, ok := e.Policy.(Foreseer); ok {
		return f.Foresee(video, s)
	}
	return nil
}

// Decide implements [Policy].
func (e *exploring) Decide(o *Observation) (int, error) {
	quality, err := e.Policy.Decide(o)
	if err != nil {
		return 0, err
	}
	x := chance(e.seed, o)
	if fraction(x) < e.share {
		quality = int(mixSeed(x, 1) % Qualities)
	}
	return quality, nil
}

// chance returns random bits that follow from seed and from what is observed.
func chance(seed uint64, o *Observation) uint64 {
	return mixSeed(mixSeed(seed^math.Float64bits(o.Last.DelayMs), o.Last.Index)^math.Float64bits(o.Last.TraceSec), 0)
}

// fraction makes a number from 0 to below 1 of random bits.
func fraction(x uint64) float64 { return float64(x>>11) * 0x1p-53 }
