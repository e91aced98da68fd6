// The eval cjs command: policies play sequences of jobs.

package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/internal/stats"
	"netllm/netllm/cjs"
	"netllm/tools/internal/cli"
)

// evalCJS holds the flags of eval cjs.
type evalCJS struct {
	flags    cli.Flags
	dev      cli.Device
	data     cjsFlags
	policies cjsPolicies
	runs     int
	report   string
}

func newEvalCJS(line string) *cobra.Command {
	e := &evalCJS{}
	cmd := &cobra.Command{
		Use:   "cjs --policy NAME[,NAME...]",
		Short: "Score cluster schedulers: mean job completion time",
		Long: "Eval cjs lets policies schedule the jobs of sequences on a simulated cluster and prints\n" +
			"the mean job completion time in seconds, its tails over jobs, how it differs from the first\n" +
			"policy's, sequence by sequence, and the share of the executors' time that they idled while\n" +
			"a stage could have used them. A run that stops dead with jobs unfinished is an error.\n\n" +
			"Policies: " + strings.Join(cjsPolicyNames(), ", ") + ".",
		Example: "  netllm eval cjs --policy fifo,fair,decima,target --data ../shared/data\n" +
			"  netllm eval cjs --policy decima,netllm --adapter run/cjs --model stories260k-f32.gguf --setting unseen1 --report report.html\n" +
			"  netllm eval cjs --policy fifo,fair --sequence jobs.json#1 --runs 8",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return e.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	e.policies.add(cmd)
	e.data.addSetting(cmd)
	fs.IntVar(&e.runs, "runs", 1, "play each sequence `N` times, each with durations of its own")
	fs.StringVar(&e.report, "report", "", "write a page with plots to `FILE`")
	e.flags.AddData(cmd)
	e.flags.AddSeed(cmd, evalSeed)
	e.dev.AddFlags(cmd)
	e.flags.AddJSON(cmd)
	return cmd
}

func (e *evalCJS) run(cmd *cobra.Command, line string) error {
	if err := e.policies.check(); err != nil {
		return err
	}
	if err := e.data.resolve(cmd); err != nil {
		return err
	}
	if e.runs < 1 {
		return cli.Usagef("--runs %d: want 1 or more", e.runs)
	}
	used, err := e.dev.Resolve()
	if err != nil {
		return err
	}
	if e.report != "" {
		err = cli.CheckNew(e.report, e.flags.Force)
	}
	if err := errors.Join(err, e.flags.CheckJSON()); err != nil {
		return err
	}
	data, err := openCJS(&e.flags)
	if err != nil {
		return err
	}
	sequences, err := data.list(&e.data, e.flags.Seed)
	if err != nil {
		return err
	}
	factories, done, err := e.policies.factories(data, used)
	if err != nil {
		return err
	}
	defer done()
	used.Print(cmd.ErrOrStderr())
	var results []*cjs.Result
	for _, f := range factories {
		progress := cli.NewProgress(cmd.ErrOrStderr(), f.Name, "episodes", len(sequences)*e.runs)
		r, err := cjs.Evaluate(cmd.Context(), f, sequences, cjs.EvalOptions{Runs: e.runs, Workers: used.Threads, Seed: e.flags.Seed,
			Log: e.report != "", Progress: func(done, _ int) { progress.Set(done, "") }})
		progress.Close()
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	table, err := cjsTable(results)
	if err != nil {
		return err
	}
	if err := table.Print(e.flags.Results(cmd)); err != nil {
		return err
	}
	result := evalResult{
		Task: "cjs", Setting: e.data.setting, Device: used.Device, CPU: used.CPU, Seed: e.flags.Seed,
		Threads: used.Threads, Command: line, Results: cjsJSON(results),
	}
	if e.report != "" {
		page, err := cjsReport(sequences, &result, results, table)
		if err != nil {
			return err
		}
		if err := cli.WriteFile(e.report, e.flags.Force, func(w io.Writer) error { return page.Write(w) }); err != nil {
			return err
		}
	}
	return e.flags.WriteJSON(cmd, result)
}

func cjsTable(results []*cjs.Result) (*cli.Table, error) {
	t := &cli.Table{Text: 1, Columns: []string{"policy", "sequences", "runs", "mean JCT", "stderr", "less the first's", "stderr", "p50", "p90", "p99", "longest", "idle", "decisions", "seconds"}}
	for _, r := range results {
		diff, stderr, err := cjs.Paired(r, results[0])
		if err != nil {
			return nil, err
		}
		idle, decisions := 0.0, 0.0
		for _, s := range r.Sequences {
			for _, run := range s.Runs {
				n := float64(r.N * r.Runs)
				idle, decisions = idle+run.Idle/n, decisions+float64(run.Decisions)/n
			}
		}
		t.Add(r.Policy, strconv.Itoa(r.N), strconv.Itoa(r.Runs), number(r.Mean, 3), number(r.StdErr, 3), number(diff, 3), number(stderr, 3),
			number(r.P50, 2), number(r.P90, 2), number(r.P99, 2), number(r.Longest, 1), fmt.Sprintf("%.1f %%", 100*idle), number(decisions, 0), number(r.Seconds, 2))
	}
	return t, nil
}

// CJSDetails is what a CJS result has beside the fields of all tasks. Times are in seconds.
type CJSDetails struct {
	Runs    int     `json:"runs"`    // of each sequence
	Longest float64 `json:"longest"` // of all jobs' times

	SequenceMeans []itemValue `json:"sequences"`
	SequenceSDs   []itemValue `json:"sequence_sds"` // of the runs of each
}

// cjsJSON has sequences as items, or of one sequence its jobs.
func cjsJSON(results []*cjs.Result) []policyResult {
	var list []policyResult
	for _, r := range results {
		d := &CJSDetails{Runs: r.Runs, Longest: r.Longest}
		for _, s := range r.Sequences {
			d.SequenceMeans, d.SequenceSDs = append(d.SequenceMeans, itemValue{s.ID, s.Mean}), append(d.SequenceSDs, itemValue{s.ID, s.SD})
		}
		p := policyResult{Policy: r.Policy, N: r.N, Metric: "jct_s", Mean: r.Mean, StdErr: r.StdErr, Seconds: r.Seconds, Items: d.SequenceMeans, Tails: &Tails{r.P50, r.P90, r.P99}, CJSDetails: d}
		if r.N == 1 {
			s := r.Sequences[0]
			times := make([]float64, len(s.Runs[0].JCT))
			for _, run := range s.Runs {
				for i, v := range run.JCT {
					times[i] += v / float64(r.Runs)
				}
			}
			p.N, p.Items = len(times), nil
			p.Mean, p.StdErr = stats.MeanStdErr(times)
			for i, v := range times {
				p.Items = append(p.Items, itemValue{strconv.Itoa(i), v})
			}
		}
		list = append(list, p)
	}
	return list
}
