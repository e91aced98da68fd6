// The eval all command: one model answers several tasks in turn.

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"netllm/internal/turns"
	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/cli"
)

// evalAll holds the flags of eval all.
type evalAll struct {
	flags    cli.Flags
	dev      cli.Device
	model    modelFlags
	setting  string
	vp       vpFlags
	abr      abrFlags
	cjs      cjsFlags
	adapters []string
	windows  int
	batch    int
	sessions int
}

// allTasks is the order of the turns.
var allTasks = []string{"vp", "abr", "cjs"}

func newEvalAll(line string) *cobra.Command {
	e := &evalAll{}
	cmd := &cobra.Command{
		Use:   "all --adapter TASK=DIR [--adapter TASK=DIR ...]",
		Short: "Have one model answer several tasks in turn",
		Long: "Eval all maps a model once, attaches the adapters of several tasks to it, and asks\n" +
			"in turn where a viewer will look (vp), for the quality of a video's next chunk (abr) and for\n" +
			"the next stage of a job (cjs). Then each task is evaluated alone, as eval vp, abr and cjs do,\n" +
			"with its adapter attached anew. It fails if one answer, or a score that one was chosen by,\n" +
			"is not the same to the bit, or if the model's weights are not what they were before.\n\n" +
			"Samples are small unless flags say otherwise; figures to be quoted are those of eval vp,\n" +
			"abr and cjs. Resident memory is this process's, after the garbage was collected.",
		Example: "  netllm eval all --model stories260k-f32.gguf --adapter vp=run/vp --adapter abr=run/abr --adapter cjs=run/cjs --data ../shared/data\n" +
			"  netllm eval all --model stories260k-f32.gguf --adapter abr=run/abr --adapter cjs=run/cjs --setting unseen1 --sessions 0 --jobs 200 --json",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return e.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	e.model.add(cmd)
	fs.StringArrayVar(&e.adapters, "adapter", nil, "answer a task, vp, abr or cjs, with the adapter in DIR, as adapt writes it: `TASK=DIR`")
	fs.StringVar(&e.setting, "setting", "default", "take the paper's data `NAME` of each task: default, unseen1, unseen2 or\nunseen3; flags beside it win")
	fs.IntVar(&e.windows, "windows", 256, "ask vp about `N` windows, 0: all")
	fs.IntVar(&e.batch, "batch", 1, "and `N` at a time (eval vp: 64, which gives the same bits on the CPU)")
	e.vp.addDataset(cmd, "", " (default the setting's)")
	fs.IntVar(&e.sessions, "sessions", 4, "play `N` sessions of abr, 0: all")
	e.abr.add(cmd, "", "")
	e.cjs.addGenerated(cmd, 20, 0, 1)
	fs.Lookup("executors").Usage += " (default the setting's)"
	e.flags.AddData(cmd)
	e.flags.AddSeed(cmd, evalSeed)
	e.dev.AddFlags(cmd)
	e.flags.AddJSON(cmd)
	return cmd
}

func (e *evalAll) run(cmd *cobra.Command, line string) error {
	dirs, err := e.check(cmd)
	if err != nil {
		return err
	}
	used, err := e.dev.Resolve()
	if err != nil {
		return err
	}
	if err := e.flags.CheckJSON(); err != nil {
		return err
	}
	seats, err := e.seats(cmd, dirs)
	if err != nil {
		return err
	}
	result := &evalAllResult{Task: "all", Setting: e.setting, Device: used.Device, CPU: used.CPU, Seed: e.flags.Seed,
		Threads: used.Threads, Command: line, Model: e.model.name()}
	if result.ModelBytes, err = e.model.bytes(); err != nil {
		return err
	}
	used.Print(cmd.ErrOrStderr())
	failed := result.measure(cmd.Context(), e, used, seats)
	if len(result.Results) < len(seats) {
		return failed
	}
	if err := result.print(e.flags.Results(cmd)); err != nil {
		return err
	}
	return errors.Join(failed, e.flags.WriteJSON(cmd, result))
}

// check reads --adapter and fills what the setting says.
func (e *evalAll) check(cmd *cobra.Command) (dirs map[string]string, err error) {
	dirs = map[string]string{}
	for _, a := range e.adapters {
		task, dir, ok := strings.Cut(a, "=")
		switch {
		case !ok || dir == "" || !slices.Contains(allTasks, task):
			return nil, cli.Usagef("--adapter %q: want TASK=DIR with one of the tasks %s", a, strings.Join(allTasks, ", "))
		case dirs[task] != "":
			return nil, cli.Usagef("--adapter: task %s is given twice", task)
		}
		dirs[task] = dir
	}
	switch {
	case len(dirs) == 0:
		return nil, cli.Usagef("--adapter is needed, for one or more of the tasks %s", strings.Join(allTasks, ", "))
	case e.windows < 0 || e.sessions < 0:
		return nil, cli.Usagef("--windows %d, --sessions %d: want 0 or more", e.windows, e.sessions)
	case e.batch < 1:
		return nil, cli.Usagef("--batch %d: want 1 or more", e.batch)
	}
	e.vp.setting, e.abr.setting, e.vp.split = e.setting, e.setting, "test"
	e.vp.windows = vp.DefaultWindowing()
	e.vp.windows.History, e.vp.windows.Horizon = 0, 0 // the setting's
	jobs := e.cjs.jobs
	e.cjs.setting = e.setting
	if err := errors.Join(e.vp.resolve(cmd), e.abr.resolve(cmd), e.cjs.resolve(cmd)); err != nil {
		return nil, err
	}
	if e.cjs.jobs != jobs { // the setting's are many
		e.cjs.jobs, e.cjs.setting = jobs, customSetting
	}
	return dirs, nil
}

// seats reads the data of the tasks that have adapters.
func (e *evalAll) seats(cmd *cobra.Command, dirs map[string]string) (list []*seat, err error) {
	for _, task := range allTasks {
		if dirs[task] == "" {
			continue
		}
		var s *seat
		switch task {
		case "vp":
			s, err = e.vpSeat(cmd, dirs[task])
		case "abr":
			s, err = e.abrSeat(dirs[task])
		case "cjs":
			s, err = e.cjsSeat(dirs[task])
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (e *evalAll) vpSeat(cmd *cobra.Command, dir string) (*seat, error) {
	set, err := e.vp.open(&e.flags)
	if err != nil {
		return nil, err
	}
	traces, err := e.vp.traces(set, e.vp.split, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	windows := spread(e.vp.windows.Windows(traces), e.windows)
	if len(windows) == 0 {
		return nil, fmt.Errorf("%s %s: no trace is long enough for a question", set.Name, e.vp.split)
	}
	s, err := vpSeat(dir, windows, e.batch)
	if err == nil {
		s.setting = e.vp.setting
	}
	return s, err
}

func (e *evalAll) abrSeat(dir string) (*seat, error) {
	data, err := e.abr.open(&e.flags)
	if err != nil {
		return nil, err
	}
	sessions, err := data.sessions(&e.abr, abr.Plan{Seed: e.flags.Seed})
	if err != nil {
		return nil, err
	}
	s := abrSeat(dir, data.video, spread(sessions, e.sessions), e.flags.Seed)
	s.setting = e.abr.setting
	return s, nil
}

func (e *evalAll) cjsSeat(dir string) (*seat, error) {
	data, err := openCJS(&e.flags)
	if err != nil {
		return nil, err
	}
	sequences, err := data.list(&e.cjs, e.flags.Seed)
	if err != nil {
		return nil, err
	}
	s, err := cjsSeat(dir, sequences, e.flags.Seed)
	if err == nil {
		s.setting = e.cjs.setting
	}
	return s, err
}

// spread returns n of list, or all for 0, at even distances.
func spread[T any](list []T, n int) []T {
	if n == 0 || n >= len(list) {
		return list
	}
	some := make([]T, n)
	for i := range some {
		some[i] = list[i*len(list)/n]
	}
	return some
}

// measure attaches, plays and compares. What it finds out before it fails is in r.
func (r *evalAllResult) measure(ctx context.Context, e *evalAll, used cli.Used, seats []*seat) (err error) {
	r.Resident.Start = resident()
	b, err := used.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	m, err := e.model.load(b)
	if err != nil {
		return err
	}
	body, err := netllm.NewBase(b, m)
	if err != nil {
		return errors.Join(err, m.Close())
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if r.WeightsBefore, err = body.Hash(b); err != nil {
		return err
	}
	r.Resident.Body = resident()

	var players []*player
	defer func() {
		for _, p := range players {
			err = errors.Join(err, p.detach())
		}
	}()
	var seconds []float64
	for _, s := range seats {
		began := time.Now()
		p, err := s.attach(b, b, body)
		if err != nil {
			return err
		}
		players, seconds = append(players, p), append(seconds, time.Since(began).Seconds())
	}
	together, err := inTurn(ctx, players)
	if err != nil {
		return err
	}
	r.Resident.Attached = resident()
	for _, p := range players {
		if err := p.detach(); err != nil {
			return err
		}
	}
	players = nil
	r.Resident.Detached = resident()

	var differing []error
	for i, s := range seats {
		one, err := alone(ctx, b, used, body, s)
		if err != nil {
			return err
		}
		t := together[i]
		difference := t.differs(one)
		if difference != nil {
			differing = append(differing, fmt.Errorf("%s: %w", s.task, difference))
		}
		r.Results = append(r.Results, allResult{Task: s.task, Adapter: s.dir, Setting: s.setting, Metric: t.Metric, N: t.N, Mean: t.Mean, StdErr: t.StdErr,
			Questions: len(t.answers), Equal: difference == nil, AttachSeconds: seconds[i], Seconds: t.Seconds, Items: t.Items})
	}
	if r.WeightsAfter, err = body.Model.Hash(b); err != nil {
		return err
	}
	return errors.Join(append(differing, body.Verify(b))...)
}

// inTurn has players ask one question each, round by round; one that has no more sits out.
func inTurn(ctx context.Context, players []*player) ([]*played, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	table := turns.New(len(players))
	results := make([]*played, len(players))
	var wg sync.WaitGroup
	for i, p := range players {
		wg.Go(func() {
			defer table.Leave(i)
			var err error
			if results[i], err = p.play(ctx, func(ask func() error) error {
				if err := table.Take(ctx, i); err != nil {
					return err
				}
				defer table.Pass(i)
				return ask()
			}); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return results, context.Cause(ctx)
}

// alone evaluates one task as its own command does, with the adapter attached anew.
func alone(ctx context.Context, b ops.Backend, used cli.Used, body *netllm.Base, s *seat) (out *played, err error) {
	open, _ := used.Worker(b)
	worker := open()
	if worker != b {
		defer func() { err = errors.Join(err, worker.Close()) }()
	}
	p, err := s.attach(b, worker, body)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.detach()) }()
	return p.play(ctx, atOnce)
}

// differs says where the answers are not those of another evaluation.
func (p *played) differs(from *played) error {
	if len(p.answers) != len(from.answers) {
		return fmt.Errorf("%d questions were answered, alone %d", len(p.answers), len(from.answers))
	}
	for i, bits := range p.answers {
		if !slices.Equal(bits, from.answers[i]) {
			return fmt.Errorf("answer %d of %d is not the one given alone", i+1, len(p.answers))
		}
	}
	if p.Mean != from.Mean {
		return fmt.Errorf("the mean is %v, alone %v", p.Mean, from.Mean)
	}
	return nil
}
