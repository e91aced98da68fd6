// From a pool of experience to training windows: returns and normalisation.

package abr

// Conditioning is how rewards become the returns that the model is told, and
// what the pool's returns were. It belongs to a trained policy.
type Conditioning struct {
	MinReward float64 `json:"min_reward"` // of the pool: normalised to 0
	MaxReward float64 `json:"max_reward"` // of the pool: normalised to 1
	Gamma     float64 `json:"gamma"`      // discount per step
	Scale     float64 `json:"scale"`      // returns are divided by it
	MaxReturn float64 `json:"max_return"` // largest of the pool, scaled
}

// normalize maps a reward to [0, 1], clamped to what the pool has.
func (f Conditioning) normalize(reward float64) float64 {
	reward = min(max(reward, f.MinReward), f.MaxReward)
	if f.MaxReward == f.MinReward {
		return 0
	}
	return (reward - f.MinReward) / (f.MaxReward - f.MinReward)
}

// after returns the return that is wanted once a reward was received.
func (f Conditioning) after(wanted, reward float64) float64 {
	return (wanted - f.normalize(reward)/f.Scale) / f.Gamma
}

// input is the number that the model is told.
func (f Conditioning) input(wanted float64) float32 { return float32(wanted) }
