// The page that quickstart writes.

package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"netllm/netllm/abr"
	"netllm/tools/internal/report"
)

// sessionPolicies are those whose session the page shows, the learned one on
// top of the others.
var sessionPolicies = []string{"bba", "mpc", learnedPolicy}

func quickReport(q *quickResult, results []*abr.Result, sessions []abr.Session) (*report.Report, error) {
	var groups []report.Group
	for _, r := range results {
		g := report.Group{Name: r.Policy}
		for _, s := range r.Sessions {
			g.Values = append(g.Values, s.MeanQoE)
		}
		groups = append(groups, g)
	}
	boxes, err := report.Boxes("Mean QoE of each session: median, quartiles, whiskers to 1.5 quartile distances.", "QoE per chunk", groups)
	if err != nil {
		return nil, err
	}
	shares, err := report.Distribution("Share of sessions with at most that mean QoE; further right is better.", "QoE per chunk", groups)
	if err != nil {
		return nil, err
	}
	session, err := sessionChart(results, sessions)
	if err != nil {
		return nil, err
	}
	loss := report.Line{Name: "training loss"}
	for _, p := range q.Adapt.Loss {
		loss.X, loss.Y = append(loss.X, float64(p.Step)), append(loss.Y, p.Loss)
	}
	curve, err := report.Lines("Cross-entropy of the recorded decisions, mean of the steps between two points.", "optimiser step",
		report.Panel{Label: "nats per decision", Lines: []report.Line{loss}})
	if err != nil {
		return nil, err
	}
	return &report.Report{
		Title: "Quickstart: a language model adapted to adaptive bitrate streaming",
		Lead: fmt.Sprintf("%s learned from %d recorded decisions of %s and was compared on %d sessions over traces that it had not seen.",
			q.Adapt.Model, q.Adapt.Pool.Transitions, strings.Join(q.Adapt.Pool.Policies, " and "), len(sessions)),
		Sections: []report.Section{
			{Title: "Results", Text: "QoE per chunk is the bitrate in Mbit/s, less 4.3 per second of rebuffering, less the change of bitrate from chunk to chunk. " +
				"The untrained policy is the same network before training.", Table: reportTable(results)},
			{Title: "Distribution over sessions", Charts: []report.Chart{boxes, shares}},
			{Title: "One session", Charts: []report.Chart{session}},
			{Title: "Training", Charts: []report.Chart{curve}},
		},
		Facts: quickFacts(q),
	}, nil
}

// reportTable is the table of the terminal, with the learned policy marked.
func reportTable(results []*abr.Result) *report.Table {
	t := abrTable(results, nil, nil)
	table := &report.Table{Columns: t.Columns, Text: t.Text}
	for i, cells := range t.Rows {
		table.Rows = append(table.Rows, report.Row{Cells: cells, Mark: results[i].Policy == learnedPolicy})
	}
	return table
}

func quickFacts(q *quickResult) []report.Fact {
	a := q.Adapt
	return []report.Fact{
		{Name: "command", Value: q.Command},
		{Name: "model", Value: a.Model},
		{Name: "pool", Value: fmt.Sprintf("%v; traces %s, video %s", a.Pool, quickTraces(quickTrainSeed, a.Pool.Episodes/len(quickTeachers)), quickVideo)},
		{Name: "test", Value: fmt.Sprintf("traces %s, video %s", quickTraces(quickTestSeed, q.Eval.Results[0].N), quickVideo)},
		{Name: "recipe", Value: fmt.Sprintf("%s: rank %d, window %d steps, %d epochs, learning rate %g", a.Recipe.Name, a.Recipe.LoRA.Rank, a.Recipe.Network.Window, a.Recipe.Epochs, a.Recipe.LearningRate)},
		{Name: "trained", Value: fmt.Sprintf("%d parameters in %.1f s", a.Parameters, a.Seconds)},
		{Name: "seed", Value: strconv.FormatUint(a.Seed, 10)},
		{Name: "device", Value: fmt.Sprintf("%s; cpu %s, %d threads", a.Device, a.CPU, a.Threads)},
		{Name: "versions", Value: fmt.Sprintf("netllm %s, %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)},
	}
}

// sessionChart shows one session over the time of its trace: the one in which
// the learned policy has its median score.
func sessionChart(results []*abr.Result, sessions []abr.Session) (report.Chart, error) {
	at := slices.IndexFunc(results, func(r *abr.Result) bool { return r.Policy == learnedPolicy })
	order := make([]int, len(sessions))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Compare(results[at].Sessions[i].MeanQoE, results[at].Sessions[j].MeanQoE)
	})
	pick := order[len(order)/2]

	bitrate, throughput, buffer := report.Panel{Label: "bitrate, Mbit/s"}, report.Panel{Label: "measured, Mbit/s"}, report.Panel{Label: "buffer, s"}
	until := 0.0
	for _, name := range sessionPolicies {
		series := slices.IndexFunc(results, func(r *abr.Result) bool { return r.Policy == name })
		chunks := results[series].Sessions[pick].Chunks
		times := chunkTimes(chunks, sessions[pick])
		// What holds while a chunk is fetched, and what is known after it.
		during := report.Line{Name: name, Series: series, Steps: true, X: append([]float64{0}, times...)}
		speed := report.Line{Name: name, Series: series, X: times}
		level := report.Line{Name: name, Series: series, X: times}
		for _, c := range chunks {
			during.Y = append(during.Y, float64(c.BitrateKbps)/1000)
			speed.Y = append(speed.Y, float64(c.SizeBytes)*8/1000/c.DelayMs)
			level.Y = append(level.Y, c.BufferSec)
		}
		during.Y = append(during.Y, during.Y[len(during.Y)-1])
		bitrate.Lines, throughput.Lines, buffer.Lines = append(bitrate.Lines, during), append(throughput.Lines, speed), append(buffer.Lines, level)
		until = max(until, times[len(times)-1])
	}
	link := linkLine(sessions[pick], until)
	throughput.Lines = append([]report.Line{link}, throughput.Lines...)
	return report.Lines(fmt.Sprintf("The session over trace %s, in which the learned policy has its median QoE: what was fetched, how fast, and what was left in the player's buffer.",
		sessions[pick].Trace.Name), "s since the session began", bitrate, throughput, buffer)
}

// chunkTimes returns when each chunk had arrived, and the player had waited, in
// seconds of the trace since the session's start.
func chunkTimes(chunks []abr.Chunk, s abr.Session) []float64 {
	start := s.Trace.TimeSec[s.StartRow-1]
	lap := s.Trace.TimeSec[s.Trace.Rows()-1]
	times := make([]float64, len(chunks))
	laps, last := 0.0, start
	for i, c := range chunks {
		if c.TraceSec < last { // the trace began anew
			laps++
		}
		last = c.TraceSec
		times[i] = laps*lap + c.TraceSec - start
	}
	return times
}

// linkLine returns the bandwidth of the session's trace, from the session's
// start on.
func linkLine(s abr.Session, until float64) report.Line {
	l := report.Line{Name: "link", Steps: true, Faint: true}
	t := s.Trace
	start := t.TimeSec[s.StartRow-1]
	for base, row, from := 0.0, s.StartRow, start; ; row++ {
		if row == t.Rows() {
			base, row, from = base+t.TimeSec[row-1], 1, 0
		}
		x := base + from - start
		l.X, l.Y = append(l.X, min(x, until)), append(l.Y, t.Mbps[row])
		if x >= until {
			return l
		}
		from = t.TimeSec[row]
	}
}
