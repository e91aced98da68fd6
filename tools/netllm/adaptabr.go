// The adapt abr command: a policy is learned from a pool.

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// replayRecipe learns from what a pool recorded of its links.
const replayRecipe = "replay"

// adaptABR holds the flags of adapt abr.
type adaptABR struct {
	flags     cli.Flags
	dev       cli.Device
	model     modelFlags
	body      bodyFlag
	data      abrFlags
	pool      string
	out       string
	recipe    string
	epochs    int
	windows   int
	rounds    int
	own       int     // sessions in a round
	randomize float64 // share of those that are altered
	rate      float64
}

// adaptResult is what adapt --json prints.
type adaptResult struct {
	Task       string           `json:"task"`
	Model      string           `json:"model"`
	Body       string           `json:"body"`
	Adapter    string           `json:"adapter"` // folder
	Device     string           `json:"device"`
	CPU        string           `json:"cpu"`
	Threads    int              `json:"threads"`
	Seed       uint64           `json:"seed"`
	Pool       *collectResult   `json:"pool"`
	Recipe     abr.Recipe       `json:"recipe"`
	Returns    abr.Conditioning `json:"conditioning"`
	Parameters int              `json:"parameters"` // trained
	Seconds    float64          `json:"seconds"`
	Loss       []curvePoint     `json:"loss"`
	Decisions  int              `json:"decisions,omitempty"`       // of the pool and of rounds of relabelling
	LeftOut    []string         `json:"left_out,omitempty"`        // traces that no round was played on, by --exclude-overlap, --only and --except
	Valid      []curvePoint     `json:"validation,omitempty"`      // mean QoE
	Best       float64          `json:"best_validation,omitempty"` // mean QoE
	Command    string           `json:"command"`

	// BaseSHA256 is the hash of the frozen weights, the same before and
	// after training.
	BaseSHA256 string `json:"base_sha256"`
}

func newAdaptABR(line string) *cobra.Command {
	a := &adaptABR{}
	cmd := &cobra.Command{
		Use:   "abr --out DIR",
		Short: "Learn an adaptive bitrate policy from a pool",
		Long: "Adapt abr trains an adapter - low-rank matrices, encoder, head - around a frozen\n" +
			"language model and writes it to a folder. Recipe paper is the published training, scaled\n" +
			"to the model, and offline this project's: both learn to act as a pool's episodes of high\n" +
			"return do. Recipe best learns what a planner that knows the traces holds every quality to\n" +
			"be worth: in the states of the pool (collect abr --values), and then in those that the\n" +
			"policy gets into by itself on the traces; every seventh trace is held out, and the weights\n" +
			"kept that are best there. Recipe replay does the same with no more than a pool of whole\n" +
			"sessions: it rebuilds the throughput that they met, and that is what the planner knows and\n" +
			"the policy plays on. It reads the video's sizes, but no traces.",
		Example: "  netllm adapt abr --model stories260k-f32.gguf --pool pool.safetensors --out run/abr\n" +
			"  netllm adapt abr --model stories260k-f32.gguf --pool pool.safetensors --out run/control --recipe offline --body random\n" +
			"  netllm adapt abr --model stories260k-f32.gguf --pool pool.safetensors --out run/replay --recipe replay --data ../shared/data",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	a.model.add(cmd)
	a.body.add(cmd)
	fs.StringVar(&a.pool, "pool", "", "learn from `POOL`, as collect abr writes it (default, but for recipes\nbest and replay: what quickstart collects, on generated data)")
	fs.StringVar(&a.out, "out", "", "write the adapter to the folder `DIR`")
	fs.StringVar(&a.recipe, "recipe", "best", "train as `NAME` says: "+strings.Join(abr.Recipes, " or "))
	fs.IntVar(&a.epochs, "epochs", 0, "go over the pool `N` times (default the recipe's; paper and offline)")
	fs.IntVar(&a.windows, "windows", 0, "draw `N` decisions in all (default the recipe's; best and replay)")
	fs.IntVar(&a.rounds, "rounds", -1, "label own states `N` times (default the recipe's; best and replay)")
	fs.Lookup("rounds").DefValue = "0" // the help has its own words for the default
	fs.IntVar(&a.own, "round-sessions", 0, "of `N` sessions each time (default the recipe's; best and replay)")
	fs.Float64Var(&a.randomize, "randomize", 0, "play the `SHARE` of these on altered links and videos: better where it was not\ntrained, for a little where it was (best and replay)")
	fs.Float64Var(&a.rate, "learning-rate", 0, "train at `RATE` (default the recipe's)")
	a.data.add(cmd, "video1", "fcc-train")
	a.data.addExclude(cmd)
	a.data.choice.add(cmd)
	a.flags.AddData(cmd)
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptABR) run(cmd *cobra.Command, line string) error {
	spec, err := a.body.spec()
	switch {
	case a.epochs < 0:
		return cli.Usagef("--epochs %d: want 1 or more", a.epochs)
	case a.windows < 0:
		return cli.Usagef("--windows %d: want 1 or more", a.windows)
	case a.rounds < -1 || a.own < 0:
		return cli.Usagef("--rounds %d, --round-sessions %d: want 0 or more", a.rounds, a.own)
	case !(a.randomize >= 0 && a.randomize <= 1):
		return cli.Usagef("--randomize %v: want a share, 0 to 1", a.randomize)
	case a.randomize > 0 && a.rounds == 0:
		return cli.Usagef("--randomize needs --rounds: it is the sessions of these that are altered")
	case !(a.rate >= 0) || math.IsInf(a.rate, 0):
		return cli.Usagef("--learning-rate %v: want a positive number", a.rate)
	case err != nil:
		return err
	}
	if err := checkRecipe(a.recipe, abr.Recipes); err != nil {
		return err
	}
	values := !slices.Contains(offlineRecipes, a.recipe)
	switch {
	case values && (a.pool == "" || a.epochs > 0):
		return cli.Usagef("recipe %s needs --pool and has no --epochs", a.recipe)
	case !values && (a.windows > 0 || a.rounds >= 0 || a.own > 0 || a.randomize > 0):
		return cli.Usagef("--windows, --rounds, --round-sessions and --randomize belong to recipes best and replay")
	case !values && a.data.choice.given():
		return cli.Usagef("--only and --except belong to recipe best, which plays on traces: the pool of recipe %s has its own", a.recipe)
	}
	if a.recipe == replayRecipe {
		for _, name := range []string{"traces", "start", "exclude-overlap", "only", "except"} {
			if cmd.Flags().Changed(name) {
				return cli.Usagef("recipe %s reads no traces: --%s is for collect abr", a.recipe, name)
			}
		}
	}
	used, err := readyToAdapt(&a.dev, &a.flags, a.out)
	if err != nil {
		return err
	}
	b, err := openBody(used.OpenPinned, &a.model, spec)
	if err != nil {
		return err
	}
	defer b.close()
	var pool *netllm.Pool
	if a.pool != "" {
		if pool, err = netllm.ReadPool(a.pool, "abr"); err != nil {
			return err
		}
		if values && a.recipe != replayRecipe && pool.Values == nil {
			return fmt.Errorf("%s: no planner's values, which recipe %s learns: collect abr --values notes them", a.pool, a.recipe)
		}
	}
	r, err := abr.NewRecipe(a.recipe, b.body, spec, a.flags.Seed)
	if err != nil {
		return err
	}
	fill(&a.rate, float64(r.LearningRate))
	r.LearningRate = float32(a.rate)
	if a.epochs > 0 {
		r.Epochs = a.epochs
	}
	var opt abr.ValuesOptions
	var leftOut []string
	if values {
		fill(&a.windows, r.Windows)
		fill(&a.own, r.RoundSessions)
		if r.Windows, r.RoundSessions, r.Randomized = a.windows, a.own, a.randomize; a.rounds >= 0 {
			r.Rounds = a.rounds
		}
		a.data.videoOnly = a.recipe == replayRecipe
		data, err := a.data.open(&a.flags)
		if err != nil {
			return err
		}
		leftOut = data.leftOut
		if a.data.videoOnly {
			if pool, opt, err = data.replay(cmd.Context(), pool, r, used.Threads, cmd.ErrOrStderr()); err != nil {
				err = fmt.Errorf("%s: %w", a.pool, err)
			}
		} else {
			opt, err = data.teach(r)
		}
		if err != nil {
			return err
		}
		opt.Open, opt.Workers = used.Worker(b.Backend)
	}
	used.Print(cmd.ErrOrStderr())
	if pool == nil {
		if pool, err = collectDefault(cmd.Context(), used, line, cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	adapter, result, err := trainABR(cmd.Context(), b, b.body, pool, r, opt, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := adapter.Write(b, a.out, a.model.name(), a.flags.Force); err != nil {
		return err
	}
	result.Model, result.Body, result.Adapter, result.Command = a.model.name(), spec.String(), a.out, line
	result.Device, result.CPU, result.Threads, result.Seed = used.Device, used.CPU, used.Threads, a.flags.Seed
	result.Pool, result.LeftOut = describePool(a.pool, pool), leftOut // the pool of recipe replay is without what is held out
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %d parameters trained in %.1f s, loss %.4f\n",
		a.out, result.Parameters, result.Seconds, result.Loss[len(result.Loss)-1].Loss); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// trainABR trains an adapter around body and says how it went.
func trainABR(ctx context.Context, b ops.Backend, body transformer.Adaptable, pool *netllm.Pool, r abr.Recipe, opt abr.ValuesOptions, chatter io.Writer) (*abr.Adapter, *adaptResult, error) {
	adapter, err := abr.NewAdapter(b, body, pool, r)
	if err != nil {
		return nil, nil, err
	}
	result := &adaptResult{Task: "abr", Recipe: r}
	for _, p := range adapter.Params() {
		result.Parameters += p.Value.Len()
	}
	fmt.Fprintf(chatter, "adapt: recipe %s, body %s, window %d steps, %d transitions, %d parameters to train\n",
		r.Name, r.Body, r.Network.Window, pool.Len(), result.Parameters)
	var losses curve
	progress := steps{chatter: chatter}
	defer progress.close()
	train := func() error {
		return adapter.Train(ctx, b, pool, func(p abr.Progress) {
			losses.add(p.Step, p.Steps, p.Loss)
			progress.set(p.Step, p.Steps, fmt.Sprintf("loss %.4f", losses.recent))
		})
	}
	if r.Windows > 0 {
		opt.Each = func(p abr.ValuesProgress) {
			losses.add(p.Step, p.Steps, p.Loss)
			if !math.IsNaN(p.Valid) {
				result.Valid = append(result.Valid, curvePoint{p.Step, p.Valid})
				result.Best = p.Best
			}
			result.Decisions = p.Decisions
			progress.set(p.Step, p.Steps, validNote(losses.recent, p.Best))
		}
		train = func() error { return adapter.TrainValues(ctx, b, pool, opt) }
	}
	began := time.Now()
	if result.BaseSHA256, err = keepFrozen(b, body, chatter, train); err != nil {
		return nil, nil, err
	}
	result.Seconds, result.Loss, result.Returns = time.Since(began).Seconds(), losses.points, adapter.Cond
	return adapter, result, nil
}

// heldOut says how many traces there are to each that is held out.
const heldOut = 7

// parts splits the traces into those that are trained on and those by which weights are chosen.
func (d *abrData) parts() (fit, held abr.TraceSet) {
	fit.Name, held.Name = d.set.Name, d.set.Name
	for i, t := range d.set.Traces {
		if i%heldOut == heldOut/2 {
			held.Traces = append(held.Traces, t)
		} else {
			fit.Traces = append(fit.Traces, t)
		}
	}
	return fit, held
}

// validation returns the sessions by which weights are chosen: of held-out traces, from random rows.
func validation(held abr.TraceSet) ([]abr.Session, error) {
	const validSeed, perTrace = 5, 3
	return held.Sessions(abr.Plan{Start: abr.StartRandom, Episodes: perTrace * len(held.Traces), Seed: validSeed})
}

// teach returns what learning values needs: sessions from random rows, of other traces for validation.
func (d *abrData) teach(r abr.Recipe) (abr.ValuesOptions, error) {
	fit, held := d.parts()
	valid, err := validation(held)
	if err != nil {
		return abr.ValuesOptions{}, err
	}
	return r.PlaysOn(d.video, &fit, valid)
}

// replay returns what learning values needs, all of it from the pool's recordings, and the part of the pool that is learned from.
func (d *abrData) replay(ctx context.Context, pool *netllm.Pool, r abr.Recipe, workers int, chatter io.Writer) (*netllm.Pool, abr.ValuesOptions, error) {
	var progress *cli.Progress
	replay, err := abr.NewReplay(ctx, pool, d.video, workers, func(done, all int) {
		if progress == nil {
			progress = cli.NewProgress(chatter, "rebuild", "sessions", all)
		}
		progress.Set(done, "")
	})
	if progress != nil {
		progress.Close()
	}
	if err != nil {
		return nil, abr.ValuesOptions{}, err
	}
	fmt.Fprintf(chatter, "adapt: %d recorded sessions to learn from, %d held out\n", len(replay.Fit.Traces), len(replay.Held))
	opt, err := replay.Options(r, d.video)
	return replay.Pool, opt, err
}
