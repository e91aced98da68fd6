// How long answers take: in words, and from the networking head.

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"netllm/internal/stats"
	"netllm/netllm/vp"
	"netllm/netllm/vp/text"
	"netllm/ops"
)

// timeLimit is what the paper says that viewport prediction has for an answer, seconds.
const timeLimit = 1.0

// answered is how a system answered windows, one at a time.
type answered struct {
	N       int       `json:"n"`
	Repeats int       `json:"repeats"` // of every window; its time is the median
	Millis  []float32 `json:"milliseconds"`
	P50     float64   `json:"p50_ms"`
	P95     float64   `json:"p95_ms"`
	Longest float64   `json:"longest_ms"`
	Late    int       `json:"late"` // answers that took longer than the limit

	Valid   []int             `json:"valid"`  // numbers of windows with valid answers
	Errors  []float32         `json:"errors"` // of these, degrees
	Invalid map[text.Kind]int `json:"invalid"`
	Tokens  []int             `json:"tokens,omitempty"` // of every answer
	Samples []invalidAnswer   `json:"invalid_samples,omitempty"`
}

// invalidAnswer is one to look at.
type invalidAnswer struct {
	Window string `json:"window"`
	Answer string `json:"answer"`
	Reason string `json:"reason"`
}

// manySamples is how many invalid answers are kept.
const manySamples = 8

// share is that of invalid answers, percent.
func (a *answered) share() float64 { return 100 * (1 - float64(len(a.Valid))/float64(a.N)) }

// meanError is that of the valid answers, or of those of them that are among windows; ok is false without any.
func (a *answered) meanError(windows []int) (mean float64, ok bool) {
	n := 0
	for i, at := range a.Valid {
		if windows != nil && !slices.Contains(windows, at) {
			continue
		}
		mean, n = mean+float64(a.Errors[i]), n+1
	}
	return mean / float64(max(n, 1)), n > 0
}

// summarise fills in what follows from single times, which are in milliseconds.
func (a *answered) summarise() {
	sorted := make([]float64, len(a.Millis))
	for i, v := range a.Millis {
		sorted[i] = float64(v)
		if v > 1000*timeLimit {
			a.Late++
		}
	}
	slices.Sort(sorted)
	a.N = len(sorted)
	a.P50, a.P95, a.Longest = stats.Quantile(sorted, 0.5), stats.Quantile(sorted, 0.95), sorted[len(sorted)-1]
}

// warmUps is how many windows are asked before any is timed.
const warmUps = 3

// askWords has a tuned model answer every window once, and scores the valid answers.
func askWords(ctx context.Context, tuned *text.Tuned, b ops.Backend, windows []vp.Window) (*answered, error) {
	p := tuned.NewPredictor(ops.NewContext(b))
	defer p.Close()
	a := &answered{Repeats: 1, Invalid: map[text.Kind]int{}}
	said := replay{}
	var asked []vp.Window
	for _, w := range windows[:min(warmUps, len(windows))] {
		if _, err := p.Answer(w); err != nil {
			return nil, err
		}
	}
	for i, w := range windows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		answer, err := p.Answer(w)
		if err != nil {
			return nil, err
		}
		a.Millis = append(a.Millis, float32(time.Since(began).Seconds()*1000))
		a.Tokens = append(a.Tokens, answer.Tokens)
		if answer.Invalid == nil {
			a.Valid, asked, said.rows = append(a.Valid, i), append(asked, w), append(said.rows, answer.Rows)
			continue
		}
		a.Invalid[text.KindOf(answer.Invalid)]++
		if len(a.Samples) < manySamples {
			a.Samples = append(a.Samples, invalidAnswer{fmt.Sprintf("%s, row %d", w.Trace.ID(), w.At), answer.Text, answer.Invalid.Error()})
		}
	}
	a.summarise()
	return a, a.score(ctx, vp.Factory{Name: "text", Workers: 1, New: func() (vp.Predictor, error) { return &said, nil }}, asked)
}

// askHead has the networking head answer every window so many times, round by round, and scores its answers.
func askHead(ctx context.Context, adapter *vp.Adapter, b ops.Backend, windows []vp.Window, repeats int) (*answered, error) {
	p := adapter.NewLearned(ops.NewContext(b), true)
	defer p.Close()
	dst := [][]vp.Angles{make([]vp.Angles, windows[0].Horizon)}
	times := make([][]float64, len(windows))
	a := &answered{Repeats: repeats, Invalid: map[text.Kind]int{}}
	for _, w := range windows[:min(warmUps, len(windows))] {
		if err := p.Predict(dst, []vp.Window{w}); err != nil {
			return nil, err
		}
	}
	for range repeats {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i, w := range windows {
			began := time.Now()
			if err := p.Predict(dst, []vp.Window{w}); err != nil {
				return nil, err
			}
			times[i] = append(times[i], time.Since(began).Seconds()*1000)
		}
	}
	for i, list := range times {
		slices.Sort(list)
		a.Millis, a.Valid = append(a.Millis, float32(stats.Quantile(list, 0.5))), append(a.Valid, i)
	}
	a.summarise()
	return a, a.score(ctx, adapter.Factory(learnedPolicy, 1, true, func() ops.Backend { return b }), windows)
}

// score measures the errors of a predictor's answers to windows.
func (a *answered) score(ctx context.Context, f vp.Factory, windows []vp.Window) error {
	if len(windows) == 0 {
		return nil
	}
	r, err := vp.Evaluate(ctx, f, windows, vp.EvalOptions{Workers: 1})
	if err != nil {
		return err
	}
	for _, e := range r.Windows {
		a.Errors = append(a.Errors, float32(e))
	}
	return nil
}

// replay is a predictor that says again what was answered, in order.
type replay struct {
	rows [][]vp.Angles
	at   int
}

// Predict implements [vp.Predictor].
func (r *replay) Predict(dst [][]vp.Angles, ws []vp.Window) error {
	for i := range ws {
		copy(dst[i], r.rows[r.at])
		r.at++
	}
	return nil
}

// evenly returns n of the windows, evenly over all of them; all if there are no more.
func evenly(windows []vp.Window, n int) []vp.Window {
	if n <= 0 || n >= len(windows) {
		return windows
	}
	list := make([]vp.Window, n)
	for i := range list {
		list[i] = windows[i*len(windows)/n]
	}
	return list
}
