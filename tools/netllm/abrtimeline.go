// Sessions chunk by chunk: what players fetched while the link did what it did.

package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"netllm/netllm/abr"
	"netllm/tools/internal/report"
)

// timeline is one session, as several policies played it. Times are in seconds
// since it began; numbers are rounded to thousandths.
type timeline struct {
	Trace    string    `json:"trace"`
	StartRow int       `json:"start_row"`
	LinkSec  []float64 `json:"link_s"`    // when the link's bandwidth changes
	LinkMbps []float64 `json:"link_mbps"` // to what
	Players  []playing `json:"players"`
}

// playing is what a policy did in a session; slices have an element per chunk.
type playing struct {
	Policy        string    `json:"policy"`
	QoE           float64   `json:"qoe"` // mean per chunk, without the first
	Sec           []float64 `json:"s"`   // when a chunk had arrived, and the player had waited
	Mbps          []float64 `json:"bitrate_mbps"`
	MeasuredMbps  []float64 `json:"throughput_mbps"`
	BufferSec     []float64 `json:"buffer_s"` // after it
	RebufferedSec []float64 `json:"rebuffer_s"`

	run *savedRun // that it was read from
}

// pickSessions returns n of the sessions, from the one that the policy did worst
// in to the one that it did best in; its median session if n is 1.
func pickSessions(r *abr.Result, sessions, n int) []int {
	order := make([]int, sessions)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(r.Sessions[i].MeanQoE, r.Sessions[j].MeanQoE) })
	n = min(n, sessions)
	if n == 1 {
		return []int{order[len(order)/2]}
	}
	var picks []int
	for k := range n {
		picks = append(picks, order[k*(sessions-1)/(n-1)])
	}
	return picks
}

// newTimeline puts together what was logged of session i.
func newTimeline(results []*abr.Result, s abr.Session, i int) timeline {
	t := timeline{Trace: s.Trace.Name, StartRow: s.StartRow}
	until := 0.0
	for _, r := range results {
		chunks := r.Sessions[i].Chunks
		p := playing{Policy: r.Policy, QoE: thousandths(r.Sessions[i].MeanQoE)}
		for k, sec := range chunkTimes(chunks, s) {
			c := chunks[k]
			p.Sec = append(p.Sec, thousandths(sec))
			p.Mbps = append(p.Mbps, float64(c.BitrateKbps)/1000)
			p.MeasuredMbps = append(p.MeasuredMbps, thousandths(float64(c.SizeBytes)*8/1000/c.DelayMs))
			p.BufferSec = append(p.BufferSec, thousandths(c.BufferSec))
			p.RebufferedSec = append(p.RebufferedSec, thousandths(c.RebufferSec))
			until = max(until, sec)
		}
		t.Players = append(t.Players, p)
	}
	link := linkLine(s, until)
	for k := range link.X {
		t.LinkSec, t.LinkMbps = append(t.LinkSec, thousandths(link.X[k])), append(t.LinkMbps, thousandths(link.Y[k]))
	}
	return t
}

func thousandths(v float64) float64 { return math.Round(v*1000) / 1000 }

// check refuses a timeline that was not written by this program.
func (t *timeline) check() error {
	if len(t.Players) == 0 || len(t.LinkSec) == 0 || len(t.LinkSec) != len(t.LinkMbps) {
		return fmt.Errorf("timeline of %q: no players, or no link", t.Trace)
	}
	for _, p := range t.Players {
		for _, list := range [][]float64{p.Mbps, p.MeasuredMbps, p.BufferSec, p.RebufferedSec} {
			if len(p.Sec) == 0 || len(list) != len(p.Sec) {
				return fmt.Errorf("timeline of %q: %s has %d times and %d values", t.Trace, p.Policy, len(p.Sec), len(list))
			}
		}
	}
	return nil
}

// fewPlayers is how many measured throughputs can be told apart in a chart.
const fewPlayers = 3

// chart draws a timeline; series gives the number of a policy's colour.
func (t *timeline) chart(caption string, series func(policy string) int) (report.Chart, error) {
	bitrate, link, buffer := report.Panel{Label: "bitrate, Mbit/s"}, report.Panel{Label: "link, Mbit/s"}, report.Panel{Label: "buffer, s"}
	link.Lines = []report.Line{{Name: "link", Steps: true, Faint: true, X: t.LinkSec, Y: t.LinkMbps}}
	most := 0.0
	for _, p := range t.Players {
		most = max(most, slices.Max(p.Mbps))
	}
	for i, p := range t.Players {
		n := series(p.Policy)
		// What holds while a chunk is fetched, and what is known after it. There are few bitrates: lines lie a little apart,
		// or one would cover the others.
		aside := most * 0.015 * (float64(i) - float64(len(t.Players)-1)/2)
		during := report.Line{Name: p.Policy, Series: n, Steps: true, X: append([]float64{0}, p.Sec...)}
		for _, v := range append(slices.Clone(p.Mbps), p.Mbps[len(p.Mbps)-1]) {
			during.Y = append(during.Y, v+aside)
		}
		bitrate.Lines = append(bitrate.Lines, during)
		buffer.Lines = append(buffer.Lines, report.Line{Name: p.Policy, Series: n, X: p.Sec, Y: p.BufferSec})
		if len(t.Players) <= fewPlayers {
			link.Lines = append(link.Lines, report.Line{Name: p.Policy, Series: n, X: p.Sec, Y: p.MeasuredMbps})
		}
	}
	if len(t.Players) <= fewPlayers {
		link.Label = "measured, Mbit/s"
	}
	return report.Lines(caption, "s since the session began", bitrate, buffer, link)
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
