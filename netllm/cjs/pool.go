// Experience: what policies saw and did, to be learned from.

package cjs

import (
	"errors"
	"fmt"
	"math"

	"netllm/netllm"
)

// Pool is experience collected once: decisions of episodes, episode after episode. States differ in size, so that what
// they consist of stands in columns, one state behind the other. File: see [Pool.Write].
type Pool struct {
	Meta netllm.PoolMeta

	// Of each decision: what the state is, the action, the reward that followed and whether the episode ended with it.
	Executors   []int32
	Committable []int32
	Source      []int32   // see [Observation]
	Jobs        []int32   // how many
	Stage       []int32   // of the action: a place among those that could be chosen, or [Nothing]
	Count       []int32   // and the executors, from 1 on; 0 for nothing
	Rewards     []float64 // -ms, see [Env]
	Done        []uint8   // 1 on an episode's last
	Episode     []int32
	Sequence    []int32 // of jobs: episodes of one number have the same jobs

	// Of each job of a state.
	Supply []int32 // executors, see [JobView]
	Stages []int32 // active ones
	Links  []int32 // edges between them

	// Of each active stage.
	Remaining []int32   // tasks not started
	Recent    []float32 // most recent duration, ms
	Flags     []uint8   // 1: can be chosen; 2: a stage before is not completed

	// Of each edge: places of both stages among the job's active ones.
	Edges []int32

	first []cursor // of each decision, and behind the last
}

// cursor is where a state's parts begin.
type cursor struct{ job, stage, edge int }

const (
	canBeChosen = 1
	waitsFor    = 2
)

// Len returns the number of decisions.
func (p *Pool) Len() int { return len(p.Stage) }

// add appends a decision on what is observed; its reward comes later.
func (p *Pool) add(o *Observation, a Action, episode, sequence int) {
	if a.Stage == Nothing {
		a.Executors = 0
	}
	p.Executors, p.Committable = append(p.Executors, int32(o.Executors)), append(p.Committable, int32(o.Committable))
	p.Source, p.Jobs = append(p.Source, int32(o.Source)), append(p.Jobs, int32(len(o.Jobs)))
	p.Stage, p.Count = append(p.Stage, int32(a.Stage)), append(p.Count, int32(a.Executors))
	p.Rewards, p.Done, p.Episode = append(p.Rewards, 0), append(p.Done, 0), append(p.Episode, int32(episode))
	p.Sequence = append(p.Sequence, int32(sequence))
	edges := o.Edges
	for _, j := range o.Jobs {
		links := 0
		for links < len(edges) && edges[links][0] < j.End {
			p.Edges = append(p.Edges, int32(edges[links][0]-j.First), int32(edges[links][1]-j.First))
			links++
		}
		edges = edges[links:]
		p.Supply, p.Stages, p.Links = append(p.Supply, int32(j.Supply)), append(p.Stages, int32(j.End-j.First)), append(p.Links, int32(links))
	}
	for i := range o.Nodes {
		n := &o.Nodes[i]
		var flags uint8
		if n.Schedulable {
			flags |= canBeChosen
		}
		if n.Waiting {
			flags |= waitsFor
		}
		p.Remaining, p.Recent, p.Flags = append(p.Remaining, int32(n.Remaining)), append(p.Recent, float32(n.Recent)), append(p.Flags, flags)
	}
}

// Join appends the decisions of q, whose episodes are counted on from those of p.
func (p *Pool) Join(q *Pool) {
	offset := int32(0)
	if n := len(p.Episode); n > 0 {
		offset = p.Episode[n-1] + 1
	}
	for _, e := range q.Episode {
		p.Episode = append(p.Episode, e+offset)
	}
	for _, c := range []struct {
		to   *[]int32
		from []int32
	}{{&p.Executors, q.Executors}, {&p.Committable, q.Committable}, {&p.Source, q.Source}, {&p.Jobs, q.Jobs}, {&p.Stage, q.Stage}, {&p.Count, q.Count}, {&p.Sequence, q.Sequence},
		{&p.Supply, q.Supply}, {&p.Stages, q.Stages}, {&p.Links, q.Links}, {&p.Remaining, q.Remaining}, {&p.Edges, q.Edges}} {
		*c.to = append(*c.to, c.from...)
	}
	p.Rewards, p.Done = append(p.Rewards, q.Rewards...), append(p.Done, q.Done...)
	p.Recent, p.Flags = append(p.Recent, q.Recent...), append(p.Flags, q.Flags...)
	p.first = nil
}

// index finds where states begin, and fails if the columns do not belong together.
func (p *Pool) index() error {
	n := p.Len()
	if n == 0 {
		return errors.New("a pool without decisions")
	}
	for _, length := range []int{len(p.Executors), len(p.Committable), len(p.Source), len(p.Jobs), len(p.Count), len(p.Rewards), len(p.Done), len(p.Episode), len(p.Sequence)} {
		if length != n {
			return fmt.Errorf("%d decisions, but a column of %d", n, length)
		}
	}
	if len(p.Stages) != len(p.Supply) || len(p.Links) != len(p.Supply) || len(p.Recent) != len(p.Remaining) || len(p.Flags) != len(p.Remaining) || len(p.Edges)%2 != 0 {
		return errors.New("columns of unlike lengths")
	}
	p.first = make([]cursor, 1, n+1)
	var at cursor
	for i := range n {
		if p.Jobs[i] < 0 || int(p.Jobs[i]) > len(p.Supply)-at.job {
			return fmt.Errorf("decision %d: %d jobs, %d are left", i, p.Jobs[i], len(p.Supply)-at.job)
		}
		for range p.Jobs[i] {
			stages, links := int(p.Stages[at.job]), int(p.Links[at.job])
			if stages < 0 || links < 0 || stages > len(p.Remaining)-at.stage || links > len(p.Edges)/2-at.edge {
				return fmt.Errorf("decision %d: a job of %d stages and %d edges, %d and %d are left", i, stages, links, len(p.Remaining)-at.stage, len(p.Edges)/2-at.edge)
			}
			last := int32(-1) // edges come by source
			for _, e := range p.Edges[2*at.edge : 2*(at.edge+links)] {
				if e < 0 || int(e) >= stages {
					return fmt.Errorf("decision %d: an edge of stage %d, of %d", i, e, stages)
				}
			}
			for k := at.edge; k < at.edge+links; k++ {
				if from, to := p.Edges[2*k], p.Edges[2*k+1]; from >= to || from < last {
					return fmt.Errorf("decision %d: an edge from stage %d to %d, after one from %d: want ascending edges between ascending stages", i, from, to, last)
				} else {
					last = from
				}
			}
			at.job, at.stage, at.edge = at.job+1, at.stage+stages, at.edge+links
		}
		p.first = append(p.first, at)
	}
	if at.job != len(p.Supply) || at.stage != len(p.Remaining) || 2*at.edge != len(p.Edges) {
		return errors.New("more jobs, stages or edges than the decisions have")
	}
	return nil
}

// Validate reports the first thing that makes p no pool.
func (p *Pool) Validate() error {
	if err := p.index(); err != nil {
		return err
	}
	for i, v := range p.Recent {
		if f := float64(v); !(f >= 0) || math.IsInf(f, 0) || p.Remaining[i] < 0 || p.Flags[i] > canBeChosen|waitsFor {
			return fmt.Errorf("stage %d: %d tasks of %v ms, flags %d", i, p.Remaining[i], v, p.Flags[i])
		}
	}
	for i := range p.Len() {
		offered := int32(0)
		for _, f := range p.Flags[p.first[i].stage:p.first[i+1].stage] {
			offered += int32(f & canBeChosen)
		}
		last := i == p.Len()-1 || p.Episode[i+1] != p.Episode[i]
		nothing := p.Stage[i] == Nothing && p.Count[i] == 0
		switch {
		case p.Executors[i] < 1 || p.Executors[i] > maxExecutors || p.Committable[i] < 1 || p.Committable[i] > p.Executors[i] || p.Source[i] < 0 || p.Source[i] > p.Jobs[i]:
			return fmt.Errorf("decision %d: %d of %d executors, source %d of %d jobs", i, p.Committable[i], p.Executors[i], p.Source[i], p.Jobs[i])
		case !nothing && (p.Stage[i] < 0 || p.Stage[i] >= offered || p.Count[i] < 1 || p.Count[i] > p.Committable[i]):
			return fmt.Errorf("decision %d: %d executors for stage %d, of %d and %d", i, p.Count[i], p.Stage[i], p.Committable[i], offered)
		case math.IsNaN(p.Rewards[i]) || math.IsInf(p.Rewards[i], 0):
			return fmt.Errorf("decision %d: reward %v", i, p.Rewards[i])
		case p.Done[i] > 1 || (p.Done[i] == 1) != last:
			return fmt.Errorf("decision %d of episode %d: done is %d, want it 1 exactly on an episode's last", i, p.Episode[i], p.Done[i])
		case i > 0 && (p.Episode[i] < p.Episode[i-1] || p.Episode[i] == p.Episode[i-1] && p.Sequence[i] != p.Sequence[i-1]):
			return fmt.Errorf("decision %d: episode %d of sequence %d after %d of %d", i, p.Episode[i], p.Sequence[i], p.Episode[i-1], p.Sequence[i-1])
		}
	}
	return nil
}

// observe fills o with the state of decision i. Jobs are numbered by their place, and stages by theirs among those
// that are active.
func (p *Pool) observe(o *Observation, i int) {
	o.Executors, o.Committable, o.Source = int(p.Executors[i]), int(p.Committable[i]), int(p.Source[i])
	o.Jobs, o.Nodes, o.Edges, o.Schedulable = o.Jobs[:0], o.Nodes[:0], o.Edges[:0], o.Schedulable[:0]
	at := p.first[i]
	for j := range int(p.Jobs[i]) {
		view := JobView{ID: j, Supply: int(p.Supply[at.job]), First: len(o.Nodes)}
		for s := range int(p.Stages[at.job]) {
			flags := p.Flags[at.stage]
			n := Node{Job: j, Stage: s, Remaining: int(p.Remaining[at.stage]), Recent: float64(p.Recent[at.stage]), Schedulable: flags&canBeChosen != 0, Waiting: flags&waitsFor != 0}
			if n.Schedulable {
				o.Schedulable = append(o.Schedulable, len(o.Nodes))
			}
			o.Nodes = append(o.Nodes, n)
			at.stage++
		}
		for range p.Links[at.job] {
			o.Edges = append(o.Edges, [2]int{view.First + int(p.Edges[2*at.edge]), view.First + int(p.Edges[2*at.edge+1])})
			at.edge++
		}
		view.End = len(o.Nodes)
		o.Jobs = append(o.Jobs, view)
		at.job++
	}
}

// action is what was done in decision i.
func (p *Pool) action(i int) Action { return Action{int(p.Stage[i]), int(p.Count[i])} }

// episodes returns the first decision of every episode, and after them the number of decisions.
func (p *Pool) episodes() []int {
	starts := []int{0}
	for i, done := range p.Done {
		if done == 1 {
			starts = append(starts, i+1)
		}
	}
	return starts
}
