// Bandwidth traces: what they are, what makes one valid, how they are read.

package abr

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Limits on what a trace may hold. They keep a hostile file from exhausting
// memory or making the simulator walk it for hours; real traces are far away
// from every one of them.
const (
	maxTraceRows    = 1 << 20
	maxTraceLine    = 4096 // bytes
	maxTraceSec     = 1e8  // about three years
	maxTraceMbps    = 1e6  // 1 Tbit/s
	minTraceLapSec  = 0.1  // shortest trace that may be repeated
	minTraceLapByte = 1000 // least payload in one pass over a trace
)

// Trace is the bandwidth of a link over time. Row i >= 1 holds from
// TimeSec[i-1] to TimeSec[i]; the bandwidth of row 0 is never used. A session
// that outlasts the trace goes on at row 1, at time 0.
//
// The slices have the same length and belong to the trace, which is read-only
// once made and may be shared by goroutines.
type Trace struct {
	Name    string
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
	if lap := t.TimeSec[len(t.TimeSec)-1]; lap < minTraceLapSec {
		return fmt.Errorf("lasts %v s, at least %v s are needed", lap, minTraceLapSec)
	}
	carried, last := 0.0, 0.0
	for i := 1; i < len(t.TimeSec); i++ {
		carried += float64(t.Mbps[i] * 1e6 / 8 * (t.TimeSec[i] - last) * payloadFraction)
		last = t.TimeSec[i]
	}
	if carried < minTraceLapByte {
		return fmt.Errorf("carries %.4g bytes after row 0, at least %d are needed (downloads would never end)", carried, minTraceLapByte)
	}
	return nil
}

// ParseTrace reads a trace: one row per line, time in seconds and bandwidth in
// Mbit/s, separated by white space. Blank lines are allowed at the end only.
// An error names the trace, the line and the reason.
func ParseTrace(r io.Reader, name string) (*Trace, error) {
	t, err := parseTrace(r)
	if err != nil {
		return nil, fmt.Errorf("abr: trace %q: %w", name, err)
	}
	t.Name = name
	return t, nil
}

// ReadTrace reads the trace file at path; the file's name becomes its name.
func ReadTrace(path string) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("abr: reading trace: %w", err)
	}
	defer f.Close()
	t, err := parseTrace(f)
	if err != nil {
		return nil, fmt.Errorf("abr: trace file %s: %w", path, err)
	}
	t.Name = filepath.Base(path)
	return t, nil
}

// ReadTraceDir reads every file of a folder as a trace, in byte-wise order of
// their names. Names that begin with a dot are passed over; a folder inside,
// or no trace at all, is an error.
func ReadTraceDir(dir string) ([]*Trace, error) {
	entries, err := os.ReadDir(dir) // sorted by name, byte-wise
	if err != nil {
		return nil, fmt.Errorf("abr: reading traces: %w", err)
	}
	var traces []*Trace
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if entry.IsDir() {
			return nil, fmt.Errorf("abr: reading traces: %s is a folder, a trace file was expected", path)
		}
		t, err := ReadTrace(path)
		if err != nil {
			return nil, err
		}
		traces = append(traces, t)
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("abr: reading traces: no files in %s", dir)
	}
	return traces, nil
}

func parseTrace(r io.Reader) (*Trace, error) {
	t := new(Trace)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTraceLine)
	prev, line, blank := math.Inf(-1), 0, 0
	for lines.Scan() {
		line++
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			if blank == 0 {
				blank = line
			}
			continue
		}
		if blank != 0 {
			return nil, fmt.Errorf("line %d: blank line between rows", blank)
		}
		sec, mbps, err := parseRow(fields)
		if err == nil {
			err = checkRow(prev, sec, mbps)
		}
		if err == nil && t.Rows() == maxTraceRows {
			err = fmt.Errorf("more than %d rows", maxTraceRows)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		t.TimeSec = append(t.TimeSec, sec)
		t.Mbps = append(t.Mbps, mbps)
		prev = sec
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("longer than %d bytes", maxTraceLine)
		}
		return nil, fmt.Errorf("line %d: %w", line+1, err)
	}
	if t.Rows() < 2 {
		return nil, fmt.Errorf("line %d: the file ends after %d rows, at least 2 are needed", max(line, 1), t.Rows())
	}
	if err := t.checkLap(); err != nil {
		return nil, err
	}
	return t, nil
}

// parseRow reads the two numbers of a row.
func parseRow(fields []string) (sec, mbps float64, err error) {
	if len(fields) != 2 {
		return 0, 0, fmt.Errorf("want two numbers, time and bandwidth; got %d fields", len(fields))
	}
	if sec, err = parseNumber("time", fields[0]); err != nil {
		return 0, 0, err
	}
	mbps, err = parseNumber("bandwidth", fields[1])
	return sec, mbps, err
}

// parseNumber accepts what strconv does, "nan" and "inf" included: checkRow
// refuses those by what they are.
func parseNumber(what, field string) (float64, error) {
	v, err := strconv.ParseFloat(field, 64)
	if err != nil {
		if len(field) > 40 {
			field = field[:40] + "..."
		}
		if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%s %q is out of range", what, field)
		}
		return 0, fmt.Errorf("%s %q is not a number", what, field)
	}
	return v, nil
}
