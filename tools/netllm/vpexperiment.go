// What the experiments about recipes of viewport prediction share.

package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"netllm/internal/parallel"
	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// vpExperiment holds what the VP experiments share.
type vpExperiment struct {
	flags  cli.Flags
	dev    cli.Device
	data   vpFlags
	model  modelFlags
	epochs int
}

func (e *vpExperiment) add(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	e.model.add(cmd)
	cmd.Flags().IntVar(&e.epochs, "epochs", 0, "go over the windows `N` times (default the recipe's)")
	cmd.Flags().BoolVar(&e.data.missing, "allow-missing", false, "leave out pairs of video and user that have no file")
	e.flags.AddData(cmd)
	e.flags.AddSeed(cmd, 1)
	e.dev.AddFlags(cmd)
	e.flags.AddJSON(cmd)
}

// vpRun is one training and what came of it.
type vpRun struct {
	Label   string    `json:"label"`
	Recipe  vp.Recipe `json:"recipe"`
	Trained int       `json:"parameters"`
	Seconds float64   `json:"seconds"`
	Best    float64   `json:"best_validation"`
	Last    float64   `json:"last_validation"`
	Errors  []float64 `json:"errors"` // of each set of windows asked for, degrees

	train, validation []vp.Window
	asked             [][]vp.Window
}

// runAll does all trainings.
func (e *vpExperiment) runAll(ctx context.Context, used cli.Used, runs []*vpRun, chatter io.Writer) error {
	return trainAll(ctx, used, runs, e.run, func(r *vpRun) string {
		return fmt.Sprintf("%s: validation %.4f, errors %.4f, %.0f s", r.Label, r.Best, r.Errors, r.Seconds)
	}, chatter)
}

// trainAll does all trainings, as many at a time as there are workers, each with one thread: small
// products gain little from two. say is told of each that is through.
func trainAll[R any](ctx context.Context, used cli.Used, runs []R, do func(ctx context.Context, b ops.Backend, run R) error, say func(R) string, chatter io.Writer) error {
	b, err := used.Open()
	if err != nil {
		return err
	}
	defer b.Close()
	open, workers := used.Worker(b)
	ctx, stop := context.WithCancelCause(ctx) // the others need not go on after a failure
	defer stop(nil)
	var mu sync.Mutex
	done := 0
	_, err = parallel.Each(ctx, len(runs), workers, func() (func(i int) error, error) {
		own := open()
		return func(i int) error {
			if err := do(ctx, own, runs[i]); err != nil {
				stop(err)
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			fmt.Fprintf(chatter, "%d/%d %s\n", done, len(runs), say(runs[i]))
			return nil
		}, nil
	}, nil)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// run does one training.
func (e *vpExperiment) run(ctx context.Context, b ops.Backend, r *vpRun) error {
	err := e.model.withBody(b, r.Recipe.Body, func(body transformer.Adaptable) error {
		a, result, err := trainVP(ctx, b, body, r.Recipe, nil, r.train, r.validation, io.Discard)
		if err != nil {
			return err
		}
		r.Trained, r.Seconds, r.Best, r.Last = result.Parameters, result.Seconds, result.Best, result.Valid[len(result.Valid)-1].Loss
		f := a.Factory(learnedPolicy, 1, true, func() ops.Backend { return b })
		for _, ws := range r.asked {
			score, err := vp.Evaluate(ctx, f, ws, vp.EvalOptions{Workers: 1})
			if err != nil {
				return err
			}
			r.Errors = append(r.Errors, score.Mean)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", r.Label, err)
	}
	return nil
}

// recipeFor returns a recipe for a body in the shape of the model.
func (e *vpExperiment) recipeFor(spec netllm.BodySpec, name string, seed uint64) (r vp.Recipe, err error) {
	b := ops.NewCPU(1)
	defer b.Close()
	err = e.model.withBody(b, spec, func(body transformer.Adaptable) error {
		r, err = vp.NewRecipe(name, body, spec, seed)
		return err
	})
	if e.epochs > 0 {
		r.Epochs = e.epochs
	}
	return r, err
}

// plusMinus shows a mean with its standard error, if there is one.
func plusMinus(values []float64, digits int) string {
	mean, stderr := stats.MeanStdErr(values)
	if len(values) < 2 {
		return number(mean, digits)
	}
	return number(mean, digits) + " ± " + number(stderr, digits)
}
