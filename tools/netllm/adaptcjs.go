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

	"netllm/netllm"
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
	body    string
	pool    string
	out     string
	recipe  string
	teacher string
	windows int
	rounds  int
	rate    float64
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
			"the policy plays by itself, and a teacher says what it should have done.",
		Example: "  netllm collect cjs --policy target --out pool.safetensors --data ../shared/data\n" +
			"  netllm adapt cjs --model stories260k-f32.gguf --pool pool.safetensors --out run/cjs --data ../shared/data",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	a.model.add(cmd)
	fs.StringVar(&a.body, "body", string(netllm.PretrainedBody), "put `BODY` between encoder and heads: pretrained (frozen), or, as a control,\n"+
		"random[:SEED] (frozen), trained[:SEED] (random, all of it trained), none,\nattention[:SEED] (one trained layer)")
	fs.StringVar(&a.pool, "pool", "", "learn from the pool in `POOL`, as collect cjs writes it")
	fs.StringVar(&a.out, "out", "", "write the adapter to the folder `DIR`")
	fs.StringVar(&a.recipe, "recipe", "best", "train as `NAME` says: "+strings.Join(cjs.Recipes, " or "))
	fs.IntVar(&a.windows, "windows", 0, "draw `N` windows of decisions in all (default the recipe's)")
	fs.IntVar(&a.rounds, "rounds", -1, "relabel own states `N` times (default the recipe's)")
	fs.Lookup("rounds").DefValue = "0" // the help has its own words for the default
	fs.StringVar(&a.teacher, "teacher", defaultTeacher, "have `POLICY` say what should have been done: "+strings.Join(cjs.PolicyNames(), ", "))
	fs.Float64Var(&a.rate, "learning-rate", 0, "train at `RATE` (default the recipe's)")
	a.data.addGenerated(cmd, 200, 50, 4)
	a.flags.AddData(cmd)
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptCJS) run(cmd *cobra.Command, line string) error {
	spec, err := netllm.ParseBody(a.body)
	switch {
	case a.pool == "":
		return cli.Usagef("--pool is needed")
	case a.windows < 0:
		return cli.Usagef("--windows %d: want 1 or more", a.windows)
	case a.rounds < -1:
		return cli.Usagef("--rounds %d: want 0 or more", a.rounds)
	case !(a.rate >= 0) || math.IsInf(a.rate, 0):
		return cli.Usagef("--learning-rate %v: want a positive number", a.rate)
	case err != nil:
		return cli.Usagef("--%w", err)
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
	pool, err := cjs.ReadPool(a.pool)
	if err != nil {
		return err
	}
	valid, err := data.generated(&a.data, a.data.sequences, validSeeds)
	if err != nil {
		return err
	}
	b, err := openBody(used, &a.model, spec)
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
	used.Print(cmd.ErrOrStderr())
	open, workers := used.Worker(b)
	adapter, result, err := trainCJS(cmd.Context(), b, b.body, r, pool, cjs.TrainOptions{
		Valid: valid, Teacher: teacher, Open: open, Workers: workers, Own: data.own(&a.data, r),
	}, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := adapter.Write(b, a.out, a.model.name(), a.flags.Force); err != nil {
		return err
	}
	result.Model, result.Body, result.Adapter, result.Command = a.model.name(), spec.String(), a.out, line
	result.Device, result.CPU, result.Threads, result.Seed, result.Pool = used.Device, used.CPU, used.Threads, a.flags.Seed, describeCJSPool(a.pool, pool)
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %d parameters trained on %d decisions in %.1f s, mean job completion time of the validation sequences %.3f s\n",
		a.out, result.Parameters, result.Decisions, result.Seconds, result.Best); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// trainCJS trains an adapter around body and says how it went, in the end and, if chatter is not nil, on the way.
func trainCJS(ctx context.Context, b ops.Backend, body transformer.Adaptable, r cjs.Recipe, pool *cjs.Pool, opt cjs.TrainOptions, chatter io.Writer) (*cjs.Adapter, *adaptCJSResult, error) {
	if chatter == nil {
		chatter = io.Discard
	}
	adapter, err := cjs.NewAdapter(b, body, r)
	if err != nil {
		return nil, nil, err
	}
	result := &adaptCJSResult{Task: "cjs", Recipe: r}
	for _, p := range adapter.Trained() {
		result.Parameters += p.Value.Len()
	}
	fmt.Fprintf(chatter, "adapt: recipe %s, body %s, %d decisions, %d rounds of relabelling, %d parameters to train\n", r.Name, r.Body, pool.Len(), r.Rounds, result.Parameters)
	var losses curve
	progress := steps{chatter: chatter}
	defer progress.close()
	began := time.Now()
	opt.Each = func(p cjs.Progress) {
		losses.add(p.Step, p.Steps, p.Loss)
		if !math.IsNaN(p.Valid) {
			result.Valid = append(result.Valid, curvePoint{p.Step, p.Valid})
			result.Best = p.Best
		}
		result.Decisions = p.Decisions
		progress.set(p.Step, p.Steps, validNote(losses.recent, p.Best))
	}
	result.BaseSHA256, err = keepFrozen(b, body, chatter, func() error { return adapter.Train(ctx, b, pool, opt) })
	if err != nil {
		return nil, nil, err
	}
	result.Seconds, result.Loss, result.Returns = time.Since(began).Seconds(), losses.points, adapter.Cond
	return adapter, result, nil
}
