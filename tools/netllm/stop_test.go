package main

import (
	"slices"
	"testing"
)

func TestStopper(t *testing.T) {
	for _, test := range []struct {
		name    string
		words   []string
		pieces  []string
		want    []string // what is shown after each piece, and last what is left
		stopped bool
	}{
		{"no words", nil, []string{"a", "b"}, []string{"a", "b", ""}, false},
		{"in one piece", []string{"END"}, []string{"so END then"}, []string{"so "}, true},
		{"in pieces", []string{"END"}, []string{"so E", "N", "D then"}, []string{"so ", "", ""}, true},
		{"a false start", []string{"END"}, []string{"E", "NT", "E"}, []string{"", "ENT", "", "E"}, false},
		{"a start within a start", []string{"aab"}, []string{"aa", "a", "b"}, []string{"", "a", ""}, true},
		{"the first of two", []string{"two", "one"}, []string{"a one two"}, []string{"a "}, true},
		{"one within the other", []string{"xyz", "y"}, []string{"x", "y"}, []string{"", "x"}, true},
		{"at the beginning", []string{"a"}, []string{"a"}, []string{""}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stopper{words: test.words}
			var got []string
			stopped := false
			for _, piece := range test.pieces {
				var show string
				show, stopped = s.add(piece)
				if got = append(got, show); stopped {
					break
				}
			}
			if !stopped {
				got = append(got, s.flush())
			}
			if !slices.Equal(got, test.want) || stopped != test.stopped {
				t.Errorf("got %q, stopped %v, want %q, %v", got, stopped, test.want, test.stopped)
			}
		})
	}
}
