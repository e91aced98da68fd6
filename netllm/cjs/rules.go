// Rules that go through the jobs in some order and give each up to some share.

package cjs

import (
	"math"
	"math/rand/v2"
	"slices"
)

// defaultSpread and defaultCap are the best found on generated sequences of the default cluster.
const (
	defaultSpread = 0.25
	defaultCap    = 20
)

// rule is a policy of the published kind: executors stay with the job that they are at, if it has a stage
// for them; else they go to the first job, in the order of the rule, that has a stage and fewer than its share.
type rule struct {
	// order sorts jobs, which come by arrival; nil leaves them so.
	order func(jobs []int, f *facts)

	// share is how many executors a job may have.
	share func(o *Observation, f *facts, job int) int

	// stage finds a job's stage among those that can be chosen, or -1; nil takes the published one.
	stage func(o *Observation, f *facts, job int) int

	facts facts
	jobs  []int
}

// Reset implements [Policy]. Rules draw nothing.
func (*rule) Reset(uint64) {}

// Decide implements [Policy].
func (r *rule) Decide(o *Observation) (Action, error) {
	f := &r.facts
	f.learn(o)
	find := func(job int) int {
		if f.stage[job] < 0 || r.stage == nil {
			return f.stage[job]
		}
		return r.stage(o, f, job)
	}
	if o.Source < len(o.Jobs) {
		if at := find(o.Source); at >= 0 {
			return Action{at, o.Committable}, nil
		}
	}
	r.jobs = r.jobs[:0]
	for j := range o.Jobs {
		r.jobs = append(r.jobs, j)
	}
	if r.order != nil {
		r.order(r.jobs, f)
	}
	for _, j := range r.jobs {
		if j == o.Source || f.stage[j] < 0 {
			continue
		}
		if room := r.share(o, f, j) - o.Jobs[j].Supply; room > 0 {
			return Action{find(j), min(o.Committable, room)}, nil
		}
	}
	return Action{Stage: Nothing}, nil
}

// newFIFO is the published first-in, first-out: a job may have half of the executors.
func newFIFO() *rule {
	return &rule{share: func(o *Observation, _ *facts, _ int) int { return (o.Executors + 1) / 2 }}
}

// newFair is the published fair share: each job may have as many as each other.
func newFair() *rule {
	return &rule{share: func(o *Observation, _ *facts, _ int) int { return (o.Executors + len(o.Jobs) - 1) / len(o.Jobs) }}
}

// newWeightedFair gives jobs shares in proportion to a power of their remaining work (Mao et al. 2019).
func newWeightedFair(exponent *float64) *rule {
	spread := defaultSpread
	if exponent != nil {
		spread = *exponent
	}
	return &rule{share: func(o *Observation, f *facts, job int) int {
		if spread == 0 {
			return (o.Executors + len(o.Jobs) - 1) / len(o.Jobs)
		}
		if f.power == 0 {
			for _, work := range f.work {
				f.power += math.Pow(max(work, 1), spread)
			}
		}
		return int(math.Ceil(float64(o.Executors) * math.Pow(max(f.work[job], 1), spread) / f.power))
	}}
}

func byWork(jobs []int, f *facts) {
	slices.SortStableFunc(jobs, func(a, b int) int {
		switch {
		case f.work[a] < f.work[b]:
			return -1
		case f.work[a] > f.work[b]:
			return 1
		}
		return 0
	})
}

// newSJF is shortest job first: no job is held back.
func newSJF() *rule {
	return &rule{order: byWork, share: func(o *Observation, _ *facts, _ int) int { return o.Executors }}
}

// newCriticalPath is shortest job first along the critical path (Mao et al. 2019's SJF-CP).
func newCriticalPath() *rule {
	r := newSJF()
	r.stage = func(o *Observation, f *facts, job int) int {
		best, longest := -1, -1.0
		for at, node := range o.Schedulable {
			if o.Nodes[node].Job == job && f.paths(o)[node] > longest {
				best, longest = at, f.path[node]
			}
		}
		return best
	}
	return r
}

// newSRPT is shortest remaining work first with a limit on each job, without which wide jobs waste the cluster.
func newSRPT(most int) *rule {
	if most == 0 {
		most = defaultCap
	}
	return &rule{order: byWork, share: func(*Observation, *facts, int) int { return most }}
}

// random asks jobs in a random order for a stage and gives it a random number of executors.
type random struct {
	rng   *rand.Rand
	facts facts
	jobs  []int
}

// Reset implements [Policy].
func (r *random) Reset(seed uint64) { r.rng = rand.New(rand.NewPCG(seed, 0x72616e646f6d)) }

// Decide implements [Policy].
func (r *random) Decide(o *Observation) (Action, error) {
	r.facts.learn(o)
	r.jobs = r.jobs[:0]
	for j := range o.Jobs {
		if r.facts.stage[j] >= 0 { // one without is passed over, whenever it is drawn
			r.jobs = append(r.jobs, j)
		}
	}
	if len(r.jobs) == 0 {
		return Action{Stage: Nothing}, nil
	}
	return Action{r.facts.stage[r.jobs[r.rng.IntN(len(r.jobs))]], 1 + r.rng.IntN(o.Committable)}, nil
}
