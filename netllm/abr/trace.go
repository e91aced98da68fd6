// Bandwidth traces: what they are, and what makes one valid.

package abr

import (
	"fmt"
	"math"
)

// Limits on what a trace may hold. They keep a hostile file from exhausting
// memory or making the simulator walk it for hours; real traces are far away
// from every one of them.
const (
	maxTraceRows    = 1 << 24 // 256 MiB
	maxTraceSec     = 1e8     // about three years
	maxTraceMbps    = 1e6     // 1 Tbit/s
	minTraceLapSec  = 0.1     // shortest trace that may be repeated
	minTraceLapByte = 1000    // least payload in one pass over a trace
	maxSessionRows  = 1e9     // rows that a session may walk: seconds of computing
)

// Trace is the bandwidth of a link over time. Row i >= 1 holds from
// TimeSec[i-1] to TimeSec[i]; the bandwidth of row 0 is never used. A session
// that outlasts the trace goes on at row 1, at time 0.
//
// The slices have the same length and belong to the trace, which is read-only
// once made and may be shared by goroutines.
type Trace struct {
	Name    string
	Format  TraceFormat // of the file it was read from, "" if it was made
	TimeSec []float64
	Mbps    []float64 // 1 Mbit = 1e6 bit
}

// NewTrace checks the rows and makes a trace of them; it keeps the slices.
func NewTrace(name string, timeSec, mbps []float64) (*Trace, error) {
	t := &Trace{Name: name, TimeSec: timeSec, Mbps: mbps}
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("abr: trace %q: %w", name, err)
	}
	return t, nil
}

// Rows returns the number of rows, the never used row 0 included.
func (t *Trace) Rows() int { return len(t.TimeSec) }

// Validate reports why the simulator cannot play the trace: columns of
// different length, fewer than 2 rows, a negative or non-finite number, times
// that do not increase, numbers out of all proportion, or bandwidths that
// carry next to nothing, with which a download would never end.
func (t *Trace) Validate() error {
	rows := len(t.TimeSec)
	if rows != len(t.Mbps) {
		return fmt.Errorf("%d times, %d bandwidths", rows, len(t.Mbps))
	}
	if rows < 2 {
		return fmt.Errorf("%d rows, at least 2 are needed", rows)
	}
	if rows > maxTraceRows {
		return fmt.Errorf("%d rows, at most %d", rows, maxTraceRows)
	}
	prev := math.Inf(-1)
	for i := range rows {
		if err := checkRow(prev, t.TimeSec[i], t.Mbps[i]); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		prev = t.TimeSec[i]
	}
	return t.checkLap()
}

// checkRow checks one row against the time of the one before it.
func checkRow(prevSec, sec, mbps float64) error {
	switch {
	case math.IsNaN(sec) || math.IsInf(sec, 0):
		return fmt.Errorf("time %v is not finite", sec)
	case sec < 0:
		return fmt.Errorf("time %v is negative", sec)
	case sec > maxTraceSec:
		return fmt.Errorf("time %v s is beyond %v s (times count from the trace's start)", sec, float64(maxTraceSec))
	case sec <= prevSec:
		return fmt.Errorf("time %v does not increase (the row before has %v)", sec, prevSec)
	case math.IsNaN(mbps) || math.IsInf(mbps, 0):
		return fmt.Errorf("bandwidth %v is not finite", mbps)
	case mbps < 0:
		return fmt.Errorf("bandwidth %v is negative", mbps)
	case mbps > maxTraceMbps:
		return fmt.Errorf("bandwidth %v Mbit/s is beyond %v", mbps, float64(maxTraceMbps))
	}
	return nil
}

// checkLap refuses a trace that carries too little from its start to its end,
// or is over too fast, to be repeated.
func (t *Trace) checkLap() error {
	sec, carried := t.lap()
	if sec < minTraceLapSec {
		return fmt.Errorf("lasts %v s, at least %v s are needed", sec, minTraceLapSec)
	}
	if carried < minTraceLapByte {
		return fmt.Errorf("carries %.4g bytes after row 0, at least %d are needed (downloads would never end)", carried, minTraceLapByte)
	}
	return nil
}

// lap returns how long one pass over the trace takes and what payload it
// carries.
func (t *Trace) lap() (sec, bytes float64) {
	for i := 1; i < len(t.TimeSec); i++ {
		bytes += float64(t.Mbps[i] * 1e6 / 8 * (t.TimeSec[i] - sec) * payloadFraction)
		sec = t.TimeSec[i]
	}
	return sec, bytes
}

// checkSession refuses a video that takes too many passes over the trace: one
// of many rows which carry next to nothing, or are over in no time. The bound
// is that of the largest chunks, each followed by the longest wait.
func (t *Trace) checkSession(v *Video) error {
	total := 0.0
	for i := range Chunks {
		most := 0
		for q := range v.ChunkBytes {
			most = max(most, v.ChunkBytes[q][i])
		}
		total += float64(most)
	}
	sec, carried := t.lap()
	laps := total/carried + Chunks*(chunkMs+drainStepMs)/1000/sec + 1
	if rows := laps * float64(t.Rows()); rows > maxSessionRows {
		return fmt.Errorf("a session could pass %.2g rows, at most %.2g: %d rows carry %.4g bytes in %v s, and video %q has up to %.4g (downloads would not end in reasonable time)",
			rows, maxSessionRows, t.Rows(), carried, sec, v.Name, total)
	}
	return nil
}
