// What every quality is worth to somebody who knows the trace.

package abr

import (
	"fmt"
	"math"
	"sort"
)

// The grid of a planner's table.
const (
	plannerSec    = 1.0 // between times
	plannerBuffer = 0.5 // s between buffers
	bufferCells   = int(bufferCapMs/1000/plannerBuffer) + 1
)

// Planner knows a trace, and with it what the rest of a session is worth from any state. It is a teacher of policies that
// do not know the trace: its values say of every quality what choosing it costs, on the best path or far off.
//
// It holds a table, over times of the trace (1 s apart), buffers (0.5 s apart), chunks and last qualities, of the largest sum
// of QoE that the rest of a session can bring; between them it is linear. Only the first chunk is exact, from the
// state that is asked about. Values are estimates, near the truth where chunks take long against the grid. A table of a
// trace of 320 s takes 44 MB. A Planner is read-only and may be shared by goroutines.
type Planner struct {
	sizes *[Chunks]chunkSizes
	lap   lap
	times int

	// rest[k] is what chunks k to 47 bring: [Qualities][times][bufferCells], the first by the quality of chunk k-1.
	rest [Chunks + 1][]float32
}

// NewPlanner makes a planner for a trace, which it keeps. It fails if video or trace are not valid.
func NewPlanner(video *Video, trace *Trace) (*Planner, error) {
	if err := video.Validate(); err != nil {
		return nil, fmt.Errorf("abr: planner: video %q: %w", video.Name, err)
	}
	if err := trace.Validate(); err != nil {
		return nil, fmt.Errorf("abr: planner: trace %q: %w", trace.Name, err)
	}
	p := &Planner{sizes: sizesOf(video), lap: newLap(trace)}
	p.times = int(math.Ceil(p.lap.length() / plannerSec))
	size := p.times * bufferCells
	p.rest[Chunks] = make([]float32, Qualities*size)
	for k := Chunks - 1; k >= 1; k-- {
		p.rest[k] = make([]float32, Qualities*size)
		for i := range p.times {
			var worth [Qualities][bufferCells]float32 // but for the change of quality
			var rows [Qualities][]float32
			for q := range worth {
				p.worthOfAll(k, q, float64(i)*plannerSec, &worth[q])
				rows[q] = worth[q][:]
			}
			anyChange(&rows)
			for prev := range worth {
				copy(p.rest[k][prev*size+i*bufferCells:], worth[prev][:])
			}
		}
	}
	return p, nil
}

// anyChange makes of what the next chunk is worth in each quality, row by row, what the best choice is worth after each quality. What a
// change costs adds up over the qualities between: the best is found going up and down the ladder.
func anyChange(worth *[Qualities][]float32) {
	for q := 1; q < Qualities; q++ {
		raise(worth[q], worth[q-1], float32(switchCost(q, q-1)))
	}
	for q := Qualities - 2; q >= 0; q-- {
		raise(worth[q], worth[q+1], float32(switchCost(q, q+1)))
	}
}

// raise lifts values to those of a neighbour, less a cost.
func raise(values, neighbour []float32, cost float32) {
	values = values[:len(neighbour)]
	for b, v := range neighbour {
		if v -= cost; v > values[b] {
			values[b] = v
		}
	}
}

// worthOfAll is [Planner.worth] for all buffers of the table.
func (p *Planner) worthOfAll(k, q int, sec float64, worth *[bufferCells]float32) {
	end := p.lap.after(sec, float64(p.sizes[k].bytes[q]))
	now, next, x := p.between(k+1, q, end)
	var later [bufferCells]float32
	for b := range later {
		later[b] = now[b] + x*(next[b]-now[b])
	}
	const perCell = plannerBuffer * 1000
	const refilled = int(chunkMs / perCell) // where a buffer is that ran empty
	bitrate, delayMs := float32(BitratesKbps[q])/1000, (end-sec)*1000+rttMs
	// Below the delay the buffer runs empty, above it changes by as much whatever it is, and from some size on the player waits.
	stalls := min(int(math.Ceil(delayMs/perCell)), bufferCells)
	for b := range worth[:stalls] {
		worth[b] = bitrate - rebufferPenalty*float32(delayMs-float64(b)*perCell)/1000 + later[refilled]
	}
	shift := (chunkMs - delayMs) / perCell
	low := int(math.Floor(shift))
	y := float32(shift - float64(low))
	waits := max(stalls, min(bufferCells-1-low, bufferCells))
	if stalls < waits {
		from := later[stalls+low:][:waits-stalls+1]
		v := from[0]
		for b, next := range from[1:] {
			worth[stalls+b] = bitrate + v + y*(next-v)
			v = next
		}
	}
	for b := waits; b < bufferCells; b++ {
		worth[b] = float32(p.worth(k, q, sec, end, float64(b)*perCell))
	}
}

// Values sets worth to the QoE that the rest of the session brings after each choice of the next quality, the best that can
// follow. o is an observation of a session of the planner's trace and video. After the last chunk nothing is worth
// anything.
func (p *Planner) Values(o *Observation, worth *[Qualities]float64) {
	next, prev := o.Last.Index+1, o.Last.Quality
	for q := range worth {
		if worth[q] = 0; next < Chunks {
			sec := o.Last.TraceSec
			worth[q] = p.worth(next, q, sec, p.lap.after(sec, float64(p.sizes[next].bytes[q])), o.Last.BufferSec*1000) - switchCost(q, prev)
		}
	}
}

// switchCost is what a change of quality costs.
func switchCost(q, prev int) float64 {
	return math.Abs(float64(BitratesKbps[q]-BitratesKbps[prev])) / 1000
}

// worth is what chunk k in quality q and those after it bring, but for the change to it. The trace's clock runs from sec to
// end, which may be laps away, while it arrives.
func (p *Planner) worth(k, q int, sec, end, bufMs float64) float64 {
	delayMs := (end-sec)*1000 + rttMs
	stall := max(delayMs-bufMs, 0) / 1000
	bufMs = max(bufMs-delayMs, 0) + chunkMs
	if bufMs > bufferCapMs {
		sleepMs := math.Ceil((bufMs-bufferCapMs)/drainStepMs) * drainStepMs
		bufMs -= sleepMs
		end += sleepMs / 1000
	}
	return float64(BitratesKbps[q])/1000 - rebufferPenalty*stall + p.interpolate(k+1, q, end, bufMs/1000)
}

// interpolate reads rest[k] at a time, which may be laps away, and a buffer, s.
func (p *Planner) interpolate(k, prev int, sec, buffer float64) float64 {
	now, next, x := p.between(k, prev, sec)
	b := min(int(buffer/plannerBuffer), bufferCells-2)
	y := float32(buffer/plannerBuffer - float64(b))
	early, late := now[b]+y*(now[b+1]-now[b]), next[b]+y*(next[b+1]-next[b])
	return float64(early + x*(late-early))
}

// between returns the columns of rest[k] at the times of the table before and after sec, which may be laps away, and how far
// between them it is.
func (p *Planner) between(k, prev int, sec float64) (now, next []float32, x float32) {
	length := p.lap.length()
	if sec >= length {
		sec -= math.Floor(sec/length) * length
	}
	i := min(int(sec/plannerSec), p.times-1)
	j, span := i+1, plannerSec
	if j == p.times { // the last cell ends with the lap
		j, span = 0, length-float64(i)*plannerSec
	}
	columns := p.rest[k][prev*p.times*bufferCells:]
	return columns[i*bufferCells:][:bufferCells], columns[j*bufferCells:][:bufferCells], float32(min((sec-float64(i)*plannerSec)/span, 1))
}

// lap is a trace as time goes round in it: row 1 from 0, row after row, and row 1 again.
type lap struct {
	ends  []float64 // of rows 1, 2 ..., s
	bytes []float64 // that rows 1, 2 ... have brought by their end
}

func newLap(t *Trace) lap {
	var l lap
	sum, from := 0.0, 0.0
	for i := 1; i < t.Rows(); i++ {
		sum += t.Mbps[i] * 1e6 / 8 * payloadFraction * (t.TimeSec[i] - from)
		from = t.TimeSec[i]
		l.ends, l.bytes = append(l.ends, from), append(l.bytes, sum)
	}
	return l
}

func (l *lap) length() float64 { return l.ends[len(l.ends)-1] }

// after is when, counted on over laps, so many bytes have come from sec on, which is less than a lap.
func (l *lap) after(sec, bytes float64) float64 {
	n := len(l.ends)
	i := min(sort.Search(n, func(i int) bool { return l.ends[i] > sec }), n-1)
	bytes += l.bytes[i] - l.rate(i)*(l.ends[i]-sec) // from the lap's start
	laps, whole := 0.0, l.bytes[n-1]
	if bytes >= whole {
		laps = math.Floor(bytes / whole)
		bytes -= laps * whole
		i = 0
	}
	if l.bytes[i] <= bytes { // often the same row or the next
		i += sort.Search(n-1-i, func(k int) bool { return l.bytes[i+k] > bytes })
	}
	end := l.ends[i]
	if rate := l.rate(i); rate > 0 {
		end -= (l.bytes[i] - bytes) / rate
	}
	return laps*l.length() + end
}

// total is how many bytes have come by sec, counted on over laps.
func (l *lap) total(sec float64) float64 {
	n := len(l.ends)
	laps := math.Floor(sec / l.length())
	sec -= laps * l.length()
	i := min(sort.Search(n, func(i int) bool { return l.ends[i] > sec }), n-1)
	return laps*l.bytes[n-1] + l.bytes[i] - l.rate(i)*(l.ends[i]-sec)
}

// rate is the bytes a second of row i+1.
func (l *lap) rate(i int) float64 {
	if i == 0 {
		return l.bytes[0] / l.ends[0]
	}
	return (l.bytes[i] - l.bytes[i-1]) / (l.ends[i] - l.ends[i-1])
}
