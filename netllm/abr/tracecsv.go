// Traces as comma-separated values under a header: exports of one's own, reports
// of the FCC, logs of Puffer.

package abr

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// csvTimes are the columns of time, in lower case, with how many of their unit
// make a second. "time (ns gmt)" is Puffer's.
var csvTimes = map[string]float64{
	"time": 1, "time_s": 1, "timestamp": 1, "timestamp_s": 1, "time_ms": 1e3, "timestamp_ms": 1e3,
	"time_us": 1e6, "time_ns": 1e9, "time (ns gmt)": 1e9,
}

// csvRates are the columns of bandwidth, in lower case, with how many of their
// unit make 1 Mbit/s. bytes_sec is the FCC's (curr_webget, curr_httpgetmt),
// delivery_rate is Puffer's (video_sent): bytes per second.
var csvRates = map[string]float64{
	"bandwidth": 1, "throughput": 1, "mbps": 1, "bandwidth_mbps": 1, "throughput_mbps": 1,
	"kbps": 1e3, "bandwidth_kbps": 1e3, "throughput_kbps": 1e3, "bandwidth_bps": 1e6, "throughput_bps": 1e6,
	"bytes_sec": 1e6 / 8, "delivery_rate": 1e6 / 8,
}

// csvOne are the columns whose value must be one throughout: a file is one
// trace, not those of many units or viewers one after the other.
var csvOne = []string{"unit_id", "target", "session_id"}

// fccColumn tells the FCC's reports, which know no time finer than the hour and
// of which Pensieve takes a row for 5 s.
const (
	fccColumn  = "bytes_sec"
	fccStepSec = 5
)

// csvParser reads [FormatCSV].
type csvParser struct {
	rows    *rowList
	header  []string
	time    int // column, -1 if there is none
	rate    int
	perSec  float64
	perMbps float64
	ones    map[int]string // columns of csvOne with the values of row 0

	fields   []string // of the row in hand
	firstInt int64    // time of row 0, if isInt
	first    float64
	isInt    bool
}

func (p *csvParser) line(text []byte) error {
	if p.header == nil {
		return p.readHeader(text)
	}
	return p.row(text)
}

func (*csvParser) end() error { return nil }

func (p *csvParser) readHeader(text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // byte order mark
	header, err := splitCSV(nil, text)
	if err != nil {
		return err
	}
	p.header = header
	for i, name := range p.header {
		p.header[i] = strings.ToLower(name)
	}
	if p.rate, err = p.find("bandwidth", csvRates); err != nil {
		return err
	}
	if p.time, err = p.find("time", csvTimes); err != nil {
		return err
	}
	if p.rate < 0 {
		return fmt.Errorf("no column of bandwidth in the header %s; known: %s", quoted(text), namesOf(csvRates))
	}
	if p.time < 0 && p.header[p.rate] != fccColumn {
		return fmt.Errorf("no column of time in the header %s; known: %s", quoted(text), namesOf(csvTimes))
	}
	if p.time >= 0 {
		p.perSec = csvTimes[p.header[p.time]]
	}
	p.perMbps = csvRates[p.header[p.rate]]
	p.ones = map[int]string{}
	for i, name := range p.header {
		if slices.Contains(csvOne, name) {
			p.ones[i] = ""
		}
	}
	return nil
}

// find returns the one column that is named in units, -1 if there is none.
func (p *csvParser) find(what string, units map[string]float64) (int, error) {
	at := -1
	for i, name := range p.header {
		if units[name] == 0 {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("columns %q and %q both give the %s", p.header[at], name, what)
		}
		at = i
	}
	return at, nil
}

func namesOf(units map[string]float64) string {
	return strings.Join(slices.Sorted(maps.Keys(units)), ", ")
}

func (p *csvParser) row(text []byte) error {
	var err error
	if p.fields, err = splitCSV(p.fields[:0], text); err != nil {
		return err
	}
	if len(p.fields) != len(p.header) {
		return fmt.Errorf("%d values under %d names", len(p.fields), len(p.header))
	}
	first := p.rows.Rows() == 0
	for i, value := range p.ones {
		if first {
			p.ones[i] = strings.Clone(p.fields[i])
		} else if p.fields[i] != value {
			return fmt.Errorf("%s is %q, in the rows before %q: a file is one trace", p.header[i], p.fields[i], value)
		}
	}
	mbps, err := parseNumber(p.header[p.rate], []byte(p.fields[p.rate]))
	if err != nil {
		return err
	}
	sec := float64(fccStepSec * p.rows.Rows())
	if p.time >= 0 {
		if sec, err = p.since(p.fields[p.time], first); err != nil {
			return err
		}
	}
	return p.rows.add(sec, mbps/p.perMbps)
}

// since returns the seconds since row 0. Whole numbers are subtracted as such:
// float64 has no room for the ns since 1970.
func (p *csvParser) since(field string, first bool) (float64, error) {
	ticks, intErr := strconv.ParseInt(field, 10, 64)
	v, err := parseNumber(p.header[p.time], []byte(field))
	if err != nil {
		return 0, err
	}
	if v < 0 {
		return 0, fmt.Errorf("time %s is negative", field)
	}
	if first {
		p.firstInt, p.first, p.isInt = ticks, v, intErr == nil
	}
	if p.isInt && intErr == nil {
		return float64(ticks-p.firstInt) / p.perSec, nil
	}
	return (v - p.first) / p.perSec, nil
}

// splitCSV appends the values of a line to dst, without white space around them
// and without quotation marks, in which a comma does not separate and "" is a
// mark. A value does not go on in the next line.
func splitCSV(dst []string, text []byte) ([]string, error) {
	rest := string(text)
	for {
		rest = strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(rest, `"`) {
			value, after, more := strings.Cut(rest, ",")
			dst = append(dst, strings.TrimSpace(value))
			if !more {
				return dst, nil
			}
			rest = after
			continue
		}
		var value strings.Builder
		for rest = rest[1:]; ; {
			part, after, closed := strings.Cut(rest, `"`)
			if !closed {
				return nil, errors.New("a quotation mark is not closed")
			}
			value.WriteString(part)
			rest = after
			if !strings.HasPrefix(rest, `"`) {
				break
			}
			value.WriteByte('"')
			rest = rest[1:]
		}
		dst = append(dst, value.String())
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return dst, nil
		}
		if rest[0] != ',' {
			return nil, errors.New("text after a closing quotation mark")
		}
		rest = rest[1:]
	}
}
