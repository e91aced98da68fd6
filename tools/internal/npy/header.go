// The header of a file: a dictionary of Python's, written out.

package npy

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// header is what stands in a header.
type header struct {
	descr   string
	fortran bool
	shape   []int
}

// count returns the number of elements, at most limit, or an error.
func (h header) count(limit int) (int, error) {
	n := 1
	for _, d := range h.shape {
		if d == 0 {
			return 0, nil
		}
	}
	for _, d := range h.shape {
		if n > limit/d {
			return 0, fmt.Errorf("shape %v is more than the file holds", h.shape)
		}
		n *= d
	}
	return n, nil
}

// order returns where the i-th element of the array stands in the file.
func (h header) order() func(i int) int {
	if !h.fortran {
		return func(i int) int { return i }
	}
	return func(i int) int { // the first index runs fastest there
		at, stride := 0, 1
		for _, d := range h.shape[:max(len(h.shape)-1, 0)] {
			stride *= d
		}
		for k := len(h.shape) - 1; k >= 0; k-- {
			at += i % h.shape[k] * stride
			i /= h.shape[k]
			if k > 0 {
				stride /= h.shape[k-1]
			}
		}
		return at
	}
}

// parseHeader reads the dictionary in which a header consists, as Python writes
// one: {'descr': '<f8', 'fortran_order': False, 'shape': (4, 4), }. base is where
// it begins in the file.
func parseHeader(text string, base int) (header, error) {
	s := &literal{text: text}
	h, err := s.header()
	if err != nil {
		return h, fmt.Errorf("header: byte %d: %w", base+s.pos, err)
	}
	return h, nil
}

// literal is a text of Python, and how far it has been read.
type literal struct {
	text string
	pos  int
}

func (s *literal) header() (h header, err error) {
	if err := s.want('{'); err != nil {
		return h, err
	}
	seen := map[string]bool{}
	for s.peek() != '}' {
		key, err := s.quoted()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("%q stands twice", key)
		}
		seen[key] = true
		if err := s.want(':'); err != nil {
			return h, err
		}
		switch key {
		case "descr":
			h.descr, err = s.quoted()
		case "fortran_order":
			h.fortran, err = s.bool()
		case "shape":
			h.shape, err = s.tuple()
		default:
			err = fmt.Errorf("unknown key %.40q", key)
		}
		if err != nil {
			return h, err
		}
		if s.peek() != ',' {
			break
		}
		s.pos++
	}
	if err := s.want('}'); err != nil {
		return h, err
	}
	if s.peek() != 0 {
		return h, fmt.Errorf("%.40q after the dictionary", s.text[s.pos:])
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("no %q", key)
		}
	}
	return h, nil
}

// peek skips white space and returns the byte that comes, 0 at the end.
func (s *literal) peek() byte {
	for s.pos < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.pos]) >= 0 {
		s.pos++
	}
	if s.pos == len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

func (s *literal) want(c byte) error {
	if got := s.peek(); got != c {
		return fmt.Errorf("got %q, want %q", got, c)
	}
	s.pos++
	return nil
}

// quoted reads a string, in which nothing is escaped.
func (s *literal) quoted() (string, error) {
	quote := s.peek()
	if quote != '\'' && quote != '"' {
		return "", fmt.Errorf("got %q, want a string", quote)
	}
	text, _, ok := strings.Cut(s.text[s.pos+1:], string(quote))
	if !ok || strings.ContainsAny(text, "\\\n") {
		return "", errors.New("a string that does not end, or with an escape")
	}
	s.pos += len(text) + 2
	return text, nil
}

func (s *literal) bool() (bool, error) {
	s.peek()
	for word, value := range map[string]bool{"True": true, "False": false} {
		if strings.HasPrefix(s.text[s.pos:], word) {
			s.pos += len(word)
			return value, nil
		}
	}
	return false, errors.New("want True or False")
}

// tuple reads a tuple of natural numbers.
func (s *literal) tuple() ([]int, error) {
	if err := s.want('('); err != nil {
		return nil, err
	}
	shape := []int{}
	for s.peek() != ')' {
		if len(shape) == maxDims {
			return nil, fmt.Errorf("more than %d dimensions", maxDims)
		}
		n, digits := int64(0), 0
		for ; s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9'; s.pos++ {
			if n = n*10 + int64(s.text[s.pos]-'0'); n > math.MaxInt32 {
				return nil, errors.New("a dimension beyond 31 bits")
			}
			digits++
		}
		if digits == 0 {
			return nil, fmt.Errorf("got %q, want a natural number", s.peek())
		}
		shape = append(shape, int(n))
		if s.peek() == ',' {
			s.pos++
		} else if s.peek() != ')' || len(shape) == 1 {
			return nil, errors.New("numbers of a tuple are followed by commas")
		}
	}
	return shape, s.want(')')
}
