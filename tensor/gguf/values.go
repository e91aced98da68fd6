package gguf

// The named values: finding them when the file is opened, reading them when
// they are asked for.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
)

// valueType is the format's number for the type of a value.
type valueType uint32

const (
	typeUint8 valueType = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
	numValueTypes
)

// valueInfo has the name and the bytes of each type; 0 if they vary.
var valueInfo = [numValueTypes]struct {
	name  string
	bytes uint64
}{
	typeUint8: {"uint8", 1}, typeInt8: {"int8", 1}, typeUint16: {"uint16", 2}, typeInt16: {"int16", 2},
	typeUint32: {"uint32", 4}, typeInt32: {"int32", 4}, typeFloat32: {"float32", 4}, typeBool: {"bool", 1},
	typeString: {"string", 0}, typeArray: {"array", 0},
	typeUint64: {"uint64", 8}, typeInt64: {"int64", 8}, typeFloat64: {"float64", 8},
}

func (t valueType) String() string {
	if t >= numValueTypes {
		return fmt.Sprintf("value type %d", uint32(t))
	}
	return valueInfo[t].name
}

func (t valueType) isInteger() bool {
	switch t {
	case typeUint8, typeInt8, typeUint16, typeInt16, typeUint32, typeInt32, typeUint64, typeInt64:
		return true
	}
	return false
}

// entry says where a value is.
type entry struct {
	key   []byte    // the file's own bytes
	typ   valueType // of the elements, if it is an array
	array bool
	count int // of elements; 1 if it is no array
	pos   int // of the first element
}

func (e entry) kind() string {
	if e.array {
		return "an array of " + e.typ.String()
	}
	return "a value of type " + e.typ.String()
}

// checkEntry reads a key and checks its value.
func (s *shard) checkEntry(c *cursor) error {
	at := c.pos
	key, err := c.string("key")
	if err != nil {
		return err
	}
	if len(key) == 0 || len(key) > maxKeyLen {
		return fmt.Errorf("offset %d: key of %d bytes, want 1 to %d", at, len(key), maxKeyLen)
	}
	e := entry{key: key}
	err = c.entry(&e)
	if err == nil {
		err = c.skip(e)
	}
	if err != nil {
		return fmt.Errorf("%.100q: %w", key, err)
	}
	if e.typ == typeBool {
		for i, x := range s.data[e.pos : e.pos+e.count] {
			if x > 1 {
				return s.fault(fmt.Errorf("%.100q: offset %d: a bool is %d, want 0 or 1", key, e.pos+i, x))
			}
		}
	}
	return nil
}

// entry reads what follows a key, up to the value.
func (c *cursor) entry(e *entry) (err error) {
	if e.typ, err = c.valueType("type"); err != nil {
		return err
	}
	count := uint64(1)
	if e.typ == typeArray {
		e.array = true
		at := c.pos
		if e.typ, err = c.valueType("type of elements"); err != nil {
			return err
		}
		if e.typ == typeArray {
			return fmt.Errorf("offset %d: an array of arrays is not supported (%w)", at, errors.ErrUnsupported)
		}
		size := valueInfo[e.typ].bytes
		if e.typ == typeString {
			size = 8 // the length of an empty one
		}
		if count, err = c.count("elements", size); err != nil {
			return err
		}
	}
	e.count, e.pos = int(count), c.pos
	return nil
}

// skip reads the value of e.
func (c *cursor) skip(e entry) error {
	if e.typ != typeString {
		_, err := c.bytes(uint64(e.count)*valueInfo[e.typ].bytes, "value")
		return err
	}
	for range e.count {
		if _, err := c.string("string"); err != nil {
			return err
		}
	}
	return nil
}

// find returns the value of a key, if there is one.
func (s *shard) find(key string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(s.byKey, key, func(at int, key string) int { return compare(s.nameAt(at), key) })
	if !ok {
		return entry{}, false
	}
	return s.entryAt(s.byKey[i]), true
}

// entryAt returns the value whose key is at a position in the head, which has
// been checked.
func (s *shard) entryAt(at int) entry {
	c := &cursor{data: s.head, pos: at}
	key, _ := c.string("key")
	e := entry{key: key}
	_ = c.entry(&e)
	return e
}

// compare is [cmp.Compare] of b as a string with s.
func compare(b []byte, s string) int {
	switch {
	case string(b) < s:
		return -1
	case string(b) > s:
		return 1
	}
	return 0
}

func (c *cursor) valueType(what string) (valueType, error) {
	at := c.pos
	n, err := c.uint32(what)
	if err == nil && n >= uint32(numValueTypes) {
		return 0, fmt.Errorf("offset %d: %s is %d, unknown", at, what, n)
	}
	return valueType(n), err
}

// findAlignment reads the file's own alignment, if it has one.
func (s *shard) findAlignment() error {
	e, ok := s.find("general.alignment")
	if !ok {
		return nil
	}
	if !e.typ.isInteger() || e.array {
		return s.fault(fmt.Errorf("key %q (offset %d): the alignment is %s, want an integer", e.key, e.pos, e.kind()))
	}
	n, negative := s.integer(e, 0)
	if negative || n == 0 || n > math.MaxInt32 || n&(n-1) != 0 {
		return s.fault(fmt.Errorf("key %q (offset %d): alignment %d is not a power of two", e.key, e.pos, n))
	}
	s.alignment = int(n)
	return nil
}

// element returns the bytes of element i of a value that is neither a string nor
// an array of strings.
func (s *shard) element(e entry, i int) []byte {
	size := int(valueInfo[e.typ].bytes)
	return s.data[e.pos+i*size : e.pos+(i+1)*size]
}

// integer returns element i, whatever its width, as its bits and whether it is
// negative. The type must be one of an integer.
func (s *shard) integer(e entry, i int) (bits uint64, negative bool) {
	signed := func(n int64) (uint64, bool) { return uint64(n), n < 0 }
	switch e.typ {
	case typeUint8:
		return uint64(s.element(e, i)[0]), false
	case typeInt8:
		return signed(int64(int8(s.element(e, i)[0])))
	case typeUint16:
		return uint64(binary.LittleEndian.Uint16(s.element(e, i))), false
	case typeInt16:
		return signed(int64(int16(binary.LittleEndian.Uint16(s.element(e, i)))))
	case typeUint32:
		return uint64(binary.LittleEndian.Uint32(s.element(e, i))), false
	case typeInt32:
		return signed(int64(int32(binary.LittleEndian.Uint32(s.element(e, i)))))
	case typeUint64:
		return binary.LittleEndian.Uint64(s.element(e, i)), false
	case typeInt64:
		return signed(int64(binary.LittleEndian.Uint64(s.element(e, i))))
	}
	panic(fmt.Sprintf("gguf: integer of %v", e.typ))
}

// strings returns the count strings of e.
func (s *shard) strings(e entry) []string {
	list := make([]string, e.count)
	pos := e.pos
	for i := range list {
		n := int(binary.LittleEndian.Uint64(s.data[pos:]))
		list[i] = string(s.data[pos+8 : pos+8+n])
		pos += 8 + n
	}
	return list
}

// goType returns the Go type of a value: the same as that of the numbers in
// the file.
var goType = [numValueTypes]reflect.Type{
	typeUint8: reflect.TypeFor[uint8](), typeInt8: reflect.TypeFor[int8](),
	typeUint16: reflect.TypeFor[uint16](), typeInt16: reflect.TypeFor[int16](),
	typeUint32: reflect.TypeFor[uint32](), typeInt32: reflect.TypeFor[int32](),
	typeFloat32: reflect.TypeFor[float32](), typeBool: reflect.TypeFor[bool](),
	typeString: reflect.TypeFor[string](),
	typeUint64: reflect.TypeFor[uint64](), typeInt64: reflect.TypeFor[int64](), typeFloat64: reflect.TypeFor[float64](),
}

// value returns e in the Go type that [KeyValue] names.
func (s *shard) value(e entry) (any, error) {
	if e.typ == typeString {
		list := s.strings(e)
		if e.array {
			return list, nil
		}
		return list[0], nil
	}
	list := reflect.MakeSlice(reflect.SliceOf(goType[e.typ]), e.count, e.count)
	if _, err := binary.Decode(s.data[e.pos:e.pos+e.count*int(valueInfo[e.typ].bytes)], binary.LittleEndian, list.Interface()); err != nil {
		return nil, err
	}
	if e.array {
		return list.Interface(), nil
	}
	return list.Index(0).Interface(), nil
}
