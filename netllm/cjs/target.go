// The strongest rule: a number of executors for each job to aim at.

package cjs

import "math"

// Target is a rule that knows what more executors are worth to a job. It takes a job with work R and longest path a to
// need T(k) = 5a + R(1/k + 0.002) on k executors, gives the cluster's executors out on paper, one by one, each to
// where it is worth most, and then steers towards those numbers. Executors stay where they are as long as the job has fewer than
// twice its number: moving costs time. One stays in a job that would else be stuck. Its numbers were found by search on generated sequences of 200 jobs and 50
// executors; no paper has it.
type Target struct {
	facts   facts
	longest []float64 // by job: the longest path
	targets []int
	worth   []float64 // of a job's next executor
}

const (
	pathWeight = 5     // of the longest path in the time a job needs
	drag       = 0.002 // share of the work that is not done any faster by more executors
	leastGain  = 0.4   // in units of 1/R: executors worth less are not given out
	mostTarget = 18
)

// Reset implements [Policy]. The rule draws nothing.
func (*Target) Reset(uint64) {}

// gain is what a job's executor number k+1 is worth, k > 0.
func gain(work, longest float64, k int) float64 {
	time := func(k float64) float64 { return pathWeight*longest + work*(1/k+drag) }
	one := time(1)
	share := one/time(float64(k+1)) - one/time(float64(k))
	if !(share >= leastGain) || k >= mostTarget {
		return 0
	}
	return share / work
}

// aim sets the numbers to aim at.
func (t *Target) aim(o *Observation) {
	paths := t.facts.paths(o)
	t.targets, t.worth, t.longest = t.targets[:0], t.worth[:0], t.longest[:0]
	for j, job := range o.Jobs {
		longest := 0.0
		for i := job.First; i < job.End; i++ {
			longest = max(longest, paths[i])
		}
		first := math.Inf(1) // of a job whose tasks are all under way
		if work := t.facts.work[j]; work > 0 {
			first = 1 / work
		}
		t.targets, t.worth, t.longest = append(t.targets, 0), append(t.worth, first), append(t.longest, longest)
	}
	for range o.Executors {
		best := 0
		for j, worth := range t.worth {
			if worth > t.worth[best] {
				best = j
			}
		}
		if t.worth[best] == 0 {
			break
		}
		t.targets[best]++
		t.worth[best] = gain(t.facts.work[best], t.longest[best], t.targets[best])
	}
	for j := range t.targets {
		t.targets[j] = max(t.targets[j], 1)
	}
}

// Decide implements [Policy].
func (t *Target) Decide(o *Observation) (Action, error) {
	f := &t.facts
	f.learn(o)
	t.aim(o)
	own := -1 // the source's stage
	if o.Source < len(o.Jobs) {
		own = f.stage[o.Source]
	}
	if own >= 0 {
		surplus := max(0, o.Jobs[o.Source].Supply-2*t.targets[o.Source])
		stay := o.Committable - surplus
		if o.deserts(own) {
			stay = max(stay, 1)
		}
		if stay > 0 {
			return Action{own, stay}, nil
		}
	}
	short, smallest := -1, -1 // the job of least work under its target, and of all that have a stage
	for j, job := range o.Jobs {
		if f.stage[j] < 0 || j == o.Source {
			continue
		}
		if smallest < 0 || f.work[j] < f.work[smallest] {
			smallest = j
		}
		if job.Supply < t.targets[j] && (short < 0 || f.work[j] < f.work[short]) {
			short = j
		}
	}
	switch {
	case short >= 0:
		return Action{f.stage[short], min(o.Committable, t.targets[short]-o.Jobs[short].Supply)}, nil
	case own >= 0:
		return Action{own, o.Committable}, nil
	case smallest >= 0:
		return Action{f.stage[smallest], o.Committable}, nil
	}
	return Action{Stage: Nothing}, nil
}
