// The synthetic trace generator: bandwidth that jumps to a new uniform level
// every few rows.

package abr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// SynthConfig says which synthetic traces to make. Its text form is
// "key=value,..." with the keys in brackets.
type SynthConfig struct {
	Seed        uint32  // of the one MT19937 stream that all traces come from [seed]
	Count       int     // number of traces [n]
	ChangeRows  int     // a level holds for 1..ChangeRows rows, the generator's T_s [T]
	DurationSec float64 // rows are made until this time is reached [dur]
	MinMbps     float64 // levels are uniform between these two [min]
	MaxMbps     float64 // [max]
}

// DefaultSynth is the public synthetic set, "synth_pub" of the reference
// numbers: seed=7,n=10,T=5,dur=320,min=0.2,max=4.3.
func DefaultSynth() SynthConfig {
	return SynthConfig{Seed: 7, Count: 10, ChangeRows: 5, DurationSec: 320, MinMbps: 0.2, MaxMbps: 4.3}
}

const (
	synthMinStepSec = 0.1
	synthMaxStepSec = 3.5
	synthMaxSec     = 2e7 // over all traces of a set: about eleven million rows
)

// Validate reports every field that is out of range.
func (c SynthConfig) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Count < 1 {
		bad("n = %d, at least 1", c.Count)
	}
	if c.ChangeRows < 1 || c.ChangeRows > 1e6 {
		bad("T = %d, want 1 to 1000000", c.ChangeRows)
	}
	// More than one step, so that there are two rows whatever is drawn.
	if !(c.DurationSec > synthMaxStepSec) {
		bad("dur = %v s, more than %v", c.DurationSec, synthMaxStepSec)
	}
	if !(float64(c.Count)*c.DurationSec <= synthMaxSec) {
		bad("n times dur = %v s, at most %v", float64(c.Count)*c.DurationSec, synthMaxSec)
	}
	if !(c.MinMbps >= 0) {
		bad("min = %v Mbit/s, at least 0", c.MinMbps)
	}
	if !(c.MaxMbps >= c.MinMbps && c.MaxMbps > 0 && c.MaxMbps <= maxTraceMbps) {
		bad("max = %v Mbit/s, want at least min, above 0, at most %v", c.MaxMbps, float64(maxTraceMbps))
	}
	return errors.Join(errs...)
}

// ParseSynth reads the text form over the defaults of [DefaultSynth]; ""
// gives the defaults.
func ParseSynth(text string) (SynthConfig, error) {
	c := DefaultSynth()
	if text == "" {
		return c, nil
	}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return c, fmt.Errorf("abr: synthetic traces: %q is not key=value", pair)
		}
		if seen[key] {
			return c, fmt.Errorf("abr: synthetic traces: %q is given twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "seed":
			var seed uint64
			seed, err = strconv.ParseUint(value, 10, 32)
			c.Seed = uint32(seed)
		case "n":
			c.Count, err = strconv.Atoi(value)
		case "T":
			c.ChangeRows, err = strconv.Atoi(value)
		case "dur":
			c.DurationSec, err = strconv.ParseFloat(value, 64)
		case "min":
			c.MinMbps, err = strconv.ParseFloat(value, 64)
		case "max":
			c.MaxMbps, err = strconv.ParseFloat(value, 64)
		default:
			return c, fmt.Errorf("abr: synthetic traces: unknown key %q, known: seed, n, T, dur, min, max", key)
		}
		if err != nil {
			return c, fmt.Errorf("abr: synthetic traces: %s: %w", key, err)
		}
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("abr: synthetic traces: %w", err)
	}
	return c, nil
}

// SynthTraces makes the traces of c, one after the other from one stream, so
// that the first n of a longer set are the set of n. They are named
// synth_000, synth_001, ..., those of [DefaultSynth] synth_pub_000 and so on.
func SynthTraces(c SynthConfig) ([]*Trace, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("abr: synthetic traces: %w", err)
	}
	prefix := "synth"
	if c == DefaultSynth() {
		prefix = "synth_pub"
	}
	digits := max(3, len(strconv.Itoa(c.Count-1))) // names in byte order = order of making
	rng := NewMT19937(c.Seed)
	traces := make([]*Trace, c.Count)
	for i := range traces {
		t, err := synthTrace(rng, c, fmt.Sprintf("%s_%0*d", prefix, digits, i))
		if err != nil {
			return nil, err
		}
		traces[i] = t
	}
	return traces, nil
}

// synthTrace draws one trace. The order of the draws is part of the format:
// level, count, time step.
func synthTrace(rng *MT19937, c SynthConfig, name string) (*Trace, error) {
	var times, mbps []float64
	level := round2(rng.Uniform(c.MinMbps, c.MaxMbps)) // drawn, but never appears
	now, left := 0.0, 0
	for now < c.DurationSec {
		if left <= 0 {
			level = round2(rng.Uniform(c.MinMbps, c.MaxMbps))
			left = rng.IntRange(1, c.ChangeRows)
		}
		left--
		now = round2(now + rng.Uniform(synthMinStepSec, synthMaxStepSec))
		times, mbps = append(times, now), append(mbps, level)
	}
	return NewTrace(name, times, mbps)
}

// round2 rounds correctly to two decimals, which scaling by 100 would not.
func round2(x float64) float64 {
	var buf [32]byte
	v, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], x, 'f', 2, 64)), 64)
	if err != nil {
		return math.NaN() // cannot happen: what was formatted parses
	}
	return v
}
