// The simulator as an environment.

package cjs

import (
	"errors"
	"fmt"

	"netllm/netllm"
)

// Action is a decision: a stage, and how many executors it should get.
type Action struct {
	Stage     int // place in [Observation.Schedulable], or [Nothing]
	Executors int // 1 to Committable; what the stage cannot use is not taken
}

// Nothing as an action's stage leaves all executors of the source unused.
const Nothing = -1

// EnvConfig says what an [Env] plays.
type EnvConfig struct {
	Sequences []*Sequence // Reset draws from these; may be empty if only ResetSequence is used

	// Discount, if positive, is that of rewards within a step, 1/s: of Decima's training.
	Discount float64

	// OnTask, if set, is told of every task that starts, and when it will end.
	OnTask func(executor, job, stage int, start, end float64)
}

// Env is the cluster simulator as an environment. The reward of a step is minus the time, ms, that all jobs spent in the
// cluster until the next decision: over an episode, minus the sum of completion times. One goroutine uses it at
// a time. Step does not allocate once the environment has seen its largest episode.
type Env struct {
	config  EnvConfig
	sim     simulator
	obs     Observation
	running bool
	stalled bool
	before  []int32 // jobs active before a step
	idle    float64 // executor-ms without a task while a stage could have used them
	last    int     // executors committed by the last step
}

var _ netllm.Env[*Observation, Action] = (*Env)(nil)

// ErrStalled says that nothing happens any more though jobs are left: executors idle with nothing on the way that
// would have them looked at again.
var ErrStalled = errors.New("cjs: stalled: jobs are unfinished, executors are idle, and nothing will happen")

// NewEnv makes an environment. It fails if a sequence is not valid.
func NewEnv(config EnvConfig) (*Env, error) {
	for _, s := range config.Sequences {
		if err := s.Validate(); err != nil {
			return nil, err
		}
	}
	e := &Env{config: config}
	e.sim.onTask = config.OnTask
	return e, nil
}

// Reset starts one of the sequences, drawn from seed as all durations are.
func (e *Env) Reset(seed uint64) (*Observation, error) {
	n := len(e.config.Sequences)
	if n == 0 {
		return nil, errors.New("cjs: environment without sequences")
	}
	u := newStream(seed)
	e.begin(e.config.Sequences[int(u.Float64()*float64(n))], u)
	return &e.obs, nil
}

// ResetSequence starts s, with durations drawn from seed unless it has a stream of its own.
func (e *Env) ResetSequence(s *Sequence, seed uint64) (*Observation, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	u := newStream(seed)
	if s.Stream != nil {
		u = s.Stream()
	}
	e.begin(s, u)
	return &e.obs, nil
}

func (e *Env) begin(s *Sequence, u Uniforms) {
	m := &e.sim
	m.reset(s, u)
	for m.arrived < len(s.Jobs) && (m.arrived == 0 || s.Jobs[m.arrived].Arrival <= m.now) {
		m.happen()
	}
	m.findSchedulable()
	m.observe(&e.obs)
	e.obs.Reward = 0
	e.running, e.stalled, e.last, e.idle = true, false, 0, 0
}

// Step carries out an action. It fails if there is no episode, if the stage was not offered, or if the
// executors are none or more than are committable; nothing has changed then. An episode that stalls is truncated, see
// [Env.Stalled].
func (e *Env) Step(a Action) (netllm.Step[*Observation], error) {
	m, o := &e.sim, &e.obs
	switch {
	case !e.running:
		return netllm.Step[*Observation]{}, errors.New("cjs: step without an episode: it has ended or was never started")
	case a.Stage == Nothing:
		e.last = 0
		m.commit(m.source, none, m.committable())
	case a.Stage < 0 || a.Stage >= len(o.Schedulable):
		return netllm.Step[*Observation]{}, fmt.Errorf("cjs: stage %d, want 0 to %d, the stages that are offered, or %d for nothing", a.Stage, len(o.Schedulable)-1, Nothing)
	case a.Executors < 1 || a.Executors > o.Committable:
		return netllm.Step[*Observation]{}, fmt.Errorf("cjs: %d executors, want 1 to %d, those that are committable", a.Executors, o.Committable)
	default:
		e.last = int(m.choose(m.schedulable[a.Stage], int32(a.Executors)))
	}
	reward := 0.0
	if m.committable() == 0 || len(m.schedulable) == 0 {
		m.endRound()
		reward = e.advance()
	}
	m.observe(o)
	o.Reward = reward
	e.running = m.complete < len(m.jobs) && !e.stalled
	return netllm.Step[*Observation]{Obs: o, Reward: reward, Terminated: m.complete == len(m.jobs), Truncated: e.stalled}, nil
}

// advance lets time pass until the next decision and returns what it cost.
func (e *Env) advance() float64 {
	m := &e.sim
	e.before = append(e.before[:0], m.activeIDs...)
	known, began := m.arrived, m.now
	waste := float64(m.wasted())
	more := m.advance()
	e.idle += waste * (m.now - began)
	e.stalled = !more && m.complete < len(m.jobs)
	reward := 0.0
	for _, id := range e.before {
		reward -= e.cost(id, began)
	}
	for _, id := range m.activeIDs {
		if int(id) >= known {
			reward -= e.cost(id, began)
		}
	}
	return reward
}

// Stalled says whether the episode was cut off because nothing would have happened any more.
func (e *Env) Stalled() bool { return e.stalled }

// Unfinished is how many jobs of the episode are not complete.
func (e *Env) Unfinished() int { return len(e.sim.jobs) - e.sim.complete }

// Idle is the share of the executors' time so far that they had nothing to do although, when the time began to pass, a
// stage could have used them: what a policy left undone. Executors that wait in a job for its stages count, too: they can
// wait for good, if nobody works for the job.
func (e *Env) Idle() float64 {
	return e.idle / (max(e.sim.now, 1) * float64(len(e.sim.executors)))
}

// Committed is how many executors the last step committed to its stage: at most what that could use.
func (e *Env) Committed() int { return e.last }

// Draws is how many random numbers the episode has used.
func (e *Env) Draws() int { return e.sim.u.draws }

// Completions appends when each job was completed, ms; what is not complete counts as now.
func (e *Env) Completions(list []float64) []float64 {
	for i := range e.sim.jobs {
		at := e.sim.now
		if j := &e.sim.jobs[i]; j.done == j.end-j.first {
			at = j.completion
		}
		list = append(list, at)
	}
	return list
}
