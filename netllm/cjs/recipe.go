// What shapes an adaptation.

package cjs

import (
	"errors"
	"fmt"

	"netllm/netllm"
	"netllm/transformer"
)

// Recipe is everything that shapes an adaptation but the model and the experience.
type Recipe struct {
	Name    string                  `json:"name"`
	Body    netllm.BodySpec         `json:"body"`
	LoRA    *transformer.LoRAConfig `json:"lora,omitempty"` // of a frozen body
	Network NetworkConfig           `json:"network"`

	Relative bool `json:"relative_returns"` // see [Conditioning]
	Greedy   bool `json:"greedy"`           // the policy takes the best stage and number, not one that is drawn

	Windows    int `json:"windows"`     // drawn in all
	Batch      int `json:"batch"`       // windows in a forward pass
	Accumulate int `json:"accumulate"`  // passes per optimiser step
	ValidEvery int `json:"valid_every"` // windows between two looks at the validation sequences

	// Rounds of relabelling: after Windows/(Rounds+1) windows the policy plays RoundEpisodes episodes of its own, and what the
	// teacher says of its states joins the pool.
	Rounds        int `json:"rounds,omitempty"`
	RoundEpisodes int `json:"round_episodes,omitempty"`

	// Gradient are the policy-gradient steps that follow, on sequences of GradientJobs jobs, with a look at the validation
	// sequences every GradientValid iterations, see [Adapter.Improve]. GradientAverage is as Average, of their steps.
	Gradient        *PPOConfig `json:"policy_gradient,omitempty"`
	GradientJobs    int        `json:"policy_gradient_jobs,omitempty"`
	GradientValid   int        `json:"policy_gradient_valid_every,omitempty"`
	GradientAverage float64    `json:"policy_gradient_average,omitempty"`

	ClipEach bool    `json:"clip_each"` // clip after each pass, not once per step
	MaxNorm  float32 `json:"max_norm"`
	Average  float64 `json:"average,omitempty"` // share of the old mean in the running mean of weights, per step; 0: no mean

	LearningRate float32 `json:"learning_rate"`
	WeightDecay  float32 `json:"weight_decay"`
	WarmUp       int     `json:"warm_up"` // optimiser steps, at most a tenth of all
	Floor        float32 `json:"floor"`   // of the cosine after the warm-up; 1 keeps the rate

	Seed uint64 `json:"seed"`
}

// Recipes lists the names that [NewRecipe] knows.
var Recipes = []string{"paper", "best"}

// NewRecipe returns a recipe scaled to body: "paper" is the published training (Wu et al. 2024 and its code: rank 128,
// windows of 20 decisions, 40 times 10 000 windows), with the rank at most a quarter of the smaller side of an adapted
// matrix; "best" is this project's own.
func NewRecipe(name string, body transformer.Adaptable, spec netllm.BodySpec, seed uint64) (Recipe, error) {
	r := Recipe{
		Name: name, Body: spec, Seed: seed,
		Network: NetworkConfig{Width: 256, Window: 20, Stages: 100, Executors: 50, Timesteps: 10000},
		Windows: 400000, Batch: 1, Accumulate: 32, ValidEvery: 10000, ClipEach: true, MaxNorm: 0.25,
		LearningRate: 1e-4, WeightDecay: 1e-4, WarmUp: 2000, Floor: 1,
	}
	if targets := transformer.QueryValue(body); targets != nil && len(netllm.TrainedParams(body)) == 0 {
		rank := min(128, netllm.QuarterRank(body, targets))
		r.LoRA = &transformer.LoRAConfig{Rank: rank, Alpha: float64(rank) / 4, Dropout: 0.05, Targets: targets}
	}
	switch name {
	case "paper":
		return r, nil
	case "best":
		r.Network = NetworkConfig{Width: 48, Window: 1, Waiting: true, Chosen: true, Executors: 50}
		r.Relative, r.Greedy = true, true
		r.Windows, r.Batch, r.Accumulate, r.ValidEvery = 400000, 32, 1, 50000
		r.Rounds, r.RoundEpisodes = 6, 8
		r.ClipEach, r.MaxNorm, r.Average = false, 1, 0.998
		r.LearningRate, r.WeightDecay, r.WarmUp, r.Floor = 2e-3, 1e-2, 100, 0.02
		if r.LoRA != nil {
			r.LoRA.Dropout, r.LoRA.Alpha = 0, float64(r.LoRA.Rank)
		}
		f := DefaultPPO()
		f.Iterations, f.Epochs, f.Batches, f.LearningRate, f.Entropy, f.HalveEvery, f.Seed = 20, 1, 8, 6e-4, 0, 0, seed
		r.Gradient, r.GradientJobs, r.GradientValid = &f, 100, 5
		return r, nil
	}
	return Recipe{}, fmt.Errorf("cjs: unknown recipe %q, known: %q", name, Recipes)
}

// Validate reports every field that makes no training.
func (r Recipe) Validate() error {
	errs := []error{r.Network.Validate()}
	if r.LoRA != nil {
		errs = append(errs, r.LoRA.Validate())
	}
	for _, f := range []struct {
		name   string
		v, low int
	}{{"windows", r.Windows, 1}, {"batch", r.Batch, 1}, {"accumulate", r.Accumulate, 1}, {"valid_every", r.ValidEvery, 1}, {"rounds", r.Rounds, 0}, {"round_episodes", r.RoundEpisodes, min(r.Rounds, 1)}} {
		if f.v < f.low {
			errs = append(errs, fmt.Errorf("cjs: recipe: %s is %d", f.name, f.v))
		}
	}
	if r.Gradient != nil {
		errs = append(errs, r.Gradient.Validate())
		if r.GradientJobs < 1 || r.GradientValid < 1 || !(r.GradientAverage >= 0 && r.GradientAverage < 1) {
			errs = append(errs, fmt.Errorf("cjs: recipe: policy gradient on %d jobs, a look every %d iterations, average %v", r.GradientJobs, r.GradientValid, r.GradientAverage))
		}
	}
	if !(r.LearningRate > 0) || !(r.WeightDecay >= 0) || r.WarmUp < 0 || !(r.MaxNorm >= 0) || !(r.Average >= 0 && r.Average < 1) {
		errs = append(errs, fmt.Errorf("cjs: recipe: learning rate %v, decay %v, warm-up %d, norm %v, average %v", r.LearningRate, r.WeightDecay, r.WarmUp, r.MaxNorm, r.Average))
	}
	return errors.Join(errs...)
}
