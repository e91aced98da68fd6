package gguf

// Reading and checking the head of a file. A length or count in the file is
// believed only after it has been compared with the bytes that are left, and
// slices grow with what was really read, so that a small hostile file cannot
// make a large allocation.

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

// parse reads everything but the tensors' elements.
func parse(path string, data []byte, shard bool) (*File, error) {
	f := &File{path: path, data: data, keys: map[string]int{}, names: map[string]int{}, alignment: defaultAlignment}
	if err := f.parse(shard); err != nil {
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	return f, nil
}

func (f *File) parse(shard bool) error {
	c := &cursor{data: f.data}
	entries, infos, err := f.parseHeader(c)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := f.parseEntry(c); err != nil {
			return fmt.Errorf("key %d of %d: %w", i+1, entries, err)
		}
	}
	if err := f.checkSplit(shard); err != nil {
		return err
	}
	if err := f.findAlignment(); err != nil {
		return err
	}
	for i := range infos {
		if err := f.parseInfo(c); err != nil {
			return fmt.Errorf("tensor %d of %d: %w", i+1, infos, err)
		}
	}
	if err := f.place(c.pos); err != nil {
		return err
	}
	f.storages = make([]*tensor.Storage, len(f.infos))
	return nil
}

// parseHeader reads the fixed part at the file's start.
func (f *File) parseHeader(c *cursor) (entries, infos uint64, err error) {
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
		f.version = int(version)
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

// parseInfo reads the description of one tensor.
func (f *File) parseInfo(c *cursor) error {
	name, err := c.string("name")
	if err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("offset %d: empty name", c.pos)
	}
	if _, ok := f.names[name]; ok {
		return fmt.Errorf("offset %d: a second tensor %q", c.pos, name)
	}
	info := Info{Name: name}
	if err := c.info(&info); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	f.names[name] = len(f.infos)
	f.infos = append(f.infos, info)
	return nil
}

// info reads what follows a tensor's name. Offset is still that from the
// start of the data.
func (c *cursor) info(info *Info) error {
	at := c.pos
	rank, err := c.uint32("number of dimensions")
	if err != nil {
		return err
	}
	if rank > tensor.MaxRank {
		return fmt.Errorf("offset %d: %d dimensions, at most %d", at, rank, tensor.MaxRank)
	}
	at = c.pos
	dims := make([]uint64, rank)
	for i := range dims {
		if dims[i], err = c.uint64("dimension"); err != nil {
			return err
		}
	}
	slices.Reverse(dims) // the file has the fastest first
	n, err := fileio.Elements(dims)
	if err != nil {
		return fmt.Errorf("offset %d: %w", at, err)
	}
	info.Shape = make([]int, rank)
	for i, d := range dims {
		info.Shape[i] = int(d)
	}
	at = c.pos
	number, err := c.uint32("type")
	if err != nil {
		return err
	}
	info.Type = Type(number)
	info.DType = info.Type.DType()
	if info.Bytes, err = info.Type.size(info.Shape, n); err != nil {
		return fmt.Errorf("offset %d: %w", at, err)
	}
	at = c.pos
	offset, err := c.uint64("offset")
	if err != nil {
		return err
	}
	if offset > uint64(len(c.data)) {
		return fmt.Errorf("offset %d: data at %d, past the end of a file of %d bytes", at, offset, len(c.data))
	}
	info.Offset = int64(offset)
	return nil
}

// size returns the bytes of n elements in the shape, -1 if the type's layout is
// not known.
func (t Type) size(shape []int, n int) (int64, error) {
	block, size := t.layout()
	if size == 0 {
		return -1, nil
	}
	row := 1
	if len(shape) > 0 {
		row = shape[len(shape)-1]
	}
	if row%block != 0 {
		return 0, fmt.Errorf("rows of %d elements of type %v, not a multiple of %d", row, t, block)
	}
	// Elements leaves room for 8 bytes an element; blocks take less.
	return int64(n) / int64(block) * int64(size), nil
}

// place turns the tensors' offsets into those from the file's start, brings
// them into the order of their bytes, and checks that they follow one another
// to the file's end. The head ends at pos.
func (f *File) place(pos int) error {
	size, align := uint64(len(f.data)), uint64(f.alignment)
	up := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	start := up(uint64(pos))
	for i := range f.infos {
		info := &f.infos[i]
		at := start + uint64(info.Offset)
		if uint64(info.Offset)%align != 0 {
			return fmt.Errorf("tensor %q: offset %d in the data is not a multiple of the alignment %d", info.Name, info.Offset, align)
		}
		if end := at + uint64(max(info.Bytes, 0)); end > size {
			return fmt.Errorf("tensor %q: bytes %d to %d are past the end of a file of %d bytes (truncated?)", info.Name, at, end, size)
		}
		info.Offset = int64(at)
	}
	slices.SortStableFunc(f.infos, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Bytes, b.Bytes))
	})
	// end is where the bytes seen so far end, known unless a tensor of
	// unknown size was the last.
	end, known := uint64(pos), true
	for i := range f.infos {
		info := &f.infos[i]
		f.names[info.Name] = i
		at := uint64(info.Offset)
		switch {
		case i > 0 && at < end:
			return fmt.Errorf("tensor %q at offset %d overlaps %q, which ends at %d", info.Name, at, f.infos[i-1].Name, end)
		case known && at > up(end):
			return fmt.Errorf("bytes %d to %d before tensor %q belong to no tensor", up(end), at, info.Name)
		}
		known = info.Bytes >= 0
		end = at + uint64(max(info.Bytes, 0))
	}
	if known && size > up(end) {
		return fmt.Errorf("offset %d: %d bytes after the last tensor", up(end), size-up(end))
	}
	return nil
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
	n, err := c.uint64("number of " + what)
	if err != nil {
		return 0, err
	}
	if n > c.left()/size {
		return 0, fmt.Errorf("offset %d: %d %s of at least %d bytes in %d bytes", at, n, what, size, c.left())
	}
	return n, nil
}

// string reads a length and so many bytes, and copies them.
func (c *cursor) string(what string) (string, error) {
	b, err := c.stringBytes(what)
	return string(b), err
}

func (c *cursor) stringBytes(what string) ([]byte, error) {
	n, err := c.uint64("length of " + what)
	if err != nil {
		return nil, err
	}
	return c.bytes(n, what)
}
