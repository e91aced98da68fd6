package ops

import "math"

// WarmUp returns the factor min((step+1)/steps, 1) of the learning rate, step
// counted from 0.
func WarmUp(step, steps int) float32 {
	if step+1 >= steps {
		return 1
	}
	return float32(step+1) / float32(steps)
}

// Cosine returns the factor of the learning rate that falls from 1 at step 0 to
// floor at step total along half a cosine (Loshchilov & Hutter 2017).
func Cosine(step, total int, floor float32) float32 {
	if step >= total {
		return floor
	}
	return floor + (1-floor)*float32((1+math.Cos(math.Pi*float64(step)/float64(total)))/2)
}
