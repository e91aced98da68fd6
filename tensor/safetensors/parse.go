package safetensors

// Reading and checking one file.

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"netllm/tensor/internal/fileio"
)

const (
	maxHeaderLen = 100_000_000 // as in the reference implementation
	metadataName = "__metadata__"
	minTensorLen = len(`"":{"dtype":"U8","shape":[],"data_offsets":[0,0]}`)
)

// header is what a file's header says.
type header struct {
	metadata []pair   // nil if there is none
	records  []record // in the order of their bytes
}

// parseFile reads the header of a file and gives each tensor its bytes.
func parseFile(path string, data []byte) (*header, error) {
	h, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	for i := range h.records {
		h.records[i].File = path
	}
	return h, nil
}

func parse(data []byte) (*header, error) {
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
	h := &header{}
	header := string(text) // names and metadata are parts of it
	s := newScanner(header, 8)
	// A tensor takes at least minTensorLen bytes.
	h.records = make([]record, 0, min(strings.Count(header, `"data_offsets"`), len(header)/minTensorLen))
	if err := h.scan(s); err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	if err := h.distinct(); err != nil {
		return nil, err
	}
	return h, h.place(body, 8+int64(n))
}

// distinct fails if two tensors have one name.
func (h *header) distinct() error {
	slices.SortFunc(h.records, func(a, b record) int { return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.at, b.at)) })
	for i := 1; i < len(h.records); i++ {
		if r := h.records[i]; r.Name == h.records[i-1].Name {
			return fmt.Errorf("offset %d: a second tensor %.100q", r.at, r.Name)
		}
	}
	return nil
}

// scan reads the header's object: tensors by name, and the metadata.
func (h *header) scan(s *scanner) error {
	return s.object(func(name string) error {
		if name == metadataName {
			if h.metadata != nil {
				return s.errorf("a second %s", name)
			}
			return h.scanMetadata(s)
		}
		at := s.base + s.pos
		r, err := scanTensor(s, name)
		if err != nil {
			return fmt.Errorf("tensor %.100q: %w", name, err)
		}
		r.at = at
		h.records = append(h.records, r)
		return nil
	})
}

func (h *header) scanMetadata(s *scanner) (err error) {
	if h.metadata, err = s.pairs("key"); err != nil {
		return fmt.Errorf("%s: %w", metadataName, err)
	}
	return nil
}

// scanTensor reads the description of one tensor. Offset is still that from
// the start of the data.
func scanTensor(s *scanner, name string) (record, error) {
	r := record{Info: Info{Name: name}}
	var dims, offsets []uint64
	var hasType bool
	err := s.object(func(field string) (err error) {
		switch {
		case field == "dtype" && !hasType:
			hasType = true
			r.Type, err = s.string()
		case field == "shape" && dims == nil:
			dims, err = s.numbers()
		case field == "data_offsets" && offsets == nil:
			offsets, err = s.numbers()
		case field == "dtype" || field == "shape" || field == "data_offsets":
			err = s.errorf("a second %q", field)
		default:
			err = s.errorf("unknown field %.100q", field)
		}
		return err
	})
	switch {
	case err != nil:
		return r, err
	case !hasType:
		return r, s.errorf("no dtype")
	case dims == nil:
		return r, s.errorf("no shape")
	case offsets == nil:
		return r, s.errorf("no data_offsets")
	}
	info, ok := typeInfo[r.Type]
	if !ok {
		return r, s.errorf("unknown dtype %.100q", r.Type)
	}
	r.DType = info.dtype
	if len(offsets) != 2 || offsets[0] > offsets[1] || offsets[1] > math.MaxInt64 {
		return r, s.errorf("data_offsets %d, want begin and end", offsets[:min(len(offsets), 8)])
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
		return r, s.errorf("data_offsets %d are %d bytes apart, %s%v takes %s", offsets, r.Bytes, r.Type, r.Shape[:min(len(r.Shape), 16)], bytesOf(low))
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
			return fmt.Errorf("tensor %.100q at offset %d overlaps %.100q, which ends at %d", r.Name, base+r.Offset, h.records[i-1].Name, base+end)
		case r.Offset > end:
			return fmt.Errorf("bytes %d to %d before tensor %.100q belong to no tensor", base+end, base+r.Offset, r.Name)
		case r.Bytes > int64(len(body))-r.Offset:
			return fmt.Errorf("tensor %.100q: bytes %d to %d are past the end of a file of %d bytes (truncated?)",
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
