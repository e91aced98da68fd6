// The page that quickstart writes.

package main

import (
	"fmt"
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
	return pageTable(abrTable(abrJSON(results)), func(i int) bool { return results[i].Policy == learnedPolicy })
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
		versionsFact(),
	}
}

// sessionChart shows one session over the time of its trace: the one in which
// the learned policy has its median score.
func sessionChart(results []*abr.Result, sessions []abr.Session) (report.Chart, error) {
	of := func(name string) int {
		return slices.IndexFunc(results, func(r *abr.Result) bool { return r.Policy == name })
	}
	var shown []*abr.Result
	for _, name := range sessionPolicies {
		shown = append(shown, results[of(name)])
	}
	pick := pickSessions(results[of(learnedPolicy)], len(sessions), 1)[0]
	t := newTimeline(shown, sessions[pick], pick)
	return t.chart(fmt.Sprintf("The session over trace %s, in which the learned policy has its median QoE: what was fetched, what was left in the player's buffer, and how fast the link was.",
		t.Trace), of)
}
