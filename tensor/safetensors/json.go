package safetensors

// A reader of JSON (RFC 8259) that allocates nothing but what it returns: names
// that have no escapes are parts of the text, and numbers are never text. Keys
// that occur twice are the caller's to see.

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep values may be nested, and with it the stack.
const maxDepth = 1000

// scanner reads JSON piece by piece.
type scanner struct {
	text string
	pos  int
	base int // of the text, in the file
}

func newScanner(text string, base int) *scanner { return &scanner{text: text, base: base} }

func (s *scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("offset %d: "+format, append([]any{s.base + s.pos}, args...)...)
}

// peek skips blanks and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// unexpected is the error of finding something else than what.
func (s *scanner) unexpected(what string) error {
	if s.peek(); s.pos == len(s.text) {
		return s.errorf("want %s: %w", what, io.ErrUnexpectedEOF)
	}
	return s.errorf("got %s, want %s", s.describe(), what)
}

// want reads the byte c, which begins or ends what.
func (s *scanner) want(c byte, what string) error {
	if s.peek() != c || s.pos == len(s.text) {
		return s.unexpected(what)
	}
	s.pos++
	return nil
}

// list reads what stands between open and end, separated by commas: item is
// called before each.
func (s *scanner) list(open, end byte, what string, item func() error) error {
	if err := s.want(open, what); err != nil {
		return err
	}
	if s.peek() == end {
		s.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if s.peek() == end {
			s.pos++
			return nil
		}
		if err := s.want(',', "a comma"); err != nil {
			return err
		}
	}
}

// object reads an object and calls value for each key, to read the value.
func (s *scanner) object(value func(key string) error) error {
	return s.list('{', '}', "an object", func() error {
		key, err := s.string()
		if err != nil {
			return err
		}
		if err := s.want(':', "a colon"); err != nil {
			return err
		}
		return value(key)
	})
}

// pair is a name and its string, and where that is.
type pair struct {
	name, value string
	at          int // in the file
}

// pairs reads an object of strings and returns it sorted by name. what is what
// the names are of.
func (s *scanner) pairs(what string) ([]pair, error) {
	list := make([]pair, 0, strings.Count(s.text[s.pos:], `"`)/4) // a pair has four quotes
	err := s.object(func(name string) error {
		at := s.base + s.pos
		value, err := s.string()
		list = append(list, pair{name, value, at})
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b pair) int { return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.at, b.at)) })
	for i := 1; i < len(list); i++ {
		if list[i].name == list[i-1].name {
			return nil, fmt.Errorf("offset %d: a second %s %.100q", list[i].at, what, list[i].name)
		}
	}
	return list, nil
}

func comparePairs(a, b pair) int { return strings.Compare(a.name, b.name) }

// string reads a string: a part of the text if it has no escapes.
func (s *scanner) string() (string, error) {
	if s.peek() != '"' {
		return "", s.unexpected("a string")
	}
	start := s.pos + 1
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return s.text[start:i], nil
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			s.pos = i
			return "", s.errorf("a control character in a string")
		}
	}
	s.pos = len(s.text)
	return "", s.errorf("a string without end: %w", io.ErrUnexpectedEOF)
}

// escaped reads a string that begins at start and has its first escape at i.
func (s *scanner) escaped(start, i int) (string, error) {
	end := i // of the string
	for end < len(s.text) && s.text[end] != '"' {
		if s.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s.text) {
		s.pos = len(s.text)
		return "", s.errorf("a string without end: %w", io.ErrUnexpectedEOF)
	}
	var b strings.Builder
	b.Grow(end - start) // escapes only become shorter
	b.WriteString(s.text[start:i])
	for i < end {
		c := s.text[i]
		if c < ' ' {
			s.pos = i
			return "", s.errorf("a control character in a string")
		}
		if c != '\\' {
			b.WriteByte(c)
			i++
			continue
		}
		const plain, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		if at := strings.IndexByte(plain, s.text[i+1]); at >= 0 {
			b.WriteByte(meant[at])
			i += 2
			continue
		}
		r, n := unicodeEscape(s.text[i:end])
		if n == 0 {
			s.pos = i
			return "", s.errorf("an escape that JSON does not have")
		}
		b.WriteRune(r)
		i += n
	}
	s.pos = end + 1
	return b.String(), nil
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair. Half of a
// pair becomes U+FFFD. It returns how many bytes it read, 0 if there is none.
func unicodeEscape(s string) (r rune, n int) {
	hex := func(s string) (rune, bool) {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0, false
		}
		v, err := strconv.ParseUint(s[2:6], 16, 32)
		return rune(v), err == nil
	}
	r, ok := hex(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hex(s[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// numbers reads an array of natural numbers.
func (s *scanner) numbers() ([]uint64, error) {
	if s.peek() != '[' {
		return nil, s.unexpected("an array")
	}
	end := strings.IndexByte(s.text[s.pos:], ']')
	if end < 0 {
		end = 0
	}
	list := make([]uint64, 0, strings.Count(s.text[s.pos:s.pos+end], ",")+1)
	err := s.list('[', ']', "an array", func() error {
		n, err := s.natural()
		list = append(list, n)
		return err
	})
	return list, err
}

// natural reads a whole number of at least 0.
func (s *scanner) natural() (uint64, error) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, s.unexpected("a number")
	}
	start := s.pos
	if err := s.number(); err != nil {
		return 0, err
	}
	word := s.text[start:s.pos]
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return 0, s.errorf("got %.40s, want a whole number", word)
	}
	return n, nil
}

// number reads a number of any kind.
func (s *scanner) number() error {
	digits := func() bool {
		from := s.pos
		for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
			s.pos++
		}
		return s.pos > from
	}
	has := func(chars string) bool {
		if s.pos < len(s.text) && strings.IndexByte(chars, s.text[s.pos]) >= 0 {
			s.pos++
			return true
		}
		return false
	}
	has("-")
	ok := has("0") || digits()
	if ok && has(".") {
		ok = digits()
	}
	if ok && has("eE") {
		has("+-")
		ok = digits()
	}
	if !ok {
		return s.unexpected("a digit")
	}
	return nil
}

// skip reads a value of any kind.
func (s *scanner) skip() error { return s.skipAt(0) }

func (s *scanner) skipAt(depth int) error {
	if depth > maxDepth {
		return s.errorf("values nested deeper than %d", maxDepth)
	}
	switch c := s.peek(); c {
	case '{':
		return s.object(func(string) error { return s.skipAt(depth + 1) })
	case '[':
		return s.list('[', ']', "an array", func() error { return s.skipAt(depth + 1) })
	case '"':
		_, err := s.string()
		return err
	default:
		for _, word := range []string{"null", "true", "false"} {
			if strings.HasPrefix(s.text[s.pos:], word) {
				s.pos += len(word)
				return nil
			}
		}
		if c != '-' && (c < '0' || c > '9') {
			return s.unexpected("a value")
		}
		return s.number()
	}
}

// end makes sure that nothing but blanks follows.
func (s *scanner) end() error {
	if s.peek(); s.pos < len(s.text) {
		return s.errorf("%s after the object", s.describe())
	}
	return nil
}

// describe names what comes next.
func (s *scanner) describe() string {
	switch c := s.peek(); {
	case c == '"':
		return "a string"
	case c == '-' || '0' <= c && c <= '9':
		return "a number"
	case strings.HasPrefix(s.text[s.pos:], "null"):
		return "null"
	case strings.HasPrefix(s.text[s.pos:], "true"), strings.HasPrefix(s.text[s.pos:], "false"):
		return "true or false"
	default:
		r, _ := utf8.DecodeRuneInString(s.text[s.pos:])
		return strconv.Quote(string(r))
	}
}
