// Sets of traces, by the names of the command line, and the sessions made of
// them: which trace from which row, in which order.

package abr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// TraceSet is a list of traces with, where the data come with them, the rows
// that sessions start at.
type TraceSet struct {
	Name      string // as it was asked for
	Traces    []*Trace
	StartRows map[string]int // trace name -> start row; nil if there is no such file
}

// OpenTraces opens a set of traces.
//
// The set's text form is one of
//
//	fcc-test, fcc-train, fcc-valid   dataDir/abr/traces/NAME
//	synth[:key=value,...]            generated, see [SynthConfig]; dataDir is not read
//	anything else                    a folder of trace files
//
// (write ./synth for a folder of that name). Where NAME_start_index.json lies
// beside the folder NAME, it gives the start rows: an object trace name ->
// row, 1 <= row < rows of that trace; names of other traces are passed over.
func OpenTraces(dataDir, set string) (*TraceSet, error) {
	if kind, params, colon := strings.Cut(set, ":"); kind == "synth" {
		if colon && params == "" {
			return nil, fmt.Errorf("abr: traces %q: nothing after the colon", set)
		}
		config, err := ParseSynth(params)
		if err != nil {
			return nil, err
		}
		traces, err := SynthTraces(config)
		if err != nil {
			return nil, err
		}
		return &TraceSet{Name: set, Traces: traces}, nil
	}
	dir := set
	switch set {
	case "":
		return nil, errors.New("abr: no trace set named")
	case "fcc-test", "fcc-train", "fcc-valid":
		dir = filepath.Join(dataDir, "abr", "traces", set)
	}
	traces, err := ReadTraceDir(dir)
	if err != nil {
		return nil, err
	}
	s := &TraceSet{Name: set, Traces: traces}
	if s.StartRows, err = readStartRows(dir, traces); err != nil {
		return nil, err
	}
	return s, nil
}

// readStartRows reads the start rows beside the folder dir; nil without error
// if there is no such file.
func readStartRows(dir string, traces []*Trace) (map[string]int, error) {
	abs, err := filepath.Abs(dir) // so that "." and "traces/" have a name too
	if err != nil {
		return nil, fmt.Errorf("abr: start rows: %w", err)
	}
	path := abs + "_start_index.json"
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("abr: start rows: %w", err)
	}
	var rows map[string]int
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("abr: start rows: %s: %w", path, err)
	}
	if rows == nil {
		return nil, fmt.Errorf("abr: start rows: %s: null, an object was expected", path)
	}
	for _, t := range traces {
		row, ok := rows[t.Name]
		if !ok {
			return nil, fmt.Errorf("abr: start rows: %s: no entry for trace %q", path, t.Name)
		}
		if row < 1 || row >= t.Rows() {
			return nil, fmt.Errorf("abr: start rows: %s: trace %q: row %d, want 1 to %d", path, t.Name, row, t.Rows()-1)
		}
	}
	return rows, nil
}

// StartRule says at which row of its trace a session starts.
type StartRule string

// The start rules. The zero value is StartIndex where the set has start rows,
// else StartRow1.
const (
	StartDefault StartRule = ""
	StartIndex   StartRule = "index"  // the row that comes with the data
	StartRow1    StartRule = "row1"   // row 1: the trace's beginning
	StartRandom  StartRule = "random" // any row from 1 on, drawn per session
)

// ParseStartRule reads "index", "row1", "random" or "" (the default).
func ParseStartRule(text string) (StartRule, error) {
	switch rule := StartRule(text); rule {
	case StartDefault, StartIndex, StartRow1, StartRandom:
		return rule, nil
	}
	return "", fmt.Errorf("abr: unknown start rule %q, known: index, row1, random", text)
}

// Session is one video session: a trace and the row at which it starts, with
// 1 <= StartRow < Trace.Rows(). It begins at time TimeSec[StartRow-1].
type Session struct {
	Trace    *Trace
	StartRow int
}

func (s Session) validate() error {
	if s.Trace == nil {
		return errors.New("session without a trace")
	}
	if err := s.Trace.Validate(); err != nil {
		return fmt.Errorf("trace %q: %w", s.Trace.Name, err)
	}
	return s.validateStart()
}

func (s Session) validateStart() error {
	if s.StartRow < 1 || s.StartRow >= s.Trace.Rows() {
		return fmt.Errorf("trace %q: start row %d, want 1 to %d", s.Trace.Name, s.StartRow, s.Trace.Rows()-1)
	}
	return nil
}

// Plan says which sessions to make of a set of traces. The zero value is the
// evaluation's: one session per trace, in order, from the default row.
type Plan struct {
	Start    StartRule
	Episodes int  // number of sessions; 0 = one per trace
	Shuffle  bool // a new random order for every pass over the set
	Seed     uint64
}

// Sessions makes the sessions of plan p. With more episodes than traces it
// goes over the set again. The same plan gives the same sessions.
func (s *TraceSet) Sessions(p Plan) ([]Session, error) {
	if len(s.Traces) == 0 {
		return nil, fmt.Errorf("abr: trace set %q is empty", s.Name)
	}
	if p.Episodes < 0 {
		return nil, fmt.Errorf("abr: %d episodes", p.Episodes)
	}
	if p.Episodes == 0 {
		p.Episodes = len(s.Traces)
	}
	rule, err := ParseStartRule(string(p.Start))
	if err != nil {
		return nil, err
	}
	if rule == StartDefault {
		rule = StartRow1
		if s.StartRows != nil {
			rule = StartIndex
		}
	}
	if rule == StartIndex && s.StartRows == nil {
		return nil, fmt.Errorf("abr: trace set %q comes without start rows, start rule %q needs them", s.Name, rule)
	}

	rng := NewMT19937(fold32(p.Seed))
	order := slices.Clone(s.Traces)
	sessions := make([]Session, p.Episodes)
	valid := make(map[*Trace]bool, len(order))
	for i := range sessions {
		at := i % len(order)
		if at == 0 && p.Shuffle {
			for j := len(order) - 1; j > 0; j-- { // Fisher and Yates
				k := rng.IntRange(0, j)
				order[j], order[k] = order[k], order[j]
			}
		}
		session := Session{Trace: order[at], StartRow: 1}
		switch rule {
		case StartIndex:
			session.StartRow = s.StartRows[session.Trace.Name]
		case StartRandom:
			session.StartRow = rng.IntRange(1, session.Trace.Rows()-1)
		}
		check := session.validate
		if valid[session.Trace] { // its rows need not be walked again
			check = session.validateStart
		}
		if err := check(); err != nil {
			return nil, fmt.Errorf("abr: %w", err)
		}
		valid[session.Trace] = true
		sessions[i] = session
	}
	return sessions, nil
}
