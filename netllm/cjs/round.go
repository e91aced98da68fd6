// Which stages can be given executors, and what a decision sets off.

package cjs

// offer appends the stages of a job that executors can be committed to: not full, all parents full, not
// chosen in this round. source is the job whose executors are handed out; other jobs are offered nothing when they
// are taken to have all executors.
func (m *simulator) offer(list []int32, id, source int32) []int32 {
	j := &m.jobs[id]
	if id != source && int(j.supply) >= m.cluster.Executors {
		return list
	}
	for i := j.first; i < j.end; i++ {
		s := &m.stages[i]
		if s.done || s.chosen || s.demand() <= 0 {
			continue
		}
		ready := true
		for _, parent := range s.Parents {
			if m.stages[j.first+int32(parent)].demand() > 0 {
				ready = false
				break
			}
		}
		if ready {
			list = append(list, i)
		}
	}
	return list
}

// findSchedulable lists the stages that can be chosen now.
func (m *simulator) findSchedulable() {
	m.schedulable = m.schedulable[:0]
	source := m.sourceJob()
	for _, id := range m.activeIDs {
		m.schedulable = m.offer(m.schedulable, id, source)
	}
}

// sourceJob is the job of the source, or none.
func (m *simulator) sourceJob() int32 {
	if m.source == none {
		return none
	}
	return m.pools[m.source].job
}

// choose commits executors of the source to a stage that was offered, as many as it can use of those; it
// returns how many.
func (m *simulator) choose(at, executors int32) int32 {
	s := &m.stages[at]
	executors = min(executors, s.demand())
	m.commit(m.source, at, executors)
	s.chosen, m.changed = true, true
	m.findSchedulable()
	return executors
}

// endRound carries out what was decided: whatever executors are free go where they are committed to,
// the rest of the source to the common pool.
func (m *simulator) endRound() {
	m.commit(m.source, none, m.committable())
	m.idle = m.waitingIn(m.idle[:0], m.source)
	free := m.idle
	m.due = append(m.due[:0], m.pools[m.source].out...)
	for _, c := range m.due {
		for ; c.count > 0 && len(free) > 0; c.count-- {
			m.fulfil(free[0], c.stage)
			free = free[1:]
		}
	}
	m.source = none
	if m.changed {
		for _, id := range m.activeIDs {
			for i := m.jobs[id].first; i < m.jobs[id].end; i++ {
				m.stages[i].chosen = false
			}
		}
		m.changed = false
	}
}

// advance lets events happen until there is something to decide; it is false if there is nothing left to
// happen.
func (m *simulator) advance() bool {
	for m.happen() {
		if m.committable() == 0 {
			continue
		}
		m.findSchedulable()
		if len(m.schedulable) > 0 {
			return true
		}
		m.returnAll(m.source)
		m.source = none
	}
	m.schedulable = m.schedulable[:0]
	return false
}

// wasted is how many executors have nothing to do, wherever they are, although a stage could use them.
func (m *simulator) wasted() int32 {
	idle, demand := int32(len(m.executors)-m.queue.len()), int32(0) // busy ones and those on their way have an event each
	if idle == 0 {
		return 0
	}
	m.findSchedulable()
	for _, at := range m.schedulable {
		if demand += m.stages[at].demand(); demand >= idle {
			return idle
		}
	}
	return demand
}
