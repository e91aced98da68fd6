package gguf

// Writing files.

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"

	"netllm/internal/atomicfile"
	"netllm/tensor"
	"netllm/tensor/internal/fileio"
)

// maxNameLen is the longest name of a tensor that ggml reads, in bytes.
const maxNameLen = 63

// Entry is a tensor to be written, by exactly one of Load and Stream, which is
// called once, when its turn comes. What Load returns must be contiguous, in host
// memory, of this type and shape, and is not kept; Stream writes the bytes of such
// a tensor in pieces, so that no tensor need be in memory whole.
type Entry struct {
	Name   string
	DType  tensor.DType
	Shape  []int // row-major
	Load   func() (tensor.Tensor, error)
	Stream func(w io.Writer) error
}

// EntryOf returns the entry of a tensor that exists already.
func EntryOf(name string, t tensor.Tensor) Entry {
	return Entry{Name: name, DType: t.DType(), Shape: t.Shape(), Load: func() (tensor.Tensor, error) { return t, nil }}
}

// Write writes a file of version 3 with the values and tensors in the order
// given, under a temporary name that is then changed to path. If path exists
// it fails with [io/fs.ErrExist]; see [Replace].
//
// Tensors are aligned to 32 bytes, or to the value general.alignment. A tensor
// of a type that ggml does not have (U8, BOOL), of more than 63 bytes of name,
// or with rows that are not whole blocks is an error, and so are two of one
// name and a value of a type that [KeyValue] does not list.
func Write(path string, values []KeyValue, tensors []Entry) error {
	return write(path, false, values, tensors)
}

// Replace is [Write], but an existing file is replaced at the end. Files that
// are open keep the old content.
func Replace(path string, values []KeyValue, tensors []Entry) error {
	return write(path, true, values, tensors)
}

func write(path string, replace bool, values []KeyValue, tensors []Entry) error {
	head, alignment, err := encodeHead(values, tensors)
	if err == nil {
		err = atomicfile.Write(path, replace, func(w io.Writer) error { return encode(w, head, alignment, tensors) })
	}
	if err != nil {
		return fmt.Errorf("gguf: write %s: %w", path, err)
	}
	return nil
}

// encode writes head and the tensors' bytes, each padded.
func encode(w io.Writer, head []byte, alignment int, tensors []Entry) error {
	if err := padded(w, alignment, func(w io.Writer) error {
		_, err := w.Write(head)
		return err
	}); err != nil {
		return err
	}
	for _, e := range tensors {
		if err := padded(w, alignment, func(w io.Writer) error {
			return fileio.Write(w, e.DType, e.Shape, e.Load, e.Stream)
		}); err != nil {
			return fmt.Errorf("tensor %q: %w", e.Name, err)
		}
	}
	return nil
}

// padded writes what write puts out and zeros up to a multiple of alignment.
func padded(w io.Writer, alignment int, write func(io.Writer) error) error {
	c := &counter{w: w}
	if err := write(c); err != nil {
		return err
	}
	for n := int(-c.n & int64(alignment-1)); n > 0; n -= len(zeros) {
		if _, err := w.Write(zeros[:min(n, len(zeros))]); err != nil {
			return err
		}
	}
	return nil
}

// counter counts the bytes written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

var zeros [4096]byte

// encodeHead returns all that stands before the tensors' bytes, without the
// padding.
func encodeHead(values []KeyValue, tensors []Entry) (head []byte, alignment int, err error) {
	head = append(head, magic...)
	head = binary.LittleEndian.AppendUint32(head, 3)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(values)))
	seen := map[string]bool{}
	alignment = defaultAlignment
	for _, kv := range values {
		if seen[kv.Key] {
			return nil, 0, fmt.Errorf("key %q: given twice", kv.Key)
		}
		seen[kv.Key] = true
		if kv.Key == "general.alignment" {
			n, ok := kv.Value.(uint32)
			if !ok || n == 0 || n > math.MaxInt32 || n&(n-1) != 0 {
				return nil, 0, fmt.Errorf("key %q: %T %v is not a power of two in a uint32", kv.Key, kv.Value, kv.Value)
			}
			alignment = int(n)
		}
		if head, err = appendEntry(head, kv); err != nil {
			return nil, 0, fmt.Errorf("key %q: %w", kv.Key, err)
		}
	}
	clear(seen)
	offset := uint64(0)
	for _, e := range tensors {
		if seen[e.Name] {
			return nil, 0, fmt.Errorf("tensor %q: given twice", e.Name)
		}
		seen[e.Name] = true
		var size uint64
		if head, size, err = appendInfo(head, e, offset); err != nil {
			return nil, 0, fmt.Errorf("tensor %q: %w", e.Name, err)
		}
		offset += (size + uint64(alignment) - 1) &^ (uint64(alignment) - 1)
	}
	return head, alignment, nil
}

// appendInfo appends the description of a tensor whose bytes start at offset,
// and returns their number.
func appendInfo(b []byte, e Entry, offset uint64) ([]byte, uint64, error) {
	if len(e.Name) == 0 || len(e.Name) > maxNameLen {
		return nil, 0, fmt.Errorf("name of %d bytes, want 1 to %d", len(e.Name), maxNameLen)
	}
	typ, ok := typeOf(e.DType)
	if !ok {
		return nil, 0, fmt.Errorf("GGUF has no type %v", e.DType)
	}
	if len(e.Shape) > tensor.MaxRank {
		return nil, 0, fmt.Errorf("%d dimensions, at most %d", len(e.Shape), tensor.MaxRank)
	}
	dims := make([]uint64, len(e.Shape))
	for i, d := range e.Shape {
		if d < 0 {
			return nil, 0, fmt.Errorf("shape %v", e.Shape)
		}
		dims[i] = uint64(d)
	}
	n, err := fileio.Elements(dims)
	if err != nil {
		return nil, 0, err
	}
	size, err := typ.size(e.Shape, n)
	if err != nil {
		return nil, 0, err
	}
	b = appendString(b, e.Name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(dims)))
	for _, d := range slices.Backward(dims) {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(typ))
	b = binary.LittleEndian.AppendUint64(b, offset)
	return b, uint64(size), nil
}

// appendEntry appends a key and its value.
func appendEntry(b []byte, kv KeyValue) ([]byte, error) {
	if len(kv.Key) == 0 || len(kv.Key) > maxKeyLen {
		return nil, fmt.Errorf("key of %d bytes, want 1 to %d", len(kv.Key), maxKeyLen)
	}
	b = appendString(b, kv.Key)
	t := reflect.TypeOf(kv.Value)
	if t == nil {
		return nil, fmt.Errorf("no value")
	}
	array := t.Kind() == reflect.Slice
	element := t
	if array {
		element = t.Elem()
	}
	typ := valueType(slices.Index(goType[:], element))
	if typ >= numValueTypes { // -1: not found
		return nil, fmt.Errorf("GGUF has no type for %T", kv.Value)
	}
	if array {
		b = binary.LittleEndian.AppendUint32(b, uint32(typeArray))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(typ))
	if array {
		b = binary.LittleEndian.AppendUint64(b, uint64(reflect.ValueOf(kv.Value).Len()))
	}
	switch v := kv.Value.(type) {
	case string:
		return appendString(b, v), nil
	case []string:
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, nil
	}
	return binary.Append(b, binary.LittleEndian, kv.Value)
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}
