// The experiment latency: viewport prediction in words, against the networking head.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/netllm/vp/text"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// latencyConfig shapes the experiment.
type latencyConfig struct {
	Windows   int      `json:"windows"`   // seen in each training, the head's and the words'
	Questions int      `json:"questions"` // test windows that are asked, evenly over all; 0: all
	Repeats   int      `json:"repeats"`   // of the head's answers, by whose median a window's time is told
	Recipe    string   `json:"head_recipe"`
	Forms     []string `json:"forms"`                        // of the words: relative, absolute
	Rate      float64  `json:"text_learning_rate,omitempty"` // 0: package text's own
	Batch     int      `json:"text_batch,omitempty"`         // likewise
}

// The forms of words, see [text.Form].
var textForms = []string{"relative", "absolute"}

func latencyKind() *experimentKind {
	return &experimentKind{
		name: "latency", short: "Answers in words against the networking head: time, and how many are invalid",
		long: "Latency writes viewport prediction as text, tunes the same model on it with low-rank\n" +
			"matrices and has it answer greedily, token by token, with its cache. It compares the share\n" +
			"of invalid answers, the error of the others and the time of an answer with those of the\n" +
			"networking head, which has seen as many windows, on the same test windows, with one thread.\n" +
			"Times are true only while nothing else runs.",
		repeats: "answers by tokens: validity, and latency against the head",
		takes:   map[string]string{smallBudget: "5 min", fullBudget: "2 h"},
		models:  []string{"stories260k/stories260k-f32.gguf"}, defaults: latencyDefaults, check: checkLatency, run: runLatency,
	}
}

func latencyDefaults(c *experimentConfig) {
	c.Seeds = firstSeeds(1)
	c.Latency = &latencyConfig{Windows: 8000, Questions: 500, Repeats: 5, Recipe: "best", Forms: textForms}
	c.Tasks = map[string]*taskConfig{"vp": {}}
	if c.Budget == fullBudget {
		c.Latency.Windows, c.Latency.Questions, c.Latency.Repeats = 100_000, 0, 21
	}
}

func checkLatency(c *experimentConfig) (errs []error) {
	f := c.Latency
	if f == nil || c.task("vp") == nil {
		return []error{errors.New("config: latency: nothing is said of it, or not of task vp")}
	}
	if f.Windows < 1 || f.Questions < 0 || f.Repeats < 1 || f.Batch < 0 || !(f.Rate >= 0) || math.IsInf(f.Rate, 0) {
		errs = append(errs, fmt.Errorf("config: latency: windows %d, questions %d, repeats %d, text_batch %d, text_learning_rate %v", f.Windows, f.Questions, f.Repeats, f.Batch, f.Rate))
	}
	if !slices.Contains(vp.Recipes, f.Recipe) {
		errs = append(errs, fmt.Errorf("config: latency: head_recipe %q: want one of %q", f.Recipe, vp.Recipes))
	}
	if len(f.Forms) == 0 || repeats(f.Forms) || slices.ContainsFunc(f.Forms, func(s string) bool { return !slices.Contains(textForms, s) }) {
		errs = append(errs, fmt.Errorf("config: latency: forms %q: want some of %q, each once", f.Forms, textForms))
	}
	return errs
}

// latencySystem is a way to answer: its training, and the unit in which it answers.
type latencySystem struct {
	Name    string    `json:"system"`
	Model   string    `json:"model"`
	Seed    uint64    `json:"seed"`
	Trained trained   `json:"training"`
	Answers *answered `json:"answers"`

	// OnValid are errors on the windows that this system answered validly: its own, the head's of the same model and seed, and
	// that of repeating the last position.
	OnValid *[3]float64 `json:"errors_on_valid,omitempty"`

	train, ask *experiment.Unit
	head       *latencySystem
}

// alone does units that measure times: one at a time, with nothing beside it of this program.
func (w *workbench) alone(ctx context.Context, units ...*experiment.Unit) error {
	workers := w.runner.Workers
	w.runner.Workers = 1
	defer func() { w.runner.Workers = workers }()
	return w.runner.Do(ctx, units...)
}

func runLatency(ctx context.Context, w *workbench) (*experiment.Outcome, error) {
	s := vpScorer{w, w.config.task("vp")}
	var systems []*latencySystem
	var trainings, asking []*experiment.Unit
	for _, model := range w.config.Models {
		for _, seed := range w.config.Seeds {
			head, err := s.headSystem(model, seed)
			if err != nil {
				return nil, err
			}
			all := []*latencySystem{head}
			for _, form := range w.config.Latency.Forms {
				words, err := s.wordsSystem(model, form, seed)
				if err != nil {
					return nil, err
				}
				words.head = head
				all = append(all, words)
			}
			for _, x := range all {
				systems, trainings, asking = append(systems, x), append(trainings, x.train), append(asking, x.ask)
			}
		}
	}
	if err := w.runner.Do(ctx, trainings...); err != nil {
		return nil, err
	}
	if err := w.alone(ctx, asking...); err != nil {
		return nil, err
	}
	hold, err := s.holdLast(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range systems {
		if x.Trained, err = experiment.Get[trained](x.train); err != nil {
			return nil, err
		}
		if x.Answers, err = experiment.Get[*answered](x.ask); err != nil {
			return nil, err
		}
		x.compare(hold)
	}
	return latencyOutcome(w, systems)
}

// compare fills in errors on the windows that the system answered validly.
func (x *latencySystem) compare(hold []float64) {
	own, ok := x.Answers.meanError(nil)
	if !ok {
		return
	}
	head := own
	if x.head != nil {
		head, _ = x.head.Answers.meanError(x.Answers.Valid)
	}
	var still float64
	for _, i := range x.Answers.Valid {
		still += hold[i] / float64(len(x.Answers.Valid))
	}
	x.OnValid = &[3]float64{own, head, still}
}

// questions are the test windows that are asked.
func (s vpScorer) questions() ([]vp.Window, error) {
	traces, err := s.traces(vpTrainingSet, "test")
	if err != nil {
		return nil, err
	}
	windows := evenly(vp.DefaultWindowing().Windows(traces), s.config.Latency.Questions)
	if len(windows) == 0 {
		return nil, fmt.Errorf("%s: no trace is long enough for a question", vpTrainingSet)
	}
	return windows, nil
}

// holdLast are the errors of repeating the last position.
func (s vpScorer) holdLast(ctx context.Context) ([]float64, error) {
	windows, err := s.questions()
	if err != nil {
		return nil, err
	}
	f, err := vp.NewFactory("hold-last")
	if err != nil {
		return nil, err
	}
	r, err := vp.Evaluate(ctx, f, windows, vp.EvalOptions{Workers: 1})
	if err != nil {
		return nil, err
	}
	return r.Windows, nil
}

// asked are a key's parts that say what is asked.
func (s vpScorer) asked() (map[string]any, error) {
	set, sum, err := s.set(vpTrainingSet)
	if err != nil {
		return nil, err
	}
	f := s.config.Latency
	return map[string]any{"windows": vp.DefaultWindowing(), "questions": f.Questions, "data": map[string]string{set.Name: sum}, "allow_missing": s.config.Missing}, nil
}

// headSystem is the networking head.
func (s vpScorer) headSystem(model string, seed uint64) (*latencySystem, error) {
	f := s.config.Latency
	m, err := s.model(model)
	if err != nil {
		return nil, err
	}
	v := variant{label: "head", task: "vp", model: model, body: netllm.BodySpec{Kind: netllm.PretrainedBody}, train: trainConfig{Recipe: f.Recipe}, seed: seed}
	r, err := s.recipe(v)
	if err != nil {
		return nil, err
	}
	key, err := s.asked()
	if err != nil {
		return nil, err
	}
	x := &latencySystem{Name: "head", Model: m.name, Seed: seed}
	r.Epochs, r.ValidEvery = 1, max(1, f.Windows/4)
	x.train = &experiment.Unit{
		Kind: "train-vp-windows", Label: fmt.Sprintf("networking head around %s, seed %d", m.name, seed), Files: true, Seconds: 0.001 * float64(f.Windows) * m.slowness(r.Body),
		Key: map[string]any{"recipe": r, "seen": f.Windows, "validation": vp.DefaultWindowing(), "model": m.sha256, "data": key["data"], "allow_missing": s.config.Missing},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			train, valid, err := s.trainingWindows(r.Windows, vp.DefaultWindowing())
			if err != nil {
				return nil, err
			}
			r := r
			r.Epochs = (f.Windows + len(train) - 1) / len(train)
			train = evenly(train, (f.Windows+r.Epochs-1)/r.Epochs)
			var t trained
			err = m.withBody(job.Backend, r.Body, func(body transformer.Adaptable) error {
				a, result, err := trainVP(ctx, job.Backend, body, r, nil, train, valid, io.Discard)
				if err != nil {
					return err
				}
				t = trained{Parameters: result.Parameters, Seconds: result.Seconds, Best: result.Best, Rate: float64(r.LearningRate), Rank: rankOf(r.LoRA), Loss: result.Loss, Valid: result.Valid, BaseSHA256: result.BaseSHA256}
				return a.Write(job.Backend, filepath.Join(job.Dir, adapterDir), m.name, false)
			})
			return t, err
		},
	}
	key["repeats"] = f.Repeats
	x.ask = &experiment.Unit{
		Kind: "latency-head", Label: x.train.Label + ", answers", Needs: []*experiment.Unit{x.train}, Seconds: 10, Key: key,
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			windows, err := s.questions()
			if err != nil {
				return nil, err
			}
			var a *answered
			err = m.withBody(job.Backend, r.Body, func(body transformer.Adaptable) error {
				adapter, err := vp.LoadAdapter(job.Backend, body, filepath.Join(x.train.Dir(), adapterDir), nil)
				if err != nil {
					return err
				}
				a, err = askHead(ctx, adapter, job.Backend, windows, f.Repeats)
				return err
			})
			return a, err
		},
	}
	return x, nil
}

// wordsSystem is the model that is tuned to answer in words.
func (s vpScorer) wordsSystem(model, form string, seed uint64) (*latencySystem, error) {
	f := s.config.Latency
	m, err := s.model(model)
	if err != nil {
		return nil, err
	}
	key, err := s.asked()
	if err != nil {
		return nil, err
	}
	v := variant{label: "text " + form, task: "vp", model: model, body: netllm.BodySpec{Kind: netllm.PretrainedBody}, seed: seed}
	v.train.Recipe = form
	config, err := recipe(s.workbench, v, func(_ string, body transformer.Adaptable, _ netllm.BodySpec, seed uint64) (text.Config, error) {
		c := text.DefaultConfig(body)
		c.Form.Relative, c.Windows, c.ValidEvery, c.Seed = form == textForms[0], f.Windows, max(1, f.Windows/4), seed
		if f.Rate > 0 {
			c.LearningRate = float32(f.Rate)
		}
		if f.Batch > 0 {
			c.Batch = f.Batch
		}
		words, err := m.tokenizer()
		if err != nil {
			return c, err
		}
		_, err = text.NewCoder(c.Form, words, body) // better refused now than after the head's training
		return c, err
	})
	if err != nil {
		return nil, err
	}
	training := vp.DefaultWindowing()
	training.Stride = 3 // as the head's
	x := &latencySystem{Name: "text, " + form, Model: m.name, Seed: seed}
	x.train = &experiment.Unit{
		Kind: "tune-text", Label: fmt.Sprintf("%s %s, seed %d", x.Name, m.name, seed), Files: true, Seconds: 0.03 * float64(f.Windows) * m.slowness(v.body),
		Key: map[string]any{"config": config, "training": training, "model": m.sha256, "data": key["data"], "allow_missing": s.config.Missing},
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			train, valid, err := s.trainingWindows(training, vp.DefaultWindowing())
			if err != nil {
				return nil, err
			}
			return tuneText(ctx, job, m, config, train, evenly(valid, textValidation))
		},
	}
	x.ask = &experiment.Unit{
		Kind: "latency-text", Label: x.train.Label + ", answers", Needs: []*experiment.Unit{x.train}, Seconds: 60 * m.slowness(v.body), Key: key,
		Do: func(ctx context.Context, job experiment.Job) (any, error) {
			windows, err := s.questions()
			if err != nil {
				return nil, err
			}
			words, err := m.tokenizer()
			if err != nil {
				return nil, err
			}
			var a *answered
			err = m.withBody(job.Backend, v.body, func(body transformer.Adaptable) error {
				tuned, err := text.Load(job.Backend, body.(transformer.Model), words, filepath.Join(x.train.Dir(), adapterDir))
				if err != nil {
					return err
				}
				a, err = askWords(ctx, tuned, job.Backend, windows)
				return err
			})
			return a, err
		},
	}
	return x, nil
}

// textValidation is how many validation windows the words' matrices are chosen by.
const textValidation = 200

// tuneText tunes a model to answer in words.
func tuneText(ctx context.Context, job experiment.Job, m *modelFile, config text.Config, train, valid []vp.Window) (t trained, err error) {
	words, err := m.tokenizer()
	if err != nil {
		return t, err
	}
	err = m.withBody(job.Backend, netllm.BodySpec{Kind: netllm.PretrainedBody}, func(body transformer.Adaptable) error {
		t = trained{Rate: float64(config.LearningRate), Rank: config.LoRA.Rank}
		var losses curve
		seconds := watch()
		if t.BaseSHA256, err = keepFrozen(job.Backend, body, io.Discard, func() error {
			tuned, err := text.Tune(ctx, job.Backend, body.(transformer.Model), words, train, valid, config, func(p text.Progress) {
				losses.add(p.Step, p.Steps, p.Loss)
				if !math.IsNaN(p.Valid) {
					t.Valid, t.Best = append(t.Valid, curvePoint{p.Step, p.Valid}), p.Best
				}
			})
			if err != nil {
				return err
			}
			for _, p := range tuned.Params() {
				t.Parameters += p.Value.Len()
			}
			return tuned.Write(filepath.Join(job.Dir, adapterDir), m.name, false)
		}); err != nil {
			return err
		}
		t.Seconds, t.Loss = seconds(), losses.points
		return nil
	})
	return t, err
}
