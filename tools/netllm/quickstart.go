// The quickstart command: the main job from end to end, with nothing given.

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/internal/atomicfile"
	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/ops"
	"netllm/tools/internal/cli"
)

// The data of quickstart are generated. Training and test traces come from
// streams of different seeds.
const (
	quickVideo      = "synth1"
	quickTrainSeed  = 1
	quickTestSeed   = 1_000_003
	quickTrain      = 100 // traces
	quickTest       = 40
	untrainedPolicy = "untrained" // the learned policy before it learned
)

// quickTeachers collect the pool, quickBaselines are what the learned policy is
// compared with.
var (
	quickTeachers  = []string{"bba", "mpc"}
	quickBaselines = []string{"random", "bba", "mpc"}
	offlineRecipes = []string{"paper", "offline"} // that need nothing but a pool
)

// quickstart holds the flags of quickstart.
type quickstart struct {
	flags  cli.Flags
	dev    cli.Device
	model  modelFlags
	body   bodyFlag
	out    string
	recipe string
	epochs int
	train  int
	test   int
}

// quickResult is results.json, and what quickstart --json prints.
type quickResult struct {
	Command string       `json:"command"`
	Adapt   *adaptResult `json:"adapt"`
	Eval    evalResult   `json:"eval"`
	Report  string       `json:"report"` // beside results.json
}

func newQuickstart(line string) *cobra.Command {
	q := &quickstart{}
	cmd := &cobra.Command{
		Use:   "quickstart",
		Short: "Do the whole job on embedded data: collect, adapt, evaluate, report",
		Long: "Quickstart adapts the embedded language model to adaptive bitrate streaming and\n" +
			"compares it with the usual algorithms, with no data but what it generates: two\n" +
			"algorithms play sessions on training traces, an adapter learns from what they did,\n" +
			"and all play sessions on other traces. It takes a few minutes on two cores and\n" +
			"writes report.html, results.json and the adapter to a folder.",
		Example: "  netllm quickstart\n" +
			"  netllm quickstart --out run/again --seed 2",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return q.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&q.out, "out", filepath.Join("run", "quickstart"), "write everything to the folder `DIR`")
	q.model.add(cmd)
	q.body.add(cmd)
	fs.StringVar(&q.recipe, "recipe", "offline", "train as `NAME` says: "+strings.Join(offlineRecipes, " or "))
	fs.IntVar(&q.epochs, "epochs", 0, "go over the pool `N` times (default the recipe's)")
	fs.IntVar(&q.train, "train-traces", quickTrain, "collect on `N` generated traces")
	fs.IntVar(&q.test, "test-traces", quickTest, "evaluate on `N` other ones")
	q.flags.AddSeed(cmd, 1)
	q.dev.AddFlags(cmd)
	q.flags.AddJSON(cmd)
	return cmd
}

func (q *quickstart) run(cmd *cobra.Command, line string) error {
	if q.train < 1 || q.test < 1 || q.epochs < 0 {
		return cli.Usagef("--train-traces %d, --test-traces %d, --epochs %d: want 1 or more", q.train, q.test, q.epochs)
	}
	spec, err := q.body.spec()
	if err != nil {
		return err
	}
	if err := checkRecipe(q.recipe, offlineRecipes); err != nil {
		return err
	}
	used, err := q.dev.Resolve()
	if err != nil {
		return err
	}
	if err := cli.CheckNew(q.out, q.flags.Force); err != nil {
		return err
	}
	if err := q.flags.CheckJSON(); err != nil {
		return err
	}
	b, err := openBody(used.OpenPinned, &q.model, spec)
	if err != nil {
		return err
	}
	defer b.close()
	chatter := cmd.ErrOrStderr()
	used.Print(chatter)
	f := b.model.Shape()
	fmt.Fprintf(chatter, "model: %s, %s of %d layers, width %d, %d positions\n", q.model.name(), f.Arch, f.Layers, f.Width, f.MaxPositions)

	result := quickResult{Command: line, Report: "report.html"}
	err = atomicfile.WriteDir(q.out, q.flags.Force, func(dir string) error {
		untrained, adapter, err := q.adapt(cmd.Context(), b, spec, used, dir, &result, chatter)
		if err != nil {
			return err
		}
		sessions, err := quickSessions(quickTestSeed, q.test)
		if err != nil {
			return err
		}
		results, err := q.evaluate(cmd.Context(), b, untrained, adapter, used, sessions, chatter)
		if err != nil {
			return err
		}
		result.Eval = evalResult{Task: "abr", Setting: customSetting, Device: used.Device, CPU: used.CPU, Seed: q.flags.Seed,
			Threads: used.Threads, Command: line, Results: abrJSON(results)}
		page, err := quickReport(&result, results, sessions)
		if err != nil {
			return err
		}
		if err := cli.WriteFile(filepath.Join(dir, result.Report), false, page.Write); err != nil {
			return err
		}
		return cli.WriteFile(filepath.Join(dir, "results.json"), false, func(w io.Writer) error { return cli.EncodeJSON(w, result) })
	})
	if err != nil {
		return err
	}
	w := q.flags.Results(cmd)
	if err := abrTable(result.Eval.Results).Print(w); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "report: %s\n", filepath.Join(q.out, result.Report)); err != nil {
		return err
	}
	return q.flags.WriteJSON(cmd, result)
}

// adapt collects a pool, trains an adapter and writes it below dir. It also
// returns the same adapter as it was before training.
func (q *quickstart) adapt(ctx context.Context, b *adaptable, spec netllm.BodySpec, used cli.Used, dir string, result *quickResult, chatter io.Writer) (untrained, trained *abr.Adapter, err error) {
	pool, err := collectQuick(ctx, used, q.train, result.Command, chatter)
	if err != nil {
		return nil, nil, err
	}
	recipe, err := abr.NewRecipe(q.recipe, b.body, spec, q.flags.Seed)
	if err != nil {
		return nil, nil, err
	}
	if q.epochs > 0 {
		recipe.Epochs = q.epochs
	}
	if untrained, err = abr.NewAdapter(b, b.body, pool, recipe); err != nil {
		return nil, nil, err
	}
	trained, r, err := trainABR(ctx, b, b.body, pool, recipe, abr.ValuesOptions{}, chatter)
	if err != nil {
		return nil, nil, err
	}
	r.Model, r.Body, r.Adapter, r.Command = q.model.name(), spec.String(), "adapter", result.Command
	r.Device, r.CPU, r.Threads, r.Seed, r.Pool = used.Device, used.CPU, used.Threads, q.flags.Seed, describePool("", pool)
	result.Adapt = r
	return untrained, trained, trained.Write(b, filepath.Join(dir, r.Adapter), q.model.name(), false)
}

// evaluate scores the baselines and the adapter before and after training.
func (q *quickstart) evaluate(ctx context.Context, b ops.Backend, untrained, trained *abr.Adapter, used cli.Used, sessions []abr.Session, chatter io.Writer) ([]*abr.Result, error) {
	var factories []abr.Factory
	for _, name := range quickBaselines {
		f, err := abr.NewFactory(name, abr.PolicyConfig{Seed: q.flags.Seed})
		if err != nil {
			return nil, err
		}
		factories = append(factories, f)
	}
	open, workers := used.Worker(b)
	factories = append(factories,
		untrained.Factory(untrainedPolicy, trained.Cond.MaxReturn, workers, open),
		trained.Factory(learnedPolicy, trained.Cond.MaxReturn, workers, open))
	video, err := abr.OpenVideo("", quickVideo)
	if err != nil {
		return nil, err
	}
	return evaluateAll(ctx, factories, video, sessions, abr.EvalOptions{Workers: used.Threads, Seed: q.flags.Seed, Log: true}, nil, chatter)
}

// collectDefault collects the pool that quickstart learns from.
func collectDefault(ctx context.Context, used cli.Used, line string, chatter io.Writer) (*netllm.Pool, error) {
	return collectQuick(ctx, used, quickTrain, line, chatter)
}

func collectQuick(ctx context.Context, used cli.Used, traces int, line string, chatter io.Writer) (*netllm.Pool, error) {
	sessions, err := quickSessions(quickTrainSeed, traces)
	if err != nil {
		return nil, err
	}
	video, err := abr.OpenVideo("", quickVideo)
	if err != nil {
		return nil, err
	}
	var factories []abr.Factory
	for _, name := range quickTeachers {
		f, err := abr.NewFactory(name, abr.PolicyConfig{Seed: quickTrainSeed})
		if err != nil {
			return nil, err
		}
		factories = append(factories, f)
	}
	return collectPool(ctx, factories, video, sessions, abr.CollectOptions{Workers: used.Threads},
		netllm.PoolMeta{Seeds: []uint64{quickTrainSeed}, Data: map[string]string{}, Command: line}, nil, chatter)
}

// quickTraces names the traces of a seed.
func quickTraces(seed, n int) string {
	return "synth:seed=" + strconv.Itoa(seed) + ",n=" + strconv.Itoa(n)
}

func quickSessions(seed, n int) ([]abr.Session, error) {
	set, err := abr.OpenTraces("", quickTraces(seed, n))
	if err != nil {
		return nil, err
	}
	return set.Sessions(abr.Plan{Start: abr.StartRow1})
}
