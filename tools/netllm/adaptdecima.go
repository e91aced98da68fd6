// The adapt decima command: the rival, trained on another cluster.

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm/cjs"
	"netllm/tools/internal/cli"
)

// adaptDecima holds the flags of adapt decima.
type adaptDecima struct {
	flags  cli.Flags
	dev    cli.Device
	data   cjsFlags
	config cjs.PPOConfig
	rate   float64
	from   string
	out    string
}

// adaptDecimaResult is what adapt decima --json prints.
type adaptDecimaResult struct {
	Task      string        `json:"task"`
	File      string        `json:"file"`
	Device    string        `json:"device"`
	CPU       string        `json:"cpu"`
	Threads   int           `json:"threads"`
	Seed      uint64        `json:"seed"`
	Jobs      int           `json:"jobs"`
	Executors int           `json:"executors"`
	Training  cjs.PPOConfig `json:"training"`
	Seconds   float64       `json:"seconds"`
	JCT       []curvePoint  `json:"jct"` // of each iteration's episodes, s
	Command   string        `json:"command"`
}

func newAdaptDecima(line string) *cobra.Command {
	a := &adaptDecima{config: cjs.DefaultPPO()}
	cmd := &cobra.Command{
		Use:   "decima --out FILE",
		Short: "Train Decima, the paper's rival in cluster job scheduling",
		Long: "Adapt decima trains the graph network that the paper compares with on episodes of its own, by\n" +
			"proximal policy optimisation as published, for a cluster of any size, and writes it to a file\n" +
			"for eval cjs --policy decima --decima. The published training is 500 iterations of 16 episodes.",
		Example: "  netllm adapt decima --data ../shared/data --executors 20 --iterations 50 --out run/decima.safetensors\n" +
			"  netllm adapt decima --from ../shared/data/cjs/decima.safetensors --data ../shared/data --out run/decima.safetensors",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&a.out, "out", "", "write the network to `FILE`")
	fs.StringVar(&a.from, "from", "", "begin with the weights in `FILE` (default random ones)")
	fs.IntVar(&a.config.Iterations, "iterations", a.config.Iterations, "play and learn `N` times")
	a.data.addGenerated(cmd, 200, 50, a.config.Sequences)
	fs.IntVar(&a.config.Rollouts, "rollouts", a.config.Rollouts, "play each sequence `N` times in an iteration")
	fs.IntVar(&a.config.Epochs, "epochs", a.config.Epochs, "go over an iteration's decisions `N` times")
	fs.Float64Var(&a.rate, "learning-rate", 3e-4, "train at `RATE`, halved every 100 iterations")
	a.flags.AddData(cmd)
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptDecima) run(cmd *cobra.Command, line string) error {
	f := &a.config
	f.Sequences, f.LearningRate, f.Seed = a.data.sequences, float32(a.rate), a.flags.Seed
	if err := errors.Join(a.data.check(), cli.Usage(f.Validate())); err != nil {
		return err
	}
	used, err := readyToAdapt(&a.dev, &a.flags, a.out)
	if err != nil {
		return err
	}
	data, err := openCJS(&a.flags)
	if err != nil {
		return err
	}
	b, err := used.OpenPinned()
	if err != nil {
		return err
	}
	defer b.Close()
	d := cjs.NewDecimaNetwork(b, f.Seed)
	if a.from != "" {
		if err := d.Read(b, a.from); err != nil {
			return err
		}
	}
	used.Print(cmd.ErrOrStderr())
	result := adaptDecimaResult{Task: "cjs", File: a.out, Device: used.Device, CPU: used.CPU, Threads: used.Threads, Seed: f.Seed,
		Jobs: a.data.jobs, Executors: a.data.executors, Training: *f, Command: line}
	progress := cli.NewProgress(cmd.ErrOrStderr(), "adapt", "iterations", f.Iterations)
	began := time.Now()
	err = d.PPO(cmd.Context(), b, *f, used.Threads, func(i int) ([]*cjs.Sequence, error) {
		return data.generated(&a.data, f.Sequences, ownSeeds+f.Seed<<20+uint64(i*f.Sequences))
	}, func(p cjs.PPOProgress) {
		result.JCT = append(result.JCT, curvePoint{p.Iteration, p.JCT})
		progress.Set(p.Iteration, fmt.Sprintf("mean JCT %.2f s, entropy %.3f", p.JCT, p.Entropy))
	})
	progress.Close()
	if err != nil {
		return err
	}
	result.Seconds = time.Since(began).Seconds()
	if err := cli.MakeFolder(a.out); err != nil {
		return err
	}
	if err := d.Write(b, a.out, map[string]string{"command": line}, a.flags.Force); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %d iterations in %.1f s, mean job completion time %.2f s in the first, %.2f in the last\n",
		a.out, f.Iterations, result.Seconds, result.JCT[0].Loss, result.JCT[len(result.JCT)-1].Loss); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}
