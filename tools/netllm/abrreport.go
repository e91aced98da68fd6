// The page that eval abr writes, made of what its JSON says.

package main

import (
	"fmt"
	"math"
	"slices"

	"netllm/tools/internal/report"
)

// defaultTimelines is how many sessions a page shows chunk by chunk.
const defaultTimelines = 3

func abrReport(e *evalResult) (*report.Report, error) {
	sections, err := abrSections(e)
	if err != nil {
		return nil, err
	}
	sessions := e.Results[0].Sessions
	lead := fmt.Sprintf("Which quality should a player fetch next, chunk by chunk, so that viewers see much, wait little and notice no switching? "+
		"Policies played %s over %s.", counted(sessions, "session"), counted(e.Results[0].N, "trace"))
	return &report.Report{Title: "Adaptive bitrate streaming", Lead: lead, Sections: sections, Facts: runFacts(e)}, nil
}

// counted is a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// chosen says what --only, --except and --only-class left out, "" for nothing.
func (r *ABRRun) chosen() string {
	if r == nil || len(r.LeftOut) == 0 {
		return ""
	}
	return fmt.Sprintf(" Left out of %s: %s.", r.Traces, counted(len(r.LeftOut), "trace"))
}

// abrSections shows an evaluation that was scored by scoreABR.
func abrSections(e *evalResult) ([]report.Section, error) {
	sections := []report.Section{{
		Title: "Results",
		Text: "QoE per chunk is the bitrate in Mbit/s, less 4.3 per second of rebuffering, less the change of bitrate from chunk to chunk, in Mbit/s. " +
			"Intervals have 95 % confidence: bootstrap over traces, 10,000 resamples." + e.chosen(),
		Table: pageTable(abrTable(e.Results), e.isCompared),
	}}
	if t := abrClassTable(e.Results); t != nil {
		chart, err := classBars(e.Results)
		if err != nil {
			return nil, err
		}
		sections = append(sections, report.Section{
			Title: "By class of traces",
			Text:  "Copies and slices of traces that policies may have been trained on say less about new networks than unseen ones do. Classes differ in difficulty: compare policies within one.",
			Table: pageTable(t, e.isCompared), Charts: []report.Chart{chart},
		})
	}
	for i := range e.Results {
		if t := pairedTable(&e.Results[i]); t != nil {
			sections = append(sections, report.Section{
				Title: "Paired differences",
				Text: fmt.Sprintf("What %s has more than each other policy on the same trace: the mean, its interval, and on how many traces it is better. "+
					"Where the interval holds 0, no difference is shown.", e.Results[i].Policy),
				Table: pageTable(t, nil),
			})
		}
	}
	groups := itemGroups(e.Results)
	charts, err := distributionCharts("QoE per chunk", "trace", "further right is better", groups)
	if err != nil {
		return nil, err
	}
	sections = append(sections, report.Section{Title: "Over traces", Charts: charts})
	parts, err := partBars(e.Results)
	if err != nil {
		return nil, err
	}
	sections = append(sections, report.Section{Title: "What QoE is made of", Charts: []report.Chart{parts}})
	return appendTimelines(sections, e)
}

// isCompared says whether the policy of a row is the one that others are
// compared with.
func (e *evalResult) isCompared(row int) bool {
	return e.ABRRun != nil && e.Results[row].Policy == e.Versus
}

// appendTimelines adds the sessions that were kept chunk by chunk.
func appendTimelines(sections []report.Section, e *evalResult) ([]report.Section, error) {
	if e.ABRRun == nil || len(e.Timelines) == 0 {
		return sections, nil
	}
	s := report.Section{Title: "Sessions over time", Text: fmt.Sprintf("From a session in which %s did badly to one in which it did well.", e.Versus)}
	if len(e.Timelines) == 1 {
		s.Text = ""
	}
	for i := range e.Timelines {
		t := &e.Timelines[i]
		caption := fmt.Sprintf("Trace %s from row %d. QoE per chunk:", t.Trace, t.StartRow)
		for k, p := range t.Players {
			if k > 0 {
				caption += ","
			}
			caption += fmt.Sprintf(" %s %s", p.Policy, number(p.QoE, 2))
		}
		chart, err := t.chart(caption+".", func(policy string) int {
			return slices.IndexFunc(e.Results, func(r policyResult) bool { return r.Policy == policy })
		})
		if err != nil {
			return nil, err
		}
		s.Charts = append(s.Charts, chart)
	}
	return append(sections, s), nil
}

// classBars shows the means of each class with their intervals.
func classBars(results []policyResult) (report.Chart, error) {
	var names []string
	for _, c := range results[0].Classes {
		names = append(names, fmt.Sprintf("%s (%d)", c.Class, c.N))
	}
	var series []report.BarSeries
	for _, r := range results {
		s := report.BarSeries{Name: r.Policy}
		for _, c := range r.Classes {
			s.Values = append(s.Values, c.Mean)
			low, high := math.NaN(), math.NaN()
			if c.CI95 != nil {
				low, high = c.CI95[0], c.CI95[1]
			}
			s.Low, s.High = append(s.Low, low), append(s.High, high)
		}
		series = append(series, s)
	}
	return report.Bars("Mean QoE on the traces of each class, with 95 % intervals.", "QoE per chunk", "", names, series)
}

// partBars shows bitrate and what is taken off it.
func partBars(results []policyResult) (report.Chart, error) {
	var series []report.BarSeries
	for _, r := range results {
		p := r.Parts
		series = append(series, report.BarSeries{Name: r.Policy, Values: []float64{p.Mbps, -rebufferPenalty * p.RebufferSec, -p.SwitchMbps, r.Mean}})
	}
	return report.Bars("Mean per chunk: the bitrate, what rebuffering and switching take off it, and what is left.", "QoE per chunk", "",
		[]string{"bitrate", "rebuffering", "switching", "QoE"}, series)
}
