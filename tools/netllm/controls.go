// A model and what is put in its place: learning rates tried, then several seeds.

package main

import (
	"math"
	"slices"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/tools/internal/cli"
)

// controlFlags say which bodies are compared, and how.
type controlFlags struct {
	seeds  int
	bodies []string
	rates  []float64
	recipe string
}

func (c *controlFlags) add(cmd *cobra.Command, rates ...float64) {
	fs := cmd.Flags()
	var kinds []string
	for _, k := range netllm.BodyKinds {
		kinds = append(kinds, string(k))
	}
	fs.IntVar(&c.seeds, "seeds", 3, "train `N` times")
	fs.StringSliceVar(&c.bodies, "body", kinds, "compare these `BODIES`")
	fs.Float64SliceVar(&c.rates, "learning-rates", rates, "choose from these `RATES`")
	fs.StringVar(&c.recipe, "recipe", "best", "train as `NAME` says")
}

// check refuses what makes no comparison.
func (c *controlFlags) check(recipes []string) ([]netllm.BodySpec, error) {
	if c.seeds < 1 || len(c.rates) == 0 || slices.ContainsFunc(c.rates, func(r float64) bool { return !(r > 0) || math.IsInf(r, 0) }) {
		return nil, cli.Usagef("--seeds %d, --learning-rates %v: want at least one of each, positive", c.seeds, c.rates)
	}
	if err := checkRecipe(c.recipe, recipes); err != nil {
		return nil, err
	}
	var specs []netllm.BodySpec
	for _, text := range c.bodies {
		s, err := netllm.ParseBody(text)
		if err != nil {
			return nil, cli.Usagef("--%w", err)
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// controlRun is a training in a comparison.
type controlRun interface {
	rate() float64
	valid() float64 // smaller is better
}

// compareBodies trains each body at all rates with the first seed, and then at its best rate with the others. It
// returns the former, body by body and rate by rate, and those at the best rates, body by body and seed by seed.
func compareBodies[R controlRun](c *controlFlags, specs []netllm.BodySpec, seed uint64, prepare func(netllm.BodySpec, float64, uint64) (R, error), train func([]R) error) (tried, chosen []R, err error) {
	run := func(spec netllm.BodySpec, rate float64, seed uint64) (R, error) {
		if spec.Seed != 0 {
			spec.Seed = seed
		}
		return prepare(spec, rate, seed)
	}
	for _, spec := range specs {
		for _, rate := range c.rates {
			r, err := run(spec, rate, seed)
			if err != nil {
				return nil, nil, err
			}
			tried = append(tried, r)
		}
	}
	if err := train(tried); err != nil {
		return nil, nil, err
	}
	var rest []R
	for i, spec := range specs {
		best := slices.MinFunc(tried[i*len(c.rates):(i+1)*len(c.rates)], func(a, b R) int { return int(math.Copysign(1, a.valid()-b.valid())) })
		chosen = append(chosen, best)
		for k := 1; k < c.seeds; k++ {
			r, err := run(spec, best.rate(), seed+uint64(k))
			if err != nil {
				return nil, nil, err
			}
			rest, chosen = append(rest, r), append(chosen, r)
		}
	}
	return tried, chosen, train(rest)
}
