// The error of predictions, and the loop that measures it.

package vp

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"netllm/internal/parallel"
	"netllm/internal/stats"
	"netllm/netllm"
)

// angleError is the error of one predicted angle, degrees: the smallest of |p-g|, |p-g-360|
// and |p-g+360|. A prediction far beyond a turn keeps an error of more than 180 degrees.
func angleError(p, g float32) float64 {
	d := float64(p) - float64(g)
	return min(math.Abs(d), math.Abs(d-360), math.Abs(d+360))
}

// EvalOptions says how [Evaluate] works.
type EvalOptions struct {
	Workers  int // goroutines; 0 is one per processor
	Progress func(done, total int)
}

// Group is the mean error over the windows of one video, one user, or one pair of them.
type Group struct {
	ID   string  // "video4", "user15", "video4/user15"
	N    int     // windows
	Mean float64 // degrees
}

// Result is how well a predictor did. Errors are in degrees; every window weighs the same,
// as do steps and axes within it.
type Result struct {
	Policy        string
	N             int // windows
	Mean, StdErr  float64
	RMSE          float64    // root of the mean square of plain differences, without the rule for turns, as published
	Axis          [3]float64 // mean error of roll, pitch, yaw
	Horizon       []float64  // mean error of each future row
	P50, P90, P99 float64    // of the windows' errors
	Windows       []float64  // each window's error
	Pairs         []Group    // by video and user, in the order of the windows
	Videos        []Group    // in the order of their numbers
	Users         []Group
	Seconds       float64
}

// evalBatch is how many windows a predictor is asked at once that does not care.
const evalBatch = 64

// Evaluate asks a predictor all questions, which must have one horizon, and scores the
// answers. The result does not depend on the number of workers. It fails if an answer is
// not finite.
func Evaluate(ctx context.Context, f Factory, ws []Window, opt EvalOptions) (*Result, error) {
	if len(ws) == 0 {
		return nil, fmt.Errorf("vp: %s: no windows to predict", f.Name)
	}
	horizon := ws[0].Horizon
	for _, w := range ws {
		if w.Horizon != horizon {
			return nil, fmt.Errorf("vp: %s: windows of %d and of %d rows to predict", f.Name, horizon, w.Horizon)
		}
	}
	began := time.Now()
	answers := make([]Angles, len(ws)*horizon)
	if err := predictAll(ctx, f, ws, answers, opt); err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	for i, a := range answers {
		for axis, v := range a {
			if d := float64(v); math.IsNaN(d) || math.IsInf(d, 0) {
				w := ws[i/horizon]
				return nil, fmt.Errorf("vp: %s: %s, row %d, step %d: %s is %v", f.Name, w.Trace.ID(), w.At, i%horizon+1, axisNames[axis], v)
			}
		}
	}
	r := score(ws, answers)
	r.Policy, r.Seconds = f.Name, seconds
	return r, nil
}

// predictAll fills answers, batch by batch, with as many predictors as there are workers.
func predictAll(ctx context.Context, f Factory, ws []Window, answers []Angles, opt EvalOptions) error {
	batch, workers := cmp.Or(f.Batch, evalBatch), cmp.Or(opt.Workers, runtime.GOMAXPROCS(0))
	if f.Workers > 0 {
		workers = min(workers, f.Workers)
	}
	horizon := ws[0].Horizon
	var made netllm.Closers
	defer made.Close()
	_, err := parallel.Each(ctx, (len(ws)+batch-1)/batch, workers, func() (func(i int) error, error) {
		p, err := f.New()
		if err != nil {
			return nil, err
		}
		made.Add(p)
		dst := make([][]Angles, batch)
		return func(i int) error {
			part := ws[i*batch : min((i+1)*batch, len(ws))]
			for k := range part {
				from := (i*batch + k) * horizon
				dst[k] = answers[from : from+horizon : from+horizon]
			}
			if err := p.Predict(dst[:len(part)], part); err != nil {
				return fmt.Errorf("vp: %s: %w", f.Name, err)
			}
			return nil
		}, nil
	}, func(done int) {
		if opt.Progress != nil {
			opt.Progress(min(done*batch, len(ws)), len(ws))
		}
	})
	return err
}

// score measures answers, one window's rows behind the other's.
func score(ws []Window, answers []Angles) *Result {
	horizon := ws[0].Horizon
	r := &Result{N: len(ws), Horizon: make([]float64, horizon), Windows: make([]float64, len(ws))}
	var squares float64
	pairs, videos, users := groups{}, groups{}, groups{}
	for i, w := range ws {
		var sum float64
		for k, truth := range w.Future() {
			for axis, g := range truth {
				p := answers[i*horizon+k][axis]
				e := angleError(p, g)
				sum += e
				r.Axis[axis] += e
				r.Horizon[k] += e
				squares += float64(p-g) * float64(p-g)
			}
		}
		r.Windows[i] = sum / float64(3*horizon)
		pairs.add(w.Trace.ID(), r.Windows[i])
		videos.add(fmt.Sprintf("video%d", w.Trace.Video), r.Windows[i])
		users.add(fmt.Sprintf("user%d", w.Trace.User), r.Windows[i])
	}
	n := float64(len(ws))
	for axis := range r.Axis {
		r.Axis[axis] /= n * float64(horizon)
	}
	for k := range r.Horizon {
		r.Horizon[k] /= n * 3
	}
	r.Mean, r.StdErr = stats.MeanStdErr(r.Windows)
	r.RMSE = math.Sqrt(squares / (n * float64(3*horizon)))
	sorted := slices.Sorted(slices.Values(r.Windows))
	r.P50, r.P90, r.P99 = stats.Quantile(sorted, 0.5), stats.Quantile(sorted, 0.9), stats.Quantile(sorted, 0.99)
	r.Pairs, r.Videos, r.Users = pairs.list, videos.list, users.list
	return r
}

// groups are means by name, in the order of their first windows.
type groups struct {
	list []Group
	at   map[string]int
}

func (g *groups) add(id string, value float64) {
	if g.at == nil {
		g.at = map[string]int{}
	}
	i, ok := g.at[id]
	if !ok {
		i = len(g.list)
		g.at[id] = i
		g.list = append(g.list, Group{ID: id})
	}
	m := &g.list[i]
	m.N++
	m.Mean += (value - m.Mean) / float64(m.N)
}
