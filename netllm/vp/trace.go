// Head-orientation traces, as files hold them.

package vp

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// Angles is a viewport's position: roll, pitch and yaw in degrees. Roll and yaw are from
// -180 to 180, pitch from -90 to 90.
type Angles [3]float32

// The places of the axes in [Angles].
const (
	Roll = iota
	Pitch
	Yaw
)

// ends are the largest magnitudes of the axes, degrees. They are also what positions are
// divided by where a network wants them normalised.
var ends = Angles{180, 90, 180}

var axisNames = [3]string{"roll", "pitch", "yaw"}

// StepSec is the time between rows, seconds.
const StepSec = 0.2

// Trace is how one user watched one video, row by row, 0.2 s apart.
type Trace struct {
	Video, User int
	Path        string // of its file
	Rows        []Angles
}

// ID is the trace's name in results, such as "video4/user15".
func (t *Trace) ID() string { return fmt.Sprintf("video%d/user%d", t.Video, t.User) }

// columns of a row: time, which is ignored, and the three angles.
const columns = 4

// ReadTrace reads the rows of a comma-separated file without a header: time in seconds,
// roll, pitch and yaw in degrees. Rows count as equally spaced; the time is not used. An
// error names the file and the line.
func ReadTrace(path string) ([]Angles, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vp: trace: %w", err)
	}
	defer f.Close()
	return parseTrace(path, f)
}

func parseTrace(path string, r io.Reader) ([]Angles, error) {
	var rows []Angles
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		row, err := parseRow(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("vp: trace: %s:%d: %w", path, n, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("vp: trace: %s:%d: %w", path, len(rows)+1, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("vp: trace: %s: no rows", path)
	}
	return rows, nil
}

func parseRow(line string) (Angles, error) {
	var row Angles
	fields := strings.Split(strings.TrimSuffix(line, "\r"), ",")
	if len(fields) != columns {
		return row, fmt.Errorf("%d columns, want %d: time, roll, pitch, yaw", len(fields), columns)
	}
	for i, field := range fields {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		switch {
		case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
			return row, fmt.Errorf("column %d: %q is not a number", i+1, field)
		case i == 0:
			continue
		case math.Abs(v) > float64(ends[i-1]):
			return row, fmt.Errorf("column %d: %s is %v degrees, beyond %v", i+1, axisNames[i-1], v, ends[i-1])
		}
		row[i-1] = float32(v)
	}
	return row, nil
}
