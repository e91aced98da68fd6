// What an agent sees.

package cjs

import "slices"

// Observation is the state of the cluster at a decision: the stages that are not completed, of the jobs that are
// not. It belongs to the environment, changes at its next step, and is not to be written to.
type Observation struct {
	Time        float64 // ms
	Reward      float64 // that followed the last decision
	Executors   int     // of the cluster
	Committable int     // executors to be handed out
	Source      int     // place in Jobs of the job that they belong to; len(Jobs) if they belong to none of these

	Jobs        []JobView
	Nodes       []Node   // by job, then stage
	Edges       [][2]int // from node to node, ascending
	Schedulable []int    // the nodes that can be chosen, ascending
}

// JobView is a job as an agent sees it.
type JobView struct {
	ID     int
	Supply int // executors it is taken to have: published bookkeeping, which forgets some
	First  int // its nodes are First to End-1
	End    int
}

// Node is a stage as an agent sees it.
type Node struct {
	Job         int // place in Jobs
	Stage       int // within the job
	Remaining   int // tasks not started
	Running     int // tasks under way: what learned policies are not told
	Recent      float64
	Schedulable bool
	Waiting     bool // a stage before it is not completed: what Decima is not told
}

// Cap is how many executors job j can be given: the published mask of learned policies.
func (o *Observation) Cap(j int) int {
	if j == o.Source {
		return o.Committable
	}
	return min(max(o.Executors-o.Jobs[j].Supply, 0), o.Committable)
}

// deserts says whether the job of the stage at that place among those that can be chosen would have nobody at work if all committable
// executors left it, although the stage could start now. Executors on their way to stages that cannot start would then
// wait in the job, and nothing that happens there would ever have them looked at again.
func (o *Observation) deserts(at int) bool {
	n := &o.Nodes[o.Schedulable[at]]
	if n.Waiting || n.Job != o.Source {
		return false
	}
	for i := o.Jobs[n.Job].First; i < o.Jobs[n.Job].End; i++ {
		if o.Nodes[i].Running > 0 {
			return false
		}
	}
	return true
}

// kept is action a, or, if that has all executors desert the source's job, one executor for a stage of that.
func (o *Observation) kept(a Action) Action {
	if o.Source == len(o.Jobs) || a.Stage != Nothing && (a.Executors < o.Committable || o.Nodes[o.Schedulable[a.Stage]].Job == o.Source) {
		return a
	}
	for at := range o.Schedulable {
		if o.deserts(at) {
			return Action{at, 1}
		}
	}
	return a
}

// observe fills o.
func (m *simulator) observe(o *Observation) {
	o.Time, o.Executors, o.Committable = m.now, len(m.executors), int(m.committable())
	source := m.sourceJob()
	o.Source = len(m.activeIDs)
	jobs, nodes, edges, offered := o.Jobs[:0], o.Nodes[:0], o.Edges[:0], o.Schedulable[:0]
	next := m.schedulable
	for k, id := range m.activeIDs {
		if id == source {
			o.Source = k
		}
		j := &m.jobs[id]
		first := len(nodes)
		m.places = sized(m.places, int(j.end-j.first)) // of the job's stages among the nodes
		stages := m.stages[j.first:j.end]
		for i := range stages {
			s := &stages[i]
			m.places[i] = int32(len(nodes))
			if s.done {
				continue
			}
			can := len(next) > 0 && next[0] == j.first+int32(i)
			if can {
				offered = append(offered, len(nodes))
				next = next[1:]
			}
			nodes = append(nodes, Node{Job: k, Stage: i, Remaining: int(s.remaining), Running: int(s.running), Recent: s.recent, Schedulable: can, Waiting: s.waiting > 0})
		}
		for i := range stages {
			if s := &stages[i]; !s.done {
				for _, child := range s.Children { // never completed before its parents
					edges = append(edges, [2]int{int(m.places[i]), int(m.places[child])})
				}
			}
		}
		jobs = append(jobs, JobView{ID: int(id), Supply: int(j.supply), First: first, End: len(nodes)})
	}
	o.Jobs, o.Nodes, o.Edges, o.Schedulable = jobs, nodes, edges, offered
}

// Clone returns a copy that stays.
func (o *Observation) Clone() *Observation {
	c := *o
	c.Jobs, c.Nodes, c.Edges, c.Schedulable = slices.Clone(o.Jobs), slices.Clone(o.Nodes), slices.Clone(o.Edges), slices.Clone(o.Schedulable)
	return &c
}
