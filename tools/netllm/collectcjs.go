// The collect cjs command: what schedulers do is recorded in a pool.

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/netllm/cjs"
	"netllm/tools/internal/cli"
)

// collectCJS holds the flags of collect cjs.
type collectCJS struct {
	flags    cli.Flags
	dev      cli.Device
	data     cjsFlags
	policies cjsPolicies
	out      string
}

func newCollectCJS(line string) *cobra.Command {
	c := &collectCJS{}
	cmd := &cobra.Command{
		Use:   "cjs --policy NAME[,NAME...] --out POOL",
		Short: "Record cluster schedulers in a pool of experience",
		Long: "Collect cjs lets policies schedule generated sequences of jobs and writes every decision,\n" +
			"with the state before it and the reward after it, to a pool: the experience that adapt cjs\n" +
			"learns from. All policies play the same sequences, from seeds that eval cjs does not use.\n\n" +
			"Policies: " + strings.Join(cjsPolicyNames(), ", ") + ".",
		Example: "  netllm collect cjs --policy target --out pool.safetensors --data ../shared/data\n" +
			"  netllm collect cjs --policy target,decima --sequences 20 --jobs 100 --out pool.safetensors",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return c.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	c.policies.add(cmd)
	fs.StringVar(&c.out, "out", "", "write the pool to `POOL`, a safetensors file")
	c.data.addGenerated(cmd, 200, 50, 40)
	c.flags.AddData(cmd)
	c.flags.AddSeed(cmd, 1)
	c.dev.AddFlags(cmd)
	c.flags.AddJSON(cmd)
	return cmd
}

func (c *collectCJS) run(cmd *cobra.Command, line string) error {
	if err := c.policies.check(); err != nil {
		return err
	}
	if c.out == "" {
		return cli.Usagef("--out is needed")
	}
	if err := c.data.check(); err != nil {
		return err
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
	data, err := openCJS(&c.flags)
	if err != nil {
		return err
	}
	sum, err := hashDir(data.dir)
	if err != nil {
		return err
	}
	sequences, err := data.list(&c.data, collectedSeeds+c.flags.Seed<<16)
	if err != nil {
		return err
	}
	factories, done, err := c.policies.factories(data, used)
	if err != nil {
		return err
	}
	defer done()
	used.Print(cmd.ErrOrStderr())
	pool, err := collectCJSPool(cmd.Context(), factories, sequences, c.flags.Seed, used.Threads,
		netllm.PoolMeta{Task: "cjs", Data: map[string]string{filepath.Base(data.dir): sum}, Command: line}, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := cli.MakeFolder(c.out); err != nil {
		return err
	}
	if err := pool.Write(c.out, c.flags.Force); err != nil {
		return err
	}
	result := describeCJSPool(c.out, pool)
	if _, err := fmt.Fprintf(c.flags.Results(cmd), "%s: %s\n", c.out, result); err != nil {
		return err
	}
	return c.flags.WriteJSON(cmd, result)
}

// collectCJSPool has policies play the same sequences, one after the other, and records what they do.
func collectCJSPool(ctx context.Context, factories []cjs.Factory, sequences []*cjs.Sequence, seed uint64, workers int, meta netllm.PoolMeta, chatter io.Writer) (*cjs.Pool, error) {
	meta.Seeds = []uint64{seed}
	pool := &cjs.Pool{Meta: meta}
	for _, f := range factories {
		progress := cli.NewProgress(chatter, "collect "+f.Name, "episodes", len(sequences))
		part, err := cjs.Collect(ctx, f, sequences, cjs.CollectOptions{Workers: workers, Seed: seed, Progress: func(done, _ int) { progress.Set(done, "") }})
		progress.Close()
		if err != nil {
			return nil, err
		}
		pool.Join(part)
		pool.Meta.Policies = append(pool.Meta.Policies, f.Name)
	}
	return pool, nil
}

func describeCJSPool(path string, p *cjs.Pool) *collectResult {
	r := &collectResult{
		Task: p.Meta.Task, Pool: path, Policies: p.Meta.Policies, Seeds: p.Meta.Seeds, Transitions: p.Len(),
		MinReward: math.Inf(1), MaxReward: math.Inf(-1), Data: p.Meta.Data, Command: p.Meta.Command,
	}
	for i, v := range p.Rewards {
		r.Episodes += int(p.Done[i])
		r.MeanReward += v / float64(p.Len())
		r.MinReward, r.MaxReward = min(r.MinReward, v), max(r.MaxReward, v)
	}
	return r
}
