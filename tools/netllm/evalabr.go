// The eval abr command: policies play the sessions of a trace set.

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm/abr"
	"netllm/tools/internal/cli"
)

// evalABR holds the flags of eval abr.
type evalABR struct {
	flags    cli.Flags
	dev      cli.Device
	data     abrFlags
	learned  learnedFlags
	policies []string
	classes  string
}

func newEvalABR(line string) *cobra.Command {
	e := &evalABR{}
	cmd := &cobra.Command{
		Use:   "abr --policy NAME[,NAME...]",
		Short: "Score adaptive bitrate policies: mean QoE per chunk",
		Long: "Eval abr lets policies play one streaming session per trace and prints their mean\n" +
			"QoE per chunk, without the first chunk of each session, and what it is made of:\n" +
			"bitrate (Mbit/s), 4.3 times rebuffering (s per chunk), switching (Mbit/s per chunk).\n" +
			"With fcc-test it also prints the means over the traces that are copies or slices of\n" +
			"training traces, and over the unseen ones.\n\n" +
			oracleHelp + "Beside it stands an upper bound: what no choice of qualities exceeds.\n\n" +
			"Policies: " + strings.Join(abrPolicyNames(), ", ") + ".",
		Example: "  netllm eval abr --policy bba,mpc --data ../shared/data\n" +
			"  netllm eval abr --policy mpc-tuned,oracle --data ../shared/data\n" +
			"  netllm eval abr --policy mpc --video synth1 --traces synth:seed=11,n=50 --json\n" +
			"  netllm eval abr --policy netllm --adapter run/quickstart/adapter --setting unseen3",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return e.run(cmd, line) }),
	}
	cmd.Flags().SortFlags = false
	addPolicies(cmd, &e.policies)
	e.data.addSetting(cmd)
	e.data.add(cmd, "", "")
	cmd.Flags().StringVar(&e.classes, "classes", "", "read the classes of traces from `FILE`, a JSON object of names and\nclasses (default for fcc-test: computed)")
	e.learned.add(cmd)
	e.flags.AddData(cmd)
	e.flags.AddSeed(cmd, evalSeed)
	e.dev.AddFlags(cmd)
	e.flags.AddJSON(cmd)
	return cmd
}

func (e *evalABR) run(cmd *cobra.Command, line string) error {
	if err := e.data.resolve(cmd); err != nil {
		return err
	}
	if err := checkPolicies(e.policies, abrPolicyNames()); err != nil {
		return err
	}
	used, err := e.dev.Resolve()
	if err != nil {
		return err
	}
	if err := e.flags.CheckJSON(); err != nil {
		return err
	}
	data, err := e.data.open(&e.flags)
	if err != nil {
		return err
	}
	sessions, err := data.sessions(&e.data, abr.Plan{Seed: e.flags.Seed})
	if err != nil {
		return err
	}
	classes, err := data.traceClasses(e.classes, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	played := abr.Played{}
	factories, closeModel, err := e.learned.factories(e.policies, &e.flags, used, played)
	if err != nil {
		return err
	}
	defer closeModel()
	used.Print(cmd.ErrOrStderr())
	results, err := evaluateAll(cmd.Context(), factories, data.video, sessions,
		abr.EvalOptions{Workers: used.Threads, Seed: e.flags.Seed}, played, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	names, list := classNames(classes, data.set.Traces), abrJSON(results)
	table := abrTable(results, classes, names)
	if i := slices.Index(e.policies, oraclePolicy); i >= 0 {
		top, err := newCeiling(cmd.Context(), results[i], data.video, sessions, used.Threads, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		top.addRow(table, classes, names)
		list[i].ABRDetails = &top.ABRDetails
	}
	if err := table.Print(e.flags.Results(cmd)); err != nil {
		return err
	}
	return e.flags.WriteJSON(cmd, evalResult{
		Task: "abr", Setting: e.data.setting, Device: used.Device, CPU: used.CPU, Seed: e.flags.Seed,
		Threads: used.Threads, Command: line, Results: list,
	})
}

// evaluateAll scores one policy after the other. The results are in their order, but the oracle plays last: played, which may be nil without
// it, is told what the others did.
func evaluateAll(ctx context.Context, factories []abr.Factory, video *abr.Video, sessions []abr.Session, opt abr.EvalOptions, played abr.Played, chatter io.Writer) ([]*abr.Result, error) {
	results := make([]*abr.Result, len(factories))
	order, oracle := playingOrder(factories)
	log := opt.Log
	opt.Log = log || oracle
	for _, i := range order {
		progress := cli.NewProgress(chatter, factories[i].Name, "sessions", len(sessions))
		opt.Progress = func(done, _ int) { progress.Set(done, "") }
		r, err := abr.Evaluate(ctx, factories[i], video, sessions, opt)
		progress.Close()
		if err != nil {
			return nil, err
		}
		if results[i] = r; oracle {
			played.AddResult(sessions, r)
		}
		if !log {
			for i := range r.Sessions {
				r.Sessions[i].Chunks = nil
			}
		}
	}
	return results, nil
}

// abrTable shows the results, with the mean of every class of traces.
func abrTable(results []*abr.Result, classes map[string]string, names []string) *cli.Table {
	t := &cli.Table{Text: 1, Columns: []string{"policy", "sessions", "mean QoE", "stderr", "bitrate", "rebuffer", "switching"}}
	for _, name := range names {
		n := 0
		for _, s := range results[0].Sessions {
			if classes[s.ID] == name {
				n++
			}
		}
		t.Columns = append(t.Columns, fmt.Sprintf("%s (%d)", name, n))
	}
	t.Columns = append(t.Columns, "seconds")
	number := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	for _, r := range results {
		m := abrMeans(r)
		row := []string{r.Policy, strconv.Itoa(r.N), number(r.Mean, 4), number(r.StdErr, 4), number(m.mbps, 4), number(m.rebuffer, 4), number(m.change, 4)}
		for _, name := range names {
			row = append(row, number(classMean(abrItems(r), classes, name), 4))
		}
		t.Add(append(row, number(r.Seconds, 2))...)
	}
	return t
}

// means are what a mean QoE is made of.
type means struct{ mbps, rebuffer, change float64 }

func abrMeans(r *abr.Result) means {
	var m means
	for _, s := range r.Sessions {
		m.mbps += s.MeanMbps / float64(r.N)
		m.rebuffer += s.MeanRebufferSec / float64(r.N)
		m.change += s.MeanSwitchMbps / float64(r.N)
	}
	return m
}

func classMean(items []itemValue, classes map[string]string, class string) float64 {
	var sum, n float64
	for _, item := range items {
		if classes[item.ID] == class {
			sum += item.Value
			n++
		}
	}
	return sum / n
}

// abrItems are the means of the sessions.
func abrItems(r *abr.Result) (list []itemValue) {
	for _, s := range r.Sessions {
		list = append(list, itemValue{s.ID, s.MeanQoE})
	}
	return list
}

func abrJSON(results []*abr.Result) []policyResult {
	var list []policyResult
	for _, r := range results {
		list = append(list, policyResult{Policy: r.Policy, N: r.N, Metric: "qoe", Mean: r.Mean, StdErr: r.StdErr, Seconds: r.Seconds, Items: abrItems(r)})
	}
	return list
}
