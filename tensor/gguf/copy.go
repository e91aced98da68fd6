package gguf

// Writing files whose tensors lie in other files: as they are, of whatever type,
// piece by piece.

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// pieceBytes is how much of a tensor is copied at a time.
const pieceBytes = 4 << 20

// Source is a tensor of an open file.
type Source struct {
	File *File
	Name string
}

// Copy is a file to be written of tensors that lie in other files. They are
// copied byte for byte, also those of types that package tensor does not have.
type Copy struct {
	// Unpadded leaves the zeros behind the last tensor out, as the file that the
	// tensors come from does; see [File.Unpadded].
	Unpadded bool

	head      []byte
	alignment int64
	tensors   []Source
	size      int64 // up to the end of the last tensor
}

// Unpadded reports whether the file, of a split model the last one, ends right
// behind its last tensor, or its head, where ggml writes zeros up to the next
// multiple of the alignment.
func (f *File) Unpadded() bool {
	s := f.shards[len(f.shards)-1]
	return s.start > len(s.data) || len(s.infos) > 0 && (len(s.data)-s.start)&(s.alignment-1) != 0
}

// NewCopy returns the file of these values and tensors, in this order, in
// version 2 or 3 of the format. Tensors are aligned to 32 bytes, or to the value
// general.alignment. It fails if there are two values or tensors of one name, a
// value of a type that [KeyValue] does not list, or a tensor whose size is not
// known.
func NewCopy(version int, values []KeyValue, tensors []Source) (*Copy, error) {
	head, alignment, err := encodeHead(values, nil)
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(head[4:], uint32(version))
	binary.LittleEndian.PutUint64(head[8:], uint64(len(tensors)))
	c := &Copy{alignment: int64(alignment), tensors: tensors}
	seen := map[string]bool{}
	offset, end := int64(0), int64(0)
	for _, t := range tensors {
		info, ok := t.File.Info(t.Name)
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: no tensor %q", t.File.path, t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("tensor %q: given twice", t.Name)
		case info.Bytes < 0:
			return nil, fmt.Errorf("%s: tensor %q: the size of type %v is not known", info.File, t.Name, info.Type)
		}
		seen[t.Name] = true
		head = appendString(head, info.Name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(info.Shape)))
		for _, d := range slices.Backward(info.Shape) {
			head = binary.LittleEndian.AppendUint64(head, uint64(d))
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(info.Type))
		head = binary.LittleEndian.AppendUint64(head, uint64(offset))
		end = offset + info.Bytes
		offset = c.up(end)
	}
	c.head = head
	c.size = int64(len(head))
	if len(tensors) > 0 {
		c.size = c.up(c.size) + end
	}
	return c, nil
}

// up rounds n up to the alignment.
func (c *Copy) up(n int64) int64 { return (n + c.alignment - 1) &^ (c.alignment - 1) }

// Size returns the bytes of the file.
func (c *Copy) Size() int64 {
	if c.Unpadded {
		return c.size
	}
	return c.up(c.size)
}

// Encode writes the file. Memory is needed for its head alone: what has been
// copied of the other files is given back to the system.
func (c *Copy) Encode(w io.Writer) error {
	if _, err := w.Write(c.head); err != nil {
		return err
	}
	done := int64(len(c.head))
	for _, t := range c.tensors {
		b, err := t.File.Bytes(t.Name)
		if err != nil {
			return err
		}
		if err := writeZeros(w, c.up(done)-done); err != nil {
			return err
		}
		if err := t.File.write(w, b); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		done = c.up(done) + int64(len(b))
	}
	return writeZeros(w, c.Size()-done)
}

// WriteTensor writes a tensor's bytes, of whatever type it is, and leaves their
// pages of the mapped file to the system.
func (f *File) WriteTensor(w io.Writer, name string) error {
	b, err := f.Bytes(name)
	if err != nil {
		return err
	}
	return f.write(w, b)
}

// write writes bytes of the file.
func (f *File) write(w io.Writer, b []byte) error {
	for piece := range slices.Chunk(b, pieceBytes) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
		f.DiscardBytes(piece)
	}
	return nil
}

// writeZeros writes n zeros.
func writeZeros(w io.Writer, n int64) error {
	var b [512]byte
	for n > 0 {
		m, err := w.Write(b[:min(n, int64(len(b)))])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}
