// Ending generated text at given words, which may come in pieces.

package main

import "strings"

// stopper passes text on until one of its words occurs. What could be the beginning of
// one is held back.
type stopper struct {
	words   []string
	pending string
}

// add takes the next piece of text. It returns what can be shown, and whether a word
// occurred: then the text ends before it.
func (s *stopper) add(text string) (show string, stopped bool) {
	s.pending += text
	end := -1
	for _, word := range s.words {
		if i := strings.Index(s.pending, word); i >= 0 && (end < 0 || i < end) {
			end = i
		}
	}
	if end >= 0 {
		show, s.pending = s.pending[:end], ""
		return show, true
	}
	keep := 0
	for _, word := range s.words {
		for n := min(len(word)-1, len(s.pending)); n > keep; n-- {
			if strings.HasSuffix(s.pending, word[:n]) {
				keep = n
			}
		}
	}
	show, s.pending = s.pending[:len(s.pending)-keep], s.pending[len(s.pending)-keep:]
	return show, false
}

// flush returns what was held back when the text ends otherwise.
func (s *stopper) flush() string {
	show := s.pending
	s.pending = ""
	return show
}
