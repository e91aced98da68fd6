// Experience collected once by an existing policy, or anew by the policy that learns before each epoch.

package main

import (
	"context"
	"fmt"
	"time"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/ops"
	"netllm/transformer"
)

// The ways to come by experience.
const (
	collectOnce = "once" // data-driven: a pool of an existing policy for all epochs
	collectAnew = "anew" // as reinforcement learning: the policy plays as it is before each epoch
)

// gathered is a training and where its time went.
type gathered struct {
	Way       string       `json:"way"`
	Policy    string       `json:"policy"` // that collected
	Epochs    int          `json:"epochs"`
	Updates   int          `json:"updates"`   // optimiser steps
	Decisions int          `json:"decisions"` // collected in all
	Seconds   float64      `json:"seconds"`   // Collect + Train
	Collect   float64      `json:"collect_seconds"`
	Train     float64      `json:"train_seconds"`
	ByEpoch   [][2]float64 `json:"by_epoch"` // seconds of collecting and of training
	Score     float64      `json:"score"`    // mean QoE, or mean job completion time in s
	StdErr    float64      `json:"stderr"`
	Metric    string       `json:"metric"`
}

// timeSplit tells where the time goes.
type timeSplit struct {
	training time.Time // since when
	byEpoch  [][2]float64
}

// epoch begins an epoch with what collects its experience.
func (s *timeSplit) epoch(collect func() error) error {
	s.pause()
	seconds := watch()
	err := collect()
	s.byEpoch = append(s.byEpoch, [2]float64{seconds(), 0})
	s.training = time.Now()
	return err
}

// pause counts the time since the last collection as training.
func (s *timeSplit) pause() {
	if n := len(s.byEpoch); n > 0 {
		s.byEpoch[n-1][1] = time.Since(s.training).Seconds()
	}
}

// fill ends the last epoch and fills in a result.
func (s *timeSplit) fill(g *gathered) {
	s.pause()
	g.ByEpoch, g.Epochs = s.byEpoch, len(s.byEpoch)
	for _, e := range s.byEpoch {
		g.Collect, g.Train = g.Collect+e[0], g.Train+e[1]
	}
	g.Seconds = g.Collect + g.Train
}

// abrGathering is what both ways share in adaptive bitrate streaming.
type abrGathering struct {
	recipe   abr.Recipe
	video    *abr.Video
	teacher  abr.Factory
	sessions func(epoch int) ([]abr.Session, error) // as many for each
	explore  float64                                // share of decisions by chance when the policy collects
	test     []abr.Session
}

// run trains around body with one thread.
func (g *abrGathering) run(ctx context.Context, b ops.Backend, body transformer.Adaptable, way string) (*gathered, error) {
	open := func() ops.Backend { return b }
	split := &timeSplit{}
	out := &gathered{Way: way, Policy: g.teacher.Name, Metric: "qoe"}
	collect := func(f abr.Factory, epoch int) (*netllm.Pool, error) {
		sessions, err := g.sessions(epoch)
		if err != nil {
			return nil, err
		}
		played, err := abr.Collect(ctx, f, g.video, sessions, abr.CollectOptions{Workers: 1})
		if err != nil {
			return nil, err
		}
		out.Decisions += played.Len()
		return played.Pool(netllm.PoolMeta{Policies: []string{f.Name}}), nil
	}
	// What rewards there are, and what can be wanted, is known of the existing policy in both ways.
	var pool *netllm.Pool
	first := func() (err error) { pool, err = collect(g.teacher, 0); return err }
	if way == collectAnew {
		if err := first(); err != nil {
			return nil, err
		}
		out.Decisions, out.Policy = 0, "its own"
	} else if err := split.epoch(first); err != nil {
		return nil, err
	}
	a, err := abr.NewAdapter(b, body, pool, g.recipe)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	next := func(epoch int) (*netllm.Pool, error) {
		if way == collectOnce {
			if epoch == 0 {
				return pool, nil
			}
			return pool, split.epoch(func() error { return nil })
		}
		err := split.epoch(func() error {
			f, err := abr.Exploring(a.Factory("own", a.Cond.MaxReturn, 1, open), g.explore, g.recipe.Seed)
			if err != nil {
				return err
			}
			pool, err = collect(f, epoch)
			return err
		})
		return pool, err
	}
	if err := a.TrainAnew(ctx, b, next, func(p abr.Progress) { out.Updates = p.Step }); err != nil {
		return nil, err
	}
	split.fill(out)
	r, err := abr.Evaluate(ctx, a.Factory(learnedPolicy, a.Cond.MaxReturn, 1, open), g.video, g.test, abr.EvalOptions{Workers: 1, Seed: evalSeed})
	if err != nil {
		return nil, err
	}
	out.Score, out.StdErr = r.Mean, r.StdErr
	return out, nil
}

// cjsGathering is what both ways share in cluster job scheduling. Recipe's windows and rounds say how much is trained: a round
// less than there are epochs.
type cjsGathering struct {
	recipe    cjs.Recipe
	teacher   cjs.Factory
	sequences func(epoch int) ([]*cjs.Sequence, error)
	valid     []*cjs.Sequence // that Train looks at in the end
	test      []*cjs.Sequence
}

// cjsPlays is how often a policy that collects plays the same jobs: returns are relative to the best of them.
const cjsPlays = 2

// run trains around body with one thread.
func (g *cjsGathering) run(ctx context.Context, b ops.Backend, body transformer.Adaptable, way string) (*gathered, error) {
	open := func() ops.Backend { return b }
	split := &timeSplit{}
	out := &gathered{Way: way, Policy: g.teacher.Name, Metric: "jct_s"}
	a, err := cjs.NewAdapter(b, body, g.recipe)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var pool *cjs.Pool
	collect := func(epoch int) error {
		f := g.teacher
		if way == collectAnew { // what it draws, not what it holds to be best: else there is nothing to tell apart
			f = cjs.Factory{Name: "own", Workers: 1, New: func() (cjs.Policy, error) { return cjs.NewLearned(ops.NewContext(b), a.Network, a.Cond, false), nil }}
			out.Policy = "its own"
		}
		sequences, err := g.sequences(epoch)
		if err != nil {
			return err
		}
		var all []*cjs.Sequence
		for _, s := range sequences {
			for range cjsPlays {
				all = append(all, s)
			}
		}
		if pool, err = cjs.Collect(ctx, f, all, cjs.CollectOptions{Workers: 1, Seed: g.recipe.Seed + uint64(epoch)}); err != nil {
			return err
		}
		for i := range pool.Sequence {
			pool.Sequence[i] /= cjsPlays // the same jobs
		}
		out.Decisions += pool.Len()
		return nil
	}
	if err := split.epoch(func() error { return collect(0) }); err != nil {
		return nil, err
	}
	anew := func(round int) (*cjs.Pool, error) {
		err := split.epoch(func() error {
			if way == collectOnce {
				return nil
			}
			return collect(round)
		})
		return pool, err
	}
	err = a.Train(ctx, b, pool, cjs.TrainOptions{Valid: g.valid, Anew: anew, Open: open, Workers: 1, Each: func(p cjs.Progress) { out.Updates = p.Step }})
	if err != nil {
		return nil, err
	}
	split.fill(out)
	r, err := cjs.Evaluate(ctx, a.Factory(learnedPolicy, 1, open), g.test, cjs.EvalOptions{Workers: 1, Seed: evalSeed})
	if err != nil {
		return nil, err
	}
	out.Score, out.StdErr = r.Mean, r.StdErr
	return out, nil
}

// saved is what collecting once saves of the time of collecting anew, percent. It fails unless both took the same number of
// optimiser steps.
func saved(once, anew *gathered) (float64, error) {
	if once.Updates != anew.Updates || once.Epochs != anew.Epochs {
		return 0, fmt.Errorf("%d optimiser steps in %d epochs after collecting once, %d in %d collecting anew", once.Updates, once.Epochs, anew.Updates, anew.Epochs)
	}
	return 100 * (1 - once.Seconds/anew.Seconds), nil
}
