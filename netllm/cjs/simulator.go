// The state of a cluster: executors in pools, commitments of executors to stages, and what they
// are worth to a job.

package cjs

import (
	"math/bits"
	"slices"
)

const (
	none   = -1 // no job, stage or pool
	common = 0  // the pool where executors belong to no job
)

// executor is one slot that runs a task at a time.
type executor struct {
	pool      int32 // or none, on its way
	job       int32 // that it is local to, or none
	task      int32 // stage of the task that it remembers, or none
	bound     int32 // stage that it works at, or travels to
	executing bool
}

// stage is a stage of a job in the cluster.
type stage struct {
	*Stage
	job       int32
	number    int32 // within the job
	first     int32 // stage 0 of its job
	pool      int32
	remaining int32 // tasks not started
	running   int32
	completed int32
	travel    int32 // executors on their way to it
	committed int32 // executors that other pools will send it
	waiting   int32 // parents that are not completed
	recent    float64

	done, chosen bool // all tasks completed; selected in this round
}

// demand is how many executors more the stage could use.
func (s *stage) demand() int32 { return s.remaining - s.travel - s.committed }

// job is a job in the cluster.
type job struct {
	first, end int32 // its stages
	pool       int32
	supply     int32 // the executors that it is taken to have; see the package's simulator
	saturated  int32 // stages without remaining tasks
	done       int32 // stages completed
	local      int32 // executors

	completion float64
	active     bool
}

// pool holds executors: the common one, one of each job, one of each stage.
type pool struct {
	job     int32 // or none
	size    int32
	members []uint64 // bit e of executor e
	out     []commitment
	pending int32 // sum over out
}

// commitment says that so many executors of a pool go to a stage, or to the common pool (none), when they can.
type commitment struct{ stage, count int32 }

// simulator is a cluster at work. It follows the published simulator event by event, oddities included:
// results can only be compared so.
type simulator struct {
	cluster Cluster
	seq     *Sequence
	u       counted

	now       float64
	arrived   int // jobs
	complete  int
	queue     events
	executors []executor
	stages    []stage
	jobs      []job
	pools     []pool
	words     []uint64 // of all pools
	activeIDs []int32  // jobs, by arrival

	source      int32   // pool whose executors are handed out, or none
	schedulable []int32 // stages that the last question offered
	scratch     []int32
	idle        []int32
	due         []commitment
	places      []int32
	changed     bool // the round set is not empty

	onTask func(executor, job, stage int, start, end float64)
}

// reset puts the jobs of seq before an idle cluster.
func (m *simulator) reset(seq *Sequence, u Uniforms) {
	m.seq, m.cluster, m.u = seq, seq.Cluster, count(u)
	m.now, m.arrived, m.complete, m.source, m.changed = 0, 0, 0, none, false
	m.queue.reset()
	m.executors = m.executors[:0]
	m.stages, m.jobs, m.activeIDs = m.stages[:0], m.jobs[:0], m.activeIDs[:0]
	for range m.cluster.Executors {
		m.executors = append(m.executors, executor{common, none, none, none, false})
	}
	pools := int32(1 + len(seq.Jobs))
	for j := range seq.Jobs {
		q := seq.Jobs[j].Query
		first := int32(len(m.stages))
		for i := range q.Stages {
			s := &q.Stages[i]
			m.stages = append(m.stages, stage{Stage: s, job: int32(j), number: int32(i), first: first, pool: pools,
				remaining: int32(s.Tasks), waiting: int32(len(s.Parents)), recent: s.Rough})
			pools++
		}
		m.jobs = append(m.jobs, job{first: first, end: int32(len(m.stages)), pool: int32(1 + j)})
	}
	m.resetPools(int(pools))
}

func (m *simulator) resetPools(n int) {
	perPool := (len(m.executors) + 63) / 64
	m.words = slices.Grow(m.words[:0], n*perPool)[:n*perPool]
	clear(m.words)
	m.pools = slices.Grow(m.pools[:0], n)[:n]
	for i := range m.pools {
		out := m.pools[i].out[:0]
		m.pools[i] = pool{job: none, members: m.words[i*perPool : (i+1)*perPool], out: out}
	}
	for i := range m.jobs {
		m.pools[m.jobs[i].pool].job = int32(i)
	}
	for i := range m.stages {
		m.pools[m.stages[i].pool].job = m.stages[i].job
	}
	for e := range m.executors {
		m.enter(int32(e), common)
	}
}

// enter and leave move executors between pools.
func (m *simulator) enter(e, to int32) {
	p := &m.pools[to]
	p.members[e/64] |= 1 << (e % 64)
	p.size++
	m.executors[e].pool = to
}

func (m *simulator) leave(e int32) {
	p := &m.pools[m.executors[e].pool]
	p.members[e/64] &^= 1 << (e % 64)
	p.size--
	m.executors[e].pool = none
}

func (m *simulator) move(e, to int32) {
	m.leave(e)
	m.enter(e, to)
}

// waitingIn appends the executors of a pool that run nothing, in ascending order: the published code takes them in
// the order of a hash set.
func (m *simulator) waitingIn(list []int32, from int32) []int32 {
	for w, word := range m.pools[from].members {
		for ; word != 0; word &= word - 1 {
			if e := int32(64*w + bits.TrailingZeros64(word)); !m.executors[e].executing {
				list = append(list, e)
			}
		}
	}
	return list
}

// committable is how many executors of the source can still be handed out. Busy ones of a stage count: they
// go when they are done.
func (m *simulator) committable() int32 {
	if m.source == none {
		return 0
	}
	return m.pools[m.source].size - m.pools[m.source].pending
}

// commit has count executors of a pool go to a stage, or to the common pool.
func (m *simulator) commit(from, to, count int32) {
	if count == 0 {
		return
	}
	p := &m.pools[from]
	p.pending += count
	at := slices.IndexFunc(p.out, func(c commitment) bool { return c.stage == to })
	if at < 0 {
		p.out = append(p.out, commitment{to, count})
	} else {
		p.out[at].count += count
	}
	if to == none {
		return
	}
	s := &m.stages[to]
	s.committed += count
	if p.job != s.job {
		m.jobs[s.job].supply += count
	}
}

// fulfil sends an executor where its pool is committed to.
func (m *simulator) fulfil(e, to int32) {
	from := m.executors[e].pool
	p := &m.pools[from]
	at := slices.IndexFunc(p.out, func(c commitment) bool { return c.stage == to })
	p.pending--
	if p.out[at].count--; p.out[at].count == 0 {
		p.out = slices.Delete(p.out, at, at+1)
	}
	if to == none {
		m.returnOne(e, from)
		return
	}
	s := &m.stages[to]
	s.committed--
	if p.job != s.job {
		m.jobs[s.job].supply--
	}
	m.place(e, to)
}

// place puts an executor to work at a stage, as far as that can be.
func (m *simulator) place(e, at int32) {
	s, x := &m.stages[at], &m.executors[e]
	switch {
	case s.remaining == 0:
		m.backup(e)
	case x.job != s.job:
		m.send(e, at)
	case s.waiting > 0 || s.done: // its parents are not through
		x.task = none
		m.move(e, m.jobs[s.job].pool)
	default:
		m.move(e, s.pool)
		m.start(e, at)
	}
}

// backup finds work for an executor that came too late: the last stage that could use it, of its own job or else
// of any other.
func (m *simulator) backup(e int32) {
	own := m.executors[e].job
	m.scratch = m.scratch[:0]
	if own != none && m.jobs[own].active {
		m.scratch = m.offer(m.scratch, own, own)
	}
	if len(m.scratch) == 0 {
		for _, j := range m.activeIDs {
			if j != own {
				m.scratch = m.offer(m.scratch, j, own)
			}
		}
	}
	if n := len(m.scratch); n > 0 {
		m.place(e, m.scratch[n-1])
		return
	}
	m.returnOne(e, m.executors[e].pool)
}

// send has an executor travel to another job.
func (m *simulator) send(e, to int32) {
	s, x := &m.stages[to], &m.executors[e]
	if left := m.pools[x.pool].job; left != none {
		m.jobs[left].supply--
	}
	m.leave(e)
	m.release(x)
	s.travel++
	m.jobs[s.job].supply++
	x.bound = to
	m.queue.push(m.now+m.cluster.MovingDelay, e)
}

// release makes an executor nobody's.
func (m *simulator) release(x *executor) {
	if x.job != none {
		m.jobs[x.job].local--
	}
	x.job, x.task = none, none
}

// start has an executor run the next task of a stage.
func (m *simulator) start(e, at int32) {
	s, x := &m.stages[at], &m.executors[e]
	j := &m.jobs[s.job]
	s.running++
	if s.remaining--; s.remaining == 0 {
		j.saturated++
	}
	memory := anotherStage
	switch x.task {
	case none:
		memory = nothing
	case at:
		memory = sameStage
	}
	s.recent = s.draw(&m.u, int(j.local), memory, m.cluster.WarmUpDelay)
	x.task, x.bound, x.executing = at, at, true
	if m.onTask != nil {
		m.onTask(int(e), int(s.job), int(s.number), m.now, m.now+s.recent)
	}
	m.queue.push(m.now+s.recent, e)
}

// returnOne takes an executor off a pool that has no work for it.
func (m *simulator) returnOne(e, from int32) {
	p := &m.pools[from]
	if p.job == none {
		return
	}
	j := &m.jobs[p.job]
	switch {
	case j.saturated == j.end-j.first: // no task is left to start
		m.move(e, common)
		m.release(&m.executors[e])
	case from != j.pool:
		m.move(e, j.pool)
	}
}

// returnAll does so for all executors of a pool that run nothing.
func (m *simulator) returnAll(from int32) {
	if from == none {
		return
	}
	m.idle = m.waitingIn(m.idle[:0], from)
	for _, e := range m.idle {
		m.returnOne(e, from)
	}
}
