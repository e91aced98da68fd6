// The adapt track command: the recurrent predictor that the paper compares with is trained.

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/cli"
)

// adaptTrack holds the flags of adapt track.
type adaptTrack struct {
	flags  cli.Flags
	dev    cli.Device
	data   vpFlags
	out    string
	epochs int
	honest bool

	saliency saliencyFlag
	side     int
}

// adaptTrackResult is what adapt track --json prints.
type adaptTrackResult struct {
	Task       string           `json:"task"`
	File       string           `json:"file"`
	Device     string           `json:"device"`
	CPU        string           `json:"cpu"`
	Threads    int              `json:"threads"`
	Seed       uint64           `json:"seed"`
	Dataset    string           `json:"dataset"`
	Windows    int              `json:"windows"`
	Validation int              `json:"validation_windows"`
	Track      vp.TrackConfig   `json:"track"`
	Training   vp.TrackTraining `json:"training"`
	Parameters int              `json:"parameters"`
	Seconds    float64          `json:"seconds"`
	Loss       []curvePoint     `json:"loss"`
	Valid      []curvePoint     `json:"validation"`
	Best       float64          `json:"best_validation"`
	Command    string           `json:"command"`
}

func newAdaptTrack(line string) *cobra.Command {
	a := &adaptTrack{}
	cmd := &cobra.Command{
		Use:   "track --out FILE",
		Short: "Train TRACK, the paper's rival in viewport prediction",
		Long: "Adapt track trains the recurrent network that the paper compares with, as published, and\n" +
			"writes it to a file for eval vp --policy track. Without --saliency zeros take the place of\n" +
			"pictures. As published its decoder is told the first position to come, which\n" +
			"a player cannot know; --honest has it begin at the last position seen.",
		Example: "  netllm adapt track --data ../shared/data --epochs 6 --out run/track.safetensors",
		Args:    cli.NoArgs,
		RunE:    cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	a.data.addDataset(cmd, "jin2022", "\nand a splits.json that names train and valid")
	fs.StringVar(&a.out, "out", "", "write the network to `FILE`")
	fs.IntVar(&a.epochs, "epochs", vp.DefaultTrackTraining().Epochs, "go over the windows `N` times")
	fs.BoolVar(&a.honest, "honest", false, "begin at the last position seen, not at the first to come")
	a.saliency.add(cmd, "the network")
	fs.IntVar(&a.side, "saliency-side", 224, "resize saliency maps to `N` x N")
	a.flags.AddData(cmd)
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptTrack) run(cmd *cobra.Command, line string) error {
	if a.epochs < 1 {
		return cli.Usagef("--epochs %d: want 1 or more", a.epochs)
	}
	if a.side < 1 {
		return cli.Usagef("--saliency-side %d: want 1 or more", a.side)
	}
	saliency, err := a.saliency.open(a.side)
	if err != nil {
		return err
	}
	config := vp.TrackConfig{Cells: 1, Honest: a.honest}
	if saliency != nil {
		config.Cells = saliency.Cells()
	}
	used, err := readyToAdapt(&a.dev, &a.flags, a.out)
	if err != nil {
		return err
	}
	set, err := a.data.open(&a.flags)
	if err != nil {
		return err
	}
	training := vp.DefaultTrackTraining()
	training.Epochs, training.Seed = a.epochs, a.flags.Seed
	train, valid, err := trainingWindows(&a.data, set, training.Windows, training.Windows, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	b, err := used.OpenPinned()
	if err != nil {
		return err
	}
	defer b.Close()
	track, err := vp.NewTrack(b, config, saliency, a.flags.Seed)
	if err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	result := adaptTrackResult{
		Task: "vp", File: a.out, Device: used.Device, CPU: used.CPU, Threads: used.Threads, Seed: a.flags.Seed, Dataset: set.Name,
		Command: line,
	}
	if err := trainTrack(cmd.Context(), b, track, train, valid, training, &result, cmd.ErrOrStderr()); err != nil {
		return err
	}
	if err := cli.MakeFolder(a.out); err != nil {
		return err
	}
	if err := track.Write(b, a.out, training, a.flags.Force); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %s, %d parameters trained on %d windows in %.1f s, validation loss %.3f\n",
		a.out, track.Name(), result.Parameters, result.Windows, result.Seconds, result.Best); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// trainTrack trains the network and says in result how it went.
func trainTrack(ctx context.Context, b ops.Backend, track *vp.Track, train, valid []vp.Window, training vp.TrackTraining, result *adaptTrackResult, chatter io.Writer) error {
	result.Windows, result.Validation, result.Track, result.Training = len(train), len(valid), track.Config, training
	for _, p := range track.Params() {
		result.Parameters += p.Value.Len()
	}
	var losses curve
	progress := steps{chatter: chatter, what: track.Name()}
	defer progress.close()
	began := time.Now()
	err := track.Train(ctx, b, train, valid, training, func(p vp.Progress) {
		losses.add(p.Step, p.Steps, p.Loss)
		if !math.IsNaN(p.Valid) {
			result.Valid, result.Best = append(result.Valid, curvePoint{p.Step, p.Valid}), p.Best
		}
		progress.set(p.Step, p.Steps, validNote(losses.recent, p.Best))
	})
	result.Seconds, result.Loss = time.Since(began).Seconds(), losses.points
	return err
}
