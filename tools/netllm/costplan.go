// What training a large model would take, counted without it.

package main

import (
	"context"

	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/ops/dry"
	"netllm/tensor"
	"netllm/transformer"
)

// llama2 is the shape of the paper's model, Llama 2 of 7 billion weights (Touvron et al. 2023).
var llama2 = transformer.Config{Arch: "llama", Layers: 32, Width: 4096, FFN: 11008, Heads: 32, KVHeads: 32, HeadDim: 128, RopeDim: 128,
	Vocab: 32000, MaxPositions: 4096, NormEps: 1e-5, RopeTheta: 10000}

// costPlan is one way to train it.
type costPlan struct {
	Way        string     `json:"way"`
	Weights    string     `json:"frozen_type,omitempty"`
	Parameters int        `json:"parameters"` // trained
	Share      float64    `json:"share_percent"`
	Memory     costMemory `json:"memory"`
	Saved      float64    `json:"saved_percent"` // of full fine-tuning's memory
}

// costPlanned is what was counted.
type costPlanned struct {
	Model   string     `json:"model"`
	Numbers int        `json:"weights"`
	Recipe  string     `json:"recipe"`
	Rank    int        `json:"rank"`
	Plans   []costPlan `json:"plans"` // full fine-tuning first
}

// outlined is an outline whose body's weights are trained.
type outlined struct {
	transformer.Adaptable
	params []*ops.Param
}

// Params returns the trained weights.
func (o outlined) Params() []*ops.Param { return o.params }

// Linears says that no layer can be given low-rank matrices.
func (o outlined) Linears() []transformer.LinearInfo { return nil }

// planCost counts the published training of viewport prediction around a model of a shape that is not there: all weights
// of its body as F32, or low-rank matrices beside frozen ones of several types. Windows are any: their number of rows counts.
func planCost(ctx context.Context, name string, shape transformer.Config, windows []vp.Window) (*costPlanned, error) {
	p := &costPlanned{Model: name, Recipe: "paper"}
	for _, w := range shape.Weights() {
		if w.Tied {
			continue
		}
		n := 1
		for _, d := range w.Shape {
			n *= d
		}
		p.Numbers += n
	}
	for _, kind := range []struct {
		way   string
		spec  netllm.BodySpec
		dtype tensor.DType
	}{{"full fine-tuning", costBodies[1], tensor.F32}, {"LoRA", costBodies[0], tensor.F32}, {"LoRA", costBodies[0], tensor.F16}, {"LoRA", costBodies[0], tensor.Q4_0}} {
		b := dry.New(nil)
		model, err := transformer.Outline(b, shape, func(shape ...int) tensor.Tensor {
			switch {
			case kind.spec.Kind == netllm.TunedBody:
				n := 4
				for _, d := range shape {
					n *= d
				}
				return tensor.Of(b.Alloc(n), tensor.F32, shape...)
			case len(shape) == 1: // vectors are F32 in every file
				return b.Weight(tensor.F32, shape...)
			}
			return b.Weight(kind.dtype, shape...)
		})
		if err != nil {
			return nil, err
		}
		plan := costPlan{Way: kind.way, Weights: kind.dtype.String()}
		body := transformer.Adaptable(model)
		ofBody := 0
		if kind.spec.Kind == netllm.TunedBody {
			params, err := model.TrainableBody(b)
			if err != nil {
				return nil, err
			}
			body, plan.Weights, ofBody = outlined{model, params}, "", countParams(params)
		}
		recipe := func(body transformer.Adaptable, spec netllm.BodySpec) (vp.Recipe, error) {
			r, err := vp.NewRecipe("paper", body, spec, 1)
			if r.LoRA != nil {
				p.Rank = r.LoRA.Rank
			}
			return r, err
		}
		shaped, err := recipe(body, kind.spec)
		if err != nil {
			return nil, err
		}
		t := vpCost(recipe, shaped, windows)
		if plan.Memory, plan.Parameters, err = t.countOn(ctx, b, body, kind.spec, 0); err != nil {
			return nil, err
		}
		plan.Memory.Weights += b.Weights()
		plan.Memory.Total += b.Weights()
		plan.Share = 100 * float64(plan.Parameters) / float64(plan.Parameters+p.Numbers-ofBody)
		if len(p.Plans) > 0 {
			plan.Saved = 100 * (1 - float64(plan.Memory.Total)/float64(p.Plans[0].Memory.Total))
		}
		p.Plans = append(p.Plans, plan)
	}
	return p, nil
}
