// The collect abr command: what policies do is recorded in a pool.

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/tools/internal/cli"
)

// collectABR holds the flags of collect abr.
type collectABR struct {
	flags    cli.Flags
	dev      cli.Device
	data     abrFlags
	learned  learnedFlags
	policies []string
	out      string
	episodes int
	noise    bool
	values   bool
	explore  float64
	fit      bool
}

// collectResult is what collect --json prints.
type collectResult struct {
	Task        string            `json:"task"`
	Pool        string            `json:"pool"`
	Policies    []string          `json:"policies"`
	Seeds       []uint64          `json:"seeds"`
	Transitions int               `json:"transitions"`
	Episodes    int               `json:"episodes"`
	MeanReward  float64           `json:"mean_reward"`
	MinReward   float64           `json:"min_reward"`
	MaxReward   float64           `json:"max_reward"`
	Data        map[string]string `json:"data"`               // SHA-256 of what was read, by name
	LeftOut     []string          `json:"left_out,omitempty"` // traces, by --exclude-overlap, --only and --except
	Command     string            `json:"command"`
}

func newCollectABR(line string) *cobra.Command {
	c := &collectABR{}
	cmd := &cobra.Command{
		Use:   "abr --policy NAME[,NAME...] --out POOL",
		Short: "Record adaptive bitrate policies in a pool of experience",
		Long: "Collect abr lets policies play streaming sessions and writes every decision, with\n" +
			"the state before it and the reward after it, to a pool: the experience that adapt\n" +
			"abr learns from. All policies play the same sessions. With --start random the\n" +
			"traces come in random order too, anew for every pass over them. With\n" +
			"--exclude-overlap fcc-test the pool knows no trace that policies are tested on:\n" +
			"most test traces are copies or parts of training traces.\n\n" +
			oracleHelp + "With --noise or --explore it looks anew for the best way on, as if nothing more of\n" +
			"the kind would come, whenever something did: then it may be below other policies.\n\n" +
			"Policies: " + strings.Join(abrPolicyNames(), ", ") + ".",
		Example: "  netllm collect abr --policy bba,mpc --out pool.safetensors --data ../shared/data\n" +
			"  netllm collect abr --policy oracle --explore 0.1 --out pool.safetensors --data ../shared/data\n" +
			"  netllm collect abr --policy mpc --out pool.safetensors --start random --noise --episodes 1000\n" +
			"  netllm collect abr --policy bba,mpc --out pool.safetensors --exclude-overlap fcc-test --data ../shared/data\n" +
			"  netllm collect abr --policy bba,mpc --out pool.safetensors --except '*report.*.log' --data ../shared/data\n" +
			"  netllm collect abr --policy bba,mpc --out pool.safetensors --video synth1 --traces synth:n=100",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return c.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	addPolicies(cmd, &c.policies)
	fs.StringVar(&c.out, "out", "", "write the pool to `POOL`, a safetensors file")
	fs.IntVar(&c.episodes, "episodes", 0, "play `N` sessions with each policy (default one per trace)")
	c.data.add(cmd, "video1", "fcc-train")
	c.data.addExclude(cmd)
	c.data.choice.add(cmd)
	fs.BoolVar(&c.noise, "noise", false, "multiply download times by random factors in [0.9, 1.1)")
	fs.Float64Var(&c.explore, "explore", 0, "take any quality in a share of `P`, 0 to 1, of the decisions")
	fs.BoolVar(&c.values, "values", false, "note what a planner that knows the trace holds every quality to be worth,\nfor adapt abr --recipe best")
	fs.BoolVar(&c.fit, "without-held-out", false, "leave out the traces that adapt abr chooses weights by")
	c.learned.add(cmd)
	c.flags.AddData(cmd)
	c.flags.AddSeed(cmd, evalSeed)
	c.dev.AddFlags(cmd)
	c.flags.AddJSON(cmd)
	return cmd
}

func (c *collectABR) run(cmd *cobra.Command, line string) error {
	if err := checkPolicies(c.policies, abrPolicyNames()); err != nil {
		return err
	}
	if c.out == "" {
		return cli.Usagef("--out is needed")
	}
	if c.episodes < 0 {
		return cli.Usagef("--episodes %d: want 1 or more", c.episodes)
	}
	if !(c.explore >= 0 && c.explore <= 1) {
		return cli.Usagef("--explore %v: want 0 to 1", c.explore)
	}
	used, err := c.dev.Resolve()
	if err != nil {
		return err
	}
	if err := cli.CheckNew(c.out, c.flags.Force); err != nil {
		return err
	}
	if err := c.flags.CheckJSON(); err != nil {
		return err
	}
	data, err := c.data.open(&c.flags)
	if err != nil {
		return err
	}
	how := abrCollection{episodes: c.episodes, noise: c.noise, values: c.values, explore: c.explore, fit: c.fit, seed: c.flags.Seed}
	if slices.Contains(c.policies, oraclePolicy) {
		how.played = abr.Played{}
	}
	factories, done, err := c.learned.factories(c.policies, &c.flags, used, how.played)
	if err != nil {
		return err
	}
	defer done()
	used.Print(cmd.ErrOrStderr())
	pool, err := how.collect(cmd.Context(), factories, data, &c.data, used.Threads, line, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := cli.MakeFolder(c.out); err != nil {
		return err
	}
	if err := pool.Write(c.out, c.flags.Force); err != nil {
		return err
	}
	result := describePool(c.out, pool)
	if _, err := fmt.Fprintf(c.flags.Results(cmd), "%s: %s\n", c.out, result); err != nil {
		return err
	}
	return c.flags.WriteJSON(cmd, result)
}

// abrCollection is how a pool is collected.
type abrCollection struct {
	episodes int // with each policy; 0: one per trace
	noise    bool
	values   bool    // those of a planner are noted
	explore  float64 // share of decisions in which anything is done
	fit      bool    // without traces that weights are chosen by
	seed     uint64

	played abr.Played // is told what the policies do; nil without the oracle, which starts from it
}

// collect has policies play sessions of the data and records what they do.
func (c abrCollection) collect(ctx context.Context, factories []abr.Factory, data *abrData, f *abrFlags, workers int, line string, chatter io.Writer) (*netllm.Pool, error) {
	if c.fit {
		part := *data
		fit, _ := data.parts()
		part.set = &abr.TraceSet{Name: fit.Name, Traces: fit.Traces, StartRows: data.set.StartRows}
		data = &part
	}
	sums, err := data.hashes(f)
	if err != nil {
		return nil, err
	}
	sessions, err := data.sessions(f, abr.Plan{Episodes: c.episodes, Seed: c.seed, Shuffle: f.start == string(abr.StartRandom)})
	if err != nil {
		return nil, err
	}
	if c.values {
		abr.ByTrace(sessions)
	}
	if c.explore > 0 {
		factories = slices.Clone(factories)
		for i := range factories {
			if factories[i], err = abr.Exploring(factories[i], c.explore, c.seed+uint64(i)); err != nil {
				return nil, err
			}
		}
	}
	return collectPool(ctx, factories, data.video, sessions,
		abr.CollectOptions{Workers: workers, Noise: c.noise, Seed: c.seed, Values: c.values},
		netllm.PoolMeta{Seeds: []uint64{c.seed}, Data: sums, Command: line, LeftOut: data.leftOut}, c.played, chatter)
}

// collectPool plays the same sessions with one policy after the other. The pool has them in their order, but the oracle plays
// last: played, which is nil without it, is told what the others did.
func collectPool(ctx context.Context, factories []abr.Factory, video *abr.Video, sessions []abr.Session, opt abr.CollectOptions, meta netllm.PoolMeta, played abr.Played, chatter io.Writer) (*netllm.Pool, error) {
	parts := make([]*abr.Transitions, len(factories))
	for _, i := range playingOrder(factories) {
		progress := cli.NewProgress(chatter, "collect "+factories[i].Name, "sessions", len(sessions))
		opt.Progress = func(done, _ int) { progress.Set(done, "") }
		part, err := abr.Collect(ctx, factories[i], video, sessions, opt)
		progress.Close()
		if err != nil {
			return nil, err
		}
		if parts[i] = part; played != nil {
			played.AddTransitions(sessions, part)
		}
	}
	all := &abr.Transitions{}
	for i, part := range parts {
		all.Append(part)
		meta.Policies = append(meta.Policies, factories[i].Name)
		for _, s := range sessions {
			meta.Recordings = append(meta.Recordings, s.Trace.Name)
		}
	}
	return all.Pool(meta), nil
}

func describePool(path string, p *netllm.Pool) *collectResult {
	r := &collectResult{
		Task: p.Meta.Task, Pool: path, Policies: p.Meta.Policies, Seeds: p.Meta.Seeds, Transitions: p.Len(), Episodes: len(p.Episodes()) - 1,
		MinReward: math.Inf(1), MaxReward: math.Inf(-1), Data: p.Meta.Data, Command: p.Meta.Command,
		LeftOut: p.Meta.LeftOut,
	}
	for _, v := range p.Rewards {
		r.MeanReward += v / float64(p.Len())
		r.MinReward, r.MaxReward = min(r.MinReward, v), max(r.MaxReward, v)
	}
	return r
}

func (r *collectResult) String() string {
	return fmt.Sprintf("%d transitions in %d episodes of %s, mean reward %.4f (%.4f to %.4f)",
		r.Transitions, r.Episodes, strings.Join(r.Policies, ", "), r.MeanReward, r.MinReward, r.MaxReward)
}
