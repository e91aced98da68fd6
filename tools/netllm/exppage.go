// What comparisons look like: tables, results.csv and the page.

package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"netllm/internal/stats"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
	"netllm/tools/internal/report"
)

// pageText is what is particular to an experiment's page.
type pageText struct {
	title, lead string
	paper       string // experiment whose figures of the paper stand beside, if not its own
	boxes       bool   // quartiles, and box charts
	trials      bool   // learning rates that were tried
	extra       []report.Section

	// x, if not nil, is what the means of learned policies are drawn over.
	x      func(r *row) float64
	xLabel string
}

// taskText is what a page says of a task.
var taskText = map[string]struct{ title, unit, metric, differs string }{
	"vp": {"Viewport prediction", "degrees", "mean absolute error in degrees, the short way round; less is better",
		"Where a viewer looks next. Hold-last repeats the last position: it has a smaller error than every figure of the paper, its own system's included, so that no error means anything that does not stand beside it. " +
			"Different from the paper: the model is small; no pictures of the videos are public, so none are shown; TRACK sees zeros in the place of saliency maps and, as published, is told the first position to come; " +
			"of Wu2017 the recordings of 6 users are public. Intervals are over pairs of video and user."},
	"abr": {"Adaptive bitrate streaming", "QoE", "mean QoE per chunk: Mbit/s less 4.3 per second of rebuffering less changes of bitrate; more is better",
		"Which quality a video's next chunk should have. Different from the paper: the model is small; 68 of the paper's 100 FCC test traces are public, 61 of which stand in the training set too, whole or in part; " +
			"recipe best learns what a planner that knows the training traces holds every quality to be worth, also in states of its own, where the paper's method imitates a fixed pool of GENET. Intervals are over traces."},
	"cjs": {"Cluster job scheduling", "s", "mean job completion time in seconds; less is better",
		"Which stage of which job free executors should work on. Different from the paper: the model is small; six of the sizes of TPC-H are public here, so jobs are other ones and all times are longer; " +
			"recipe best learns from a rule, target, which beats the paper's teacher Decima, and goes on by policy gradient. Intervals are over sequences, which are few."},
}

// csvColumns are those of results.csv.
var csvColumns = []string{"task", "setting", "label", "policy", "model", "model_weights", "recipe", "body", "rank", "window", "learning_rate", "seed", "parameters", "train_seconds", "validation",
	"metric", "n", "mean", "stderr", "p25", "median", "p75", "eval_seconds", "unit"}

func (r *row) csv() []string {
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
	learned := func(s string) string { // empty where nothing was trained
		if r.Policy != learnedPolicy {
			return ""
		}
		return s
	}
	return []string{r.Task, r.Setting, r.Label, r.Policy, r.Model, learned(strconv.Itoa(r.ModelWeights)), r.Recipe, r.Body, learned(strconv.Itoa(r.Rank)), learned(strconv.Itoa(r.Window)), learned(float(r.LearningRate)),
		learned(strconv.FormatUint(r.Seed, 10)), learned(strconv.Itoa(r.Parameters)), learned(float(r.TrainSeconds)), learned(float(r.Validation)),
		r.Metric, strconv.Itoa(r.N), float(r.Mean), float(r.StdErr), float(r.Box[0]), float(r.Box[1]), float(r.Box[2]), float(r.EvalSeconds), r.Unit}
}

// outcome shows a comparison.
func (w *workbench) outcome(c *compared, text pageText) (*experiment.Outcome, error) {
	fill(&text.paper, w.config.Experiment)
	o := &experiment.Outcome{Title: text.title, Lead: text.lead, Columns: csvColumns, Results: c}
	for _, r := range c.Rows {
		o.Rows = append(o.Rows, r.csv())
	}
	for _, task := range w.config.taskNames() {
		about := taskText[task]
		settings := w.config.Settings
		if text.boxes && len(settings) > 1 {
			c.together(task, settings)
			settings = append([]string{experiment.Unseen}, settings...)
		}
		for i, setting := range settings {
			groups := c.in(task, setting)
			if len(groups) == 0 {
				continue
			}
			table := scoreTable(groups, text)
			o.Tables = append(o.Tables, table)
			section := report.Section{Title: about.title, Table: page(table, groups)}
			if i == 0 {
				section.Text = about.differs
			}
			if len(settings) > 1 {
				section.Title += ": " + setting
			}
			chart, err := groupBars(groups, text)
			if err != nil {
				return nil, err
			}
			section.Charts = append(section.Charts, chart)
			if text.x != nil {
				if chart, err = groupLines(groups, text); err != nil {
					return nil, err
				}
				section.Charts = append(section.Charts, chart)
			}
			if text.boxes {
				if chart, err = groupBoxes(groups); err != nil {
					return nil, err
				}
				section.Charts = append(section.Charts, chart)
			}
			o.Sections = append(o.Sections, section)
			if table := lessTable(groups, text); table != nil {
				o.Tables = append(o.Tables, table)
				o.Sections = append(o.Sections, report.Section{Title: "Differences", Sub: true, Text: lessText(groups), Table: page(table, slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.Less == nil }))})
			}
		}
	}
	trainings := trainingTable(c)
	o.Tables = append(o.Tables, trainings)
	o.Sections = append(o.Sections, report.Section{Title: "Trainings", Text: w.config.budgetWords() + " Each with one thread. Parameters are those that are trained, beside the frozen model's. Validation is the task's metric on data that are neither trained on nor tested; that of recipe paper of vp is the squared error of normalised angles, as published.",
		Table: page(trainings, nil)})
	if text.trials && len(c.Tried) > 0 {
		o.Sections = append(o.Sections, report.Section{Title: "Learning rates", Text: "Each was tried with the first seed; that with the best validation was taken for all.", Table: trialTable(c)})
	}
	o.Sections = append(o.Sections, text.extra...)
	o.Sections = append(o.Sections, report.Section{Title: "The paper's numbers", Text: experiment.SurenessText})
	return o, nil
}

// budgetWords say how much was trained.
func (c *experimentConfig) budgetWords() string {
	var parts []string
	for _, task := range c.taskNames() {
		for _, r := range c.task(task).Recipes {
			var words []string
			for _, n := range []struct {
				v    int
				name string
			}{{r.Epochs, "epochs"}, {r.Windows, "windows"}, {r.Rounds, "rounds of relabelling"}, {r.Plays, "episodes in each"}, {r.Steps, "policy-gradient iterations"}} {
				switch {
				case n.v > 0:
					words = append(words, thousands(n.v)+" "+n.name)
				case n.v < 0:
					words = append(words, "no "+n.name)
				}
			}
			if r.Randomized > 0 {
				words = append(words, fmt.Sprintf("%v %% of the episodes altered", 100*r.Randomized))
			}
			if words == nil {
				words = []string{"as it is"}
			}
			parts = append(parts, task+" "+r.Recipe+": "+strings.Join(words, ", "))
		}
	}
	return "Recipes were trained so: " + strings.Join(parts, "; ") + ". What is not said is the recipe's own."
}

// digits is how many of a task's metric are shown.
func digits(task string) int {
	if task == "abr" {
		return 3
	}
	return 2
}

// scoreTable has the means of a setting.
func scoreTable(groups []*group, text pageText) *cli.Table {
	task := groups[0].Task
	n := digits(task)
	t := &cli.Table{Text: 1, Columns: []string{task + " " + groups[0].Setting, "seeds", "mean, " + taskText[task].unit, "95 %", "sd of seeds"}}
	if text.boxes {
		t.Columns = append(t.Columns, "25 %", "median", "75 %")
	}
	t.Columns = append(t.Columns, "paper", "sure", "paper's box")
	for _, g := range groups {
		row := []string{g.Label, "", number(g.Mean, n), interval(g.CI, n), ""}
		if g.Seeds > 0 {
			row[1] = strconv.Itoa(g.Seeds)
		}
		if g.Seeds > 1 {
			row[4] = number(g.SeedSD, n+1)
		}
		if text.boxes {
			for _, v := range g.Box {
				row = append(row, number(v, n))
			}
		}
		if f := paperOf(text, g); f != nil {
			row = append(row, strconv.FormatFloat(f.Mean, 'g', -1, 64), string(f.Sure))
			if f.Box != nil {
				row = append(row, fmt.Sprintf("%g, %g, %g", f.Box[0], f.Box[1], f.Box[2]))
			}
		}
		t.Add(append(row, make([]string, len(t.Columns)-len(row))...)...)
	}
	return withoutEmpty(t)
}

// lessTable has what the reference has more or less than the others, or nil if there are none.
func lessTable(groups []*group, text pageText) *cli.Table {
	var t *cli.Table
	n := digits(groups[0].Task)
	for _, g := range groups {
		d := g.Less
		if d == nil {
			continue
		}
		if t == nil {
			t = &cli.Table{Text: 1, Columns: []string{d.Reference + " less", "difference, " + taskText[g.Task].unit, "95 %", "gain", "paper's gain", "sure"}}
		}
		row := []string{g.Label, number(d.Mean, n), interval(d.CI, n), ""}
		if math.Abs(d.Gain) < 1000 { // percent of a mean near 0 say nothing
			row[3] = number(d.Gain, 1) + " %"
		}
		if f := paperOf(text, g); f != nil && f.Gain != 0 {
			row = append(row, number(f.Gain, 1)+" %", string(f.GainSure))
		}
		t.Add(append(row, make([]string, len(t.Columns)-len(row))...)...)
	}
	if t == nil {
		return nil
	}
	return withoutEmpty(t)
}

// paperOf is the paper's figure for a group, or nil.
func paperOf(text pageText, g *group) *experiment.Figure {
	name := g.Label
	if rest, ok := strings.CutPrefix(name, learnedPolicy+" "); ok && (rest == "best" || rest == "paper") {
		name = learnedPolicy
	}
	f := experiment.PaperFigure(text.paper, g.Task, name)
	if f != nil && f.Setting != g.Setting {
		return nil
	}
	return f
}

func interval(ci *stats.Interval, digits int) string {
	if ci == nil {
		return ""
	}
	return number(ci[0], digits) + " to " + number(ci[1], digits)
}

// lessText says what differences are.
func lessText(groups []*group) string {
	text := "Paired, "
	if groups[0].Setting == experiment.Unseen {
		text = "Of the means; "
	}
	return text + "below 0 the first has less. The gain is in percent of the other's mean, as the paper states it, and positive where the first is better."
}

// page is a table for the page, with rows of groups that were trained here marked.
func page(t *cli.Table, groups []*group) *report.Table {
	out := &report.Table{Columns: t.Columns, Text: t.Text}
	for i, cells := range t.Rows {
		out.Rows = append(out.Rows, report.Row{Cells: cells, Mark: i < len(groups) && groups[i].Policy == learnedPolicy})
	}
	return out
}

// withoutEmpty leaves out columns that say nothing.
func withoutEmpty(t *cli.Table) *cli.Table {
	for i := len(t.Columns) - 1; i >= t.Text; i-- {
		if slices.ContainsFunc(t.Rows, func(cells []string) bool { return cells[i] != "" }) {
			continue
		}
		t.Columns = slices.Delete(t.Columns, i, i+1)
		for k := range t.Rows {
			t.Rows[k] = slices.Delete(t.Rows[k], i, i+1)
		}
	}
	return t
}

func groupBars(groups []*group, text pageText) (report.Chart, error) {
	var names []string
	var bars report.BarSeries
	marked := false
	for _, g := range groups {
		names = append(names, g.Label)
		low, high, mark := math.NaN(), math.NaN(), math.NaN()
		if g.CI != nil {
			low, high = g.CI[0], g.CI[1]
		}
		if f := paperOf(text, g); f != nil {
			mark, marked = f.Mean, true
		}
		bars.Values, bars.Low, bars.High, bars.Marks = append(bars.Values, g.Mean), append(bars.Low, low), append(bars.High, high), append(bars.Marks, mark)
	}
	bars.Name = "here"
	mark := ""
	if marked {
		mark = "the paper, with Llama2-7B"
	} else {
		bars.Marks = nil
	}
	return report.Bars("Bars: "+taskText[groups[0].Task].metric+", with 95 % intervals.", taskText[groups[0].Task].unit, mark, names, []report.BarSeries{bars})
}

// groupLines draws means over what differs between learned policies, and rules as lines.
func groupLines(groups []*group, text pageText) (report.Chart, error) {
	task := groups[0].Task
	learned := report.Line{Name: learnedPolicy}
	var points []*group
	for _, g := range groups {
		if g.Policy == learnedPolicy {
			points = append(points, g)
		}
	}
	slices.SortStableFunc(points, func(a, b *group) int { return cmp.Compare(text.x(a.rows[0]), text.x(b.rows[0])) })
	for _, g := range points {
		learned.X, learned.Y = append(learned.X, text.x(g.rows[0])), append(learned.Y, g.Mean)
	}
	lines := []report.Line{learned}
	for _, g := range groups {
		if g.Policy != learnedPolicy {
			n := len(learned.X)
			lines = append(lines, report.Line{Name: g.Label, Series: len(lines), X: []float64{learned.X[0], learned.X[n-1]}, Y: []float64{g.Mean, g.Mean}})
		}
	}
	return report.Lines("Lines: "+taskText[task].metric+".", text.xLabel, report.Panel{Label: taskText[task].unit, Lines: lines})
}

func groupBoxes(groups []*group) (report.Chart, error) {
	var list []report.Group
	for _, g := range groups {
		b := report.Group{Name: g.Label}
		for _, r := range g.rows {
			for _, v := range r.values {
				b.Values = append(b.Values, float64(v))
			}
		}
		list = append(list, b)
	}
	return report.Boxes("Boxes: median, quartiles, whiskers to 1.5 quartile distances; over "+map[string]string{"vp": "questions", "abr": "sessions", "cjs": "jobs"}[groups[0].Task]+".", taskText[groups[0].Task].unit, list)
}

// trainingTable says what was trained, and how it went.
func trainingTable(c *compared) *cli.Table {
	t := &cli.Table{Text: 2, Columns: []string{"task", "label", "seed", "model", "rank", "window", "rate", "parameters", "seconds", "validation"}}
	told := map[string]bool{}
	for _, r := range c.Rows {
		key := fmt.Sprint(r.Task, "\x00", r.Label, "\x00", r.Seed)
		if r.Policy != learnedPolicy || told[key] {
			continue
		}
		told[key] = true
		valid := ""
		if r.Validation != 0 {
			valid = number(r.Validation, digits(r.Task)+1)
		}
		t.Add(r.Task, r.Label, strconv.FormatUint(r.Seed, 10), thousands(r.ModelWeights), strconv.Itoa(r.Rank), strconv.Itoa(r.Window), fmt.Sprintf("%g", float32(r.LearningRate)),
			thousands(r.Parameters), number(r.TrainSeconds, 0), valid)
	}
	return t
}

func trialTable(c *compared) *report.Table {
	t := &report.Table{Text: 2, Columns: []string{"task", "label", "rate", "validation"}}
	for _, r := range c.Tried {
		t.Rows = append(t.Rows, report.Row{Cells: []string{r.Task, r.Label, fmt.Sprintf("%g", r.Rate), number(r.Validation, digits(r.Task)+1)}, Mark: r.Chosen})
	}
	return t
}

// thousands shows a count with its digits in groups of three.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}
