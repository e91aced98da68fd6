// Experiments' units of cluster job scheduling.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"netllm/netllm"
	"netllm/netllm/cjs"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// cjsScorer makes the units of cluster job scheduling.
type cjsScorer struct {
	*workbench
	task *taskConfig
	data *cjsData
	sum  string   // of the folder of queries and of Decima's weights
	from cjsFlags // what is learned from
}

// What pools are collected by: the paper's teacher, and that of recipe best.
var (
	cjsPaperTeacher = decimaPolicy
	cjsBestTeacher  = defaultTeacher
)

func newCJSScorer(w *workbench, task *taskConfig) (scorer, error) {
	s := cjsScorer{workbench: w, task: task, from: cjsFlags{jobs: 200, executors: 50, sequences: 4}}
	var err error
	if s.data, err = remember(w, "cjs", func() (*cjsData, error) { return openCJS(&w.flags) }); err != nil {
		return nil, err
	}
	for _, n := range []struct{ to, from *int }{{&s.from.jobs, &task.Jobs}, {&s.from.executors, &task.Executors}, {&s.from.sequences, &task.Validation}} {
		if *n.from > 0 {
			*n.to = *n.from
		}
	}
	s.sum, err = w.hash(s.data.dir)
	return s, err
}

// sums are the hashes that keys have.
func (s cjsScorer) sums() map[string]string { return map[string]string{"cjs": s.sum} }

// teacher makes a policy that plays or says what should be done.
func (s cjsScorer) teacher(name string) (cjs.Factory, error) {
	p := cjsPolicies{names: []string{name}, exponent: 0.25, cap: 20}
	list, _, err := p.factories(s.data, cli.Used{})
	if err != nil {
		return cjs.Factory{}, err
	}
	return list[0], nil
}

// pool returns the unit that collects a pool.
func (s cjsScorer) pool(policy string) *experiment.Unit {
	const seed = 1
	episodes := 40
	if s.task.Episodes > 0 {
		episodes = s.task.Episodes
	}
	return &experiment.Unit{
		Kind: "pool-cjs", Label: "cjs pool of " + policy, Files: true, Seconds: 10,
		Key: map[string]any{"policies": []string{policy}, "jobs": s.from.jobs, "executors": s.from.executors, "episodes": episodes, "seed": seed, "data": s.sums()},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			sequences, err := s.data.generated(&s.from, episodes, collectedSeeds+seed<<16)
			if err != nil {
				return nil, err
			}
			f, err := s.teacher(policy)
			if err != nil {
				return nil, err
			}
			pool, err := collectCJSPool(ctx, []cjs.Factory{f}, sequences, seed, 1, netllm.PoolMeta{Task: "cjs", Data: s.sums()}, io.Discard)
			if err != nil {
				return nil, err
			}
			return describeCJSPool("", pool), pool.Write(filepath.Join(job.Dir, poolFile), false)
		},
	}
}

// recipe is that of a variant.
func (s cjsScorer) recipe(v variant) (cjs.Recipe, error) {
	r, err := recipe(s.workbench, v, cjs.NewRecipe)
	if err != nil {
		return r, err
	}
	if v.train.Windows > 0 {
		r.Windows, r.ValidEvery = v.train.Windows, min(r.ValidEvery, v.train.Windows)
	}
	switch {
	case v.train.Rounds < 0:
		r.Rounds = 0
	case v.train.Rounds > 0:
		r.Rounds = v.train.Rounds
	}
	if v.train.Plays > 0 {
		r.RoundEpisodes = v.train.Plays
	}
	if r.Gradient != nil && v.train.Steps > 0 {
		steps := *r.Gradient
		steps.Iterations = v.train.Steps
		r.Gradient, r.GradientValid = &steps, min(r.GradientValid, v.train.Steps)
	} else if v.train.Steps < 0 {
		r.Gradient = nil
	}
	if v.rate > 0 {
		r.LearningRate = float32(v.rate)
	}
	r.LoRA = v.lora(r.LoRA)
	if v.window > 0 {
		r.Network.Window = v.window
	}
	return r, nil
}

// train implements [scorer]. Policy gradient is a unit of its own, behind that of imitation.
func (s cjsScorer) train(v variant) (*experiment.Unit, error) {
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	imitate, err := s.imitate(v, r)
	if err != nil || r.Gradient == nil {
		return imitate, err
	}
	m, err := s.model(v.model)
	if err != nil {
		return nil, err
	}
	return &experiment.Unit{
		Kind: "improve-cjs", Label: v.String() + ", policy gradient", Files: true, Needs: []*experiment.Unit{imitate}, Seconds: 40 * float64(r.Gradient.Iterations) * m.slowness(v.body),
		Key: map[string]any{"policy_gradient": r.Gradient, "jobs": min(s.from.jobs, r.GradientJobs), "executors": s.from.executors, "valid_every": r.GradientValid,
			"validation": []int{s.from.jobs, s.from.sequences}, "model": m.sha256, "data": s.sums()},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			t, err := experiment.Get[trained](imitate)
			if err != nil {
				return nil, err
			}
			training, err := s.training(job.Backend, defaultTeacher)
			if err != nil {
				return nil, err
			}
			err = m.withBody(job.Backend, r.Body, func(body transformer.Adaptable) error {
				a, err := cjs.LoadAdapter(job.Backend, body, filepath.Join(imitate.Dir(), adapterDir))
				if err != nil {
					return err
				}
				a.Recipe.Gradient, a.Recipe.GradientJobs, a.Recipe.GradientValid = r.Gradient, r.GradientJobs, r.GradientValid
				var result adaptCJSResult
				if err := training.improve(ctx, job.Backend, body, a, &result); err != nil {
					return err
				}
				t.Seconds, t.Best = t.Seconds+result.Seconds, result.Best
				for _, p := range result.Improved { // behind what imitation came to
					t.Valid = append(t.Valid, curvePoint{r.Windows/(r.Batch*r.Accumulate) + p.Step, p.Loss})
				}
				return a.Write(job.Backend, filepath.Join(job.Dir, adapterDir), m.name, false)
			})
			return t, err
		},
	}, nil
}

// imitate returns the unit that trains a variant without policy gradient.
func (s cjsScorer) imitate(v variant, r cjs.Recipe) (*experiment.Unit, error) {
	m, err := s.model(v.model)
	if err != nil {
		return nil, err
	}
	policy, seconds := cjsBestTeacher, 0.001*float64(r.Windows)
	if r.Name == "paper" {
		policy, seconds = cjsPaperTeacher, 0.03*float64(r.Windows)+30*float64(s.from.sequences*max(1, r.Windows/r.ValidEvery))
	}
	pool := s.pool(policy)
	r.Gradient, r.GradientJobs, r.GradientValid = nil, 0, 0
	return &experiment.Unit{
		Kind: "train-cjs", Label: v.String(), Files: true, Needs: []*experiment.Unit{pool}, Seconds: seconds * m.slowness(v.body),
		Key: map[string]any{"recipe": r, "teacher": defaultTeacher, "jobs": s.from.jobs, "executors": s.from.executors, "validation": s.from.sequences, "model": m.sha256, "data": s.sums()},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			read, err := cjs.ReadPool(filepath.Join(pool.Dir(), poolFile))
			if err != nil {
				return nil, err
			}
			training, err := s.training(job.Backend, defaultTeacher)
			if err != nil {
				return nil, err
			}
			var t trained
			err = m.withBody(job.Backend, r.Body, func(body transformer.Adaptable) error {
				a, result, err := training.imitate(ctx, job.Backend, body, r, read)
				if err != nil {
					return err
				}
				t = trained{Parameters: result.Parameters, Seconds: result.Seconds, Best: result.Best, Rate: float64(r.LearningRate), Rank: rankOf(r.LoRA), Window: r.Network.Window,
					Loss: result.Loss, Valid: result.Valid, BaseSHA256: result.BaseSHA256}
				return a.Write(job.Backend, filepath.Join(job.Dir, adapterDir), m.name, false)
			})
			return t, err
		},
	}, nil
}

// training is what adapt cjs shares between its trainings.
func (s cjsScorer) training(b ops.Backend, teacher string) (*cjsTraining, error) {
	f, err := s.teacher(teacher)
	if err != nil {
		return nil, err
	}
	valid, err := s.data.generated(&s.from, s.from.sequences, validSeeds)
	if err != nil {
		return nil, err
	}
	return &cjsTraining{valid: valid, teacher: f, open: func() ops.Backend { return b }, workers: 1, data: s.data, flags: &s.from, chatter: io.Discard}, nil
}

// rule implements [scorer].
func (s cjsScorer) rule(policy, setting string) (*experiment.Unit, error) {
	return s.unit("cjs "+policy, policy, setting, 0.3, nil, func(_ ops.Backend, do func(cjs.Factory) error) error {
		f, err := s.teacher(policy)
		if err != nil {
			return err
		}
		return do(f)
	})
}

// learned implements [scorer].
func (s cjsScorer) learned(v variant, adapter *experiment.Unit, setting string) (*experiment.Unit, error) {
	m, err := s.model(v.model)
	if err != nil {
		return nil, err
	}
	perEpisode := 2.0
	if v.train.Recipe == "paper" { // looks back twenty decisions
		perEpisode = 30
	}
	return s.unit(v.String(), learnedPolicy, setting, perEpisode*m.slowness(v.body), adapter, func(b ops.Backend, do func(cjs.Factory) error) error {
		return m.withBody(b, v.body, func(body transformer.Adaptable) error {
			a, err := cjs.LoadAdapter(b, body, filepath.Join(adapter.Dir(), adapterDir))
			if err != nil {
				return err
			}
			return do(a.Factory(learnedPolicy, 1, func() ops.Backend { return b }))
		})
	})
}

// unit returns the unit in which a policy that open lends is scored; an episode takes it about so many seconds.
func (s cjsScorer) unit(label, policy, setting string, perEpisode float64, made *experiment.Unit, open func(b ops.Backend, do func(cjs.Factory) error) error) (*experiment.Unit, error) {
	at := slices.IndexFunc(cjsSettings, func(t cjsSetting) bool { return t.name == setting })
	if at < 0 {
		return nil, fmt.Errorf("cjs has no setting %q", setting)
	}
	where := cjsFlags{jobs: cjsSettings[at].jobs, executors: cjsSettings[at].executors, sequences: 8}
	if s.task.Sequences > 0 {
		where.sequences = s.task.Sequences
	}
	runs := max(1, s.task.Runs)
	key := map[string]any{"policy": policy, "executors": where.executors, "runs": runs, "seed": evalSeed, "data": s.sums()}
	if file := s.task.Sequence; file != "" && setting == "default" {
		path, err := specFile(file)
		if err != nil {
			return nil, err
		}
		where.sequence = path
		if key["sequences"], err = s.hash(path); err != nil {
			return nil, err
		}
	} else {
		key["jobs"], key["sequences"] = where.jobs, where.sequences
	}
	u := &experiment.Unit{Kind: "score-cjs", Label: label + " on " + setting, Seconds: perEpisode * float64(where.sequences*runs), Key: key}
	if made != nil {
		u.Needs = []*experiment.Unit{made}
	}
	u.Do = func(ctx context.Context, job experiment.Job) (any, error) {
		sequences, err := s.data.list(&where, evalSeed)
		if err != nil {
			return nil, err
		}
		var out score
		err = open(job.Backend, func(f cjs.Factory) error {
			r, err := cjs.Evaluate(ctx, f, sequences, cjs.EvalOptions{Runs: runs, Workers: 1, Seed: evalSeed})
			if err != nil {
				return err
			}
			var times []float64
			for _, q := range r.Sequences {
				for _, run := range q.Runs {
					times = append(times, run.JCT...)
				}
			}
			out = scored(cjsJSON([]*cjs.Result{r})[0], times)
			return nil
		})
		return out, err
	}
	return u, nil
}

// referenceSequences is the file of the eight sequences that results are compared on.
const referenceSequences = "cjs_reference_sequences.json"

// specFile finds a file, also in NETLLM_SPEC.
func specFile(name string) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	path := filepath.Join(os.Getenv("NETLLM_SPEC"), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("sequence: %w (NETLLM_SPEC may name the folder that it lies in)", err)
	}
	return path, nil
}
