// Playing sessions with a policy, one or many at a time.

package abr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"

	"netllm/internal/parallel"
	"netllm/netllm"
)

// observer is told what happens in a session.
type observer struct {
	// began has the observation after chunk 0.
	began func(o *Observation)
	// decided has what the policy saw and chose, before the step is taken.
	decided func(o *Observation, quality int)
	// stepped has what followed.
	stepped func(step netllm.Step[*Observation])
}

// play runs policy p through session s, the discarded last question included.
func play(ctx context.Context, env *Env, p Policy, s Session, seed uint64, watch observer) error {
	o, err := env.ResetSession(s, seed)
	if err != nil {
		return err
	}
	p.Reset()
	if f, ok := p.(Foreseer); ok {
		if err := f.Foresee(env.config.Video, s); err != nil {
			return err
		}
	}
	watch.began(o)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		quality, err := p.Decide(o)
		if err != nil {
			return fmt.Errorf("after chunk %d: %w", o.Last.Index, err)
		}
		if o.Remaining == 0 {
			return nil
		}
		watch.decided(o, quality)
		step, err := env.Step(quality)
		if err != nil {
			return fmt.Errorf("after chunk %d: %w", o.Last.Index, err)
		}
		watch.stepped(step)
	}
}

// runOptions is what Evaluate and Collect share.
type runOptions struct {
	workers  int
	noise    bool
	seed     uint64
	progress func(done, total int)
}

// runAll plays all sessions on several workers; watch(i) is asked for the
// observer of session i. What happens in a session does not depend on the
// number of workers. Of several failures the one of the earliest session is
// returned; sessions begun before it are finished, later ones not begun.
func runAll(ctx context.Context, f Factory, video *Video, sessions []Session, opt runOptions, watch func(i int) observer) error {
	if len(sessions) == 0 {
		return errors.New("abr: no sessions to run")
	}
	if f.New == nil {
		return fmt.Errorf("abr: policy %q cannot be made", f.Name)
	}
	if opt.workers < 0 {
		return fmt.Errorf("abr: %d workers", opt.workers)
	}
	workers := cmp.Or(opt.workers, runtime.GOMAXPROCS(0))
	switch {
	case f.Stateful:
		workers = 1
	case f.Workers > 0:
		workers = min(workers, f.Workers)
	}
	var made netllm.Closers
	defer made.Close()
	failed, err := parallel.Each(ctx, len(sessions), workers, func() (func(i int) error, error) {
		env, err := NewEnv(EnvConfig{Video: video, Noise: opt.noise})
		if err != nil {
			return nil, err
		}
		player, err := f.New()
		if err != nil {
			return nil, fmt.Errorf("abr: policy %q: %w", f.Name, err)
		}
		made.Add(player)
		return func(i int) error { return play(ctx, env, player, sessions[i], mixSeed(opt.seed, i), watch(i)) }, nil
	}, func(done int) {
		if opt.progress != nil {
			opt.progress(done, len(sessions))
		}
	})
	if failed >= 0 {
		return fmt.Errorf("abr: policy %q: session %d (%s): %w", f.Name, failed, traceName(sessions[failed]), err)
	}
	return err
}

func traceName(s Session) string {
	if s.Trace == nil {
		return "no trace"
	}
	return s.Trace.Name
}
