// Recording what a policy does, for a pool of experience.

package abr

import (
	"context"
	"fmt"

	"netllm/netllm"
)

// CollectOptions says how [Collect] runs. Which traces are played, in which
// order and from which rows, is the sessions' matter: see [Plan].
type CollectOptions struct {
	Workers  int                   // sessions at a time; 0 = one per processor
	Noise    bool                  // random factors on the download times, as the published pool has
	Seed     uint64                // of the noise
	Values   bool                  // note what a [Planner] holds each quality to be worth; sessions of a trace had best stand together
	Progress func(done, total int) // called after each session, never twice at a time
}

// Transitions is experience: N transitions, 47 per session, session after
// session. A transition is the state before a decision, the quality chosen
// from it, the reward of the chunk fetched in that quality, and whether that
// chunk was the session's last.
type Transitions struct {
	States   []float32 // [N, 6, 6] row-major
	Actions  []int32   // [N]
	Rewards  []float64 // [N]
	Done     []uint8   // [N], 1 on the last of each session
	Episodes []int32   // [N], number of the session, from 0
	Values   []float32 // [N, 6], see [Planner]; nil if they were not asked for
}

// Len returns the number of transitions.
func (t *Transitions) Len() int { return len(t.Actions) }

// Append adds the transitions of u, whose episodes are counted on from those
// of t. Both must have values, or none, unless t is empty.
func (t *Transitions) Append(u *Transitions) {
	if t.Len() > 0 && (t.Values == nil) != (u.Values == nil) {
		panic("abr: transitions with values and without")
	}
	t.Values = append(t.Values, u.Values...)
	offset := int32(0)
	if n := len(t.Episodes); n > 0 {
		offset = t.Episodes[n-1] + 1
	}
	t.States = append(t.States, u.States...)
	t.Actions = append(t.Actions, u.Actions...)
	t.Rewards = append(t.Rewards, u.Rewards...)
	t.Done = append(t.Done, u.Done...)
	for _, e := range u.Episodes {
		t.Episodes = append(t.Episodes, e+offset)
	}
}

// Collect runs the policy of f through the sessions and records every
// transition but the first of each session (zero state, quality 0), which
// nobody decided. The result does not depend on the number of workers. It
// fails as [Evaluate] does.
func Collect(ctx context.Context, f Factory, video *Video, sessions []Session, opt CollectOptions) (*Transitions, error) {
	const stateLen = Features * History
	n := len(sessions) * Decisions
	if int64(n)*stateLen > 1<<31 {
		return nil, fmt.Errorf("abr: collecting %d sessions: more than fit one pool", len(sessions))
	}
	t := &Transitions{
		States:   make([]float32, n*stateLen),
		Actions:  make([]int32, n),
		Rewards:  make([]float64, n),
		Done:     make([]uint8, n),
		Episodes: make([]int32, n),
	}
	var known *planners
	if opt.Values {
		t.Values = make([]float32, n*Qualities)
		known = newPlanners(video, sessions)
	}
	run := runOptions{workers: opt.Workers, noise: opt.Noise, seed: opt.Seed, progress: opt.Progress}
	err := runAll(ctx, f, video, sessions, run, func(i int) observer {
		at := i * Decisions // each session has its own part of the slices
		var planner *Planner
		var worth [Qualities]float64
		return observer{
			began: func(*Observation) {
				if known != nil {
					planner = known.get(sessions[i].Trace)
				}
			},
			decided: func(o *Observation, quality int) {
				if planner != nil {
					planner.Values(o, &worth)
					for q, v := range worth {
						t.Values[at*Qualities+q] = float32(v)
					}
				}
				o.StateFloat32(t.States[at*stateLen : (at+1)*stateLen])
				t.Actions[at] = int32(quality)
				t.Episodes[at] = int32(i)
			},
			stepped: func(step netllm.Step[*Observation]) {
				t.Rewards[at] = step.Reward
				if step.Terminated {
					t.Done[at] = 1
					if known != nil {
						known.done(sessions[i].Trace)
					}
				}
				at++
			},
		}
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Pool returns t as a pool of the ABR task, which shares t's memory.
func (t *Transitions) Pool(meta netllm.PoolMeta) *netllm.Pool {
	meta.Task = "abr"
	return &netllm.Pool{Meta: meta, Shape: []int{Features, History},
		States: t.States, Actions: t.Actions, Rewards: t.Rewards, Done: t.Done, Episode: t.Episodes, Values: t.Values}
}
