// Recording what a policy sees and does.

package cjs

import (
	"cmp"
	"context"
	"fmt"
	"runtime"

	"netllm/internal/parallel"
	"netllm/netllm"
)

// CollectOptions says how [Collect] runs.
type CollectOptions struct {
	Workers int    // episodes at a time; 0 = one per processor
	Seed    uint64 // of durations and of policies that draw

	// Teacher, if set, says what is recorded in the place of what the policy does: the pool then has the
	// teacher's decisions on the states that the policy gets into.
	Teacher *Factory

	Progress func(done, total int)
}

// Collect runs a policy through the sequences and records every decision. The result does not depend on the number of
// workers. It fails as [Evaluate] does.
func Collect(ctx context.Context, f Factory, sequences []*Sequence, opt CollectOptions) (*Pool, error) {
	if len(sequences) == 0 {
		return nil, fmt.Errorf("cjs: %s: no sequences", f.Name)
	}
	parts := make([]*Pool, len(sequences))
	workers := cmp.Or(opt.Workers, runtime.GOMAXPROCS(0))
	if f.Workers > 0 {
		workers = min(workers, f.Workers)
	}
	var made netllm.Closers
	defer made.Close()
	failed, err := parallel.Each(ctx, len(parts), workers, func() (func(i int) error, error) {
		r := &recorder{}
		var err error
		if r.policy, err = f.New(); err != nil {
			return nil, fmt.Errorf("cjs: %s: %w", f.Name, err)
		}
		made.Add(r.policy)
		if opt.Teacher != nil {
			if r.teacher, err = opt.Teacher.New(); err != nil {
				return nil, fmt.Errorf("cjs: %s: %w", opt.Teacher.Name, err)
			}
			made.Add(r.teacher)
		}
		player := &player{policy: r, stepped: r.stepped}
		if player.env, err = NewEnv(EnvConfig{}); err != nil {
			return nil, err
		}
		return func(i int) error {
			r.pool, r.sequence = &Pool{}, i
			parts[i] = r.pool
			return player.play(ctx, &RunResult{}, sequences[i], mixSeed(opt.Seed, i, 0))
		}, nil
	}, func(done int) {
		if opt.Progress != nil {
			opt.Progress(done, len(parts))
		}
	})
	if failed >= 0 {
		return nil, fmt.Errorf("cjs: %s: sequence %s: %w", f.Name, sequences[failed].ID, err)
	}
	if err != nil {
		return nil, err
	}
	pool := &Pool{}
	for _, part := range parts {
		pool.Join(part)
	}
	pool.Meta.Task, pool.Meta.Policies = "cjs", []string{f.Name}
	return pool, pool.Validate()
}

// recorder is a policy that writes down what another does, or what a teacher would do.
type recorder struct {
	policy, teacher Policy
	pool            *Pool
	sequence        int
}

// Reset implements [Policy].
func (r *recorder) Reset(seed uint64) {
	r.policy.Reset(seed)
	if r.teacher != nil {
		r.teacher.Reset(seed)
	}
}

// Decide implements [Policy].
func (r *recorder) Decide(o *Observation) (Action, error) {
	a, err := r.policy.Decide(o)
	if err != nil {
		return a, err
	}
	label := a
	if r.teacher != nil {
		if label, err = r.teacher.Decide(o); err != nil {
			return a, err
		}
	}
	r.pool.add(o, label, 0, r.sequence)
	return a, nil
}

// stepped takes down what followed.
func (r *recorder) stepped(reward float64, done bool) {
	last := r.pool.Len() - 1
	if r.pool.Rewards[last] = reward; done {
		r.pool.Done[last] = 1
	}
}
