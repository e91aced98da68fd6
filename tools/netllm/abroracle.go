// The ABR oracle on the command line: what it starts from, and what nobody exceeds.

package main

import (
	"context"
	"io"
	"path/filepath"

	"netllm/internal/parallel"
	"netllm/internal/stats"
	"netllm/netllm/abr"
	"netllm/tools/internal/cli"
)

// oraclePolicy is the name of the policy that knows the trace.
const oraclePolicy = "oracle"

const oracleHelp = "Policy oracle is no player: it knows the whole trace and plays the best session that a\n" +
	"search finds, a lower bound of what is possible. The search starts from what the rules\n" +
	"play, the published agents (where --data has their weights) and every other policy of\n" +
	"the list, and is never below any of these.\n\n"

// oracleFactory makes the policy. played is to be told what the other policies did.
func oracleFactory(flags *cli.Flags, played abr.Played) (abr.Factory, error) {
	config := abr.PolicyConfig{Seed: flags.Seed}
	dir, err := flags.DataDir()
	if err != nil {
		return abr.Factory{}, err
	}
	if dir != "" {
		config.Weights = weightsDir(dir)
	}
	rules, err := abr.OracleRules(config)
	if err != nil {
		return abr.Factory{}, err
	}
	return abr.OracleFactory(oraclePolicy, rules, played), nil
}

// weightsDir is where the data have the published agents.
func weightsDir(data string) string { return filepath.Join(data, "abr", "genet") }

// playingOrder is the order that policies play in: the oracle starts from what all others did.
func playingOrder(factories []abr.Factory) (order []int) {
	last := -1
	for i, f := range factories {
		if f.Name == oraclePolicy {
			last = i
		} else {
			order = append(order, i)
		}
	}
	if last >= 0 {
		order = append(order, last)
	}
	return order
}

// ABRCeiling is what no choice of qualities exceeds. The oracle's own values are what some choices reach.
type ABRCeiling struct {
	UpperBound  float64     `json:"upper_bound"`  // mean over the items
	UpperBounds []itemValue `json:"upper_bounds"` // of each item: the mean over the sessions on it
}

// newCeiling bounds from above what can be done in the sessions that the oracle has played, which go round by round over the
// same traces.
func newCeiling(ctx context.Context, reached *abr.Result, traces int, video *abr.Video, sessions []abr.Session, threads int, chatter io.Writer) (*ABRCeiling, error) {
	values := make([]float64, len(sessions))
	progress := cli.NewProgress(chatter, "upper bound", "sessions", len(sessions))
	defer progress.Close()
	_, err := parallel.Each(ctx, len(sessions), threads, func() (func(i int) error, error) {
		o, err := abr.NewOracle(video)
		return func(i int) (err error) {
			values[i], err = o.UpperBound(sessions[i], reached.Sessions[i].MeanQoE)
			return err
		}, err
	}, func(done int) { progress.Set(done, "") })
	if err != nil {
		return nil, err
	}
	c := &ABRCeiling{UpperBounds: make([]itemValue, traces)}
	for i, v := range values {
		item := &c.UpperBounds[i%traces]
		item.ID = reached.Sessions[i].ID
		item.Value += v / float64(len(sessions)/traces)
	}
	c.UpperBound, _ = stats.MeanStdErr(itemValues(c.UpperBounds))
	return c, nil
}
