// Experiments' units of viewport prediction.

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"netllm/internal/stats"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// vpScorer makes the units of viewport prediction.
type vpScorer struct {
	*workbench
	task *taskConfig
}

// vpTrainingSet is what predictors are trained on.
const vpTrainingSet = "jin2022"

// set finds a data set and its hash.
func (s vpScorer) set(name string) (*vp.Dataset, string, error) {
	f := vpFlags{dataset: name}
	set, err := f.open(&s.flags)
	if err != nil {
		return nil, "", err
	}
	sum, err := s.hash(set.Dir)
	return set, sum, err
}

// traces reads a part of a data set.
func (s vpScorer) traces(dataset, split string) ([]*vp.Trace, error) {
	return remember(s.workbench, "vp "+dataset+" "+split, func() ([]*vp.Trace, error) {
		f := vpFlags{dataset: dataset, missing: s.config.Missing}
		set, err := f.open(&s.flags)
		if err != nil {
			return nil, err
		}
		traces, err := f.traces(set, split, s.runner.Chatter)
		if err != nil || split == "test" {
			return traces, err
		}
		return traces, set.CheckTraining(traces)
	})
}

// trainingWindows reads what is trained on and what weights are chosen by.
func (s vpScorer) trainingWindows(training, validation vp.Windowing) (train, valid []vp.Window, err error) {
	var parts [2][]*vp.Trace
	for i, split := range []string{"train", "valid"} {
		if parts[i], err = s.traces(vpTrainingSet, split); err != nil {
			return nil, nil, err
		}
	}
	train, valid = training.Windows(parts[0]), validation.Windows(parts[1])
	if len(train) == 0 || len(valid) == 0 {
		return nil, nil, fmt.Errorf("%s: no trace is long enough for a question", vpTrainingSet)
	}
	return train, valid, nil
}

// recipe is that of a variant.
func (s vpScorer) recipe(v variant) (vp.Recipe, error) {
	r, err := recipe(s.workbench, v, vp.NewRecipe)
	if err != nil {
		return r, err
	}
	if v.train.Epochs > 0 {
		r.Epochs = v.train.Epochs
	}
	if v.rate > 0 {
		r.LearningRate = float32(v.rate)
	}
	r.LoRA = v.lora(r.LoRA)
	if v.window > 0 {
		if r.Network.History == 0 {
			return r, fmt.Errorf("%s: recipe %s has no length of the past to choose", v, r.Name)
		}
		r.Network.History, r.Windows.History, r.MinHistory = v.window, v.window, min(r.MinHistory, v.window)
	}
	return r, nil
}

// train implements [scorer].
func (s vpScorer) train(v variant) (*experiment.Unit, error) {
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	m, err := s.model(v.model)
	if err != nil {
		return nil, err
	}
	set, sum, err := s.set(vpTrainingSet)
	if err != nil {
		return nil, err
	}
	validation := vp.DefaultWindowing()
	if v.window > 0 {
		validation.History = v.window
	}
	return &experiment.Unit{
		Kind: "train-vp", Label: v.String(), Files: true, Seconds: 40 * float64(r.Epochs) * m.slowness(v.body),
		Key: map[string]any{"recipe": r, "validation": validation, "model": m.sha256, "data": map[string]string{set.Name: sum}, "allow_missing": s.config.Missing},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			train, valid, err := s.trainingWindows(r.Windows, validation)
			if err != nil {
				return nil, err
			}
			var t trained
			err = m.withBody(job.Backend, r.Body, func(body transformer.Adaptable) error {
				a, result, err := trainVP(ctx, job.Backend, body, r, nil, train, valid, io.Discard)
				if err != nil {
					return err
				}
				t = trained{Parameters: result.Parameters, Seconds: result.Seconds, Best: result.Best, Rate: float64(r.LearningRate), Rank: rankOf(r.LoRA), Window: r.Windows.History,
					Loss: result.Loss, Valid: result.Valid, BaseSHA256: result.BaseSHA256}
				return a.Write(job.Backend, filepath.Join(job.Dir, adapterDir), m.name, false)
			})
			return t, err
		},
	}, nil
}

// track returns the unit that trains the recurrent rival.
func (s vpScorer) track() (*experiment.Unit, error) {
	training := vp.DefaultTrackTraining()
	if s.task.TrackEpochs > 0 {
		training.Epochs = s.task.TrackEpochs
	}
	training.Seed = s.config.Seeds[0]
	set, sum, err := s.set(vpTrainingSet)
	if err != nil {
		return nil, err
	}
	config := vp.TrackConfig{Cells: 1}
	return &experiment.Unit{
		Kind: "train-track", Label: fmt.Sprintf("vp %s, %d epochs", trackPolicy, training.Epochs), Files: true, Seconds: 36 * float64(training.Epochs),
		Key: map[string]any{"training": training, "track": config, "data": map[string]string{set.Name: sum}, "allow_missing": s.config.Missing},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			train, valid, err := s.trainingWindows(training.Windows, training.Windows)
			if err != nil {
				return nil, err
			}
			track, err := vp.NewTrack(job.Backend, config, nil, training.Seed)
			if err != nil {
				return nil, err
			}
			var result adaptTrackResult
			if err := trainTrack(ctx, job.Backend, track, train, valid, training, &result, io.Discard); err != nil {
				return nil, err
			}
			return trained{Parameters: result.Parameters, Seconds: result.Seconds, Best: result.Best, Rate: float64(training.LearningRate), Loss: result.Loss, Valid: result.Valid},
				track.Write(job.Backend, filepath.Join(job.Dir, trackFile), training, false)
		},
	}, nil
}

// The names of what units make.
const (
	adapterDir = "adapter"
	trackFile  = "track.safetensors"
	poolFile   = "pool.safetensors"
)

// rule implements [scorer].
func (s vpScorer) rule(policy, setting string) (*experiment.Unit, error) {
	if policy != trackPolicy {
		f, err := vp.NewFactory(policy)
		if err != nil {
			return nil, err
		}
		return s.unit("vp "+policy, policy, setting, 0, nil, func(_ ops.Backend, do func(vp.Factory) error) error { return do(f) })
	}
	track, err := s.track()
	if err != nil {
		return nil, err
	}
	return s.unit("vp "+policy, policy, setting, 0, track, func(b ops.Backend, do func(vp.Factory) error) error {
		t, err := vp.LoadTrack(b, filepath.Join(track.Dir(), trackFile), nil)
		if err != nil {
			return err
		}
		return do(t.Factory(1, func() ops.Backend { return b }))
	})
}

// learned implements [scorer].
func (s vpScorer) learned(v variant, adapter *experiment.Unit, setting string) (*experiment.Unit, error) {
	m, err := s.model(v.model)
	if err != nil {
		return nil, err
	}
	return s.unit(v.String(), learnedPolicy, setting, v.window, adapter, func(b ops.Backend, do func(vp.Factory) error) error {
		return m.withBody(b, v.body, func(body transformer.Adaptable) error {
			a, err := vp.LoadAdapter(b, body, filepath.Join(adapter.Dir(), adapterDir), nil)
			if err != nil {
				return err
			}
			return do(a.Factory(learnedPolicy, 1, true, func() ops.Backend { return b }))
		})
	})
}

// unit returns the unit in which a predictor that open lends is scored.
func (s vpScorer) unit(label, policy, setting string, history int, made *experiment.Unit, open func(b ops.Backend, do func(vp.Factory) error) error) (*experiment.Unit, error) {
	at := slices.IndexFunc(vpSettings, func(t vpSetting) bool { return t.name == setting })
	if at < 0 {
		return nil, fmt.Errorf("vp has no setting %q", setting)
	}
	where := vpSettings[at]
	asked := vp.DefaultWindowing()
	asked.History, asked.Horizon = where.history, where.horizon
	fill(&history, asked.History)
	asked.History = history
	set, sum, err := s.set(where.dataset)
	if err != nil {
		return nil, err
	}
	u := &experiment.Unit{
		Kind: "score-vp", Label: label + " on " + setting, Seconds: 2,
		Key: map[string]any{"policy": policy, "windows": asked, "split": "test", "data": map[string]string{set.Name: sum}, "allow_missing": s.config.Missing},
	}
	if made != nil {
		u.Needs, u.Seconds = []*experiment.Unit{made}, 15
	}
	u.Do = func(ctx context.Context, job experiment.Job) (any, error) {
		traces, err := s.traces(where.dataset, "test")
		if err != nil {
			return nil, err
		}
		windows := asked.Windows(traces)
		if len(windows) == 0 {
			return nil, fmt.Errorf("%s: no trace is long enough for a question", where.dataset)
		}
		var out score
		err = open(job.Backend, func(f vp.Factory) error {
			r, err := vp.Evaluate(ctx, f, windows, vp.EvalOptions{Workers: 1})
			if err == nil {
				out = scored(vpJSON([]*vp.Result{r})[0], r.Windows)
			}
			return err
		})
		return out, err
	}
	return u, nil
}

// scored is a result with the values that its box is over.
func scored(r policyResult, values []float64) score {
	s := score{policyResult: r}
	sorted := slices.Sorted(slices.Values(values))
	for i, q := range []float64{0.25, 0.5, 0.75} {
		s.Box[i] = stats.Quantile(sorted, q)
	}
	for _, v := range values {
		s.Values = append(s.Values, float32(v))
	}
	return s
}
