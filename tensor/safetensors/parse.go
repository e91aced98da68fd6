package safetensors

// Reading and checking one file.

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"netllm/tensor/internal/fileio"
)

const (
	maxHeaderLen = 100_000_000 // as in the reference implementation
	metadataName = "__metadata__"
)

// header is what a file's header says.
type header struct {
	metadata map[string]string
	records  []record // in the order of their bytes
}

// parseFile reads the header of a file and gives each tensor its bytes.
func parseFile(path string, data []byte) (*header, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("offset 0: %d bytes, too few for the header's length (truncated?)", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	switch {
	case n > maxHeaderLen:
		return nil, fmt.Errorf("offset 0: header of %d bytes, at most %d", n, maxHeaderLen)
	case n > uint64(len(data)-8):
		return nil, fmt.Errorf("offset 0: header of %d bytes, past the end of a file of %d bytes (truncated?)", n, len(data))
	case n == 0 || data[8] != '{':
		return nil, errors.New("offset 8: the header does not begin with {")
	}
	text, body := data[8:8+n], data[8+n:]
	if at := invalidUTF8(text); at >= 0 {
		return nil, fmt.Errorf("offset %d: the header is not UTF-8", 8+at)
	}
	h := &header{metadata: map[string]string{}}
	s := newScanner(text, 8)
	if err := h.scan(s); err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	for i := range h.records {
		h.records[i].File = path
	}
	return h, h.place(body, 8+int64(n))
}

// scan reads the header's object: tensors by name, and the metadata.
func (h *header) scan(s *scanner) error {
	hasMetadata := false
	seen := map[string]bool{}
	return s.object(func(name string) error {
		if name == metadataName {
			if hasMetadata {
				return s.errorf("a second %s", name)
			}
			hasMetadata = true
			return h.scanMetadata(s)
		}
		if seen[name] {
			return s.errorf("a second tensor %q", name)
		}
		seen[name] = true
		r, err := scanTensor(s, name)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		h.records = append(h.records, r)
		return nil
	})
}

func (h *header) scanMetadata(s *scanner) error {
	err := s.object(func(key string) error {
		if _, ok := h.metadata[key]; ok {
			return s.errorf("a second key %q", key)
		}
		value, err := s.string()
		h.metadata[key] = value
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", metadataName, err)
	}
	return nil
}

// scanTensor reads the description of one tensor. Offset is still that from
// the start of the data.
func scanTensor(s *scanner, name string) (record, error) {
	r := record{Info: Info{Name: name}}
	var dims, offsets []uint64
	seen := map[string]bool{}
	err := s.object(func(field string) (err error) {
		if seen[field] {
			return s.errorf("a second %q", field)
		}
		seen[field] = true
		switch field {
		case "dtype":
			r.Type, err = s.string()
		case "shape":
			dims, err = s.numbers()
		case "data_offsets":
			offsets, err = s.numbers()
		default:
			err = s.errorf("unknown field %q", field)
		}
		return err
	})
	if err != nil {
		return r, err
	}
	for _, field := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[field] {
			return r, s.errorf("no %s", field)
		}
	}
	info, ok := typeInfo[r.Type]
	if !ok {
		return r, s.errorf("unknown dtype %q", r.Type)
	}
	r.DType = info.dtype
	if len(offsets) != 2 || offsets[0] > offsets[1] || offsets[1] > math.MaxInt64 {
		return r, s.errorf("data_offsets %d, want begin and end", offsets)
	}
	elements, err := fileio.Elements(dims)
	if err != nil {
		return r, s.errorf("%v", err)
	}
	r.Shape = make([]int, len(dims))
	for i, d := range dims {
		r.Shape[i] = int(d)
	}
	r.Offset, r.Bytes = int64(offsets[0]), int64(offsets[1]-offsets[0])
	high, low := bits.Mul64(uint64(elements), uint64(info.bits))
	if high != 0 || low%8 != 0 || low/8 != uint64(r.Bytes) {
		return r, s.errorf("data_offsets %d are %d bytes apart, %s%v takes %s", offsets, r.Bytes, r.Type, r.Shape, bytesOf(low))
	}
	return r, nil
}

// bytesOf says how many bytes so many bits are.
func bytesOf(n uint64) string {
	if n%8 != 0 {
		return fmt.Sprintf("%d bits", n)
	}
	return fmt.Sprint(n / 8)
}

// place brings the tensors into the order of their bytes, checks that they fill
// body, and gives each its part. body starts at base in the file.
func (h *header) place(body []byte, base int64) error {
	slices.SortFunc(h.records, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Name, b.Name))
	})
	end := int64(0)
	for i := range h.records {
		r := &h.records[i]
		switch {
		case r.Offset < end:
			return fmt.Errorf("tensor %q at offset %d overlaps %q, which ends at %d", r.Name, base+r.Offset, h.records[i-1].Name, base+end)
		case r.Offset > end:
			return fmt.Errorf("bytes %d to %d before tensor %q belong to no tensor", base+end, base+r.Offset, r.Name)
		case r.Bytes > int64(len(body))-r.Offset:
			return fmt.Errorf("tensor %q: bytes %d to %d are past the end of a file of %d bytes (truncated?)",
				r.Name, base+r.Offset, base+r.Offset+r.Bytes, base+int64(len(body)))
		}
		end += r.Bytes
		r.data = body[r.Offset:end:end]
		r.Offset += base
	}
	if end != int64(len(body)) {
		return fmt.Errorf("offset %d: %d bytes after the last tensor", base+end, int64(len(body))-end)
	}
	return nil
}

// invalidUTF8 returns where the first byte is that is not UTF-8, or -1.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n <= 1 {
			return at
		}
		at += n
	}
}

// scanner reads JSON piece by piece, so that keys that occur twice are seen.
type scanner struct {
	dec  *json.Decoder
	base int // of the text, in the file
}

func newScanner(text []byte, base int) *scanner {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return &scanner{dec: dec, base: base}
}

func (s *scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("offset %d: "+format, append([]any{int64(s.base) + s.dec.InputOffset()}, args...)...)
}

func (s *scanner) token() (json.Token, error) {
	t, err := s.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, s.errorf("%w", err)
	}
	return t, nil
}

// object reads an object and calls value for each key, to read the value.
func (s *scanner) object(value func(key string) error) error {
	if err := s.delim('{', "an object"); err != nil {
		return err
	}
	for s.dec.More() {
		key, err := s.string()
		if err != nil {
			return err
		}
		if err := value(key); err != nil {
			return err
		}
	}
	return s.delim('}', "an object's end")
}

func (s *scanner) delim(want json.Delim, what string) error {
	t, err := s.token()
	if err == nil && t != want {
		return s.errorf("got %s, want %s", describe(t), what)
	}
	return err
}

func (s *scanner) string() (string, error) {
	t, err := s.token()
	if err != nil {
		return "", err
	}
	v, ok := t.(string)
	if !ok {
		return "", s.errorf("got %s, want a string", describe(t))
	}
	return v, nil
}

// numbers reads an array of natural numbers.
func (s *scanner) numbers() ([]uint64, error) {
	if err := s.delim('[', "an array"); err != nil {
		return nil, err
	}
	list := []uint64{}
	for s.dec.More() {
		t, err := s.token()
		if err != nil {
			return nil, err
		}
		v, ok := t.(json.Number)
		if !ok {
			return nil, s.errorf("got %s, want a number", describe(t))
		}
		n, err := strconv.ParseUint(v.String(), 10, 64)
		if err != nil {
			return nil, s.errorf("got %.40s, want a whole number", v)
		}
		list = append(list, n)
	}
	return list, s.delim(']', "an array's end")
}

// skip reads a value of any kind.
func (s *scanner) skip() error {
	var v json.RawMessage
	if err := s.dec.Decode(&v); err != nil {
		return s.errorf("%w", err)
	}
	return nil
}

// end makes sure that nothing but blanks follows.
func (s *scanner) end() error {
	t, err := s.dec.Token()
	switch {
	case err == nil:
		return s.errorf("%s after the object", describe(t))
	case err != io.EOF:
		return s.errorf("after the object: %w", err)
	}
	return nil
}

// describe names a token without printing all of a long one.
func describe(t json.Token) string {
	switch v := t.(type) {
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case json.Delim:
		return strconv.Quote(v.String())
	case nil:
		return "null"
	}
	return strings.ToLower(fmt.Sprint(t))
}
