// What a training costs: memory, and seconds for each optimiser step.

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/ops/dry"
	"netllm/tensor"
	"netllm/transformer"
)

// costTraining is a task's training as it is measured: the recipe's optimiser steps, without looks at validation data and without
// running means of weights, which a body of any size could not afford on the side.
type costTraining struct {
	recipe  string
	windows int // of an optimiser step
	epoch   int // windows of what is called an epoch
	epochOf string

	// run trains around body, and tells every optimiser step with the parameters of the whole training, until each says
	// that it is enough. steps is how many there will be at most.
	run func(ctx context.Context, b ops.Backend, body transformer.Adaptable, spec netllm.BodySpec, steps int, each func(params []*ops.Param) bool) error
}

// never is a number of windows that no training sees.
const never = 1 << 40

// errEnough ends a training that was measured.
var errEnough = errors.New("measured")

// stopping runs a training until each has had enough.
func stopping(ctx context.Context, each func(params []*ops.Param) bool, train func(ctx context.Context, step func(params []*ops.Param)) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := train(ctx, func(params []*ops.Param) {
		if !each(params) {
			stop(errEnough)
		}
	})
	if errors.Is(context.Cause(ctx), errEnough) {
		return nil
	}
	return err
}

// vpCost measures viewport prediction. Windows are gone over again if there are too few.
func vpCost(r func(body transformer.Adaptable, spec netllm.BodySpec) (vp.Recipe, error), shape vp.Recipe, windows []vp.Window) costTraining {
	perStep := shape.Batch * shape.Accumulate
	return costTraining{recipe: shape.Name, windows: perStep, epoch: len(windows), epochOf: "all training windows",
		run: func(ctx context.Context, b ops.Backend, body transformer.Adaptable, spec netllm.BodySpec, steps int, each func([]*ops.Param) bool) error {
			r, err := r(body, spec)
			if err != nil {
				return err
			}
			ws := slices.Clone(windows)
			for len(ws) < perStep*(steps+1) {
				ws = append(ws, windows...)
			}
			r.Average, r.ValidEvery, r.Epochs = 0, never, 1
			a, err := vp.NewAdapter(b, body, r, nil)
			if err != nil {
				return err
			}
			defer a.Close()
			return stopping(ctx, each, func(ctx context.Context, step func([]*ops.Param)) error {
				return a.Train(ctx, b, ws[:perStep*(steps+1)], windows[:1], func(vp.Progress) { step(a.Trained()) })
			})
		}}
}

// abrCost measures a return-conditioned recipe of adaptive bitrate streaming.
func abrCost(r func(body transformer.Adaptable, spec netllm.BodySpec) (abr.Recipe, error), shape abr.Recipe, pool *netllm.Pool) costTraining {
	perStep := shape.Batch * shape.Accumulate
	episodes := len(pool.Episodes()) - 1
	epoch := (pool.Len()-shape.Network.Window)/shape.Stride + 1
	if shape.WholeEpisodes {
		epoch = episodes * ((abr.Decisions-shape.Network.Window+shape.Stride-1)/shape.Stride + 1)
	}
	return costTraining{recipe: shape.Name, windows: perStep, epoch: epoch, epochOf: fmt.Sprintf("a pool of %d sessions", episodes),
		run: func(ctx context.Context, b ops.Backend, body transformer.Adaptable, spec netllm.BodySpec, steps int, each func([]*ops.Param) bool) error {
			r, err := r(body, spec)
			if err != nil {
				return err
			}
			r.Epochs = never // enough comes before
			a, err := abr.NewAdapter(b, body, pool, r)
			if err != nil {
				return err
			}
			defer a.Close()
			return stopping(ctx, each, func(ctx context.Context, step func([]*ops.Param)) error {
				return a.Train(ctx, b, pool, func(abr.Progress) { step(a.Params()) })
			})
		}}
}

// cjsEpoch is how many windows the published training calls one.
const cjsEpoch = 10000

// cjsCost measures cluster job scheduling.
func cjsCost(r func(body transformer.Adaptable, spec netllm.BodySpec) (cjs.Recipe, error), shape cjs.Recipe, pool *cjs.Pool, valid []*cjs.Sequence) costTraining {
	perStep := shape.Batch * shape.Accumulate
	return costTraining{recipe: shape.Name, windows: perStep, epoch: cjsEpoch, epochOf: "windows that the published training calls an epoch",
		run: func(ctx context.Context, b ops.Backend, body transformer.Adaptable, spec netllm.BodySpec, steps int, each func([]*ops.Param) bool) error {
			r, err := r(body, spec)
			if err != nil {
				return err
			}
			r.Rounds, r.Gradient, r.Average, r.ValidEvery, r.Windows = 0, nil, 0, never, perStep*(steps+1)
			a, err := cjs.NewAdapter(b, body, r)
			if err != nil {
				return err
			}
			defer a.Close()
			return stopping(ctx, each, func(ctx context.Context, step func([]*ops.Param)) error {
				return a.Train(ctx, b, pool, cjs.TrainOptions{Valid: valid, Open: func() ops.Backend { return b }, Workers: 1, Each: func(cjs.Progress) { step(a.Trained()) }})
			})
		}}
}

// costMemory is what the engine holds at a training's peak, bytes. It is counted, not sampled: the same code runs on the backend
// of package dry. Not in it are a pool's or data set's numbers and the program itself.
type costMemory struct {
	Weights     int `json:"weights"`     // frozen ones, in the layout that is computed with, and tables
	Trained     int `json:"trained"`     // parameters
	Gradients   int `json:"gradients"`   // of these
	Moments     int `json:"moments"`     // AdamW's two
	Activations int `json:"activations"` // and all else
	Total       int `json:"total"`
}

// costSide is one way to train: low-rank matrices beside a frozen body, or all of the body.
type costSide struct {
	Body       string     `json:"body"`
	Parameters int        `json:"parameters"` // trained
	Share      float64    `json:"share_percent"`
	Memory     costMemory `json:"memory"`
	Steps      []float64  `json:"seconds_per_step,omitempty"` // of each repeat, the mean of its steps
	Step       float64    `json:"median_seconds_per_step,omitempty"`
	Epoch      float64    `json:"seconds_per_epoch,omitempty"` // from the median step
}

// costCompared is what both ways cost.
type costCompared struct {
	Task    string   `json:"task"`
	Model   string   `json:"model"`
	Body    int      `json:"body_weights"` // of the model
	Recipe  string   `json:"recipe"`
	Windows int      `json:"windows_per_step"`
	Timed   int      `json:"timed_steps"` // in each repeat
	Epoch   int      `json:"epoch_windows"`
	EpochOf string   `json:"epoch_is"`
	LoRA    costSide `json:"lora"`
	Full    costSide `json:"full"`
	Random  bool     `json:"random_weights,omitempty"` // the model has learned nothing: only its size counts
}

// costBodies are the two ways.
var costBodies = [2]netllm.BodySpec{{Kind: netllm.PretrainedBody}, {Kind: netllm.TunedBody}}

// countSteps is after how many optimiser steps a training's memory is what it stays: the second finds moments and arena
// there.
const countSteps = 3

// countMemory runs a training on a backend that counts. load loads the model that the body is made of. ofBody are the
// body's own weights among the trained parameters.
func (t *costTraining) countMemory(ctx context.Context, load func(b ops.Backend) (transformer.Model, error), spec netllm.BodySpec) (m costMemory, params, ofBody int, err error) {
	cpu := ops.NewCPU(1)
	defer cpu.Close()
	mapped := 0
	b := dry.New(func(w tensor.Tensor) int {
		n := cpu.PreparedBytes(w)
		if n == 0 {
			mapped += w.DType().Bytes(w.Len())
		}
		return n
	})
	model, err := load(b)
	if err != nil {
		return m, 0, 0, err
	}
	defer model.Close()
	tables := b.Held() // of positions
	body, done, err := spec.Open(b, model)
	if err != nil {
		return m, 0, 0, err
	}
	defer done()
	if spec.Kind != netllm.TunedBody {
		m, params, err = t.countOn(ctx, b, body, spec, 0)
		m.Weights += mapped + b.Weights()
		m.Total += mapped + b.Weights()
		return m, params, 0, err
	}
	// The model that was copied can be closed.
	ofBody = countParams(netllm.TrainedParams(body))
	m, params, err = t.countOn(ctx, b, body, spec, tables)
	return m, params, ofBody, err
}

// countOn counts a training around a body on b, without the first other bytes that b holds.
func (t *costTraining) countOn(ctx context.Context, b *dry.Backend, body transformer.Adaptable, spec netllm.BodySpec, other int) (m costMemory, params int, err error) {
	m.Weights = b.Held() - other - 8*countParams(netllm.TrainedParams(body)) // which have gradients already
	steps := 0
	err = t.run(ctx, b, body, spec, countSteps, func(list []*ops.Param) bool {
		steps++
		params = countParams(list)
		m.Trained, m.Gradients, m.Moments, m.Total = 4*params, 4*params, 8*params, b.Peak()-other
		return steps < countSteps
	})
	m.Activations = m.Total - m.Weights - m.Trained - m.Gradients - m.Moments
	return m, params, err
}

func countParams(params []*ops.Param) (n int) {
	for _, p := range params {
		n += p.Value.Len()
	}
	return n
}

// timeSteps runs a training and returns the mean seconds of so many optimiser steps behind the first.
func (t *costTraining) timeSteps(ctx context.Context, b ops.Backend, body transformer.Adaptable, spec netllm.BodySpec, steps int) (float64, error) {
	var began, ended time.Time
	done := 0
	err := t.run(ctx, b, body, spec, steps+1, func([]*ops.Param) bool {
		if done++; done == 1 {
			began = time.Now()
		}
		ended = time.Now()
		return done <= steps
	})
	if err == nil && done != steps+1 {
		err = fmt.Errorf("%d optimiser steps of a training, want %d", done, steps+1)
	}
	return ended.Sub(began).Seconds() / float64(steps), err
}

// compareCost measures both ways: memory by counting, and the seconds of steps, of both in turn in each repeat. weights
// are the model's.
func (t *costTraining) compareCost(ctx context.Context, b ops.Backend, weights int, load func(b ops.Backend) (transformer.Model, error), steps, repeats int) (*costCompared, error) {
	c := &costCompared{Recipe: t.recipe, Windows: t.windows, Timed: steps, Epoch: t.epoch, EpochOf: t.epochOf, Body: weights}
	sides := [2]*costSide{&c.LoRA, &c.Full}
	for i, s := range sides {
		s.Body = costBodies[i].String()
		var ofBody int
		var err error
		if s.Memory, s.Parameters, ofBody, err = t.countMemory(ctx, load, costBodies[i]); err != nil {
			return nil, err
		}
		s.Share = 100 * float64(s.Parameters) / float64(s.Parameters+weights-ofBody) // the rest is frozen, or tables of tokens
	}
	for range repeats {
		for i, s := range sides {
			seconds, err := t.timeOnce(ctx, b, load, costBodies[i], steps)
			if err != nil {
				return nil, err
			}
			s.Steps = append(s.Steps, seconds)
		}
	}
	for _, s := range sides {
		sorted := slices.Sorted(slices.Values(s.Steps))
		s.Step = stats.Quantile(sorted, 0.5)
		s.Epoch = s.Step * math.Ceil(float64(t.epoch)/float64(t.windows))
	}
	return c, nil
}

func (t *costTraining) timeOnce(ctx context.Context, b ops.Backend, load func(b ops.Backend) (transformer.Model, error), spec netllm.BodySpec, steps int) (float64, error) {
	model, err := load(b)
	if err != nil {
		return 0, err
	}
	defer model.Close()
	body, done, err := spec.Open(b, model)
	if err != nil {
		return 0, err
	}
	defer done()
	return t.timeSteps(ctx, b, body, spec, steps)
}
