package gguf

// Asking for the named values.

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// KeyValue is a named value. Value is a uint8, int8, uint16, int16, uint32,
// int32, uint64, int64, float32, float64, bool or string, or a slice of one of
// these.
type KeyValue struct {
	Key   string
	Value any
}

// Keys returns the names of the values, in file order. Those of a split model
// are its first file's.
func (f *File) Keys() []string {
	s := f.shards[0]
	keys := make([]string, len(s.keys))
	for i, at := range s.keys {
		keys[i] = string(s.nameAt(at))
	}
	return keys
}

// Has reports whether there is a value of that name.
func (f *File) Has(key string) bool {
	s := f.shards[0]
	_, ok := slices.BinarySearchFunc(s.byKey, key, func(at int, key string) int { return compare(s.nameAt(at), key) })
	return ok
}

// Value returns a value in the type it has in the file, as [KeyValue] says.
func (f *File) Value(key string) (any, error) {
	e, err := f.find(key)
	if err != nil {
		return nil, err
	}
	return f.read(e)
}

func (f *File) read(e entry) (any, error) {
	v, err := f.shards[0].value(e)
	if err != nil {
		return nil, fmt.Errorf("gguf: %s: key %q (offset %d): %w", f.path, e.key, e.pos, err)
	}
	return v, nil
}

// KeyValues returns all values in file order. [Write] takes them.
func (f *File) KeyValues() ([]KeyValue, error) {
	if f.closed {
		return nil, fmt.Errorf("gguf: %s: the file is closed", f.path)
	}
	s := f.shards[0]
	list := make([]KeyValue, len(s.keys))
	for i, at := range s.keys {
		e := s.entryAt(at)
		v, err := f.read(e)
		if err != nil {
			return nil, err
		}
		list[i] = KeyValue{Key: string(e.key), Value: v}
	}
	return list, nil
}

// Uint returns an integer of any width, signed or not, that is not negative.
func (f *File) Uint(key string) (uint64, error) {
	e, err := f.find(key)
	if err != nil {
		return 0, err
	}
	return f.uint(e)
}

func (f *File) uint(e entry) (uint64, error) {
	if !e.typ.isInteger() || e.array {
		return 0, f.mistyped(e, "an integer")
	}
	n, negative := f.shards[0].integer(e, 0)
	if negative {
		return 0, f.outOfRange(e, int64(n), "not negative")
	}
	return n, nil
}

// Int returns an integer of any width that fits an int.
func (f *File) Int(key string) (int, error) {
	e, err := f.find(key)
	if err != nil {
		return 0, err
	}
	if !e.typ.isInteger() || e.array {
		return 0, f.mistyped(e, "an integer")
	}
	return f.int(e, 0)
}

// Ints returns an array of integers of any width that fit an int.
func (f *File) Ints(key string) ([]int, error) {
	e, err := f.find(key)
	if err != nil {
		return nil, err
	}
	if !e.typ.isInteger() || !e.array {
		return nil, f.mistyped(e, "an array of integers")
	}
	list := make([]int, e.count)
	for i := range list {
		if list[i], err = f.int(e, i); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Float returns a float32 or float64.
func (f *File) Float(key string) (float64, error) {
	e, err := f.find(key)
	if err != nil {
		return 0, err
	}
	switch {
	case e.array:
	case e.typ == typeFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(f.shards[0].element(e, 0)))), nil
	case e.typ == typeFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(f.shards[0].element(e, 0))), nil
	}
	return 0, f.mistyped(e, "a float")
}

// Float32s returns an array of float32.
func (f *File) Float32s(key string) ([]float32, error) {
	e, err := f.find(key)
	if err != nil {
		return nil, err
	}
	if e.typ != typeFloat32 || !e.array {
		return nil, f.mistyped(e, "an array of float32")
	}
	list := make([]float32, e.count)
	for i := range list {
		list[i] = math.Float32frombits(binary.LittleEndian.Uint32(f.shards[0].element(e, i)))
	}
	return list, nil
}

// Bool returns a bool.
func (f *File) Bool(key string) (bool, error) {
	e, err := f.find(key)
	if err != nil {
		return false, err
	}
	if e.typ != typeBool || e.array {
		return false, f.mistyped(e, "a bool")
	}
	return f.shards[0].element(e, 0)[0] == 1, nil
}

// String returns a string, which need not be valid UTF-8.
func (f *File) String(key string) (string, error) {
	e, err := f.find(key)
	if err != nil {
		return "", err
	}
	if e.typ != typeString || e.array {
		return "", f.mistyped(e, "a string")
	}
	return f.shards[0].strings(e)[0], nil
}

// Strings returns an array of strings, which need not be valid UTF-8.
func (f *File) Strings(key string) ([]string, error) {
	e, err := f.find(key)
	if err != nil {
		return nil, err
	}
	if e.typ != typeString || !e.array {
		return nil, f.mistyped(e, "an array of strings")
	}
	return f.shards[0].strings(e), nil
}

func (f *File) find(key string) (entry, error) {
	if f.closed && f.Has(key) {
		return entry{}, fmt.Errorf("gguf: %s: key %q: the file is closed", f.path, key)
	}
	e, ok := f.shards[0].find(key)
	if !ok {
		return entry{}, fmt.Errorf("gguf: %s: no key %q", f.path, key)
	}
	return e, nil
}

// int returns element i as an int.
func (f *File) int(e entry, i int) (int, error) {
	n, negative := f.shards[0].integer(e, i)
	switch {
	case negative && int64(n) < math.MinInt:
		return 0, f.outOfRange(e, int64(n), "an int")
	case !negative && n > math.MaxInt:
		return 0, f.outOfRange(e, n, "an int")
	}
	return int(n), nil
}

func (f *File) mistyped(e entry, want string) error {
	return fmt.Errorf("gguf: %s: key %q (offset %d) is %s, want %s", f.path, e.key, e.pos, e.kind(), want)
}

func (f *File) outOfRange(e entry, got any, want string) error {
	return fmt.Errorf("gguf: %s: key %q (offset %d) is %d, want %s", f.path, e.key, e.pos, got, want)
}
