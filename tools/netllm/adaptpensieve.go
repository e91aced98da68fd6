// The adapt pensieve command: the small network that is the rival in bitrate adaptation.

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm/abr"
	"netllm/ops"
	"netllm/tools/internal/cli"
)

// adaptPensieve holds the flags of adapt pensieve.
type adaptPensieve struct {
	flags  cli.Flags
	dev    cli.Device
	data   abrFlags
	recipe abr.PensieveRecipe
	rate   float64
	traces int // labelled in a round
	starts int // of sessions on each of these
	play   int // sessions of an iteration
	from   string
	out    string
}

// adaptPensieveResult is what adapt pensieve --json prints.
type adaptPensieveResult struct {
	Task       string             `json:"task"`
	File       string             `json:"file"`
	Device     string             `json:"device"`
	CPU        string             `json:"cpu"`
	Threads    int                `json:"threads"`
	Seed       uint64             `json:"seed"`
	Recipe     abr.PensieveRecipe `json:"recipe"`
	Parameters int                `json:"parameters"`
	Labelled   int                `json:"labelled"` // decisions of which the planner said what was best
	Played     int                `json:"played"`   // decisions of policy optimisation
	Cloned     float64            `json:"cloned"`   // best mean QoE of held-out traces after cloning
	Best       float64            `json:"best_validation"`
	Valid      []curvePoint       `json:"validation"` // mean QoE of held-out traces, by iterations; rounds of cloning count up to -1
	Seconds    float64            `json:"seconds"`
	Command    string             `json:"command"`
}

func newAdaptPensieve(line string) *cobra.Command {
	a := &adaptPensieve{recipe: abr.NewPensieveRecipe(1)}
	cmd := &cobra.Command{
		Use:   "pensieve --out FILE",
		Short: "Train a Pensieve-style network, the small rival in bitrate adaptation",
		Long: "Adapt pensieve trains a small network without a language model and writes it to a file for\n" +
			"eval abr --policy pensieve --pensieve. First it is to do what a planner that knows the traces\n" +
			"holds to be best, in rounds: of states that rules get into, and then of those that the network\n" +
			"itself gets into. Then it plays by itself and makes what turned out well more likely (proximal\n" +
			"policy optimisation). Every seventh trace is held out; the weights are kept that are best there.",
		Example: "  netllm adapt pensieve --data ../shared/data --out run/pensieve.safetensors\n" +
			"  netllm adapt pensieve --rounds 0 --entropy 0.05 --iterations 230 --data ../shared/data --out run/scratch.safetensors",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	r := &a.recipe
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&a.out, "out", "", "write the network to `FILE`")
	fs.StringVar(&a.from, "from", "", "begin with the network in `FILE` (default random weights)")
	fs.IntVar(&r.Rounds, "rounds", r.Rounds, "label states `N` times; 0 begins with policy optimisation")
	fs.IntVar(&a.traces, "round-traces", 60, "of `N` traces each time")
	fs.IntVar(&a.starts, "round-starts", 16, "from `N` rows of each")
	fs.IntVar(&r.CloneSteps, "clone-steps", r.CloneSteps, "learn the labels for `N` steps in a round")
	fs.Float64Var(&r.Temperature, "temperature", r.Temperature, "label with the softmax of values over `QOE`; 0: the best alone")
	fs.IntVar(&r.PPO.Iterations, "iterations", r.PPO.Iterations, "play and learn `N` times; 0 ends with cloning")
	fs.IntVar(&a.play, "sessions", 128, "play `N` sessions in an iteration")
	fs.IntVar(&r.PPO.Epochs, "epochs", r.PPO.Epochs, "go over an iteration's decisions `N` times")
	fs.Float64Var(&r.PPO.Entropy, "entropy", r.PPO.Entropy, "begin with a bonus of `W` for a nat of entropy")
	fs.Float64Var(&a.rate, "learning-rate", 1e-3, "of policy optimisation: begin at `RATE`")
	fs.IntVar(&r.Network.History, "history", r.Network.History, "show `N` throughputs and download times")
	fs.IntVar(&r.Network.Width, "width", r.Network.Width, "give the layers `N` outputs")
	a.data.add(cmd, "video1", "fcc-train")
	a.data.addExclude(cmd)
	a.flags.AddData(cmd)
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptPensieve) run(cmd *cobra.Command, line string) error {
	r := &a.recipe
	r.Seed, r.PPO.Rate = a.flags.Seed, float32(a.rate)
	err := r.Validate()
	switch {
	case a.traces < 1 || a.starts < 1 || a.play < 1:
		err = errors.Join(err, fmt.Errorf("--round-traces %d, --round-starts %d, --sessions %d: want 1 or more", a.traces, a.starts, a.play))
	case r.Rounds == 0 && r.PPO.Iterations == 0:
		err = errors.Join(err, errors.New("--rounds 0 and --iterations 0: nothing to learn"))
	}
	if err != nil {
		return cli.Usage(err)
	}
	used, err := readyToAdapt(&a.dev, &a.flags, a.out)
	if err != nil {
		return err
	}
	data, err := a.data.open(&a.flags)
	if err != nil {
		return err
	}
	b, err := used.OpenPinned()
	if err != nil {
		return err
	}
	defer b.Close()
	net, err := a.network(cmd, b)
	if err != nil {
		return err
	}
	opt := abr.PensieveOptions{Workers: used.Threads}
	if err := data.rival(&opt, a); err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	result := adaptPensieveResult{Task: "abr", File: a.out, Device: used.Device, CPU: used.CPU, Threads: used.Threads, Seed: r.Seed, Command: line}
	for _, p := range net.Params() {
		result.Parameters += p.Value.Len()
	}
	result.Recipe = *r // whose network may be that of --from
	began := time.Now()
	done := result.follow(&opt, cmd.ErrOrStderr())
	err = net.Train(cmd.Context(), b, *r, opt)
	done()
	if err != nil {
		return err
	}
	result.Seconds = time.Since(began).Seconds()
	if err := cli.MakeFolder(a.out); err != nil {
		return err
	}
	if err := net.Write(b, a.out, *r, map[string]string{"command": line}, a.flags.Force); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %d parameters trained in %.1f s on %d labelled and %d played decisions, mean QoE of held-out traces %.4f\n",
		a.out, result.Parameters, result.Seconds, result.Labelled, result.Played, result.Best); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// network returns what the training begins with.
func (a *adaptPensieve) network(cmd *cobra.Command, b ops.Backend) (*abr.PensieveNetwork, error) {
	r := &a.recipe
	if a.from == "" {
		return abr.NewPensieve(b, r.Network, r.Seed)
	}
	for _, name := range []string{"history", "width"} {
		if cmd.Flags().Changed(name) {
			return nil, cli.Usagef("--%s does not go with --from, whose network has a shape", name)
		}
	}
	net, err := abr.LoadPensieve(b, a.from)
	if err == nil {
		r.Network = net.Config
	}
	return net, err
}

// follow notes how a training goes, and shows it until the returned function is called.
func (r *adaptPensieveResult) follow(opt *abr.PensieveOptions, chatter io.Writer) (done func()) {
	var progress *cli.Progress
	cloning := false
	opt.Each = func(p abr.PensieveProgress) {
		if progress == nil || cloning != p.Cloning {
			if progress != nil {
				progress.Close()
			}
			name, what := "adapt", "iterations"
			if cloning = p.Cloning; cloning {
				name, what = "clone", "rounds"
			}
			progress = cli.NewProgress(chatter, name, what, p.Of)
		}
		at := p.Done
		if r.Best = p.BestQoE; p.Cloning {
			r.Labelled, r.Cloned = p.Decisions, p.BestQoE
			at -= p.Of + 1
		} else {
			r.Played = p.Decisions
		}
		if !math.IsNaN(p.Valid) {
			r.Valid = append(r.Valid, curvePoint{at, p.Valid})
		}
		note := fmt.Sprintf("QoE %.3f, validation %.4f", p.QoE, p.BestQoE)
		if p.Cloning {
			note += fmt.Sprintf(", loss %.4f", p.Loss)
		} else {
			note += fmt.Sprintf(", entropy %.3f", p.Entropy)
		}
		progress.Set(p.Done, note)
	}
	return func() {
		if progress != nil {
			progress.Close()
		}
	}
}

// rival fills in what the training needs: sessions from random rows, of other traces for validation.
func (d *abrData) rival(opt *abr.PensieveOptions, a *adaptPensieve) (err error) {
	fit, held := d.parts()
	opt.Video = d.video
	if opt.Valid, err = validation(held); err != nil {
		return err
	}
	plan := func(set *abr.TraceSet, episodes int, stream uint64) ([]abr.Session, error) {
		return set.Sessions(abr.Plan{Start: abr.StartRandom, Episodes: episodes, Shuffle: true, Seed: a.recipe.Seed<<20 + stream})
	}
	opt.Label = func(round int) ([]abr.Session, error) { // planners are slow to make: a few traces, each from many rows
		some, err := plan(&fit, min(a.traces, len(fit.Traces)), uint64(round))
		if err != nil {
			return nil, err
		}
		set := abr.TraceSet{Name: fit.Name}
		for _, s := range some {
			set.Traces = append(set.Traces, s.Trace)
		}
		sessions, err := plan(&set, a.starts*len(set.Traces), uint64(round))
		abr.ByTrace(sessions)
		return sessions, err
	}
	opt.Play = func(iteration int) ([]abr.Session, error) { return plan(&fit, a.play, 1<<10+uint64(iteration)) }
	return nil
}
