// From a pool of experience to what a network is trained on: returns, numbers of decisions, windows.

package cjs

import (
	"fmt"
	"math/rand/v2"
)

// Conditioning is how rewards become the returns that a network is told. It belongs to a trained policy.
type Conditioning struct {
	// Relative returns are one number for an episode: the smallest sum of job completion times that the pool has for
	// its sequence over its own, so that 1 is the best known. A policy is told the same number all the time.
	Relative bool `json:"relative,omitempty"`

	// Else a return is the sum of rewards, normalised to 0..1, to the episode's end, over Scale.
	MinReward float64 `json:"min_reward"`
	MaxReward float64 `json:"max_reward"`
	Scale     float64 `json:"scale"`

	MaxReturn float64 `json:"max_return"` // largest of the pool
	Longest   int     `json:"longest"`    // decisions of the pool's longest episode
}

// normalize maps a reward to 0..1.
func (f Conditioning) normalize(reward float64) float64 {
	if f.MaxReward == f.MinReward {
		return 0
	}
	return (min(max(reward, f.MinReward), f.MaxReward) - f.MinReward) / (f.MaxReward - f.MinReward)
}

// after returns the return that is wanted once a reward was received.
func (f Conditioning) after(wanted, reward float64) float64 {
	if f.Relative {
		return wanted
	}
	return wanted - f.normalize(reward)/f.Scale
}

// dataset is a pool with the return and the number of every decision.
type dataset struct {
	pool      *Pool
	cond      Conditioning
	returns   []float32
	timesteps []int32
}

// publishedScale divides returns.
const publishedScale = 1000

func newDataset(pool *Pool, relative bool) (*dataset, error) {
	if err := pool.Validate(); err != nil {
		return nil, fmt.Errorf("cjs: pool: %w", err)
	}
	n := pool.Len()
	d := &dataset{pool: pool, returns: make([]float32, n), timesteps: make([]int32, n)}
	d.cond = Conditioning{Relative: relative, MinReward: pool.Rewards[0], MaxReward: pool.Rewards[0], Scale: publishedScale}
	for _, r := range pool.Rewards {
		d.cond.MinReward, d.cond.MaxReward = min(d.cond.MinReward, r), max(d.cond.MaxReward, r)
	}
	starts := pool.episodes()
	best := map[int32]float64{} // sum of rewards, by sequence
	totals := make([]float64, len(starts)-1)
	for e, from := range starts[:len(starts)-1] {
		sum := 0.0
		for i := starts[e+1] - 1; i >= from; i-- {
			totals[e] += pool.Rewards[i]
			sum += d.cond.normalize(pool.Rewards[i]) / d.cond.Scale
			d.returns[i], d.timesteps[i] = float32(sum), int32(i-from)
			d.cond.MaxReturn = max(d.cond.MaxReturn, sum)
		}
		d.cond.Longest = max(d.cond.Longest, starts[e+1]-from)
		if s := pool.Sequence[from]; best[s] == 0 || totals[e] > best[s] {
			best[s] = totals[e]
		}
	}
	if relative {
		d.cond.MaxReturn = 1
		for e, from := range starts[:len(starts)-1] {
			share := float32(1)
			if totals[e] < 0 {
				share = float32(best[pool.Sequence[from]] / totals[e])
			}
			for i := from; i < starts[e+1]; i++ {
				d.returns[i] = share
			}
		}
	}
	return d, nil
}

// windows returns the starts of runs of so many decisions: as published every one that does not go beyond the pool,
// or, of single decisions, all in which there was something to decide.
func (d *dataset) windows(length int) (starts []int) {
	var o Observation
	for i := 0; i+length <= d.pool.Len(); i += length {
		if length == 1 {
			d.pool.observe(&o, i)
			if a := d.pool.action(i); a.Stage == Nothing || len(o.Schedulable) == 1 && o.Cap(o.Nodes[o.Schedulable[0]].Job) <= 1 {
				continue
			}
		}
		starts = append(starts, i)
	}
	return starts
}

// batch draws windows of steps, as long as a network allows.
type batch struct {
	windows [][]step
	states  []*Observation
}

// draw fills the batch with n windows of those that begin at starts.
func (d *dataset) draw(b *batch, n *Network, starts []int, size int, rng *rand.Rand) {
	b.windows = sized(b.windows, size)
	used := 0
	for w := range b.windows {
		from := starts[rng.IntN(len(starts))]
		b.windows[w] = b.windows[w][:0]
		tokens := 0
		for i := from; i < min(from+n.Config.Window, d.pool.Len()); i++ {
			if used == len(b.states) {
				b.states = append(b.states, &Observation{})
			}
			o := b.states[used]
			d.pool.observe(o, i)
			if tokens+n.tokens(o, true) > n.Body.MaxPositions() {
				break
			}
			tokens += n.tokens(o, false)
			used++
			b.windows[w] = append(b.windows[w], step{o, d.returns[i], d.timesteps[i], d.pool.action(i)})
		}
	}
}
