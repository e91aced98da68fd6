package gguf

// Reading and checking one file's head. A length or count in the file is
// believed only after it has been compared with the bytes that are left. What
// is kept of keys and tensors is where they stand in the head: a few words each,
// less than they take in the file, however small they are; all else is read from
// there when it is asked for.

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"netllm/tensor"
	"netllm/tensor/internal/fileio"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	maxKeyLen        = 1<<16 - 1
	minEntryBytes    = 8 + 1 + 4 + 1         // key length, key, type, value
	minInfoBytes     = 8 + 1 + 4 + 0 + 4 + 8 // name length, name, no dimensions, type, offset
)

// shard is one file: all of a model, or one of several that make it up.
type shard struct {
	path      string
	data      []byte
	mapping   *tensor.Mapping // nil if the bytes are the caller's
	version   int
	alignment int
	head      []byte  // what the positions below point into: data, until the file is closed
	start     int     // of the tensors' bytes
	keys      []int   // positions of the keys, in file order
	byKey     []int   // the same, sorted by key
	infos     []int   // positions of the tensors' descriptions, in the order of the tensors' bytes
	faults    *faults // nil: the first fault ends the reading
}

// parse reads everything but the tensors' elements.
func (s *shard) parse() error {
	s.head, s.alignment = s.data, defaultAlignment
	c := &cursor{data: s.data}
	entries, infos, err := s.parseHeader(c)
	if err != nil {
		return err
	}
	s.keys = make([]int, 0, entries)
	for i := range entries {
		at := c.pos
		if err := s.checkEntry(c); err != nil {
			return fmt.Errorf("key %d of %d: %w", i+1, entries, err)
		}
		s.keys = append(s.keys, at)
	}
	if err := s.indexKeys(); err != nil {
		return err
	}
	if err := s.findAlignment(); err != nil {
		return err
	}
	s.infos = make([]int, 0, min(infos, c.left()/minInfoBytes))
	for i := range infos {
		at := c.pos
		if err := s.checkInfo(c); err != nil {
			return fmt.Errorf("tensor %d of %d: %w", i+1, infos, err)
		}
		s.infos = append(s.infos, at)
	}
	return s.place(c.pos)
}

// parseHeader reads the fixed part at the file's start.
func (s *shard) parseHeader(c *cursor) (entries, infos uint64, err error) {
	b, err := c.bytes(4, "magic number")
	if err != nil {
		return 0, 0, err
	}
	if string(b) != magic {
		return 0, 0, fmt.Errorf("offset 0: not a GGUF file: magic number %q, want %q", b, magic)
	}
	version, err := c.uint32("version")
	if err != nil {
		return 0, 0, err
	}
	switch {
	case version == 2 || version == 3:
		s.version = int(version)
	case version&0xffff == 0 && version != 0:
		return 0, 0, fmt.Errorf("offset 4: big-endian file (version %d), only little-endian files are supported (%w)",
			bits.ReverseBytes32(version), errors.ErrUnsupported)
	default:
		return 0, 0, fmt.Errorf("offset 4: version %d is not supported, only 2 and 3 (%w)", version, errors.ErrUnsupported)
	}
	if infos, err = c.count("tensors", minInfoBytes); err != nil {
		return 0, 0, err
	}
	entries, err = c.count("keys", minEntryBytes)
	return entries, infos, err
}

// indexKeys sorts the keys, which shows those that occur twice.
func (s *shard) indexKeys() error {
	s.byKey = slices.Clone(s.keys)
	slices.SortFunc(s.byKey, func(a, b int) int {
		return cmp.Or(slices.Compare(s.nameAt(a), s.nameAt(b)), cmp.Compare(a, b))
	})
	for i, at := range s.byKey {
		if i > 0 && string(s.nameAt(at)) == string(s.nameAt(s.byKey[i-1])) {
			n, _ := slices.BinarySearch(s.keys, at)
			err := fmt.Errorf("key %d of %d: offset %d: a second key %.100q", n+1, len(s.keys), at, s.nameAt(at))
			if err := s.fault(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameAt returns the key or the tensor's name at a position in the head.
func (s *shard) nameAt(pos int) []byte {
	n := int(binary.LittleEndian.Uint64(s.head[pos:]))
	return s.head[pos+8 : pos+8+n]
}

// rawInfo describes a tensor as the head does.
type rawInfo struct {
	name   []byte
	rank   int
	dims   [tensor.MaxRank]uint64 // row-major
	typ    Type
	bytes  int64  // -1 if the layout of the type is not known
	offset uint64 // from where the tensors' bytes start
}

// checkInfo reads the description of one tensor.
func (s *shard) checkInfo(c *cursor) error {
	at := c.pos
	info, err := c.info()
	switch {
	case err != nil && len(info.name) > 0:
		return fmt.Errorf("%.100q: %w", info.name, err)
	case err != nil:
		return err
	case info.offset > uint64(len(c.data)):
		return s.fault(fmt.Errorf("%.100q: offset %d: data at %d, past the end of a file of %d bytes", info.name, at, info.offset, len(c.data)))
	}
	return nil
}

// info reads the description of a tensor.
func (c *cursor) info() (info rawInfo, err error) {
	if info.name, err = c.string("name"); err != nil {
		return info, err
	}
	if len(info.name) == 0 {
		return info, fmt.Errorf("offset %d: empty name", c.pos)
	}
	at := c.pos
	rank, err := c.uint32("number of dimensions")
	if err != nil {
		return info, err
	}
	if rank > tensor.MaxRank {
		return info, fmt.Errorf("offset %d: %d dimensions, at most %d", at, rank, tensor.MaxRank)
	}
	info.rank = int(rank)
	at = c.pos
	dims := info.dims[:rank]
	for i := range dims {
		if dims[i], err = c.uint64("dimension"); err != nil {
			return info, err
		}
	}
	slices.Reverse(dims) // the file has the fastest first
	n, err := fileio.Elements(dims)
	if err != nil {
		return info, fmt.Errorf("offset %d: %w", at, err)
	}
	at = c.pos
	number, err := c.uint32("type")
	if err != nil {
		return info, err
	}
	info.typ = Type(number)
	row := 1
	if rank > 0 {
		row = int(dims[rank-1])
	}
	if info.bytes, err = info.typ.rowsSize(row, n); err != nil {
		return info, fmt.Errorf("offset %d: %w", at, err)
	}
	info.offset, err = c.uint64("offset")
	return info, err
}

// size returns the bytes of n elements in the shape, -1 if the type's layout is
// not known.
func (t Type) size(shape []int, n int) (int64, error) {
	row := 1
	if len(shape) > 0 {
		row = shape[len(shape)-1]
	}
	return t.rowsSize(row, n)
}

// rowsSize is size for n elements in rows of so many.
func (t Type) rowsSize(row, n int) (int64, error) {
	block, size := t.layout()
	if size == 0 {
		return -1, nil
	}
	if row%block != 0 {
		return 0, fmt.Errorf("rows of %d elements of type %v, not a multiple of %d", row, t, block)
	}
	// Elements leaves room for 8 bytes an element; blocks take less.
	return int64(n) / int64(block) * int64(size), nil
}

// infoAt returns the description at a position in the head, which has been
// checked.
func (s *shard) infoAt(pos int) rawInfo {
	c := &cursor{data: s.head, pos: pos}
	info, _ := c.info()
	return info
}

// at returns where in the file a tensor's bytes begin.
func (s *shard) at(info rawInfo) int64 { return int64(s.start) + int64(info.offset) }

// place brings the tensors into the order of their bytes, and checks that they
// follow one another from the head, which ends at pos, to the file's end. Those
// that are not wholly in the file are left out.
func (s *shard) place(pos int) error {
	size, align := int64(len(s.data)), int64(s.alignment)
	all := len(s.infos)
	s.infos = slices.DeleteFunc(s.infos, func(p int) bool { return s.infoAt(p).offset > uint64(size) }) // faults already
	up := func(n int64) int64 { return (n + align - 1) &^ (align - 1) }
	s.start = int(up(int64(pos)))
	for _, p := range s.infos {
		info := s.infoAt(p)
		at := s.at(info)
		var err error
		if int64(info.offset)%align != 0 {
			err = s.fault(fmt.Errorf("tensor %.100q: offset %d in the data is not a multiple of the alignment %d", info.name, info.offset, align))
		}
		if end := at + max(info.bytes, 0); end > size && err == nil {
			err = s.fault(fmt.Errorf("tensor %.100q: bytes %d to %d are past the end of a file of %d bytes (truncated?)", info.name, at, end, size))
		}
		if err != nil {
			return err
		}
	}
	s.infos = slices.DeleteFunc(s.infos, func(p int) bool {
		info := s.infoAt(p)
		return s.at(info)+max(info.bytes, 0) > size
	})
	complete := len(s.infos) == all // bytes without a tensor mean nothing else
	slices.SortFunc(s.infos, func(p, q int) int {
		a, b := s.infoAt(p), s.infoAt(q)
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.bytes, b.bytes), cmp.Compare(p, q))
	})
	// end is where the bytes seen so far end, known unless a tensor of
	// unknown size was the last.
	end, known := int64(pos), true
	var last rawInfo
	for i, p := range s.infos {
		info := s.infoAt(p)
		at := s.at(info)
		var err error
		switch {
		case i > 0 && at < end:
			err = s.fault(fmt.Errorf("tensor %.100q at offset %d overlaps %.100q, which ends at %d", info.name, at, last.name, end))
		case complete && known && at > up(end):
			err = s.fault(fmt.Errorf("bytes %d to %d before tensor %.100q belong to no tensor", up(end), at, info.name))
		}
		if err != nil {
			return err
		}
		known = info.bytes >= 0
		if e := at + max(info.bytes, 0); e >= end {
			end, last = e, info
		}
	}
	if complete && known && size > up(end) {
		return s.fault(fmt.Errorf("offset %d: %d bytes after the last tensor", up(end), size-up(end)))
	}
	return nil
}

// keepHead makes keys and descriptions independent of the file's bytes, which
// are about to go.
func (s *shard) keepHead() {
	size := 0
	for _, p := range s.keys {
		size += 8 + len(s.nameAt(p))
	}
	for _, p := range s.infos {
		size += s.infoLen(p)
	}
	head := make([]byte, 0, size)
	for i, p := range s.keys {
		s.keys[i] = len(head)
		head = append(head, s.head[p:p+8+len(s.nameAt(p))]...)
	}
	for i, p := range s.infos {
		s.infos[i] = len(head)
		head = append(head, s.head[p:p+s.infoLen(p)]...)
	}
	s.head = head
	s.byKey = slices.Clone(s.keys)
	slices.SortFunc(s.byKey, func(a, b int) int { return slices.Compare(s.nameAt(a), s.nameAt(b)) })
}

// infoLen returns the length of the description at p.
func (s *shard) infoLen(p int) int {
	c := &cursor{data: s.head, pos: p}
	_, _ = c.info()
	return c.pos - p
}

// cursor reads the head of a file from its start. Its errors say the offset.
type cursor struct {
	data []byte
	pos  int
}

// left is the number of bytes not read yet.
func (c *cursor) left() uint64 { return uint64(len(c.data) - c.pos) }

// bytes returns the next n bytes, which are the file's own.
func (c *cursor) bytes(n uint64, what string) ([]byte, error) {
	if n > c.left() {
		return nil, fmt.Errorf("offset %d: %s of %d bytes, past the end of a file of %d bytes (truncated?)", c.pos, what, n, len(c.data))
	}
	b := c.data[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return b, nil
}

func (c *cursor) uint32(what string) (uint32, error) {
	b, err := c.bytes(4, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (c *cursor) uint64(what string) (uint64, error) {
	b, err := c.bytes(8, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads how many things follow, each of at least size bytes.
func (c *cursor) count(what string, size uint64) (uint64, error) {
	at := c.pos
	if c.left() < 8 {
		_, err := c.bytes(8, "number of "+what)
		return 0, err
	}
	n, _ := c.uint64("")
	if n > c.left()/size {
		return 0, fmt.Errorf("offset %d: %d %s of at least %d bytes in %d bytes", at, n, what, size, c.left())
	}
	return n, nil
}

// string reads a length and so many bytes, which are the file's own.
func (c *cursor) string(what string) ([]byte, error) {
	at := c.pos
	n, err := c.uint64(what)
	if err != nil {
		return nil, err
	}
	if n > c.left() {
		return nil, fmt.Errorf("offset %d: %s of %d bytes, past the end of a file of %d bytes (truncated?)", at+8, what, n, len(c.data))
	}
	return c.bytes(n, what)
}
