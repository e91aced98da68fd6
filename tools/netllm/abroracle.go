// The ABR oracle on the command line: what it starts from, and what nobody exceeds.

package main

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"

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
func playingOrder(factories []abr.Factory) (order []int, oracle bool) {
	for i, f := range factories {
		if f.Name != oraclePolicy {
			order = append(order, i)
		}
	}
	if i := slices.IndexFunc(factories, func(f abr.Factory) bool { return f.Name == oraclePolicy }); i >= 0 {
		return append(order, i), true
	}
	return order, false
}

// ceiling is what no policy exceeds.
type ceiling struct {
	ABRDetails
	seconds float64
}

// newCeiling bounds from above what can be done in the sessions that the oracle has played.
func newCeiling(ctx context.Context, reached *abr.Result, video *abr.Video, sessions []abr.Session, threads int, chatter io.Writer) (*ceiling, error) {
	began := time.Now()
	c := &ceiling{ABRDetails: ABRDetails{UpperBounds: make([]itemValue, len(sessions))}}
	values := make([]float64, len(sessions))
	progress := cli.NewProgress(chatter, "upper bound", "sessions", len(sessions))
	defer progress.Close()
	_, err := parallel.Each(ctx, len(sessions), threads, func() (func(i int) error, error) {
		o, err := abr.NewOracle(video)
		return func(i int) (err error) {
			s := reached.Sessions[i]
			values[i], err = o.UpperBound(sessions[i], s.MeanQoE)
			c.UpperBounds[i] = itemValue{s.ID, values[i]}
			return err
		}, err
	}, func(done int) { progress.Set(done, "") })
	c.UpperBound, _ = stats.MeanStdErr(values)
	c.seconds = time.Since(began).Seconds()
	return c, err
}

// addRow adds the bound to a table of results.
func (c *ceiling) addRow(t *cli.Table, classes map[string]string, names []string) {
	number := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	row := []string{"upper bound", strconv.Itoa(len(c.UpperBounds)), number(c.UpperBound, 4), "", "", "", ""}
	for _, name := range names {
		row = append(row, number(classMean(c.UpperBounds, classes, name), 4))
	}
	t.Add(append(row, number(c.seconds, 2))...)
}
