// Predictors without training.

package vp

import "fmt"

// Predictor answers questions. One goroutine at a time uses it.
type Predictor interface {
	// Predict sets dst[i], which has ws[i].Horizon elements, to positions in degrees.
	// Angles may lie beyond a turn. Only the rows seen are read.
	Predict(dst [][]Angles, ws []Window) error
}

// Factory makes predictors of one kind.
type Factory struct {
	Name    string
	Workers int // at most so many at a time; 0 is any number
	Batch   int // questions that are best asked at once; 0 is any number
	New     func() (Predictor, error)
}

// Baselines are the names that [NewFactory] knows. Those with "unwrapped" see yaw and roll
// go on where they wrap, which the published ones do not; "velocity-damped" is this project's,
// 0.7 of the last step's unwrapped velocity, 0.3 of which is left after every step.
var Baselines = []string{"hold-last", "lr", "velocity", "lr-unwrapped", "velocity-unwrapped", "velocity-damped"}

// NewFactory returns a predictor without training.
func NewFactory(name string) (Factory, error) {
	rule, ok := map[string]rule{
		"hold-last": holdLast, "lr": linearRegression, "velocity": velocity,
		"lr-unwrapped": unwrapped(linearRegression), "velocity-unwrapped": unwrapped(velocity),
		"velocity-damped": unwrapped(damped),
	}[name]
	if !ok {
		return Factory{}, fmt.Errorf("vp: unknown predictor %q, known: %q", name, Baselines)
	}
	return Factory{Name: name, New: func() (Predictor, error) { return rule, nil }}, nil
}

// rule predicts from the rows of one question.
type rule func(dst, past []Angles)

// Predict implements [Predictor].
func (r rule) Predict(dst [][]Angles, ws []Window) error {
	for i, w := range ws {
		r(dst[i], w.Past())
	}
	return nil
}

// holdLast repeats the last row.
func holdLast(dst, past []Angles) {
	for k := range dst {
		dst[k] = past[len(past)-1]
	}
}

// normalise returns an angle in its axis's unit, and degrees what it was.
func normalise(v float32, axis int) float32 { return v / ends[axis] }
func degrees(v float32, axis int) float32   { return v * ends[axis] }

// linearRegression goes on along the least-squares line of each axis. (The published one
// fits again after each step; a point on the line does not change it.)
func linearRegression(dst, past []Angles) {
	h := float64(len(past))
	mid := (h - 1) / 2
	for axis := range ends {
		var mean, slope, norm float64
		for _, row := range past {
			mean += float64(normalise(row[axis], axis)) / h
		}
		for i, row := range past {
			x := float64(i) - mid
			slope += x * (float64(normalise(row[axis], axis)) - mean)
			norm += x * x
		}
		if norm > 0 {
			slope /= norm
		}
		for k := range dst {
			dst[k][axis] = degrees(float32(mean+slope*(h+float64(k)-mid)), axis)
		}
	}
}

// velocity goes on at the mean velocity of the rows seen, by repeated addition of float32
// numbers.
func velocity(dst, past []Angles) {
	first, last := past[0], past[len(past)-1]
	for axis := range ends {
		at := normalise(last[axis], axis)
		var v float32
		if len(past) > 1 {
			v = (at - normalise(first[axis], axis)) / float32(len(past)-1)
		}
		for k := range dst {
			at += v
			dst[k][axis] = degrees(at, axis)
		}
	}
}

const (
	dampedStart = 0.7 // of the last velocity
	dampedDecay = 0.3 // of what is left, per step
)

// damped goes on at the velocity of the last step, which soon comes to rest.
func damped(dst, past []Angles) {
	last := past[len(past)-1]
	before := past[max(len(past)-2, 0)]
	for axis := range ends {
		v, at := dampedStart*(last[axis]-before[axis]), last[axis]
		for k := range dst {
			at += v
			v *= dampedDecay
			dst[k][axis] = at
		}
	}
}

// turned returns the angle nearest to from that differs from to by whole turns, if they
// differ by less than a turn and a half.
func turned(to, from float32) float32 {
	switch d := to - from; {
	case d > 180:
		return to - 360
	case d < -180:
		return to + 360
	}
	return to
}

// unwrapped shows a rule angles that go on where they wrap.
func unwrapped(r rule) rule {
	return func(dst, past []Angles) {
		rows := make([]Angles, len(past))
		copy(rows, past)
		for i := len(rows) - 2; i >= 0; i-- { // the last row stays
			for axis := range ends {
				for turned(rows[i][axis], rows[i+1][axis]) != rows[i][axis] {
					rows[i][axis] = turned(rows[i][axis], rows[i+1][axis])
				}
			}
		}
		r(dst, rows)
	}
}
