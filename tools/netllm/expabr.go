// Experiments' units of adaptive bitrate streaming.

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// abrScorer makes the units of adaptive bitrate streaming.
type abrScorer struct {
	*workbench
	task *taskConfig
}

// abrTrainingSet is what policies are trained on: the traces of train, the video of the default setting.
const abrTrainingSet = "fcc-train"

// What pools are collected by: the published one, that of recipe offline as quickstart has it, and that of recipe best,
// see docs/abr.md.
var (
	abrPaperPool = abrPool{policies: []string{"genet"}, how: abrCollection{seed: evalSeed}}
	abrRulesPool = abrPool{policies: quickTeachers, how: abrCollection{seed: evalSeed}}
	abrBestPool  = abrPool{policies: []string{"bba", "mpc-tuned", "random"}, start: abr.StartRandom, how: abrCollection{episodes: 201, values: true, explore: 0.3, fit: true, seed: evalSeed}}
)

// abrPool is a pool that can be collected.
type abrPool struct {
	policies []string
	start    abr.StartRule
	how      abrCollection
}

// open reads a video and traces.
func (s abrScorer) open(video, traces string, start abr.StartRule) (*abrData, *abrFlags, map[string]string, error) {
	f := &abrFlags{video: video, traces: traces, start: string(start), chatter: func() io.Writer { return s.runner.Chatter }}
	data, err := remember(s.workbench, "abr "+video+" "+traces, func() (*abrData, error) { return f.open(&s.flags) })
	if err != nil {
		return nil, nil, nil, err
	}
	sums, err := remember(s.workbench, "hashes of abr "+video+" "+traces, func() (map[string]string, error) { return data.hashes(f) })
	return data, f, sums, err
}

// weights adds the hash of the published agents' weights to those of what policies read, if one of them reads these;
// the oracle begins with what the agents play.
func (s abrScorer) weights(policies []string, sums map[string]string) (map[string]string, error) {
	if !slices.ContainsFunc(policies, abr.NeedsWeights) && !slices.Contains(policies, "oracle") {
		return sums, nil
	}
	dir, err := s.flags.DataDir()
	if err != nil {
		return nil, err
	}
	sum, err := s.hash(filepath.Join(dir, "abr", "genet"))
	all := map[string]string{"weights": sum}
	for k, v := range sums {
		all[k] = v
	}
	return all, err
}

// pool returns the unit that collects a pool.
func (s abrScorer) pool(p abrPool) (*experiment.Unit, error) {
	if s.task.Episodes > 0 {
		p.how.episodes = s.task.Episodes
	}
	_, _, sums, err := s.open(abrSettings[0].video, abrTrainingSet, p.start)
	if err != nil {
		return nil, err
	}
	if sums, err = s.weights(p.policies, sums); err != nil {
		return nil, err
	}
	return &experiment.Unit{
		Kind: "pool-abr", Label: fmt.Sprintf("abr pool of %v", p.policies), Files: true, Seconds: 60,
		Key: map[string]any{"policies": p.policies, "start": p.start, "episodes": p.how.episodes, "values": p.how.values, "explore": p.how.explore,
			"without_held_out": p.how.fit, "seed": p.how.seed, "data": sums},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			data, f, _, err := s.open(abrSettings[0].video, abrTrainingSet, p.start)
			if err != nil {
				return nil, err
			}
			var factories []abr.Factory
			for _, name := range p.policies {
				flags := s.flags
				flags.Seed = p.how.seed
				policy, err := baseline(name, &flags)
				if err != nil {
					return nil, err
				}
				factories = append(factories, policy)
			}
			pool, err := p.how.collect(ctx, factories, data, f, 1, "", io.Discard)
			if err != nil {
				return nil, err
			}
			return describePool("", pool), pool.Write(filepath.Join(job.Dir, poolFile), false)
		},
	}, nil
}

// recipe is that of a variant.
func (s abrScorer) recipe(v variant) (abr.Recipe, error) {
	r, err := recipe(s.workbench, v, abr.NewRecipe)
	if err != nil {
		return r, err
	}
	if r.Windows > 0 {
		if v.train.Windows > 0 {
			r.Windows = v.train.Windows
			r.ValidEvery = min(r.ValidEvery, v.train.Windows)
		}
		switch {
		case v.train.Rounds < 0:
			r.Rounds = 0
		case v.train.Rounds > 0:
			r.Rounds = v.train.Rounds
		}
		if v.train.Plays > 0 {
			r.RoundSessions = v.train.Plays
		}
		r.Randomized = v.train.Randomized
	} else if v.train.Epochs > 0 {
		r.Epochs = v.train.Epochs
	}
	if v.rate > 0 {
		r.LearningRate = float32(v.rate)
	}
	r.LoRA = v.lora(r.LoRA)
	switch {
	case v.window == 0:
	case r.Network.Alone:
		r.Network.History = v.window
	default: // an optimiser step is made of as many decisions as before
		decisions := r.Network.Window * r.Batch
		r.Network.Window, r.Stride = v.window, v.window
		if r.Batch > 1 {
			r.Batch = max(1, decisions/v.window)
		}
	}
	return r, nil
}

// train implements [scorer].
func (s abrScorer) train(v variant) (*experiment.Unit, error) {
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	m, err := s.model(v.model)
	if err != nil {
		return nil, err
	}
	from, seconds := abrBestPool, 0.0005*float64(r.Windows)
	switch r.Name {
	case "paper":
		from, seconds = abrPaperPool, 5*float64(r.Epochs)
	case "offline":
		from, seconds = abrRulesPool, 10*float64(r.Epochs)
	}
	pool, err := s.pool(from)
	if err != nil {
		return nil, err
	}
	_, _, sums, err := s.open(abrSettings[0].video, abrTrainingSet, from.start)
	if err != nil {
		return nil, err
	}
	window := r.Network.Window
	if r.Network.Alone {
		window = r.Network.History
	}
	return &experiment.Unit{
		Kind: "train-abr", Label: v.String(), Files: true, Needs: []*experiment.Unit{pool}, Seconds: seconds * m.slowness(v.body),
		Key: map[string]any{"recipe": r, "model": m.sha256, "data": sums, "held_out": heldOut},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			data, _, _, err := s.open(abrSettings[0].video, abrTrainingSet, from.start)
			if err != nil {
				return nil, err
			}
			pool, err := netllm.ReadPool(filepath.Join(pool.Dir(), poolFile), "abr")
			if err != nil {
				return nil, err
			}
			var opt abr.ValuesOptions
			if r.Windows > 0 {
				if opt, err = data.teach(r); err != nil {
					return nil, err
				}
			}
			opt.Open, opt.Workers = func() ops.Backend { return job.Backend }, 1
			var t trained
			err = m.withBody(job.Backend, r.Body, func(body transformer.Adaptable) error {
				a, result, err := trainABR(ctx, job.Backend, body, pool, r, opt, io.Discard)
				if err != nil {
					return err
				}
				t = trained{Parameters: result.Parameters, Seconds: result.Seconds, Best: result.Best, Rate: float64(r.LearningRate), Rank: rankOf(r.LoRA), Window: window,
					Loss: result.Loss, Valid: result.Valid, BaseSHA256: result.BaseSHA256}
				return a.Write(job.Backend, filepath.Join(job.Dir, adapterDir), m.name, false)
			})
			return t, err
		},
	}, nil
}

// rule implements [scorer].
func (s abrScorer) rule(policy, setting string) (*experiment.Unit, error) {
	return s.unit("abr "+policy, policy, setting, nil, func(_ ops.Backend, do func(abr.Factory) error) error {
		flags, one := s.flags, learnedFlags{quantile: -1}
		flags.Seed = evalSeed
		list, done, err := one.factories([]string{policy}, &flags, cli.Used{}, nil)
		if err != nil {
			return err
		}
		defer done()
		return do(list[0])
	})
}

// learned implements [scorer].
func (s abrScorer) learned(v variant, adapter *experiment.Unit, setting string) (*experiment.Unit, error) {
	m, err := s.model(v.model)
	if err != nil {
		return nil, err
	}
	return s.unit(v.String(), learnedPolicy, setting, adapter, func(b ops.Backend, do func(abr.Factory) error) error {
		return m.withBody(b, v.body, func(body transformer.Adaptable) error {
			a, err := abr.LoadAdapter(b, body, filepath.Join(adapter.Dir(), adapterDir))
			if err != nil {
				return err
			}
			return do(a.Factory(learnedPolicy, a.Cond.MaxReturn, 1, func() ops.Backend { return b }))
		})
	})
}

// unit returns the unit in which a policy that open lends is scored.
func (s abrScorer) unit(label, policy, setting string, made *experiment.Unit, open func(b ops.Backend, do func(abr.Factory) error) error) (*experiment.Unit, error) {
	at := slices.IndexFunc(abrSettings, func(t abrSetting) bool { return t.name == setting })
	if at < 0 {
		return nil, fmt.Errorf("abr has no setting %q", setting)
	}
	where := abrSettings[at]
	_, _, sums, err := s.open(where.video, where.traces, "")
	if err != nil {
		return nil, err
	}
	if sums, err = s.weights([]string{policy}, sums); err != nil {
		return nil, err
	}
	u := &experiment.Unit{
		Kind: "score-abr", Label: label + " on " + setting, Seconds: 5,
		Key: map[string]any{"policy": policy, "video": where.video, "traces": where.traces, "seed": evalSeed, "data": sums},
	}
	if made != nil {
		u.Needs = []*experiment.Unit{made}
	}
	u.Do = func(ctx context.Context, job experiment.Job) (any, error) {
		data, f, _, err := s.open(where.video, where.traces, "")
		if err != nil {
			return nil, err
		}
		sessions, err := data.sessions(f, abr.Plan{Seed: evalSeed})
		if err != nil {
			return nil, err
		}
		var out score
		err = open(job.Backend, func(f abr.Factory) error {
			r, err := abr.Evaluate(ctx, f, data.video, sessions, abr.EvalOptions{Workers: 1, Seed: evalSeed})
			if err != nil {
				return err
			}
			p := abrJSON([]*abr.Result{r})[0]
			values := make([]float64, len(p.Items))
			for i, item := range p.Items {
				values[i] = item.Value
			}
			out = scored(p, values)
			return nil
		})
		return out, err
	}
	return u, nil
}
