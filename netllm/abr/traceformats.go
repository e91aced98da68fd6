// The trace formats without a header: two columns, HSDPA logs, Mahimahi files.

package abr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// columnsParser reads [FormatColumns].
type columnsParser struct{ rows *rowList }

func (p columnsParser) line(text []byte) error {
	var fields [2][]byte
	if n := fieldsOf(text, fields[:]); n != len(fields) {
		return fmt.Errorf("want two numbers, time and bandwidth; got %d fields", n)
	}
	sec, err := parseNumber("time", fields[0])
	if err != nil {
		return err
	}
	mbps, err := parseNumber("bandwidth", fields[1])
	if err != nil {
		return err
	}
	return p.rows.add(sec, mbps)
}

func (columnsParser) end() error { return nil }

// hsdpaColumns are the fields of a row of [FormatHSDPA].
var hsdpaColumns = [...]string{"Unix time", "offset", "latitude", "longitude", "bytes received", "elapsed ms"}

// hsdpaParser reads [FormatHSDPA].
type hsdpaParser struct {
	rows    *rowList
	firstMs float64
}

func (p *hsdpaParser) line(text []byte) error {
	var fields [len(hsdpaColumns)][]byte
	if n := fieldsOf(text, fields[:]); n != len(fields) {
		return fmt.Errorf("want six numbers, got %d fields", n)
	}
	var v [len(hsdpaColumns)]float64
	for i, name := range hsdpaColumns {
		var err error
		if v[i], err = parseNumber(name, fields[i]); err != nil {
			return err
		}
	}
	ms, received, elapsedMs := v[1], v[4], v[5]
	switch {
	case math.IsNaN(ms) || math.IsInf(ms, 0) || ms < 0:
		return fmt.Errorf("offset %v ms, want 0 or more", ms)
	case !(received >= 0):
		return fmt.Errorf("%v bytes received, want 0 or more", received)
	case !(elapsedMs > 0):
		return fmt.Errorf("%v ms elapsed, want more than 0", elapsedMs)
	}
	if p.rows.Rows() == 0 {
		p.firstMs = ms
	}
	return p.rows.add((ms-p.firstMs)/1000, received*8/1000/elapsedMs)
}

func (*hsdpaParser) end() error { return nil }

const (
	mahimahiPacketBytes = 1500
	mahimahiBinMs       = 1000
)

// mahimahiParser reads [FormatMahimahi].
type mahimahiParser struct {
	rows    *rowList
	lastMs  uint64 // of the packet before
	packets int    // in the bin of that packet
	edgeMs  uint64 // end of the last row
}

func (p *mahimahiParser) line(text []byte) error {
	ms, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no packet's time, a whole number of ms", quoted(text))
	}
	if ms < p.lastMs {
		return fmt.Errorf("time %d ms goes back (the packet before has %d)", ms, p.lastMs)
	}
	if ms > maxTraceSec*1000 {
		return fmt.Errorf("time %d ms is beyond %v s", ms, float64(maxTraceSec))
	}
	if bin := binOf(ms); p.packets > 0 && bin > binOf(p.lastMs) {
		if err := p.flush((binOf(p.lastMs) + 1) * mahimahiBinMs); err != nil {
			return err
		}
	}
	p.lastMs = ms
	p.packets++
	return nil
}

// binOf returns the bin of a packet, one that ends with it if need be: (0, 1 s]
// is bin 0, to which a packet at 0 belongs too.
func binOf(ms uint64) uint64 { return (max(ms, 1) - 1) / mahimahiBinMs }

// flush adds the row of the bin that ends at endMs, and before it one for the
// empty bins if there are any.
func (p *mahimahiParser) flush(endMs uint64) error {
	if p.edgeMs == 0 {
		if err := p.rows.add(0, 0); err != nil {
			return err
		}
	}
	if startMs := binOf(p.lastMs) * mahimahiBinMs; startMs > p.edgeMs {
		if err := p.rows.add(float64(startMs)/1000, 0); err != nil {
			return err
		}
		p.edgeMs = startMs
	}
	bits := float64(p.packets) * mahimahiPacketBytes * 8
	if err := p.rows.add(float64(endMs)/1000, bits/1000/float64(endMs-p.edgeMs)); err != nil {
		return err
	}
	p.edgeMs, p.packets = endMs, 0
	return nil
}

func (p *mahimahiParser) end() error {
	if p.lastMs == 0 {
		return errors.New("all packets at 0 ms: the trace lasts no time")
	}
	return p.flush(p.lastMs)
}
