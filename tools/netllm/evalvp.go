// The eval vp command: predictors answer the windows of a data set.

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tools/internal/cli"
)

// evalVP holds the flags of eval vp.
type evalVP struct {
	flags    cli.Flags
	dev      cli.Device
	data     vpFlags
	model    modelFlags
	adapter  string
	noCache  bool
	track    string
	images   imageFlags
	saliency saliencyFlag
	recipe   vp.Recipe // of the adapter
	policies []string
	report   string
}

func vpPolicyNames() []string { return append(slices.Clone(vp.Baselines), trackPolicy, learnedPolicy) }

// trackPolicy is the name of the recurrent predictor.
const trackPolicy = "track"

func newEvalVP(line string) *cobra.Command {
	e := &evalVP{}
	cmd := &cobra.Command{
		Use:   "vp --policy NAME[,NAME...]",
		Short: "Score viewport predictors: mean error in degrees",
		Long: "Eval vp asks predictors where viewers of 360-degree video will look and prints the\n" +
			"mean absolute error in degrees over all windows, future rows and axes, its tails over\n" +
			"windows (p50, p90, p99), and what roll, pitch and yaw have of it.\n\n" +
			"Policy track is, as published, told the first position to come, unless it was trained\n" +
			"without that: then results call it track-honest.\n\n" +
			"No error means much without that of hold-last, which repeats the last position.\n\n" +
			"Policies: " + strings.Join(vpPolicyNames(), ", ") + ".",
		Example: "  netllm eval vp --policy hold-last,lr,velocity --data ../shared/data\n" +
			"  netllm eval vp --policy hold-last,netllm --adapter run/vp --model stories260k-f32.gguf --setting unseen1\n" +
			"  netllm eval vp --policy hold-last,velocity-damped --dataset my/traces --split all --report report.html",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return e.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVar(&e.policies, "policy", nil, "predict with `NAMES`, separated by commas")
	e.data.addWindows(cmd)
	e.model.add(cmd)
	fs.StringVar(&e.adapter, "adapter", "", "use the adapter in `DIR`, as adapt vp writes it, for policy netllm")
	fs.BoolVar(&e.noCache, "no-cache", false, "compute every step of an autoregressive adapter anew (the same answers, slower)")
	e.images.add(cmd, false)
	e.saliency.add(cmd, "policy "+trackPolicy)
	fs.StringVar(&e.track, "track", "", "use the network in `FILE`, as adapt track writes it, for policy track")
	fs.StringVar(&e.report, "report", "", "write a page with plots to `FILE`")
	e.flags.AddData(cmd)
	e.flags.AddSeed(cmd, evalSeed)
	e.dev.AddFlags(cmd)
	e.flags.AddJSON(cmd)
	return cmd
}

func (e *evalVP) run(cmd *cobra.Command, line string) error {
	if err := e.data.resolve(cmd); err != nil {
		return err
	}
	if err := checkPolicies(e.policies, vpPolicyNames()); err != nil {
		return err
	}
	learned, track := slices.Contains(e.policies, learnedPolicy), slices.Contains(e.policies, trackPolicy)
	switch {
	case track != (e.track != ""):
		return cli.Usagef("--policy %s and --track belong together", trackPolicy)
	case learned && e.adapter == "":
		return cli.Usagef("--policy %s needs --adapter", learnedPolicy)
	case !track && e.saliency.dir != "":
		return cli.Usagef("--saliency belongs to policy %q, which is not asked for", trackPolicy)
	case !learned && (e.adapter != "" || e.model.path != "" || e.images.frames != "" || e.images.vit != ""):
		return cli.Usagef("--adapter, --model, --frames and --vit belong to policy %q, which is not asked for", learnedPolicy)
	}
	if learned {
		if err := e.readRecipe(); err != nil {
			return err
		}
	}
	used, err := e.dev.Resolve()
	if err != nil {
		return err
	}
	if err := errors.Join(e.flags.CheckJSON(), e.checkReport()); err != nil {
		return err
	}
	set, err := e.data.open(&e.flags)
	if err != nil {
		return err
	}
	traces, err := e.data.traces(set, e.data.split, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	windows := e.data.windows.Windows(traces)
	if len(windows) == 0 {
		return fmt.Errorf("%s %s: no trace is longer than the %d rows that are left out at its ends", set.Name, e.data.split, e.data.windows.TrimHead+e.data.windows.TrimTail)
	}
	factories, done, err := e.factories(used, windows, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer done()
	used.Print(cmd.ErrOrStderr())
	var results []*vp.Result
	for _, f := range factories {
		progress := cli.NewProgress(cmd.ErrOrStderr(), f.Name, "windows", len(windows))
		r, err := vp.Evaluate(cmd.Context(), f, windows, vp.EvalOptions{Workers: used.Threads, Progress: func(n, _ int) { progress.Set(n, "") }})
		progress.Close()
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	if err := vpTable(results).Print(e.flags.Results(cmd)); err != nil {
		return err
	}
	result := evalResult{
		Task: "vp", Setting: e.data.setting, Device: used.Device, CPU: used.CPU, Seed: e.flags.Seed,
		Threads: used.Threads, Command: line, Results: vpJSON(results),
	}
	if e.report != "" {
		page, err := vpReport(&e.data, set, &result, results)
		if err != nil {
			return err
		}
		if err := cli.WriteFile(e.report, e.flags.Force, func(w io.Writer) error { return page.Write(w) }); err != nil {
			return err
		}
	}
	return e.flags.WriteJSON(cmd, result)
}

// readRecipe reads how the adapter was made, and whether pictures fit it.
func (e *evalVP) readRecipe() (err error) {
	if e.recipe, err = vp.ReadRecipe(e.adapter); err != nil || e.images.frames == "" && e.images.vit == "" {
		return err
	}
	return e.images.check(encoderOf(e.recipe.Network))
}

func (e *evalVP) checkReport() error {
	if e.report == "" {
		return nil
	}
	return cli.CheckNew(e.report, e.flags.Force)
}

// factories makes the predictors in the order of their names. What they use stays open until
// the returned function is called.
func (e *evalVP) factories(used cli.Used, windows []vp.Window, chatter io.Writer) (list []vp.Factory, done func(), err error) {
	done = func() {}
	for _, name := range e.policies {
		var f vp.Factory
		closing := func() {}
		switch name {
		case learnedPolicy:
			f, closing, err = e.open(used, windows, chatter)
		case trackPolicy:
			f, closing, err = e.openTrack(used)
		default:
			f, err = vp.NewFactory(name)
		}
		if err != nil {
			done()
			return nil, nil, err
		}
		before := done
		done = func() { closing(); before() }
		list = append(list, f)
	}
	return list, done, nil
}

// open loads model and adapter, and the pictures of windows if the adapter has seen pictures.
func (e *evalVP) open(used cli.Used, windows []vp.Window, chatter io.Writer) (f vp.Factory, done func(), err error) {
	b, err := used.Open()
	if err != nil {
		return f, nil, err
	}
	m, err := e.model.load(b)
	if err != nil {
		return f, nil, errors.Join(err, b.Close())
	}
	body, closeBody, err := e.recipe.Body.Open(b, m)
	if err != nil {
		return f, nil, errors.Join(err, m.Close(), b.Close())
	}
	images, closeImages, err := e.images.open(b, strings.ToLower(e.data.dataset), e.recipe.Network.Patches)
	if err != nil {
		return f, nil, errors.Join(err, closeBody(), m.Close(), b.Close())
	}
	done = func() {
		closeImages()
		closeBody()
		m.Close()
		b.Close()
	}
	var pictures vp.Images // nil without frames
	if images != nil {
		if err := prepare(images, windows, chatter); err != nil {
			done()
			return f, nil, err
		}
		pictures = images
	}
	a, err := vp.LoadAdapter(b, body, e.adapter, pictures)
	if err != nil {
		done()
		return f, nil, err
	}
	open, workers := used.Worker(b)
	if images != nil && e.recipe.Network.Patches == nil { // frames that are no longer kept are encoded on b
		open, workers = func() ops.Backend { return b }, 1
	}
	return a.Factory(learnedPolicy, workers, !e.noCache, open), done, nil
}

// openTrack loads the recurrent network.
func (e *evalVP) openTrack(used cli.Used) (f vp.Factory, done func(), err error) {
	b, err := used.Open()
	if err != nil {
		return f, nil, err
	}
	t, err := e.loadTrack(b)
	if err != nil {
		return f, nil, errors.Join(err, b.Close())
	}
	open, workers := used.Worker(b)
	return t.Factory(workers, open), func() { b.Close() }, nil
}

func (e *evalVP) loadTrack(b ops.Backend) (*vp.Track, error) {
	config, err := vp.ReadTrackConfig(e.track)
	if err != nil {
		return nil, err
	}
	saliency, err := e.saliency.open(sideOf(config.Cells))
	if err != nil {
		return nil, err
	}
	return vp.LoadTrack(b, e.track, saliency)
}

func number(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }

func vpTable(results []*vp.Result) *cli.Table {
	t := &cli.Table{Text: 1, Columns: []string{"policy", "windows", "mean error", "stderr", "p50", "p90", "p99", "roll", "pitch", "yaw", "first row", "last row", "seconds"}}
	for _, r := range results {
		t.Add(r.Policy, strconv.Itoa(r.N), number(r.Mean, 4), number(r.StdErr, 4), number(r.P50, 2), number(r.P90, 2), number(r.P99, 2),
			number(r.Axis[vp.Roll], 2), number(r.Axis[vp.Pitch], 2), number(r.Axis[vp.Yaw], 2),
			number(r.Horizon[0], 2), number(r.Horizon[len(r.Horizon)-1], 2), number(r.Seconds, 2))
	}
	return t
}

// VPDetails is what a VP result has beside the fields of all tasks.
type VPDetails struct {
	RMSE float64 `json:"rmse_deg_no_wrap"` // as published: without the rule for turns

	Axes   map[string]float64 `json:"axes"`
	Steps  []float64          `json:"steps"` // mean error of each future row
	Videos []itemValue        `json:"videos"`
	Users  []itemValue        `json:"users"`
}

func vpJSON(results []*vp.Result) []policyResult {
	values := func(groups []vp.Group) (list []itemValue) {
		for _, g := range groups {
			list = append(list, itemValue{g.ID, g.Mean})
		}
		return list
	}
	var list []policyResult
	for _, r := range results {
		list = append(list, policyResult{
			Policy: r.Policy, N: r.N, Metric: "mae_deg", Mean: r.Mean, StdErr: r.StdErr, Seconds: r.Seconds, Items: values(r.Pairs),
			Tails: &Tails{r.P50, r.P90, r.P99},
			VPDetails: &VPDetails{
				RMSE: r.RMSE, Steps: r.Horizon,
				Axes:   map[string]float64{"roll": r.Axis[vp.Roll], "pitch": r.Axis[vp.Pitch], "yaw": r.Axis[vp.Yaw]},
				Videos: values(r.Videos), Users: values(r.Users),
			},
		})
	}
	return list
}
