// Scoring a policy over sequences of jobs.

package cjs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"netllm/internal/parallel"
	"netllm/internal/stats"
	"netllm/netllm"
)

// EvalOptions says how [Evaluate] runs.
type EvalOptions struct {
	Runs     int    // episodes of each sequence, each with its own random numbers; 0 is 1
	Workers  int    // episodes at a time; 0 = one per processor
	Seed     uint64 // of durations and of policies that draw
	Log      bool   // keep every task
	Progress func(done, total int)
}

// Result is a policy's score: mean job completion times (JCT), s.
type Result struct {
	Policy        string
	N             int     // sequences
	Runs          int     // of each
	Mean, StdErr  float64 // over sequences, of the means of their runs
	P50, P90, P99 float64 // of single jobs' times, all runs together
	Longest       float64 // of all jobs: one that starves shows here
	Seconds       float64 // wall-clock time
	Sequences     []SequenceResult
}

// SequenceResult is the score of one sequence.
type SequenceResult struct {
	ID   string
	Mean float64 // over runs
	SD   float64 // of the runs' means; 0 for one run
	Runs []RunResult
}

// RunResult is an episode.
type RunResult struct {
	Mean       float64   // of the jobs' times, s
	JCT        []float64 // each job's time from arrival to completion, s
	Completion []float64 // and when that was, ms
	Decisions  int
	Idle       float64 // share of the executors' time that was spent without a task while a stage could have used them
	Tasks      []Task  // nil unless asked for
}

// Task is what an executor did for some time, ms.
type Task struct {
	Executor, Job, Stage int
	Start, End           float64
}

// Evaluate runs a policy through the sequences and scores it. Results other than Seconds do not depend on the
// number of workers. It fails if a sequence is not valid, if the policy fails or chooses what it cannot, if an
// episode stalls (see [ErrStalled]), or if ctx is cancelled; the error says in which sequence.
func Evaluate(ctx context.Context, f Factory, sequences []*Sequence, opt EvalOptions) (*Result, error) {
	began := time.Now()
	switch {
	case len(sequences) == 0:
		return nil, fmt.Errorf("cjs: %s: no sequences", f.Name)
	case opt.Runs < 0 || opt.Workers < 0:
		return nil, fmt.Errorf("cjs: %d runs, %d workers", opt.Runs, opt.Workers)
	}
	r := &Result{Policy: f.Name, N: len(sequences), Runs: cmp.Or(opt.Runs, 1)}
	runs := make([]RunResult, r.N*r.Runs)
	workers := cmp.Or(opt.Workers, runtime.GOMAXPROCS(0))
	if f.Workers > 0 {
		workers = min(workers, f.Workers)
	}
	var made netllm.Closers
	defer made.Close()
	failed, err := parallel.Each(ctx, len(runs), workers, func() (func(i int) error, error) {
		p, err := f.New()
		if err != nil {
			return nil, fmt.Errorf("cjs: %s: %w", f.Name, err)
		}
		made.Add(p)
		player := &player{policy: p, log: opt.Log}
		if player.env, err = NewEnv(EnvConfig{OnTask: player.task}); err != nil {
			return nil, err
		}
		return func(i int) error {
			return player.play(ctx, &runs[i], sequences[i/r.Runs], mixSeed(opt.Seed, i/r.Runs, i%r.Runs))
		}, nil
	}, func(done int) {
		if opt.Progress != nil {
			opt.Progress(done, len(runs))
		}
	})
	if failed >= 0 {
		return nil, fmt.Errorf("cjs: %s: sequence %s, run %d: %w", f.Name, sequences[failed/r.Runs].ID, failed%r.Runs, err)
	}
	if err != nil {
		return nil, err
	}
	r.summarise(sequences, runs)
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// mixSeed is the seed of a run of a sequence.
func mixSeed(seed uint64, sequence, run int) uint64 {
	s := SplitMix64(seed)
	s += SplitMix64(sequence)<<32 + SplitMix64(run)
	s.Float64()
	s.Float64()
	return uint64(s) ^ uint64(s)>>29
}

// player plays episodes, one after the other.
type player struct {
	env    *Env
	policy Policy
	log    bool
	tasks  []Task

	stepped func(reward float64, done bool) // may be nil
}

func (p *player) task(executor, job, stage int, start, end float64) {
	if p.log {
		p.tasks = append(p.tasks, Task{executor, job, stage, start, end})
	}
}

// watchEvery is how many decisions there are between two looks at a context.
const watchEvery = 256

func (p *player) play(ctx context.Context, r *RunResult, s *Sequence, seed uint64) error {
	p.tasks = nil
	o, err := p.env.ResetSequence(s, seed)
	if err != nil {
		return err
	}
	p.policy.Reset(seed)
	for done := false; !done; r.Decisions++ {
		if r.Decisions%watchEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		a, err := p.policy.Decide(o)
		if err != nil {
			return fmt.Errorf("decision %d: %w", r.Decisions, err)
		}
		step, err := p.env.Step(a)
		if err != nil {
			return fmt.Errorf("decision %d: %w", r.Decisions, err)
		}
		if step.Truncated {
			return fmt.Errorf("decision %d, at %.3f s: %d of %d jobs are not complete: %w", r.Decisions, step.Obs.Time/1000, p.env.Unfinished(), len(s.Jobs), ErrStalled)
		}
		if o, done = step.Obs, step.Terminated; p.stepped != nil {
			p.stepped(step.Reward, done)
		}
	}
	r.Completion = p.env.Completions(make([]float64, 0, len(s.Jobs)))
	r.JCT = make([]float64, len(s.Jobs))
	for i, at := range r.Completion {
		r.JCT[i] = (at - s.Jobs[i].Arrival) / 1000
	}
	r.Mean, _ = stats.MeanStdErr(r.JCT)
	r.Idle, r.Tasks = p.env.Idle(), p.tasks
	return nil
}

func (r *Result) summarise(sequences []*Sequence, runs []RunResult) {
	var all, means []float64
	for i, s := range sequences {
		of := SequenceResult{ID: s.ID, Runs: runs[i*r.Runs : (i+1)*r.Runs]}
		var values []float64
		for _, run := range of.Runs {
			values, all = append(values, run.Mean), append(all, run.JCT...)
		}
		of.Mean, of.SD = stats.MeanSD(values)
		r.Sequences, means = append(r.Sequences, of), append(means, of.Mean)
	}
	r.Mean, r.StdErr = stats.MeanStdErr(means)
	slices.Sort(all)
	r.Longest = all[len(all)-1]
	r.P50, r.P90, r.P99 = stats.Quantile(all, 0.5), stats.Quantile(all, 0.9), stats.Quantile(all, 0.99)
}

// Paired returns the mean over sequences of a's mean less b's, and its standard error. Both must be of the same
// sequences.
func Paired(a, b *Result) (mean, stderr float64, err error) {
	if len(a.Sequences) != len(b.Sequences) {
		return 0, 0, errors.New("cjs: results of unlike numbers of sequences")
	}
	var list []float64
	for i := range a.Sequences {
		if a.Sequences[i].ID != b.Sequences[i].ID {
			return 0, 0, fmt.Errorf("cjs: results of sequences %s and %s", a.Sequences[i].ID, b.Sequences[i].ID)
		}
		list = append(list, a.Sequences[i].Mean-b.Sequences[i].Mean)
	}
	mean, stderr = stats.MeanStdErr(list)
	return mean, stderr, nil
}
