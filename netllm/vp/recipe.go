// What shapes an adaptation.

package vp

import (
	"errors"
	"fmt"

	"netllm/netllm"
	"netllm/transformer"
)

// Recipe is everything that shapes an adaptation but the model and the traces.
type Recipe struct {
	Name    string                  `json:"name"`
	Body    netllm.BodySpec         `json:"body"`
	LoRA    *transformer.LoRAConfig `json:"lora,omitempty"` // of a frozen body
	Network NetworkConfig           `json:"network"`

	Windows    Windowing `json:"windows"`               // that are trained on
	MinHistory int       `json:"min_history,omitempty"` // each batch sees as many rows as is drawn from here to Windows.History; 0: all

	Epochs     int     `json:"epochs"`
	Batch      int     `json:"batch"`             // windows in a forward pass
	Accumulate int     `json:"accumulate"`        // passes per optimiser step
	Rollout    float64 `json:"rollout"`           // share of passes in which a network that can sees its own answers
	ValidEvery int     `json:"valid_every"`       // windows between two looks at the validation windows
	Average    float64 `json:"average,omitempty"` // share of the old mean in the running mean of weights, per step; 0: no mean

	ClipEach bool    `json:"clip_each"` // clip after each pass, not once per step
	MaxNorm  float32 `json:"max_norm"`
	ClipHead bool    `json:"clip_head,omitempty"` // only matrices and head are clipped, as published

	LearningRate float32 `json:"learning_rate"`
	WeightDecay  float32 `json:"weight_decay"`
	WarmUp       int     `json:"warm_up"` // optimiser steps, at most a tenth of all
	Floor        float32 `json:"floor"`   // of the cosine after the warm-up; 1 keeps the rate

	Seed uint64 `json:"seed"`
}

// Recipes lists the names that [NewRecipe] knows.
var Recipes = []string{"paper", "best"}

// NewRecipe returns a recipe scaled to body: "paper" is the published training (Wu et al. 2024
// and its code: rank 32, 40 epochs), with the rank at most a quarter of the smaller side of an
// adapted matrix; "best" is this project's own.
func NewRecipe(name string, body transformer.Adaptable, spec netllm.BodySpec, seed uint64) (Recipe, error) {
	r := Recipe{
		Name: name, Body: spec, Seed: seed,
		Network: NetworkConfig{Kind: PublishedKind, Features: 256, FrozenConv: true},
		Windows: DefaultWindowing(), Epochs: 40, Batch: 1, Accumulate: 32, Rollout: 0.04, ValidEvery: 5000,
		ClipEach: true, MaxNorm: 1, ClipHead: true, LearningRate: 2e-4, WeightDecay: 1e-4, Floor: 1,
	}
	r.Windows.TrimTail = 60 // the published training's, whatever the evaluation's
	if targets := transformer.QueryValue(body); targets != nil && len(netllm.TrainedParams(body)) == 0 {
		rank := min(32, netllm.QuarterRank(body, targets))
		r.LoRA = &transformer.LoRAConfig{Rank: rank, Alpha: float64(rank), Dropout: 0.05, Targets: targets}
	}
	switch name {
	case "paper":
		return r, nil
	case "best":
		best(&r)
		return r, nil
	}
	return Recipe{}, fmt.Errorf("vp: unknown recipe %q, known: %q", name, Recipes)
}

// best turns the published recipe into this project's.
func best(r *Recipe) {
	r.Network = NetworkConfig{Kind: QueriesKind, Features: 256, History: 20, Horizon: 30, PerQuery: 5, Hidden: 128, Mirror: true, Direct: true}
	r.Windows = Windowing{History: 20, Horizon: 30, Stride: 3, TrimHead: 20, TrimTail: 30}
	r.MinHistory = 10
	r.Epochs, r.Batch, r.Accumulate, r.Rollout, r.ValidEvery = 4, 128, 1, 0, 13000
	r.ClipEach, r.ClipHead, r.MaxNorm = false, false, 1
	r.LearningRate, r.WeightDecay, r.WarmUp, r.Floor, r.Average = 1e-3, 1e-2, 50, 0.02, 0.998
	if r.LoRA != nil {
		r.LoRA.Dropout = 0
	}
}

// Validate reports every field that makes no training.
func (r Recipe) Validate() error {
	errs := []error{r.Network.Validate(), r.Windows.Validate()}
	if r.LoRA != nil {
		errs = append(errs, r.LoRA.Validate())
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"epochs", r.Epochs}, {"batch", r.Batch}, {"accumulate", r.Accumulate}, {"valid_every", r.ValidEvery}} {
		if f.v < 1 {
			errs = append(errs, fmt.Errorf("vp: recipe: %s is %d", f.name, f.v))
		}
	}
	if r.MinHistory < 0 || r.MinHistory > r.Windows.History || !(r.Rollout >= 0 && r.Rollout <= 1) || !(r.Average >= 0 && r.Average < 1) {
		errs = append(errs, fmt.Errorf("vp: recipe: min_history %d, rollout %v, average %v", r.MinHistory, r.Rollout, r.Average))
	}
	if !(r.LearningRate > 0) || !(r.WeightDecay >= 0) || r.WarmUp < 0 || !(r.MaxNorm >= 0) {
		errs = append(errs, fmt.Errorf("vp: recipe: learning rate %v, decay %v, warm-up %d, norm %v", r.LearningRate, r.WeightDecay, r.WarmUp, r.MaxNorm))
	}
	return errors.Join(errs...)
}
