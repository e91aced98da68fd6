// The adapt vp command: a predictor is learned from traces.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// adaptVP holds the flags of adapt vp.
type adaptVP struct {
	flags  cli.Flags
	dev    cli.Device
	data   vpFlags
	model  modelFlags
	body   bodyFlag
	out    string
	recipe string
	epochs int
	rate   float64
	images imageFlags
}

// adaptVPResult is what adapt vp --json prints.
type adaptVPResult struct {
	Task       string       `json:"task"`
	Model      string       `json:"model"`
	Body       string       `json:"body"`
	Adapter    string       `json:"adapter"` // folder
	Device     string       `json:"device"`
	CPU        string       `json:"cpu"`
	Threads    int          `json:"threads"`
	Seed       uint64       `json:"seed"`
	Dataset    string       `json:"dataset"`
	Windows    int          `json:"windows"` // trained on
	Validation int          `json:"validation_windows"`
	Recipe     vp.Recipe    `json:"recipe"`
	Parameters int          `json:"parameters"` // trained
	Seconds    float64      `json:"seconds"`
	Loss       []curvePoint `json:"loss"`
	Valid      []curvePoint `json:"validation"` // the error that weights are chosen by
	Best       float64      `json:"best_validation"`
	Command    string       `json:"command"`

	// BaseSHA256 is the hash of the frozen weights, the same before and after training.
	BaseSHA256 string `json:"base_sha256"`
}

func newAdaptVP(line string) *cobra.Command {
	a := &adaptVP{}
	cmd := &cobra.Command{
		Use:   "vp --out DIR",
		Short: "Learn a viewport predictor from traces",
		Long: "Adapt vp trains an adapter - low-rank matrices, encoder, head - around a frozen\n" +
			"language model to predict where viewers look, on the train split of a data set, and\n" +
			"keeps the weights that are best on its valid split. Recipe paper is the published\n" +
			"training, scaled to the model; best is this project's own.",
		Example: "  netllm adapt vp --model stories260k-f32.gguf --data ../shared/data --out run/vp\n" +
			"  netllm adapt vp --model stories260k-f32.gguf --data ../shared/data --out run/control --body none",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	a.model.add(cmd)
	a.body.add(cmd)
	a.data.addDataset(cmd, "jin2022", "\nand a splits.json that names train and valid")
	fs.StringVar(&a.out, "out", "", "write the adapter to the folder `DIR`")
	fs.StringVar(&a.recipe, "recipe", "best", "train as `NAME` says: "+strings.Join(vp.Recipes, " or "))
	fs.IntVar(&a.epochs, "epochs", 0, "go over the windows `N` times (default the recipe's)")
	fs.Float64Var(&a.rate, "learning-rate", 0, "train at `RATE` (default the recipe's)")
	a.images.add(cmd, true)
	a.flags.AddData(cmd)
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptVP) run(cmd *cobra.Command, line string) error {
	spec, err := a.body.spec()
	switch {
	case a.epochs < 0:
		return cli.Usagef("--epochs %d: want 1 or more", a.epochs)
	case !(a.rate >= 0) || math.IsInf(a.rate, 0):
		return cli.Usagef("--learning-rate %v: want a positive number", a.rate)
	case err != nil:
		return err
	}
	if err := errors.Join(checkRecipe(a.recipe, vp.Recipes), a.images.check(a.images.encoder)); err != nil {
		return err
	}
	used, err := readyToAdapt(&a.dev, &a.flags, a.out)
	if err != nil {
		return err
	}
	set, err := a.data.open(&a.flags)
	if err != nil {
		return err
	}
	b, err := openBody(used.OpenPinned, &a.model, spec)
	if err != nil {
		return err
	}
	defer b.close()
	r, err := vp.NewRecipe(a.recipe, b.body, spec, a.flags.Seed)
	if err != nil {
		return err
	}
	fill(&a.epochs, r.Epochs)
	fill(&a.rate, float64(r.LearningRate))
	r.Epochs, r.LearningRate = a.epochs, float32(a.rate)
	if a.images.encoder == patchEncoder {
		shape := netllm.DefaultPatches()
		r.Network.Patches = &shape
	}
	images, closeImages, err := a.images.open(b, set.Name, r.Network.Patches)
	if err != nil {
		return err
	}
	defer closeImages()
	train, valid, err := trainingWindows(&a.data, set, r.Windows, vp.DefaultWindowing(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	var pictures vp.Images // nil without frames
	if images != nil {
		pictures, r.Network.Image, r.Network.Images = images, images.Size(), images.Name()
		if err := prepare(images, slices.Concat(train, valid), cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	adapter, result, err := trainVP(cmd.Context(), b, b.body, r, pictures, train, valid, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := adapter.Write(b, a.out, a.model.name(), a.flags.Force); err != nil {
		return err
	}
	result.Model, result.Body, result.Adapter, result.Dataset, result.Command = a.model.name(), spec.String(), a.out, set.Name, line
	result.Device, result.CPU, result.Threads, result.Seed = used.Device, used.CPU, used.Threads, a.flags.Seed
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %d parameters trained on %d windows in %.1f s, validation error %.4f\n",
		a.out, result.Parameters, result.Windows, result.Seconds, result.Best); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// trainingWindows reads what is trained on and what weights are chosen by, each cut as it is said.
// Neither may show what is tested.
func trainingWindows(data *vpFlags, set *vp.Dataset, training, validation vp.Windowing, chatter io.Writer) (train, valid []vp.Window, err error) {
	for _, part := range []struct {
		split string
		how   vp.Windowing
		to    *[]vp.Window
	}{{"train", training, &train}, {"valid", validation, &valid}} {
		traces, err := data.traces(set, part.split, chatter)
		if err != nil {
			return nil, nil, err
		}
		if err := set.CheckTraining(traces); err != nil {
			return nil, nil, err
		}
		*part.to = part.how.Windows(traces)
		if len(*part.to) == 0 {
			return nil, nil, fmt.Errorf("%s %s: no trace is longer than the %d rows that are left out at its ends", set.Name, part.split, part.how.TrimHead+part.how.TrimTail)
		}
	}
	return train, valid, nil
}

// trainVP trains an adapter around body and says how it went.
func trainVP(ctx context.Context, b ops.Backend, body transformer.Adaptable, r vp.Recipe, images vp.Images, train, valid []vp.Window, chatter io.Writer) (*vp.Adapter, *adaptVPResult, error) {
	adapter, err := vp.NewAdapter(b, body, r, images)
	if err != nil {
		return nil, nil, err
	}
	result := &adaptVPResult{Task: "vp", Recipe: r, Windows: len(train), Validation: len(valid)}
	for _, p := range adapter.Trained() {
		result.Parameters += p.Value.Len()
	}
	rank := "no matrices"
	if r.LoRA != nil {
		rank = fmt.Sprintf("rank %d", r.LoRA.Rank)
	}
	fmt.Fprintf(chatter, "adapt: recipe %s, body %s, %s, %d windows, %d epochs, %d parameters to train\n",
		r.Name, r.Body, rank, len(train), r.Epochs, result.Parameters)
	var losses curve
	progress := steps{chatter: chatter}
	defer progress.close()
	began := time.Now()
	result.BaseSHA256, err = keepFrozen(b, body, chatter, func() error {
		return adapter.Train(ctx, b, train, valid, func(p vp.Progress) {
			losses.add(p.Step, p.Steps, p.Loss)
			if !math.IsNaN(p.Valid) {
				result.Valid = append(result.Valid, curvePoint{p.Step, p.Valid})
				result.Best = p.Best
			}
			progress.set(p.Step, p.Steps, validNote(losses.recent, p.Best))
		})
	})
	if err != nil {
		return nil, nil, err
	}
	result.Seconds, result.Loss = time.Since(began).Seconds(), losses.points
	return adapter, result, nil
}
