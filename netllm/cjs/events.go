// What happens in a cluster, in the order of time.

package cjs

import (
	"math"
	"math/bits"
)

// event is the end of an executor's task, or its arrival at a job. An executor has at most one.
type event struct {
	at uint64 // the bits of the time, which is not negative: they are in the order of times

	// key holds the number of the event, since events of one time come in the order in which they were made, and
	// behind it the executor.
	key uint64
}

// executorBits are those of an event's executor.
const executorBits = 14

func (e *event) executor() int32 { return int32(e.key & (1<<executorBits - 1)) }

// before is 1 if a comes before b, else 0. It has no branch: nothing could foretell which way it goes.
func (a *event) before(b *event) int {
	_, borrow := bits.Sub64(a.key, b.key, 0)
	_, borrow = bits.Sub64(a.at, b.at, borrow)
	return int(borrow)
}

// events is a heap with the earliest event on top. Most events make another one when they happen: the top's place is kept
// free for it until the next is asked for.
type events struct {
	heap  []event
	made  uint64
	taken bool // the top has happened
}

func (q *events) reset() { q.heap, q.made, q.taken = q.heap[:0], 0, false }

// push adds an event of an executor after all others of its time.
func (q *events) push(at float64, executor int32) {
	e := event{math.Float64bits(at), q.made<<executorBits | uint64(executor)}
	q.made++
	if q.taken {
		q.taken = false
		q.sink(e)
		return
	}
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if e.before(&q.heap[up]) == 0 {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = e
}

// sink puts e in the top's place, and from there where it belongs: down the path of the earlier children to its end, and
// up again as far as it must. A new event is late, most often, so that this asks least.
func (q *events) sink(e event) {
	h, i := q.heap, 0
	for {
		down := 2*i + 1
		if down+1 >= len(h) {
			if down < len(h) {
				h[i] = h[down]
				i = down
			}
			break
		}
		down += h[down+1].before(&h[down])
		h[i] = h[down]
		i = down
	}
	for i > 0 {
		up := (i - 1) / 2
		if e.before(&h[up]) == 0 {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
}

// len is how many events are to come.
func (q *events) len() int {
	q.settle()
	return len(q.heap)
}

// settle gives up the place of a top that has happened and made nothing.
func (q *events) settle() {
	if !q.taken {
		return
	}
	q.taken = false
	last := q.heap[len(q.heap)-1]
	q.heap = q.heap[:len(q.heap)-1]
	if len(q.heap) > 0 {
		q.sink(last)
	}
}

// next returns when the next event is; ok is false if there is none.
func (q *events) next() (at float64, ok bool) {
	q.settle()
	if len(q.heap) == 0 {
		return 0, false
	}
	return math.Float64frombits(q.heap[0].at), true
}

// pop returns whose event [events.next] told of.
func (q *events) pop() (executor int32) {
	q.taken = true
	return q.heap[0].executor()
}

// happen lets the next event happen; it is false if there is none. Of several at one time, jobs arrive
// first.
func (m *simulator) happen() bool {
	at, ok := m.queue.next()
	if m.arrived < len(m.seq.Jobs) {
		if arrival := m.seq.Jobs[m.arrived].Arrival; !ok || arrival <= at {
			m.now = arrival
			m.jobArrives()
			return true
		}
	}
	if !ok {
		return false
	}
	e := m.queue.pop()
	m.now = at
	if x := &m.executors[e]; x.executing {
		m.taskEnds(e, x.bound)
	} else {
		m.executorArrives(e, x.bound)
	}
	return true
}

func (m *simulator) jobArrives() {
	m.activeIDs = append(m.activeIDs, int32(m.arrived))
	m.jobs[m.arrived].active = true
	m.arrived++
	if m.pools[common].size > 0 {
		m.source = common
	}
}

func (m *simulator) executorArrives(e, at int32) {
	s := &m.stages[at]
	j := &m.jobs[s.job]
	m.executors[e].job = s.job
	j.local++
	s.travel--
	m.enter(e, j.pool)
	m.place(e, at)
}

func (m *simulator) taskEnds(e, at int32) {
	s, x := &m.stages[at], &m.executors[e]
	s.running--
	s.completed++
	x.executing = false
	if s.remaining > 0 {
		m.start(e, at)
		return
	}
	j := &m.jobs[s.job]
	opened := false // stages can start that could not
	if int(s.completed) == s.Tasks {
		s.done = true
		j.done++
		for _, child := range s.Children {
			c := &m.stages[s.first+int32(child)]
			if c.waiting--; c.waiting == 0 {
				opened = true
			}
		}
	}
	if j.done == j.end-j.first {
		m.returnAll(j.pool)
		m.finish(s.job)
	}
	if p := &m.pools[s.pool]; len(p.out) > 0 {
		m.fulfil(e, p.out[0].stage)
		if opened {
			m.source = j.pool
		}
		return
	}
	x.task = none
	m.source = s.pool
	if opened {
		m.returnOne(e, s.pool)
		m.source = j.pool
	}
}

// finish takes a job off the active ones.
func (m *simulator) finish(id int32) {
	j := &m.jobs[id]
	j.active, j.completion = false, m.now
	m.complete++
	for i, other := range m.activeIDs {
		if other == id {
			m.activeIDs = append(m.activeIDs[:i], m.activeIDs[i+1:]...)
			return
		}
	}
}
