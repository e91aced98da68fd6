// What happens in a cluster, in the order of time.

package cjs

// event is the end of an executor's task, or its arrival at a job.
type event struct {
	at       float64
	order    int64 // events of one time come in the order in which they were made
	executor int32
	stage    int32
	arrival  bool
}

func (a *event) before(b *event) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

// events is a heap with the earliest event on top. An executor has at most one event. Most events make
// another one when they happen: the top's place is kept free for it until the next is asked for.
type events struct {
	heap  []event
	made  int64
	taken bool // the top has happened
}

func (q *events) reset() { q.heap, q.made, q.taken = q.heap[:0], 0, false }

// push adds an event after all others of its time.
func (q *events) push(e event) {
	e.order = q.made
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
		if !e.before(&q.heap[up]) {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = e
}

// sink puts e in the top's place, and from there where it belongs.
func (q *events) sink(e event) {
	h, i := q.heap, 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].before(&h[down]) {
			down++
		}
		if !h[down].before(&e) {
			break
		}
		h[i] = h[down]
		i = down
	}
	h[i] = e
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
	return q.heap[0].at, true
}

// pop returns the event that [events.next] told of.
func (q *events) pop() event {
	q.taken = true
	return q.heap[0]
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
	m.now = e.at
	if e.arrival {
		m.executorArrives(e.executor, e.stage)
	} else {
		m.taskEnds(e.executor, e.stage)
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
