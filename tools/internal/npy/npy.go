// Package npy reads arrays that numpy saved: little-endian doubles, integers, and
// arrays of no dimensions that hold one Python object.
//
// It reads version 1.0 of the format (numpy's NEP 1). Whatever the file holds,
// reading it takes memory in proportion to its size, and no code is run.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"netllm/tools/internal/pickle"
)

// Array is an array in the order of C: the last index runs fastest. Exactly one of
// Floats, Ints and Object is of use.
type Array struct {
	Shape  []int     // none: one value
	Floats []float64 // of type f8
	Ints   []int64   // of the integer types
	Object any       // of type O; see package pickle for what it may be
	Type   string    // as in the file: "<f8", "|O" ...
}

const (
	magic   = "\x93NUMPY"
	maxDims = 32
)

// element is a type of numbers.
type element struct {
	bytes int
	read  func(b []byte) int64 // nil for f8
}

// elements are the types of numbers, by the names of numpy.
var elements = map[string]element{
	"<f8": {8, nil},
	"|i1": {1, func(b []byte) int64 { return int64(int8(b[0])) }},
	"|u1": {1, func(b []byte) int64 { return int64(b[0]) }},
	"<i2": {2, func(b []byte) int64 { return int64(int16(binary.LittleEndian.Uint16(b))) }},
	"<u2": {2, func(b []byte) int64 { return int64(binary.LittleEndian.Uint16(b)) }},
	"<i4": {4, func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) }},
	"<u4": {4, func(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) }},
	"<i8": {8, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }},
	"<u8": {8, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }},
}

// Read reads the file name in fsys.
func Read(fsys fs.FS, name string) (*Array, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	a, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

// Parse reads an array from the content of a file.
func Parse(data []byte) (*Array, error) {
	a, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return a, nil
}

func parse(data []byte) (*Array, error) {
	if len(data) < len(magic)+4 || string(data[:len(magic)]) != magic {
		return nil, errors.New("does not begin as a file of numpy")
	}
	if data[6] != 1 || data[7] != 0 {
		return nil, fmt.Errorf("version %d.%d, want 1.0", data[6], data[7])
	}
	begin := len(magic) + 4
	length := int(binary.LittleEndian.Uint16(data[8:]))
	if length > len(data)-begin {
		return nil, fmt.Errorf("a header of %d bytes, %d are left", length, len(data)-begin)
	}
	h, err := parseHeader(string(data[begin:begin+length]), begin)
	if err != nil {
		return nil, err
	}
	begin += length
	body := data[begin:]
	if h.descr == "|O" {
		return parseObject(h, body, begin)
	}
	e, ok := elements[h.descr]
	if !ok {
		return nil, fmt.Errorf("type %q, want f8, an integer type or O, in the order of little-endian machines", h.descr)
	}
	n, err := h.count(len(body) / e.bytes)
	if err != nil {
		return nil, err
	}
	if n*e.bytes != len(body) {
		return nil, fmt.Errorf("shape %v of %s takes %d bytes, the file has %d", h.shape, h.descr, n*e.bytes, len(body))
	}
	a := &Array{Shape: h.shape, Type: h.descr}
	if e.read == nil {
		a.Floats = make([]float64, n)
	} else {
		a.Ints = make([]int64, n)
	}
	order := h.order()
	for i := range n {
		b := body[order(i)*e.bytes:]
		if e.read == nil {
			a.Floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(b))
			continue
		}
		a.Ints[i] = e.read(b)
		if h.descr == "<u8" && a.Ints[i] < 0 {
			return nil, fmt.Errorf("number %d is beyond 63 bits", uint64(a.Ints[i]))
		}
	}
	return a, nil
}

// parseObject reads an array of no dimensions, whose only value is an object.
func parseObject(h header, body []byte, begin int) (*Array, error) {
	if len(h.shape) > 0 {
		return nil, fmt.Errorf("shape %v of objects, want ()", h.shape)
	}
	v, err := pickle.Decode(body, begin)
	if err != nil {
		return nil, err
	}
	array, ok := v.(*pickle.Array)
	if !ok {
		return nil, errors.New("the pickle holds no array")
	}
	return &Array{Type: h.descr, Object: array.Value}, nil
}
