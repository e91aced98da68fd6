// The experiment cost's units, task by task.

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// costTask is what is measured of a task with a model.
type costTask struct {
	task  string
	needs []*experiment.Unit
	key   map[string]any // all but the model
	make  func() (costTraining, error)

	// gathering trains around body in one of the ways.
	gathering func(ctx context.Context, b ops.Backend, body transformer.Adaptable, way string) (*gathered, error)
	teacher   string
}

// compare returns the unit that compares low-rank adaptation with full fine-tuning.
func (c *costTask) compare(model string, weights int, load func(b ops.Backend) (transformer.Model, error), hash string, steps, repeats int, random bool) *experiment.Unit {
	return &experiment.Unit{
		Kind: "cost-train", Label: fmt.Sprintf("%s around %s, low-rank and whole", c.task, model), Needs: c.needs, Seconds: float64(2*repeats*(steps+1)) * 0.3 * max(1, float64(weights)/5e6),
		Key: map[string]any{"training": c.key, "model": hash, "steps": steps, "repeats": repeats},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			t, err := c.make()
			if err != nil {
				return nil, err
			}
			r, err := t.compareCost(ctx, job.Backend, weights, load, steps, repeats)
			if err != nil {
				return nil, err
			}
			r.Task, r.Model, r.Random = c.task, model, random
			return r, nil
		},
	}
}

// gather returns the unit that trains on experience that is come by in one of the ways.
func (c *costTask) gather(m *modelFile, way string) *experiment.Unit {
	return &experiment.Unit{
		Kind: "cost-gather", Label: fmt.Sprintf("%s around %s, collecting %s", c.task, m.name, way), Seconds: 120,
		Key: map[string]any{"training": c.key, "model": m.sha256, "way": way, "teacher": c.teacher},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			out := costGathered{Task: c.task, Model: m.name}
			err := m.withBody(job.Backend, costBodies[0], func(body transformer.Adaptable) error {
				g, err := c.gathering(ctx, job.Backend, body, way)
				if way == collectOnce {
					out.Once = g
				} else {
					out.Anew = g
				}
				return err
			})
			return out, err
		},
	}
}

// costTask returns what is measured of a task.
func (w *workbench) costTask(task, model string) (*costTask, error) {
	t := w.config.task(task)
	v := variant{label: "cost", task: task, model: model, body: costBodies[0], train: t.Recipes[0], seed: w.config.Seeds[0]}
	switch task {
	case "vp":
		return vpScorer{w, t}.cost(v)
	case "abr":
		return abrScorer{w, t}.cost(v)
	}
	s, err := newCJSScorer(w, t)
	if err != nil {
		return nil, err
	}
	return s.(cjsScorer).cost(v)
}

// remade returns what makes a variant's recipe for another body, with what the configuration says.
func remade[R any](v variant, plain func(name string, body transformer.Adaptable, spec netllm.BodySpec, seed uint64) (R, error), changed R, keep func(r *R, changed R)) func(body transformer.Adaptable, spec netllm.BodySpec) (R, error) {
	return func(body transformer.Adaptable, spec netllm.BodySpec) (R, error) {
		r, err := plain(v.train.Recipe, body, spec, v.seed)
		if err == nil {
			keep(&r, changed)
		}
		return r, err
	}
}

func (s vpScorer) cost(v variant) (*costTask, error) {
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	return s.costOf(v, r)
}

func (s vpScorer) costOf(v variant, r vp.Recipe) (*costTask, error) {
	set, sum, err := s.set(vpTrainingSet)
	if err != nil {
		return nil, err
	}
	return &costTask{
		task: "vp", key: map[string]any{"recipe": r, "data": map[string]string{set.Name: sum}, "allow_missing": s.config.Missing},
		make: func() (costTraining, error) {
			train, _, err := s.trainingWindows(r.Windows, vp.DefaultWindowing())
			return vpCost(remade(v, vp.NewRecipe, r, func(n *vp.Recipe, r vp.Recipe) { n.Batch = r.Batch }), r, train), err
		},
	}, nil
}

func (s abrScorer) cost(v variant) (*costTask, error) {
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	from, teacher := abrRulesPool, "genet"
	if r.Name == "paper" {
		from = abrPaperPool
	}
	if s.task.Policies != nil {
		teacher = s.task.Policies[0]
	}
	pool, err := s.pool(from)
	if err != nil {
		return nil, err
	}
	_, _, sums, err := s.open(abrSettings[0].video, abrTrainingSet, "")
	if err != nil {
		return nil, err
	}
	if sums, err = s.weights([]string{teacher}, sums); err != nil {
		return nil, err
	}
	f := s.config.Cost
	return &costTask{
		task: "abr", needs: []*experiment.Unit{pool}, teacher: teacher,
		key: map[string]any{"recipe": r, "data": sums, "epochs": f.Epochs, "episodes": s.task.Episodes, "explore": f.Explore},
		make: func() (t costTraining, err error) {
			read, err := netllm.ReadPool(filepath.Join(pool.Dir(), poolFile), "abr")
			if err != nil {
				return t, err
			}
			return abrCost(remade(v, abr.NewRecipe, r, func(*abr.Recipe, abr.Recipe) {}), r, read), nil
		},
		gathering: func(ctx context.Context, b ops.Backend, body transformer.Adaptable, way string) (*gathered, error) {
			g := &abrGathering{recipe: r, explore: f.Explore}
			g.recipe.Epochs = f.Epochs
			flags := s.flags
			flags.Seed = evalSeed
			if g.teacher, err = baseline(teacher, &flags); err != nil {
				return nil, err
			}
			data, _, _, err := s.open(abrSettings[0].video, abrTrainingSet, "")
			if err != nil {
				return nil, err
			}
			g.video = data.video
			g.sessions = func(epoch int) ([]abr.Session, error) {
				return data.set.Sessions(abr.Plan{Start: abr.StartRandom, Episodes: s.task.Episodes, Shuffle: true, Seed: r.Seed<<16 + uint64(epoch)})
			}
			test, where, _, err := s.open(abrSettings[0].video, abrSettings[0].traces, "")
			if err != nil {
				return nil, err
			}
			if g.test, err = test.sessions(where, abr.Plan{Seed: evalSeed}); err != nil {
				return nil, err
			}
			return g.run(ctx, b, body, way)
		},
	}, nil
}

func (s cjsScorer) cost(v variant) (*costTask, error) {
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	teacher := decimaPolicy
	if s.task.Policies != nil {
		teacher = s.task.Policies[0]
	}
	pool := s.pool(cjsBestTeacher)
	f := s.config.Cost
	short := s.from
	short.jobs = min(short.jobs, 5)
	valid := func() ([]*cjs.Sequence, error) { return s.data.generated(&short, 1, validSeeds) }
	return &costTask{
		task: "cjs", needs: []*experiment.Unit{pool}, teacher: teacher,
		key: map[string]any{"recipe": r, "data": s.sums(), "jobs": s.from.jobs, "executors": s.from.executors, "epochs": f.Epochs, "episodes": s.task.Episodes, "sequences": s.task.Sequences},
		make: func() (t costTraining, err error) {
			read, err := cjs.ReadPool(filepath.Join(pool.Dir(), poolFile))
			if err != nil {
				return t, err
			}
			list, err := valid()
			return cjsCost(remade(v, cjs.NewRecipe, r, func(*cjs.Recipe, cjs.Recipe) {}), r, read, list), err
		},
		gathering: func(ctx context.Context, b ops.Backend, body transformer.Adaptable, way string) (*gathered, error) {
			g := &cjsGathering{recipe: r}
			g.recipe.Rounds, g.recipe.RoundEpisodes, g.recipe.Gradient, g.recipe.ValidEvery = f.Epochs-1, 1, nil, never
			if g.teacher, err = s.teacher(teacher); err != nil {
				return nil, err
			}
			if g.valid, err = valid(); err != nil {
				return nil, err
			}
			g.sequences = func(epoch int) ([]*cjs.Sequence, error) {
				return s.data.generated(&s.from, max(1, s.task.Episodes), collectedSeeds+r.Seed<<16+uint64(epoch)<<10)
			}
			if g.test, err = s.data.generated(&s.from, max(1, s.task.Sequences), evalSeed); err != nil {
				return nil, err
			}
			return g.run(ctx, b, body, way)
		},
	}, nil
}
