// The eval abr command: policies play the sessions of a trace set.

package main

import (
	"context"
	"errors"
	"io"
	"slices"
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

	onlyClass []string
	starts    int
	seeds     int
	versus    string
	report    string
	timelines int
	keep      bool // timelines, in the JSON
}

func newEvalABR(line string) *cobra.Command {
	e := &evalABR{}
	cmd := &cobra.Command{
		Use:   "abr --policy NAME[,NAME...]",
		Short: "Score adaptive bitrate policies: mean QoE per chunk",
		Long: "Eval abr lets policies play one streaming session per trace, or --starts many, and prints\n" +
			"their mean QoE per chunk, without the first chunk of each session, and what it is made of:\n" +
			"bitrate (Mbit/s), 4.3 times rebuffering (s per chunk), switching (Mbit/s per chunk). A\n" +
			"trace counts once: its value is the mean over its sessions and, of policies that draw,\n" +
			"over --seeds.\n\n" +
			"Intervals have 95 % confidence, by bootstrap over traces (10,000 resamples). How much one\n" +
			"policy has more than each other is taken trace by trace, which says more than two means do.\n" +
			"With fcc-test it also prints the means over the traces that are copies or slices of\n" +
			"training traces, and over the unseen ones.\n\n" +
			oracleHelp + "Beside it stands an upper bound: what no choice of qualities exceeds.\n\n" +
			"Policies: " + strings.Join(abrPolicyNames(), ", ") + ".",
		Example: "  netllm eval abr --policy bba,mpc --data ../shared/data\n" +
			"  netllm eval abr --policy mpc-tuned,oracle --data ../shared/data\n" +
			"  netllm eval abr --policy mpc --video synth1 --traces synth:seed=11,n=50 --json\n" +
			"  netllm eval abr --policy netllm --adapter run/quickstart/adapter --setting unseen3\n" +
			"  netllm eval abr --policy mpc-tuned,udr1,genet-sampled --only-class unseen --starts 40 --seeds 10 --data ../shared/data\n" +
			"  netllm eval abr --policy bba,mpc --traces fcc-train --only '*report.*.log' --data ../shared/data --report bus.html",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return e.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	addPolicies(cmd, &e.policies)
	e.data.addSetting(cmd)
	e.data.add(cmd, "", "")
	fs.IntVar(&e.starts, "starts", 0, "play each trace from `N` random rows (default once, as --start says)")
	e.data.choice.add(cmd)
	fs.StringVar(&e.classes, "classes", "", "read the classes of traces from `FILE`, a JSON object of names and\nclasses (default for fcc-test: computed)")
	fs.StringSliceVar(&e.onlyClass, "only-class", nil, "take only the traces of the classes `NAMES`: unseen, ...")
	fs.IntVar(&e.seeds, "seeds", 1, "play policies that draw with `N` seeds: --seed and those after it")
	fs.StringVar(&e.versus, "versus", "", "compare the policy `NAME` with all others (default netllm, or the first)")
	fs.StringVar(&e.report, "report", "", "write a page with plots to `FILE`")
	fs.IntVar(&e.timelines, "timelines", defaultTimelines, "show `N` sessions chunk by chunk on the page, and, if this is given,\nput them into the JSON")
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
	if err := e.check(); err != nil {
		return err
	}
	e.keep = cmd.Flags().Changed("timelines")
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
	data, err := e.data.open(&e.flags)
	if err != nil {
		return err
	}
	classes, err := data.traceClasses(e.classes, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := data.onlyClasses(e.onlyClass, classes); err != nil {
		return err
	}
	sessions, err := data.sessions(&e.data, abr.Plan{Seed: e.flags.Seed, Episodes: e.starts * len(data.set.Traces)})
	if err != nil {
		return err
	}
	var played abr.Played // what the oracle starts from
	if slices.Contains(e.policies, oraclePolicy) {
		played = abr.Played{}
	}
	factories, closeModel, err := e.learned.factories(e.policies, &e.flags, used, played)
	if err != nil {
		return err
	}
	defer closeModel()
	used.Print(cmd.ErrOrStderr())
	result := evalResult{
		Task: "abr", Setting: e.data.setting, Device: used.Device, CPU: used.CPU, Seed: e.flags.Seed, Threads: used.Threads, Command: line,
		ABRRun: &ABRRun{Video: data.video.Name, Traces: data.set.Name, Start: e.data.start, Versus: comparedPolicy(e.policies, e.versus),
			Starts: e.starts, LeftOut: data.leftOut},
	}
	if err := e.play(cmd.Context(), &result, data, sessions, factories, played, used.Threads, cmd.ErrOrStderr()); err != nil {
		return err
	}
	result.compare(classes, classNames(classes, data.names()))
	if err := printTables(e.flags.Results(cmd), abrTables(result.Results)); err != nil {
		return err
	}
	if e.report != "" {
		page, err := abrReport(&result)
		if err != nil {
			return err
		}
		if err := cli.WriteFile(e.report, e.flags.Force, page.Write); err != nil {
			return err
		}
	}
	if !e.keep {
		result.Timelines = nil
	}
	return e.flags.WriteJSON(cmd, result)
}

// check refuses flags that do not go together, or ask for what is not there.
func (e *evalABR) check() error {
	if err := checkPolicies(e.policies, abrPolicyNames()); err != nil {
		return err
	}
	switch {
	case e.starts < 0 || e.seeds < 1 || e.timelines < 0:
		return cli.Usagef("--starts %d, --seeds %d, --timelines %d: want a positive number", e.starts, e.seeds, e.timelines)
	case e.starts > 0 && e.data.start != "" && e.data.start != string(abr.StartRandom):
		return cli.Usagef("--starts are random rows: --start %s has no part in that", e.data.start)
	case e.versus != "" && !slices.Contains(e.policies, e.versus):
		return cli.Usagef("--versus %q: not one of --policy %s", e.versus, strings.Join(e.policies, ","))
	}
	if e.starts > 0 {
		e.data.start = string(abr.StartRandom)
	}
	return nil
}

// play has each policy play the sessions, with each of its seeds, and fills in
// scores and timelines. The oracle plays last: played, which is nil without it, is
// told what the others did.
func (e *evalABR) play(ctx context.Context, result *evalResult, data *abrData, sessions []abr.Session, factories []abr.Factory, played abr.Played, threads int, chatter io.Writer) error {
	log := e.timelines > 0 && (e.report != "" || e.keep)
	traces := len(data.set.Traces)
	first := make([]*abr.Result, len(factories)) // of each policy, with its first seed
	result.Results = make([]policyResult, len(factories))
	for _, i := range playingOrder(factories) {
		seeds, err := e.withSeeds(factories[i])
		if err != nil {
			return err
		}
		results, err := evaluateAll(ctx, seeds, data.video, sessions, abr.EvalOptions{Workers: threads, Seed: e.flags.Seed, Log: log}, played, chatter)
		if err != nil {
			return err
		}
		p := scoreABR(results, traces)
		if p.Policy == oraclePolicy {
			if p.ABRCeiling, err = newCeiling(ctx, results[0], traces, data.video, sessions, threads, chatter); err != nil {
				return err
			}
		}
		first[i], result.Results[i] = results[0], p
		for k, r := range results { // timelines are of first seeds, and of first rounds
			for i := range r.Sessions {
				if k > 0 || i >= traces {
					r.Sessions[i].Chunks = nil
				}
			}
		}
	}
	if !log {
		return nil
	}
	compared := slices.Index(e.policies, result.Versus)
	for _, i := range pickSessions(first[compared], traces, e.timelines) {
		result.Timelines = append(result.Timelines, newTimeline(first, sessions[i], i))
	}
	return nil
}

// withSeeds returns f and, if it draws, the same policy with the seeds after the first.
func (e *evalABR) withSeeds(f abr.Factory) ([]abr.Factory, error) {
	list := []abr.Factory{f}
	if !abr.Draws(f.Name) {
		return list, nil
	}
	for k := 1; k < e.seeds; k++ {
		flags := e.flags
		flags.Seed += uint64(k)
		again, err := baseline(f.Name, &flags)
		if err != nil {
			return nil, err
		}
		list = append(list, again)
	}
	return list, nil
}

// compare fills in the classes of traces and the differences between policies.
func (r *evalResult) compare(classes map[string]string, names []string) {
	if len(names) > 0 {
		r.Classes = map[string]string{}
		for _, item := range r.Results[0].Items {
			r.Classes[item.ID] = classes[item.ID]
		}
	}
	if len(names) == 1 { // what is said of all is said of the class
		names = nil
	}
	for i := range r.Results {
		p := &r.Results[i]
		p.addClasses(classes, names)
		if p.Policy == r.Versus {
			p.addPaired(r.Results, classes, names)
		}
	}
}

// evaluateAll scores one policy after the other. played, if it is not nil, is told what each did.
func evaluateAll(ctx context.Context, factories []abr.Factory, video *abr.Video, sessions []abr.Session, opt abr.EvalOptions, played abr.Played, chatter io.Writer) ([]*abr.Result, error) {
	var results []*abr.Result
	log := opt.Log
	opt.Log = log || played != nil
	for _, f := range factories {
		progress := cli.NewProgress(chatter, f.Name, "sessions", len(sessions))
		opt.Progress = func(done, _ int) { progress.Set(done, "") }
		r, err := abr.Evaluate(ctx, f, video, sessions, opt)
		progress.Close()
		if err != nil {
			return nil, err
		}
		if played != nil {
			played.AddResult(sessions, r)
		}
		if !log {
			for i := range r.Sessions {
				r.Sessions[i].Chunks = nil
			}
		}
		results = append(results, r)
	}
	return results, nil
}
