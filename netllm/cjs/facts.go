// What rules know of the jobs of an observation.

package cjs

// facts are about the jobs of an observation, by their place in it.
type facts struct {
	// stage is the place, among those that can be chosen, of the stage that a job should go on with: the first of which no
	// stage before is active, else the first, else -1. It is the published choice within a job.
	stage []int

	// work is the remaining work, ms of one executor: over stages, the tasks not started by the most recent duration.
	work []float64

	power float64   // sum over jobs of a power of work, for rules that need it; 0: not known yet
	path  []float64 // by node, see paths
}

// learn takes in an observation.
func (f *facts) learn(o *Observation) {
	f.stage, f.work, f.path, f.power = f.stage[:0], f.work[:0], f.path[:0], 0
	for _, j := range o.Jobs {
		work := 0.0
		for i := j.First; i < j.End; i++ {
			work += float64(o.Nodes[i].Remaining) * o.Nodes[i].Recent
		}
		f.stage, f.work = append(f.stage, -1), append(f.work, work)
	}
	for at, node := range o.Schedulable {
		n := &o.Nodes[node]
		if was := f.stage[n.Job]; was < 0 || !n.Waiting && o.Nodes[o.Schedulable[was]].Waiting {
			f.stage[n.Job] = at
		}
	}
}

// paths returns for each node the most that most recent durations sum up to on a way from it, it included, ms: what
// is left of the job at least, however many executors there are.
func (f *facts) paths(o *Observation) []float64 {
	if len(f.path) == len(o.Nodes) {
		return f.path
	}
	for i := range o.Nodes {
		f.path = append(f.path, o.Nodes[i].Recent)
	}
	for i := len(o.Edges) - 1; i >= 0; i-- { // by source: what follows a stage is known before it
		from, to := o.Edges[i][0], o.Edges[i][1]
		f.path[from] = max(f.path[from], o.Nodes[from].Recent+f.path[to])
	}
	return f.path
}
