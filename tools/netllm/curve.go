// Loss curves: many steps in few points.

package main

// curvePoints is about how many points a curve has.
const curvePoints = 200

// curvePoint is the mean loss of the steps up to Step that the point before
// does not cover.
type curvePoint struct {
	Step int     `json:"step"` // counted from 1
	Loss float64 `json:"loss"`
}

// curve gathers a loss curve. The zero value is empty.
type curve struct {
	points []curvePoint
	sum    float64
	n      int
	recent float64 // mean loss of late, what a person watches
}

// add notes the loss of a step; steps is how many there will be.
func (c *curve) add(step, steps int, loss float64) {
	c.sum += loss
	c.n++
	if step == 1 {
		c.recent = loss
	}
	c.recent += (loss - c.recent) / min(float64(step), 20)
	if every := max(1, steps/curvePoints); step%every == 0 || step == steps {
		c.points = append(c.points, curvePoint{step, c.sum / float64(c.n)})
		c.sum, c.n = 0, 0
	}
}
