// The collect abr command: what policies do is recorded in a pool.

package main

import (
	"context"
	"fmt"
	"io"
	"math"
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
	LeftOut     []string          `json:"left_out,omitempty"` // traces, by --exclude-overlap
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
			"Policies: " + strings.Join(abrPolicyNames(), ", ") + ".",
		Example: "  netllm collect abr --policy bba,mpc --out pool.safetensors --data ../shared/data\n" +
			"  netllm collect abr --policy mpc --out pool.safetensors --start random --noise --episodes 1000\n" +
			"  netllm collect abr --policy bba,mpc --out pool.safetensors --exclude-overlap fcc-test --data ../shared/data\n" +
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
	if c.fit {
		fit, _ := data.parts()
		data.set = &abr.TraceSet{Name: fit.Name, Traces: fit.Traces, StartRows: data.set.StartRows}
	}
	sums, err := data.hashes(&c.data)
	if err != nil {
		return err
	}
	sessions, err := data.sessions(&c.data, abr.Plan{
		Episodes: c.episodes, Seed: c.flags.Seed, Shuffle: c.data.start == string(abr.StartRandom),
	})
	if err != nil {
		return err
	}
	if c.values {
		abr.ByTrace(sessions)
	}
	factories, done, err := c.learned.factories(c.policies, &c.flags, used)
	if err != nil {
		return err
	}
	defer done()
	if c.explore > 0 {
		for i := range factories {
			if factories[i], err = abr.Exploring(factories[i], c.explore, c.flags.Seed+uint64(i)); err != nil {
				return err
			}
		}
	}
	used.Print(cmd.ErrOrStderr())
	pool, err := collectPool(cmd.Context(), factories, data.video, sessions,
		abr.CollectOptions{Workers: used.Threads, Noise: c.noise, Seed: c.flags.Seed, Values: c.values},
		netllm.PoolMeta{Seeds: []uint64{c.flags.Seed}, Data: sums, Command: line, LeftOut: data.leftOut}, cmd.ErrOrStderr())
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

// collectPool plays the same sessions with one policy after the other.
func collectPool(ctx context.Context, factories []abr.Factory, video *abr.Video, sessions []abr.Session, opt abr.CollectOptions, meta netllm.PoolMeta, chatter io.Writer) (*netllm.Pool, error) {
	all := &abr.Transitions{}
	for _, f := range factories {
		progress := cli.NewProgress(chatter, "collect "+f.Name, "sessions", len(sessions))
		opt.Progress = func(done, _ int) { progress.Set(done, "") }
		part, err := abr.Collect(ctx, f, video, sessions, opt)
		progress.Close()
		if err != nil {
			return nil, err
		}
		all.Append(part)
		meta.Policies = append(meta.Policies, f.Name)
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
