// Windows: the questions that traces are cut into.

package vp

import (
	"errors"
	"fmt"
)

// Windowing says where in a trace questions are asked: at rows TrimHead, TrimHead+Stride and
// so on, while they are before the last TrimTail rows. All are numbers of rows.
type Windowing struct {
	History  int `json:"history"` // rows seen, up to the one before the question
	Horizon  int `json:"horizon"` // rows to be predicted, from the one of the question on
	Stride   int `json:"stride"`
	TrimHead int `json:"trim_head"`
	TrimTail int `json:"trim_tail"`
}

// DefaultWindowing is the paper's: 2 s seen, 4 s predicted, a question every 3 s. (The public
// code has a TrimTail of 60; the published figures were made with 30.)
func DefaultWindowing() Windowing {
	return Windowing{History: 10, Horizon: 20, Stride: 15, TrimHead: 30, TrimTail: 30}
}

// Validate reports every field with which windows would not lie within their traces.
func (w Windowing) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("vp: windows: "+format, args...)) }
	if w.History < 1 || w.Horizon < 1 || w.Stride < 1 {
		bad("history %d, horizon %d, stride %d: each must be 1 or more", w.History, w.Horizon, w.Stride)
	}
	if w.TrimHead < w.History {
		bad("a history of %d rows does not fit the first %d", w.History, w.TrimHead)
	}
	if w.TrimTail+1 < w.Horizon {
		bad("a horizon of %d rows does not fit the last %d", w.Horizon, w.TrimTail)
	}
	return errors.Join(errs...)
}

// Window is one question: of a trace's rows before number At the last History are seen,
// and those from At on are to be predicted.
type Window struct {
	Trace            *Trace
	At               int
	History, Horizon int
}

// Windows cuts all traces, in their order. Traces too short for a question have none.
func (w Windowing) Windows(traces []*Trace) []Window {
	var ws []Window
	for _, t := range traces {
		for at := w.TrimHead; at < len(t.Rows)-w.TrimTail; at += w.Stride {
			ws = append(ws, Window{Trace: t, At: at, History: w.History, Horizon: w.Horizon})
		}
	}
	return ws
}

// Ask returns the question that follows the rows of past, the oldest first, for as many rows
// as horizon says: what a player asks while a viewer watches.
func Ask(past []Angles, horizon int) Window {
	return Window{Trace: &Trace{Rows: past}, At: len(past), History: len(past), Horizon: horizon}
}

// Past returns the rows seen, the oldest first.
func (w Window) Past() []Angles { return w.Trace.Rows[w.At-w.History : w.At] }

// Future returns the rows to be predicted.
func (w Window) Future() []Angles { return w.Trace.Rows[w.At : w.At+w.Horizon] }
