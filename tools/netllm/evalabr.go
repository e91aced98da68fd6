// The eval abr command: policies play the sessions of a trace set.

package main

import (
	"context"
	"fmt"
	"io"
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
			"Policies: " + strings.Join(abrPolicyNames(), ", ") + ".",
		Example: "  netllm eval abr --policy bba,mpc --data ../shared/data\n" +
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
	factories, closeModel, err := e.learned.factories(e.policies, &e.flags, used)
	if err != nil {
		return err
	}
	defer closeModel()
	used.Print(cmd.ErrOrStderr())
	results, err := evaluateAll(cmd.Context(), factories, data.video, sessions,
		abr.EvalOptions{Workers: used.Threads, Seed: e.flags.Seed}, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	table := abrTable(results, classes, classNames(classes, data.set.Traces))
	if err := table.Print(e.flags.Results(cmd)); err != nil {
		return err
	}
	return e.flags.WriteJSON(cmd, evalResult{
		Task: "abr", Setting: e.data.setting, Device: used.Device, CPU: used.CPU, Seed: e.flags.Seed,
		Threads: used.Threads, Command: line, Results: abrJSON(results),
	})
}

// evaluateAll scores one policy after the other.
func evaluateAll(ctx context.Context, factories []abr.Factory, video *abr.Video, sessions []abr.Session, opt abr.EvalOptions, chatter io.Writer) ([]*abr.Result, error) {
	var results []*abr.Result
	for _, f := range factories {
		progress := cli.NewProgress(chatter, f.Name, "sessions", len(sessions))
		opt.Progress = func(done, _ int) { progress.Set(done, "") }
		r, err := abr.Evaluate(ctx, f, video, sessions, opt)
		progress.Close()
		if err != nil {
			return nil, err
		}
		results = append(results, r)
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
			row = append(row, number(classMean(r, classes, name), 4))
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

func classMean(r *abr.Result, classes map[string]string, class string) float64 {
	var sum, n float64
	for _, s := range r.Sessions {
		if classes[s.ID] == class {
			sum += s.MeanQoE
			n++
		}
	}
	return sum / n
}

func abrJSON(results []*abr.Result) []policyResult {
	var list []policyResult
	for _, r := range results {
		p := policyResult{Policy: r.Policy, N: r.N, Metric: "qoe", Mean: r.Mean, StdErr: r.StdErr, Seconds: r.Seconds}
		for _, s := range r.Sessions {
			p.Items = append(p.Items, itemValue{s.ID, s.MeanQoE})
		}
		list = append(list, p)
	}
	return list
}
