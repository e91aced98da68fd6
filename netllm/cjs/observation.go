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
	Recent      float64
	Schedulable bool
	Waiting     bool // a stage before it is not completed: what other policies are not told
}

// Cap is how many executors job j can be given: the published mask of learned policies.
func (o *Observation) Cap(j int) int {
	if j == o.Source {
		return o.Committable
	}
	return min(max(o.Executors-o.Jobs[j].Supply, 0), o.Committable)
}

// observe fills o.
func (m *simulator) observe(o *Observation) {
	o.Time, o.Executors, o.Committable = m.now, len(m.executors), int(m.committable())
	o.Jobs, o.Nodes, o.Edges, o.Schedulable = o.Jobs[:0], o.Nodes[:0], o.Edges[:0], o.Schedulable[:0]
	source := m.sourceJob()
	o.Source = len(m.activeIDs)
	next := m.schedulable
	for k, id := range m.activeIDs {
		if id == source {
			o.Source = k
		}
		j := &m.jobs[id]
		view := JobView{ID: int(id), Supply: int(j.supply), First: len(o.Nodes)}
		m.places = m.places[:0] // of the job's stages among the nodes
		for i := j.first; i < j.end; i++ {
			s := &m.stages[i]
			m.places = append(m.places, int32(len(o.Nodes)))
			if s.done {
				continue
			}
			n := Node{Job: k, Stage: int(s.number), Remaining: int(s.remaining), Recent: s.recent, Waiting: s.waiting > 0}
			if len(next) > 0 && next[0] == i {
				n.Schedulable = true
				o.Schedulable = append(o.Schedulable, len(o.Nodes))
				next = next[1:]
			}
			o.Nodes = append(o.Nodes, n)
		}
		for i := j.first; i < j.end; i++ {
			s := &m.stages[i]
			if s.done {
				continue
			}
			for _, child := range s.Children { // never completed before its parents
				o.Edges = append(o.Edges, [2]int{int(m.places[s.number]), int(m.places[child])})
			}
		}
		view.End = len(o.Nodes)
		o.Jobs = append(o.Jobs, view)
	}
}

// Clone returns a copy that stays.
func (o *Observation) Clone() *Observation {
	c := *o
	c.Jobs, c.Nodes, c.Edges, c.Schedulable = slices.Clone(o.Jobs), slices.Clone(o.Nodes), slices.Clone(o.Edges), slices.Clone(o.Schedulable)
	return &c
}
