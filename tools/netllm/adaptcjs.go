// The adapt cjs command: a scheduler is learned from a pool.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm/cjs"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// adaptCJS holds the flags of adapt cjs.
type adaptCJS struct {
	flags   cli.Flags
	dev     cli.Device
	data    cjsFlags
	model   modelFlags
	body    bodyFlag
	pool    string
	out     string
	recipe  string
	teacher string
	windows int
	rounds  int
	rate    float64
	from    string
	steps   int     // of the policy gradient
	average float64 // of its weights
}

// defaultTeacher is the strongest rule.
const defaultTeacher = "target"

// adaptCJSResult is what adapt cjs --json prints.
type adaptCJSResult struct {
	Task       string           `json:"task"`
	Model      string           `json:"model"`
	Body       string           `json:"body"`
	Adapter    string           `json:"adapter"` // folder
	Device     string           `json:"device"`
	CPU        string           `json:"cpu"`
	Threads    int              `json:"threads"`
	Seed       uint64           `json:"seed"`
	Pool       *collectResult   `json:"pool"`
	Decisions  int              `json:"decisions"` // of the pool and of rounds of relabelling
	Recipe     cjs.Recipe       `json:"recipe"`
	Returns    cjs.Conditioning `json:"conditioning"`
	Parameters int              `json:"parameters"` // trained
	Seconds    float64          `json:"seconds"`
	Loss       []curvePoint     `json:"loss"`
	Valid      []curvePoint     `json:"validation"` // mean job completion time, s
	Best       float64          `json:"best_validation"`
	From       string           `json:"from,omitempty"`     // folder of the adapter that it began with
	Played     []curvePoint     `json:"played,omitempty"`   // mean job completion time of policy-gradient iterations' episodes, s
	Improved   []curvePoint     `json:"improved,omitempty"` // validation after policy-gradient iterations
	Command    string           `json:"command"`

	// BaseSHA256 is the hash of the frozen weights, the same before and after training.
	BaseSHA256 string `json:"base_sha256"`
}

func newAdaptCJS(line string) *cobra.Command {
	a := &adaptCJS{}
	cmd := &cobra.Command{
		Use:   "cjs --pool POOL --out DIR",
		Short: "Learn a cluster scheduler from a pool",
		Long: "Adapt cjs trains an adapter - low-rank matrices, encoder, heads - around a frozen language\n" +
			"model to schedule as the policies of a pool do, and keeps the weights with the smallest mean\n" +
			"job completion time on generated validation sequences. Recipe paper is the published\n" +
			"training, scaled to the model; best is this project's own: between parts of the training\n" +
			"the policy plays by itself, and a teacher says what it should have done; in the end it\n" +
			"learns from its own episodes alone, by policy gradient.",
		Example: "  netllm collect cjs --policy target --out pool.safetensors --data ../shared/data\n" +
			"  netllm adapt cjs --model stories260k-f32.gguf --pool pool.safetensors --out run/cjs --data ../shared/data",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	a.model.add(cmd)
	a.body.add(cmd)
	fs.StringVar(&a.pool, "pool", "", "learn from the pool in `POOL`, as collect cjs writes it")
	fs.StringVar(&a.out, "out", "", "write the adapter to the folder `DIR`")
	fs.StringVar(&a.recipe, "recipe", "best", "train as `NAME` says: "+strings.Join(cjs.Recipes, " or "))
	fs.IntVar(&a.windows, "windows", 0, "draw `N` windows of decisions in all (default the recipe's)")
	fs.IntVar(&a.rounds, "rounds", -1, "relabel own states `N` times (default the recipe's)")
	fs.Lookup("rounds").DefValue = "0" // the help has its own words for the default
	fs.StringVar(&a.teacher, "teacher", defaultTeacher, "have `POLICY` say what should have been done: "+strings.Join(cjs.PolicyNames(), ", "))
	fs.Float64Var(&a.rate, "learning-rate", 0, "train at `RATE` (default the recipe's)")
	fs.IntVar(&a.steps, "gradient-iterations", -1, "play and learn by policy gradient `N` times (default the recipe's)")
	fs.Lookup("gradient-iterations").DefValue = "0" // as above
	fs.Float64Var(&a.average, "gradient-average", 0, "choose among running means of its weights, in which the old mean keeps\nthe share `P` per optimiser step (default the weights themselves)")
	fs.StringVar(&a.from, "from", "", "begin with the adapter in `DIR`, which was trained to imitate, and only\ntake the policy-gradient steps")
	a.data.addGenerated(cmd, 200, 50, 4)
	a.flags.AddData(cmd)
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptCJS) run(cmd *cobra.Command, line string) error {
	spec, err := a.body.spec()
	switch {
	case (a.pool == "") == (a.from == ""):
		return cli.Usagef("either --pool or --from is needed")
	case a.steps < -1:
		return cli.Usagef("--gradient-iterations %d: want 0 or more", a.steps)
	case !(a.average >= 0 && a.average < 1):
		return cli.Usagef("--gradient-average %v: want 0 or more, and less than 1", a.average)
	case a.windows < 0:
		return cli.Usagef("--windows %d: want 1 or more", a.windows)
	case a.rounds < -1:
		return cli.Usagef("--rounds %d: want 0 or more", a.rounds)
	case !(a.rate >= 0) || math.IsInf(a.rate, 0):
		return cli.Usagef("--learning-rate %v: want a positive number", a.rate)
	case err != nil:
		return err
	}
	teacher, err := cjs.NewFactory(a.teacher, cjs.PolicyConfig{})
	if err != nil {
		return cli.Usagef("--teacher: %w", err)
	}
	if err := errors.Join(checkRecipe(a.recipe, cjs.Recipes), a.data.check()); err != nil {
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
	var pool *cjs.Pool
	if a.pool != "" {
		if pool, err = cjs.ReadPool(a.pool); err != nil {
			return err
		}
	}
	if a.from != "" {
		r, err := cjs.ReadRecipe(a.from)
		if err != nil {
			return err
		}
		spec = r.Body
	}
	valid, err := data.generated(&a.data, a.data.sequences, validSeeds)
	if err != nil {
		return err
	}
	b, err := openBody(used.OpenPinned, &a.model, spec)
	if err != nil {
		return err
	}
	defer b.close()
	r, err := cjs.NewRecipe(a.recipe, b.body, spec, a.flags.Seed)
	if err != nil {
		return err
	}
	fill(&a.windows, r.Windows)
	fill(&a.rate, float64(r.LearningRate))
	if r.Windows, r.LearningRate = a.windows, float32(a.rate); a.rounds >= 0 {
		r.Rounds = a.rounds
	}
	if r.Gradient != nil && a.steps > 0 {
		r.Gradient.Iterations = a.steps
	} else if a.steps == 0 {
		r.Gradient = nil
	}
	r.GradientAverage = a.average
	used.Print(cmd.ErrOrStderr())
	open, workers := used.Worker(b)
	train := cjsTraining{valid: valid, teacher: teacher, open: open, workers: workers, data: data, flags: &a.data, chatter: cmd.ErrOrStderr()}
	var adapter *cjs.Adapter
	var result *adaptCJSResult
	if a.from != "" {
		if adapter, err = cjs.LoadAdapter(b, b.body, a.from); err != nil {
			return err
		}
		adapter.Recipe.Gradient, adapter.Recipe.GradientJobs = r.Gradient, r.GradientJobs
		adapter.Recipe.GradientValid, adapter.Recipe.GradientAverage = r.GradientValid, r.GradientAverage
		result = &adaptCJSResult{Task: "cjs", Recipe: adapter.Recipe, Returns: adapter.Cond, From: a.from}
		for _, p := range adapter.Trained() {
			result.Parameters += p.Value.Len()
		}
		if result.BaseSHA256, err = b.body.Hash(b); err != nil {
			return err
		}
	} else if adapter, result, err = train.imitate(cmd.Context(), b, b.body, r, pool); err != nil {
		return err
	} else {
		result.Pool = describeCJSPool(a.pool, pool)
	}
	if err := train.improve(cmd.Context(), b, b.body, adapter, result); err != nil {
		return err
	}
	if err := adapter.Write(b, a.out, a.model.name(), a.flags.Force); err != nil {
		return err
	}
	result.Model, result.Body, result.Adapter, result.Command = a.model.name(), spec.String(), a.out, line
	result.Device, result.CPU, result.Threads, result.Seed = used.Device, used.CPU, used.Threads, a.flags.Seed
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %d parameters trained in %.1f s, mean job completion time of the validation sequences %.3f s\n",
		a.out, result.Parameters, result.Seconds, result.Best); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// cjsTraining is what trainings share.
type cjsTraining struct {
	valid   []*cjs.Sequence
	teacher cjs.Factory
	open    func() ops.Backend
	workers int
	data    *cjsData
	flags   *cjsFlags
	chatter io.Writer // or nil
}

// imitate trains an adapter around body and says how it went, in the end and, if there is somebody to tell, on the way.
func (t *cjsTraining) imitate(ctx context.Context, b ops.Backend, body transformer.Adaptable, r cjs.Recipe, pool *cjs.Pool) (*cjs.Adapter, *adaptCJSResult, error) {
	if t.chatter == nil {
		t.chatter = io.Discard
	}
	adapter, err := cjs.NewAdapter(b, body, r)
	if err != nil {
		return nil, nil, err
	}
	result := &adaptCJSResult{Task: "cjs", Recipe: r}
	for _, p := range adapter.Trained() {
		result.Parameters += p.Value.Len()
	}
	fmt.Fprintf(t.chatter, "adapt: recipe %s, body %s, %d decisions, %d rounds of relabelling, %d parameters to train\n", r.Name, r.Body, pool.Len(), r.Rounds, result.Parameters)
	var losses curve
	progress := steps{chatter: t.chatter}
	defer progress.close()
	began := time.Now()
	each := func(p cjs.Progress) {
		losses.add(p.Step, p.Steps, p.Loss)
		if !math.IsNaN(p.Valid) {
			result.Valid = append(result.Valid, curvePoint{p.Step, p.Valid})
			result.Best = p.Best
		}
		result.Decisions = p.Decisions
		progress.set(p.Step, p.Steps, validNote(losses.recent, p.Best))
	}
	result.BaseSHA256, err = keepFrozen(b, body, t.chatter, func() error {
		return adapter.Train(ctx, b, pool, cjs.TrainOptions{Valid: t.valid, Teacher: t.teacher, Open: t.open, Workers: t.workers, Each: each, Own: t.data.own(t.flags, r)})
	})
	if err != nil {
		return nil, nil, err
	}
	result.Seconds, result.Loss, result.Returns = time.Since(began).Seconds(), losses.points, adapter.Cond
	return adapter, result, nil
}

// improve takes the recipe's policy-gradient steps, if it has any.
func (t *cjsTraining) improve(ctx context.Context, b ops.Backend, body transformer.Adaptable, a *cjs.Adapter, result *adaptCJSResult) error {
	f := a.Recipe.Gradient
	if f == nil {
		return nil
	}
	progress := cli.NewProgress(t.chatter, "policy gradient", "iterations", f.Iterations)
	defer progress.Close()
	began := time.Now()
	_, err := keepFrozen(b, body, t.chatter, func() error {
		return a.Improve(ctx, b, cjs.ImproveOptions{
			Valid: t.valid, Open: t.open, Workers: t.workers,
			Own: t.data.played(t.flags, a.Recipe),
			Each: func(p cjs.PPOProgress, valid, best float64) {
				result.Played = append(result.Played, curvePoint{p.Iteration, p.JCT})
				if !math.IsNaN(valid) {
					result.Improved = append(result.Improved, curvePoint{p.Iteration, valid})
				}
				result.Best = best
				progress.Set(p.Iteration, fmt.Sprintf("mean JCT %.2f s, entropy %.3f, best validation %.3f", p.JCT, p.Entropy, best))
			},
		})
	})
	result.Seconds += time.Since(began).Seconds()
	return err
}
