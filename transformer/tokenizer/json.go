package tokenizer

// Reading JSON in one pass, without a tree of the whole: a vocabulary has
// hundreds of thousands of entries, and encoding/json would need many times the
// file's size for them.

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxDepth = 64   // of nested objects and arrays
	maxNodes = 2048 // of a tree
)

// jsonReader reads the values of a text one after another. After the first
// error, err, all its methods return zeros and read nothing.
type jsonReader struct {
	data  []byte
	pos   int
	depth int
	buf   []byte // the last string that had escapes
	err   error
}

func (r *jsonReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("offset %d: %w", r.pos, fmt.Errorf(format, args...))
	}
}

// peek returns the first byte of the next value, or 0.
func (r *jsonReader) peek() byte {
	if r.err != nil {
		return 0
	}
	for ; r.pos < len(r.data); r.pos++ {
		switch c := r.data[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// expect reads one punctuation mark.
func (r *jsonReader) expect(c byte) {
	if got := r.peek(); got == c {
		r.pos++
	} else if got == 0 {
		r.fail("the text ends where %q should be", c)
	} else {
		r.fail("got %q, want %q", got, c)
	}
}

// end checks that nothing follows.
func (r *jsonReader) end() error {
	if c := r.peek(); c != 0 || r.err == nil && r.pos < len(r.data) {
		r.fail("more after the value")
	}
	return r.err
}

// list reads what is between two brackets: item is called at each one.
func (r *jsonReader) list(open, shut byte, item func()) {
	r.expect(open)
	if r.depth++; r.depth > maxDepth {
		r.fail("nested more than %d deep", maxDepth)
	}
	if r.peek() == shut {
		r.pos++
		r.depth--
		return
	}
	for r.err == nil {
		item()
		if r.peek() == ',' {
			r.pos++
			continue
		}
		r.expect(shut)
		break
	}
	r.depth--
}

// object calls member for each one, which reads the value. The key's bytes are
// overwritten by reading on.
func (r *jsonReader) object(member func(key []byte)) {
	r.list('{', '}', func() {
		key := r.str()
		r.expect(':')
		if r.err == nil {
			member(key)
		}
	})
}

// array calls item for each one, which reads it.
func (r *jsonReader) array(item func()) { r.list('[', ']', item) }

// str reads a string. Its bytes are overwritten by the next one.
func (r *jsonReader) str() []byte {
	r.expect('"')
	if r.err != nil {
		return nil
	}
	start := r.pos
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c == '"':
			s := r.data[start:r.pos]
			if !utf8.Valid(s) {
				r.pos = start
				r.fail("a string that is not UTF-8")
				return nil
			}
			r.pos++
			return s
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			r.fail("byte %#02x in a string", c)
			return nil
		}
		r.pos++
	}
	r.fail("the text ends in a string")
	return nil
}

// escapes are the bytes that letters after a backslash stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped is [jsonReader.str] where there is a backslash at pos.
func (r *jsonReader) escaped(start int) []byte {
	r.buf = append(r.buf[:0], r.data[start:r.pos]...)
	for r.pos < len(r.data) {
		c := r.data[r.pos]
		switch {
		case c == '"':
			r.pos++
			if !utf8.Valid(r.buf) {
				r.fail("a string that is not UTF-8")
				return nil
			}
			return r.buf
		case c < ' ':
			r.fail("byte %#02x in a string", c)
			return nil
		case c != '\\':
			r.buf = append(r.buf, c)
			r.pos++
		case bytes.HasPrefix(r.data[r.pos:], []byte(`\u`)):
			u := r.hex(r.pos + 2)
			r.pos += 6
			if utf16.IsSurrogate(u) {
				if u = utf16.DecodeRune(u, r.low()); u == utf8.RuneError {
					r.fail("half of a surrogate pair")
				}
			}
			if r.err != nil {
				return nil
			}
			r.buf = utf8.AppendRune(r.buf, u)
		case r.pos+1 < len(r.data) && escapes[r.data[r.pos+1]] != 0:
			r.buf = append(r.buf, escapes[r.data[r.pos+1]])
			r.pos += 2
		default:
			r.fail("a backslash before something else than an escape")
			return nil
		}
	}
	r.fail("the text ends in a string")
	return nil
}

// low reads the second half of a surrogate pair, if there is one.
func (r *jsonReader) low() rune {
	if r.err != nil || !bytes.HasPrefix(r.data[min(r.pos, len(r.data)):], []byte(`\u`)) {
		return 0
	}
	u := r.hex(r.pos + 2)
	r.pos += 6
	return u
}

// hex returns the four digits at a place.
func (r *jsonReader) hex(at int) rune {
	if at+4 > len(r.data) {
		r.fail("the text ends in a string")
		return 0
	}
	n, err := strconv.ParseUint(string(r.data[at:at+4]), 16, 16)
	if err != nil {
		r.fail("%q is not four hexadecimal digits", r.data[at:at+4])
	}
	return rune(n)
}

// word reads what is neither string, object nor array.
func (r *jsonReader) word() []byte {
	r.peek()
	start := r.pos
	for r.err == nil && r.pos < len(r.data) {
		if c := r.data[r.pos]; c <= ' ' || c == ',' || c == ']' || c == '}' || c == ':' || c == '"' || c == '[' || c == '{' {
			break
		}
		r.pos++
	}
	if r.pos == start {
		r.fail("a value is missing")
	}
	return r.data[start:r.pos]
}

// int32 reads an integer.
func (r *jsonReader) int32() int32 {
	w := r.word()
	if r.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(w), 10, 32)
	if err != nil {
		r.fail("%.40q is not a 32-bit integer", w)
	}
	return int32(n)
}

func (r *jsonReader) bool() bool {
	w := r.word()
	if r.err == nil && string(w) != "true" && string(w) != "false" {
		r.fail("%.40q, want true or false", w)
	}
	return string(w) == "true"
}

// null reads a null, if there is one.
func (r *jsonReader) null() bool {
	if r.peek() != 'n' {
		return false
	}
	if w := r.word(); string(w) != "null" {
		r.fail("%.40q is no value", w)
	}
	return r.err == nil
}

// skip reads a value of any kind and drops it.
func (r *jsonReader) skip() {
	switch r.peek() {
	case '{':
		r.object(func([]byte) { r.skip() })
	case '[':
		r.array(r.skip)
	case '"':
		r.str()
	default:
		r.scalar()
	}
}

// scalar reads a number, true, false or null.
func (r *jsonReader) scalar() []byte {
	w := r.word()
	if r.err == nil && string(w) != "true" && string(w) != "false" && string(w) != "null" && !isNumber(w) {
		r.fail("%.40q is no value", w)
	}
	return w
}

// isNumber reports whether w is a JSON number.
func isNumber(w []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(w) && w[n] >= '0' && w[n] <= '9' {
			n++
		}
		w = w[n:]
		return n > 0
	}
	w = bytes.TrimPrefix(w, []byte("-"))
	if !digits() {
		return false
	}
	if len(w) > 0 && w[0] == '.' {
		w = w[1:]
		if !digits() {
			return false
		}
	}
	if len(w) > 0 && (w[0] == 'e' || w[0] == 'E') {
		w = w[1:]
		if len(w) > 0 && (w[0] == '+' || w[0] == '-') {
			w = w[1:]
		}
		return digits() && len(w) == 0
	}
	return len(w) == 0
}

// node is a value of any kind, for the small parts of a file.
type node struct {
	kind  byte     // '{', '[', '"', or 0: text is a number, true, false or null
	text  string   // of a string or word
	keys  []string // of an object
	items []node   // of an object or array
}

// tree reads a value of any kind, but of at most maxNodes values in all.
func (r *jsonReader) tree() *node {
	left := maxNodes
	n := r.node(&left)
	return &n
}

func (r *jsonReader) node(left *int) (n node) {
	if *left--; *left < 0 {
		r.fail("more than %d values", maxNodes)
	}
	switch c := r.peek(); c {
	case '{':
		n.kind = c
		r.object(func(key []byte) {
			n.keys = append(n.keys, string(key))
			n.items = append(n.items, r.node(left))
		})
	case '[':
		n.kind = c
		r.array(func() { n.items = append(n.items, r.node(left)) })
	case '"':
		n.kind, n.text = c, string(r.str())
	default:
		n.text = string(r.scalar())
	}
	return n
}

// get returns a member; nil, which all methods take, if there is none or it is
// null.
func (n *node) get(key string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	for i, k := range n.keys {
		if m := &n.items[i]; k == key && (m.kind != 0 || m.text != "null") {
			return m
		}
	}
	return nil
}

// str returns a string member, or "".
func (n *node) str(key string) string {
	if m := n.get(key); m != nil && m.kind == '"' {
		return m.text
	}
	return ""
}

// is reports whether a member is true; missing says what its absence means.
func (n *node) is(key string, missing bool) bool {
	if m := n.get(key); m != nil {
		return m.kind == 0 && m.text == "true"
	}
	return missing
}

// list returns the items of a member.
func (n *node) list(key string) []node {
	if m := n.get(key); m != nil {
		return m.items
	}
	return nil
}
