// From a pool of experience to training windows: returns and normalisation.

package abr

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"netllm/netllm"
)

// Conditioning is how rewards become the returns that the model is told, and
// what the returns of its pool were. It belongs to a trained policy.
type Conditioning struct {
	MinReward float64 `json:"min_reward"` // normalised to 0; smaller ones count as this
	MaxReward float64 `json:"max_reward"` // normalised to 1; larger ones count as this
	Gamma     float64 `json:"gamma"`      // discount per step
	Scale     float64 `json:"scale"`      // returns are divided by it
	MaxReturn float64 `json:"max_return"` // largest of the pool, scaled

	// Deciles are the 0 %, 10 %, ... 100 % quantiles of the returns of the
	// pool's whole episodes, scaled.
	Deciles [11]float64 `json:"return_deciles"`
}

// normalize maps a reward to [0, 1].
func (f Conditioning) normalize(reward float64) float64 {
	if f.MaxReward == f.MinReward {
		return 0
	}
	reward = min(max(reward, f.MinReward), f.MaxReward)
	return (reward - f.MinReward) / (f.MaxReward - f.MinReward)
}

// after returns the return that is wanted once a reward was received: what is
// left of it. A discounted return looks ahead equally far from every step and
// is wanted anew.
func (f Conditioning) after(wanted, reward float64) float64 {
	if f.Gamma < 1 {
		return wanted
	}
	return wanted - f.normalize(reward)/f.Scale
}

// dataset is a pool with the return and the step number of every transition.
type dataset struct {
	pool      *netllm.Pool
	cond      Conditioning
	returns   []float32
	timesteps []int32
	earlier   int // throughputs, and download times, that a step shows beside those of its state
}

// newDataset computes returns: the discounted sum of the normalised rewards up
// to the episode's end, scaled. minQuantile of the pool's rewards is the
// reward that counts as 0; 0 takes the smallest.
func newDataset(pool *netllm.Pool, gamma, scale, minQuantile float64) (*dataset, error) {
	if err := checkPool(pool); err != nil {
		return nil, err
	}
	rewards := slices.Sorted(slices.Values(pool.Rewards))
	n := len(rewards)
	d := &dataset{pool: pool, returns: make([]float32, n), timesteps: make([]int32, n), cond: Conditioning{
		MinReward: rewards[int(minQuantile*float64(n-1))], MaxReward: rewards[n-1], Gamma: gamma, Scale: scale,
	}}
	starts := pool.Episodes()
	totals := make([]float64, len(starts)-1)
	for e, from := range starts[:len(starts)-1] {
		sum := 0.0
		for i := starts[e+1] - 1; i >= from; i-- {
			sum = d.cond.normalize(pool.Rewards[i]) + gamma*sum
			d.returns[i] = float32(sum / scale)
			d.timesteps[i] = int32(i - from)
			d.cond.MaxReturn = max(d.cond.MaxReturn, sum/scale)
		}
		totals[e] = sum / scale
	}
	slices.Sort(totals)
	for i := range d.cond.Deciles {
		d.cond.Deciles[i] = totals[i*(len(totals)-1)/(len(d.cond.Deciles)-1)]
	}
	return d, nil
}

// checkPool fails unless pool is one of ABR sessions.
func checkPool(pool *netllm.Pool) error {
	if err := pool.Validate(); err != nil {
		return fmt.Errorf("abr: pool: %w", err)
	}
	if !slices.Equal(pool.Shape, []int{Features, History}) {
		return fmt.Errorf("abr: pool: states of %v, want [%d %d]", pool.Shape, Features, History)
	}
	for i, q := range pool.Actions {
		if q >= Qualities {
			return fmt.Errorf("abr: pool: transition %d: quality %d, want 0 to %d", i, q, Qualities-1)
		}
	}
	starts := pool.Episodes()
	for e := range starts[:len(starts)-1] {
		if n := starts[e+1] - starts[e]; n > Decisions {
			return fmt.Errorf("abr: pool: episode %d has %d transitions, a session has %d decisions", e, n, Decisions)
		}
	}
	return nil
}

// windows returns the starts of all training windows of w steps: every stride
// transitions of the pool, crossing from one episode into the next as the
// published training does, or, if whole is set, of each episode, the last of
// which ends with it.
func (d *dataset) windows(w, stride int, whole bool) []int {
	var starts []int
	if !whole {
		for i := 0; i+w <= len(d.returns); i += stride {
			starts = append(starts, i)
		}
		return starts
	}
	episodes := d.pool.Episodes()
	for e, from := range episodes[:len(episodes)-1] {
		last := episodes[e+1] - w
		for i := from; i < last; i += stride {
			starts = append(starts, i)
		}
		if last >= from {
			starts = append(starts, last)
		}
	}
	return starts
}

// batch fills s and actions with the windows of w steps that begin at starts.
func (d *dataset) batch(s *Steps, starts []int, w int) (actions []int32) {
	const stateLen = Features * History
	s.Batch = len(starts)
	s.States, s.Earlier, s.Returns, s.Actions, s.Timesteps = s.States[:0], s.Earlier[:0], s.Returns[:0], s.Actions[:0], s.Timesteps[:0]
	for _, i := range starts {
		for at := i; at < i+w && d.earlier > 0; at++ {
			s.Earlier = d.before(s.Earlier, at)
		}
		s.States = append(s.States, d.pool.States[i*stateLen:(i+w)*stateLen]...)
		s.Returns = append(s.Returns, d.returns[i:i+w]...)
		s.Actions = append(s.Actions, d.pool.Actions[i:i+w]...)
		s.Timesteps = append(s.Timesteps, d.timesteps[i:i+w]...)
	}
	return s.Actions
}

// before appends the throughputs and download times of the episode from before the state of transition i: the newest of the states
// six and more transitions ago, or zeros, as in a state.
func (d *dataset) before(list []float32, i int) []float32 {
	const stateLen = Features * History
	for _, row := range []int{RowThroughput, RowDownload} {
		for back := d.earlier + History - 1; back >= History; back-- {
			v := float32(0)
			if back <= int(d.timesteps[i]) {
				v = d.pool.States[(i-back)*stateLen+row*History+History-1]
			}
			list = append(list, v)
		}
	}
	return list
}

func shuffle(rng *rand.Rand, starts []int) {
	rng.Shuffle(len(starts), func(i, j int) { starts[i], starts[j] = starts[j], starts[i] })
}

// Quantile returns the q-quantile, 0 to 1, of the returns of the pool's
// episodes, linear between the deciles: what a policy can be asked for.
func (f Conditioning) Quantile(q float64) (float64, error) {
	if !(q >= 0 && q <= 1) {
		return 0, fmt.Errorf("abr: quantile %v of the returns, want 0 to 1", q)
	}
	at := q * float64(len(f.Deciles)-1)
	i := min(int(at), len(f.Deciles)-2)
	return f.Deciles[i] + (at-float64(i))*(f.Deciles[i+1]-f.Deciles[i]), nil
}
