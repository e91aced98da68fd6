// Trace files: lines, the formats they may be in, folders of them.

package abr

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const maxTraceLine = 4096 // bytes

// TraceFormat is a format of trace files. Which one a file is in shows in its
// first line: how many fields it has, and whether they are separated by commas.
type TraceFormat string

// The formats. In each of them, as in a [Trace], a row's bandwidth is that of
// the time up to the row; row 0 says when the trace begins, and its bandwidth
// is never used.
const (
	// FormatColumns has two numbers in a row: the time in seconds and the
	// bandwidth in Mbit/s, taken as they are.
	FormatColumns TraceFormat = "columns"

	// FormatHSDPA is a log of Riiser et al. (Commute Path Bandwidth Traces
	// from 3G Networks, MMSys 2013), six numbers in a row: Unix time in s, ms
	// since the log's start, latitude, longitude, bytes received since the
	// row before, ms that this took. A row is at its ms, counted from those
	// of row 0; its bandwidth is bytes over the ms they took, and holds since
	// the row before even if that is longer ago.
	FormatHSDPA TraceFormat = "hsdpa"

	// FormatMahimahi has one whole number in a line: the ms at which a packet
	// of 1500 bytes can be delivered, from 0 up, the same ms as often as
	// there are packets in it. After the last one, time begins again at 0.
	// Packets are counted in bins of 1 s, (0, 1 s], (1 s, 2 s] and so on, one
	// row each; the last bin ends with the last packet. Empty bins in a row
	// become one row.
	FormatMahimahi TraceFormat = "mahimahi"

	// FormatCSV has values separated by commas under a header that names
	// them; see the columns in csvTimes and csvRates. Times are counted from
	// row 0. Reports of the FCC (unit_id, ..., bytes_sec) have no time
	// column: their rows are 5 s apart, as in the traces of Pensieve.
	FormatCSV TraceFormat = "csv"
)

// ParseTrace reads a trace in any [TraceFormat]. Blank lines are allowed at the
// end only. An error names the trace, the line and the reason.
func ParseTrace(r io.Reader, name string) (*Trace, error) {
	t, err := parseTrace(r, maxTraceRows)
	if err != nil {
		return nil, fmt.Errorf("abr: trace %q: %w", name, err)
	}
	t.Name = name
	return t, nil
}

// ReadTrace reads the trace file at path as [ParseTrace] does; the file's name
// becomes its name. What is not a regular file is an error.
func ReadTrace(path string) (*Trace, error) {
	info, err := os.Stat(path) // before opening, which may wait for ever
	if err != nil {
		return nil, fmt.Errorf("abr: reading trace: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("abr: trace file %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("abr: reading trace: %w", err)
	}
	defer f.Close()
	t, err := parseTrace(f, maxTraceRows)
	if err != nil {
		return nil, fmt.Errorf("abr: trace file %s: %w", path, err)
	}
	t.Name = filepath.Base(path)
	return t, nil
}

// ReadTraceDir reads every file of a folder as a trace, in byte-wise order of
// their names; each may have a format of its own. Names that begin with a dot
// are passed over; a folder inside, or no trace at all, is an error.
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

// rowParser makes rows of the lines of one format.
type rowParser interface {
	// line takes one line, not blank, without white space around it, which
	// it must not keep.
	line(text []byte) error
	// end adds what is left when there are no more lines.
	end() error
}

// recognise returns the parser of the format that a file's first line is in.
func recognise(first []byte, rows *rowList) (rowParser, error) {
	if bytes.IndexByte(first, ',') >= 0 {
		rows.Format = FormatCSV
		return &csvParser{rows: rows}, nil
	}
	n := 0
	for range bytes.FieldsSeq(first) {
		n++
	}
	switch n {
	case 1:
		rows.Format = FormatMahimahi
		return &mahimahiParser{rows: rows}, nil
	case 2:
		rows.Format = FormatColumns
		return columnsParser{rows}, nil
	case 6:
		rows.Format = FormatHSDPA
		return &hsdpaParser{rows: rows}, nil
	}
	return nil, fmt.Errorf("%d fields: no known format (time and Mbit/s: 2; HSDPA log: 6; Mahimahi: 1; CSV: a header with commas)", n)
}

func parseTrace(r io.Reader, maxRows int) (*Trace, error) {
	rows := &rowList{prevSec: math.Inf(-1), limit: maxRows}
	var parser rowParser
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTraceLine)
	line, blank := 0, 0
	for lines.Scan() {
		line++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			if blank == 0 {
				blank = line
			}
			continue
		}
		if blank != 0 {
			return nil, fmt.Errorf("line %d: blank line between rows", blank)
		}
		var err error
		if parser == nil {
			parser, err = recognise(text, rows)
		}
		if err == nil {
			err = rows.named(parser.line(text))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("longer than %d bytes", maxTraceLine)
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", line+1, err)
	}
	if parser != nil {
		err = rows.named(parser.end())
	}
	if err == nil && rows.Rows() < 2 {
		err = fmt.Errorf("the file ends after %d rows, at least 2 are needed", rows.Rows())
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", max(line, 1), err)
	}
	if err := rows.checkLap(); err != nil {
		return nil, err
	}
	return &rows.Trace, nil
}

// rowList is a trace in the making.
type rowList struct {
	Trace
	prevSec float64
	limit   int
}

// named puts the format before an error, unless it is the usual one.
func (r *rowList) named(err error) error {
	if err == nil || r.Format == FormatColumns {
		return err
	}
	return fmt.Errorf("%s: %w", r.Format, err)
}

// add appends a row if it is one.
func (r *rowList) add(sec, mbps float64) error {
	if err := checkRow(r.prevSec, sec, mbps); err != nil {
		return err
	}
	if r.Rows() == r.limit {
		return fmt.Errorf("more than %d rows", r.limit)
	}
	r.TimeSec = append(r.TimeSec, sec)
	r.Mbps = append(r.Mbps, mbps)
	r.prevSec = sec
	return nil
}

// fieldsOf puts the fields of a line into dst and returns how many there are,
// which may be more than dst has room for.
func fieldsOf(text []byte, dst [][]byte) int {
	n := 0
	for field := range bytes.FieldsSeq(text) {
		if n < len(dst) {
			dst[n] = field
		}
		n++
	}
	return n
}

// parseNumber accepts what strconv does, "nan" and "inf" included: checkRow
// refuses those by what they are.
func parseNumber(what string, field []byte) (float64, error) {
	v, err := strconv.ParseFloat(string(field), 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s %s is out of range", what, quoted(field))
	}
	if err != nil {
		return 0, fmt.Errorf("%s %s is not a number", what, quoted(field))
	}
	return v, nil
}

// quoted is a field as errors show it.
func quoted(field []byte) string {
	if len(field) > 40 {
		return strconv.Quote(string(field[:40]) + "...")
	}
	return strconv.Quote(string(field))
}
