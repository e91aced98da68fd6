package tokenizer

// From tokens back to text.

import (
	"strings"
	"unicode/utf8"
)

// replaceSpace returns a piece of SentencePiece as text.
func replaceSpace(piece string) string { return strings.ReplaceAll(piece, space, " ") }

// Decode returns the text of tokens. Control tokens, the unknown one and ids
// beyond the vocabulary are no text. The blank that [Tokenizer.Encode] put
// before the text is taken away. Bytes that are not UTF-8 become U+FFFD, one for
// each part of a character that is cut off.
func (t *Tokenizer) Decode(ids []int32) string {
	size := 0
	for _, id := range ids {
		size += len(t.piece(id))
	}
	text := make([]byte, 0, size)
	for _, id := range ids {
		text = append(text, t.piece(id)...)
	}
	if t.strips() && len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	if utf8.Valid(text) {
		return string(text)
	}
	out, rest := appendValid(nil, text)
	return string(appendCut(out, rest))
}

func (t *Tokenizer) piece(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	return t.pieces[id]
}

// strips reports whether texts begin with a blank that was not in them.
func (t *Tokenizer) strips() bool {
	return t.vocab.Model == SentencePiece && t.vocab.AddSpacePrefix
}

// appendValid appends text to out as UTF-8. It returns what is at the end and
// may be the beginning of a character.
func appendValid(out, text []byte) (valid, rest []byte) {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r != utf8.RuneError || n > 1:
			out = append(out, text[:n]...)
		case !utf8.FullRune(text):
			return out, text
		default:
			n = cutOff(text)
			out = append(out, string(utf8.RuneError)...)
		}
		text = text[n:]
	}
	return out, nil
}

// appendCut appends what is left of a character that is never finished.
func appendCut(out, rest []byte) []byte {
	if len(rest) > 0 {
		out = append(out, string(utf8.RuneError)...)
	}
	return out
}

// cutOff returns how many bytes at the beginning of text, which is no character,
// are the beginning of one: at least 1.
func cutOff(text []byte) int {
	for n := min(len(text), utf8.UTFMax-1); n > 1; n-- {
		if !utf8.FullRune(text[:n]) {
			return n
		}
	}
	return 1
}

// Stream decodes token after token. It stands where a text begins: to go on
// after a prompt, give it the prompt's tokens first.
type Stream struct {
	t       *Tokenizer
	text    []byte // a character that is not complete
	started bool
}

// Stream returns a new stream.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Next returns the text that a token adds, as far as its characters are
// complete. All results and that of [Stream.Flush] together are what
// [Tokenizer.Decode] returns.
func (s *Stream) Next(id int32) string {
	piece := s.t.piece(id)
	if piece == "" {
		return ""
	}
	s.text = append(s.text, piece...)
	text := s.text
	if !s.started && s.t.strips() && text[0] == ' ' {
		text = text[1:]
	}
	s.started = true
	out, rest := appendValid(make([]byte, 0, len(text)), text)
	s.text = append(s.text[:0], rest...)
	return string(out)
}

// Flush returns U+FFFD if a character was begun and not finished, and forgets
// it.
func (s *Stream) Flush() string {
	out := string(appendCut(nil, s.text))
	s.text = s.text[:0]
	return out
}
