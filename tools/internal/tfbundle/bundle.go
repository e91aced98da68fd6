// The messages in the table, and the bytes of the tensors.

package tfbundle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// DType is a type of tensors, numbered as TensorFlow does.
type DType int

// The types that have a size.
const (
	Float32 DType = 1
	Float64 DType = 2
	Int32   DType = 3
	Uint8   DType = 4
	Int16   DType = 5
	Int8    DType = 6
	Int64   DType = 9
	Bool    DType = 10
)

// bytesOf are the sizes of the types.
var bytesOf = map[DType]uint64{Float32: 4, Float64: 8, Int32: 4, Uint8: 1, Int16: 2, Int8: 1, Int64: 8, Bool: 1}

// Tensor is a tensor of a bundle.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int // row-major; none: one number
	Offset int64 // in the file of data
	Bytes  int64
	crc    uint32 // masked
	sliced bool   // stored in parts, which are tensors of their own
}

// Bundle is an index.
type Bundle struct {
	Tensors []Tensor // in the order of their names
}

const maxRank = 16

// Parse reads an index.
func Parse(index []byte) (*Bundle, error) {
	b := &Bundle{}
	header := false
	err := parseTable(index, func(key string, value []byte) error {
		if key == "" {
			header = true
			return parseBundleHeader(value)
		}
		t, err := parseEntry(key, value)
		if err != nil {
			return fmt.Errorf("tensor %.80q: %w", key, err)
		}
		b.Tensors = append(b.Tensors, t)
		return nil
	})
	if err == nil && !header {
		err = errors.New("no header")
	}
	if err != nil {
		return nil, fmt.Errorf("tensor bundle: %w", err)
	}
	return b, nil
}

// Get returns the tensor of a name.
func (b *Bundle) Get(name string) (Tensor, bool) {
	for _, t := range b.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// Read reads a tensor's bytes, little-endian, from the file of data, which has
// size bytes, and compares them with their checksum.
func (b *Bundle) Read(data io.ReaderAt, size int64, t Tensor) ([]byte, error) {
	wrap := func(err error) error { return fmt.Errorf("tensor bundle: tensor %.80q: %w", t.Name, err) }
	switch width, ok := bytesOf[t.DType]; {
	case !ok:
		return nil, wrap(fmt.Errorf("type %d is not read", t.DType))
	case t.sliced:
		return nil, wrap(errors.New("stored in slices, which are not read"))
	case t.Offset > size || t.Bytes > size-t.Offset:
		return nil, wrap(fmt.Errorf("%d bytes at byte %d, the data have %d", t.Bytes, t.Offset, size))
	default:
		want := width
		for _, d := range t.Shape {
			if d != 0 && want > uint64(size)/uint64(d) {
				return nil, wrap(fmt.Errorf("shape %v is more than the data hold", t.Shape))
			}
			want *= uint64(d)
		}
		if want != uint64(t.Bytes) {
			return nil, wrap(fmt.Errorf("shape %v takes %d bytes, the index says %d", t.Shape, want, t.Bytes))
		}
	}
	content := make([]byte, t.Bytes)
	if _, err := data.ReadAt(content, t.Offset); err != nil && (err != io.EOF || len(content) > 0) {
		return nil, wrap(err)
	}
	if got := masked(crc32.Checksum(content, castagnoli)); got != t.crc {
		return nil, wrap(fmt.Errorf("checksum is %08x, the index says %08x", got, t.crc))
	}
	return content, nil
}

// fields calls f for every field of a protobuf message: number is that of a varint
// or of a fixed 32-bit field, bytes those of a field with a length. A group, or
// a field of 64 bits, occurs in none of these messages.
func fields(message []byte, f func(field, wire uint64, number uint64, bytes []byte) error) error {
	r := reader{message}
	for len(r.b) > 0 {
		tag, err := r.uvarint()
		if err != nil {
			return err
		}
		var number uint64
		var bytes []byte
		switch tag & 7 {
		case wireVarint:
			number, err = r.uvarint()
		case wireBytes:
			var n uint64
			if n, err = r.uvarint(); err == nil {
				bytes, err = r.take(n)
			}
		case wireFixed32:
			if bytes, err = r.take(4); err == nil {
				number = uint64(binary.LittleEndian.Uint32(bytes))
			}
		default:
			err = fmt.Errorf("field %d has wire type %d", tag>>3, tag&7)
		}
		if err != nil {
			return err
		}
		if err := f(tag>>3, tag&7, number, bytes); err != nil {
			return err
		}
	}
	return nil
}

const (
	wireVarint  = 0
	wireBytes   = 2
	wireFixed32 = 5
)

// wireOf are the fields that are read of each message, with their types on the
// wire; fields that are not listed are passed over.
var (
	headerFields = map[uint64]uint64{1: wireVarint, 2: wireVarint}
	entryFields  = map[uint64]uint64{1: wireVarint, 2: wireBytes, 3: wireVarint, 4: wireVarint, 5: wireVarint, 6: wireFixed32, 7: wireBytes}
	shapeFields  = map[uint64]uint64{2: wireBytes, 3: wireVarint}
	dimFields    = map[uint64]uint64{1: wireVarint}
)

// known is [fields] for the fields of wires.
func known(message []byte, wires map[uint64]uint64, f func(field, number uint64, bytes []byte) error) error {
	return fields(message, func(field, wire, number uint64, bytes []byte) error {
		want, ok := wires[field]
		if !ok {
			return nil
		}
		if wire != want {
			return fmt.Errorf("field %d has wire type %d, want %d", field, wire, want)
		}
		return f(field, number, bytes)
	})
}

// parseBundleHeader checks a BundleHeaderProto.
func parseBundleHeader(message []byte) error {
	shards := uint64(0)
	err := known(message, headerFields, func(field, number uint64, _ []byte) error {
		switch {
		case field == 1:
			shards = number
		case number != 0:
			return errors.New("the tensors are big-endian")
		}
		return nil
	})
	if err == nil && shards != 1 {
		err = fmt.Errorf("%d shards, only one is read", shards)
	}
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	return nil
}

// parseEntry reads a BundleEntryProto.
func parseEntry(name string, message []byte) (Tensor, error) {
	t := Tensor{Name: name}
	err := known(message, entryFields, func(field, number uint64, bytes []byte) error {
		if number > 1<<62 {
			return fmt.Errorf("field %d is %d", field, number)
		}
		switch field {
		case 1:
			t.DType = DType(min(number, 1<<20))
		case 2:
			return t.parseShape(bytes)
		case 3:
			if number != 0 {
				return fmt.Errorf("shard %d of one", number)
			}
		case 4:
			t.Offset = int64(number)
		case 5:
			t.Bytes = int64(number)
		case 6:
			t.crc = uint32(number)
		case 7:
			t.sliced = true
		}
		return nil
	})
	return t, err
}

// parseShape reads a TensorShapeProto.
func (t *Tensor) parseShape(message []byte) error {
	return known(message, shapeFields, func(field, number uint64, dim []byte) error {
		if field == 3 {
			if number != 0 {
				return errors.New("its rank is unknown")
			}
			return nil
		}
		if len(t.Shape) == maxRank {
			return fmt.Errorf("more than %d dimensions", maxRank)
		}
		size := uint64(0)
		err := known(dim, dimFields, func(_, number uint64, _ []byte) error {
			size = number
			return nil
		})
		if err == nil && size > 1<<31-1 {
			err = fmt.Errorf("dimension %d", int64(size))
		}
		t.Shape = append(t.Shape, int(size))
		return err
	})
}
