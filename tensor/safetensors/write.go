package safetensors

// Writing files.

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"netllm/internal/atomicfile"
	"netllm/tensor"
	"netllm/tensor/internal/fileio"
)

// Entry is a tensor to be written, by exactly one of Load and Stream, which is
// called once, when its turn comes. What Load returns must be contiguous, in host
// memory, of this type and shape, and is not kept; Stream writes the bytes of such
// a tensor in pieces, so that no tensor need be in memory whole.
type Entry struct {
	Name   string
	DType  tensor.DType
	Shape  []int
	Load   func() (tensor.Tensor, error)
	Stream func(w io.Writer) error
}

// EntryOf returns the entry of a tensor that exists already.
func EntryOf(name string, t tensor.Tensor) Entry {
	return Entry{Name: name, DType: t.DType(), Shape: t.Shape(), Load: func() (tensor.Tensor, error) { return t, nil }}
}

// Write writes a file, under a temporary name that is then changed to path. If
// path exists it fails with [io/fs.ErrExist]; see [Replace].
//
// The order of the tensors given does not matter: the widest types come first,
// and names of one type are sorted. metadata may be nil. A tensor of a block
// type is an error, and so are names that are not UTF-8, occur twice, or are
// "__metadata__".
func Write(path string, metadata map[string]string, tensors []Entry) error {
	return writeFile(path, false, metadata, tensors)
}

// Replace is [Write], but an existing file is replaced at the end. Files that
// are open keep the old content.
func Replace(path string, metadata map[string]string, tensors []Entry) error {
	return writeFile(path, true, metadata, tensors)
}

// WriteSharded writes a model as several files of at most limit bytes of
// tensors (a single larger tensor gets a file of its own), and last their index
// at indexPath, whose name must end in ".safetensors.index.json". Shards of
// "model.safetensors.index.json" are "model-00001-of-00003.safetensors" and so
// on, tensors distributed in the order of their names. No file may exist
// already. On failure the files written so far are removed.
func WriteSharded(indexPath string, limit int64, metadata map[string]string, tensors []Entry) (err error) {
	prefix, ok := strings.CutSuffix(indexPath, ".safetensors.index.json")
	if !ok || limit < 1 {
		return fmt.Errorf("safetensors: write %s: want a name that ends in .safetensors.index.json and a positive limit, got limit %d", indexPath, limit)
	}
	// Names over all shards are checked before anything is written.
	if _, _, err := encodeHeader(metadata, tensors); err != nil {
		return fmt.Errorf("safetensors: write %s: %w", indexPath, err)
	}
	shards, total := split(tensors, limit)
	paths := make([]string, len(shards))
	shardOf := map[string]string{}
	for i, shard := range shards {
		paths[i] = fmt.Sprintf("%s-%05d-of-%05d.safetensors", prefix, i+1, len(shards))
		for _, e := range shard {
			shardOf[e.Name] = filepath.Base(paths[i])
		}
	}
	for _, path := range append([]string{indexPath}, paths...) {
		_, err := os.Lstat(path)
		if err == nil {
			err = &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("safetensors: %w", err)
		}
	}
	index, err := encodeIndex(shardOf, total)
	if err != nil {
		return fmt.Errorf("safetensors: write %s: %w", indexPath, err)
	}
	for i, shard := range shards {
		if err := Write(paths[i], metadata, shard); err != nil {
			return errors.Join(err, removeAll(paths[:i]))
		}
	}
	err = atomicfile.Write(indexPath, false, func(w io.Writer) error {
		_, err := w.Write(index)
		return err
	})
	if err != nil {
		return errors.Join(fmt.Errorf("safetensors: write %s: %w", indexPath, err), removeAll(paths))
	}
	return nil
}

func removeAll(paths []string) (err error) {
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// split distributes the tensors, sorted by name, and returns the sum of their
// bytes. There is at least one shard.
func split(tensors []Entry, limit int64) (shards [][]Entry, total uint64) {
	sorted := slices.SortedFunc(slices.Values(tensors), func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	shards = [][]Entry{nil}
	used := int64(0)
	for _, e := range sorted {
		n := int64(e.bytes())
		last := len(shards) - 1
		if len(shards[last]) > 0 && n > limit-used {
			shards = append(shards, nil)
			last, used = last+1, 0
		}
		shards[last] = append(shards[last], e)
		used += n
		total += uint64(n)
	}
	return shards, total
}

// bytes returns the size of a checked entry.
func (e Entry) bytes() int {
	n := e.DType.BlockBytes()
	for _, d := range e.Shape {
		n *= d
	}
	return n
}

func writeFile(path string, replace bool, metadata map[string]string, tensors []Entry) error {
	head, ordered, err := encodeHeader(metadata, tensors)
	if err == nil {
		err = atomicfile.Write(path, replace, func(w io.Writer) error { return encode(w, head, ordered) })
	}
	if err != nil {
		return fmt.Errorf("safetensors: write %s: %w", path, err)
	}
	return nil
}

// encode writes head and the tensors' bytes.
func encode(w io.Writer, head []byte, ordered []Entry) error {
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, e := range ordered {
		if err := fileio.Write(w, e.DType, e.Shape, e.Load, e.Stream); err != nil {
			return fmt.Errorf("tensor %q: %w", e.Name, err)
		}
	}
	return nil
}

// encodeHeader checks the tensors, brings them into the order of the file, and
// returns all that stands before their bytes: a multiple of 8 bytes.
func encodeHeader(metadata map[string]string, tensors []Entry) ([]byte, []Entry, error) {
	least := 0 // bytes of the header, before memory is spent on it
	for key, value := range metadata {
		least += len(key) + len(value)
	}
	seen := map[string]bool{}
	for _, e := range tensors {
		least += len(e.Name)
		if seen[e.Name] {
			return nil, nil, fmt.Errorf("tensor %q: given twice", e.Name)
		}
		seen[e.Name] = true
		if err := e.check(); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", e.Name, err)
		}
	}
	if least > maxHeaderLen {
		return nil, nil, tooLong(least)
	}
	ordered := slices.SortedFunc(slices.Values(tensors), func(a, b Entry) int {
		return cmp.Or(
			cmp.Compare(slices.Index(writeOrder, a.DType), slices.Index(writeOrder, b.DType)),
			cmp.Compare(a.Name, b.Name))
	})
	var b bytes.Buffer
	b.Write(make([]byte, 8)) // the length, known later
	separator := byte('{')
	put := func(name string) {
		b.WriteByte(separator)
		separator = ','
		putString(&b, name)
		b.WriteByte(':')
	}
	if len(metadata) > 0 {
		put(metadataName)
		inner := byte('{')
		for _, key := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, nil, fmt.Errorf("metadata %q: not UTF-8", key)
			}
			b.WriteByte(inner)
			inner = ','
			putString(&b, key)
			b.WriteByte(':')
			putString(&b, metadata[key])
		}
		b.WriteByte('}')
	}
	offset := 0
	for _, e := range ordered {
		put(e.Name)
		end := offset + e.bytes()
		if end < offset {
			return nil, nil, fmt.Errorf("tensor %q: the file does not fit the address space", e.Name)
		}
		shape := strings.ReplaceAll(fmt.Sprint(append([]int{}, e.Shape...)), " ", ",")
		fmt.Fprintf(&b, `{"dtype":"%v","shape":%s,"data_offsets":[%d,%d]}`, e.DType, shape, offset, end)
		offset = end
	}
	if separator == '{' { // neither metadata nor tensors
		b.WriteByte('{')
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeaderLen {
		return nil, nil, tooLong(b.Len() - 8)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), ordered, nil
}

func tooLong(n int) error {
	return fmt.Errorf("header of %d bytes or more, at most %d", n, maxHeaderLen)
}

// check returns an error if e cannot be written.
func (e Entry) check() error {
	if e.Name == metadataName || !utf8.ValidString(e.Name) {
		return errors.New("not a name for a tensor")
	}
	if !slices.Contains(writeOrder, e.DType) {
		return fmt.Errorf("safetensors has no type %v", e.DType)
	}
	dims := make([]uint64, len(e.Shape))
	for i, d := range e.Shape {
		if d < 0 {
			return fmt.Errorf("shape %v", e.Shape)
		}
		dims[i] = uint64(d)
	}
	_, err := fileio.Elements(dims)
	return err
}

// putString appends s as JSON. Only what JSON demands is escaped, as in the
// reference implementation; encoding/json escapes more.
func putString(b *bytes.Buffer, s string) {
	const short = "\b\f\n\r\t"
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		switch at := strings.IndexByte(short, c); {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case at >= 0:
			b.WriteByte('\\')
			b.WriteByte("bfnrt"[at])
		case c < ' ':
			fmt.Fprintf(b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}
