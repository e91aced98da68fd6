package gguf

// An open file: opening, closing, and asking for tensors.

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"netllm/tensor"
	"netllm/tensor/internal/fileio"
)

// File is an open GGUF file, or the files of a split model. Its methods may be
// called from several goroutines at once, but for Close.
type File struct {
	path   string
	shards []*shard // one or more
	closed bool
	order  []place // of all tensors, one shard after another
	byName []place // the same, sorted by name

	mu       sync.Mutex
	storages map[place]*tensor.Storage // of the tensors asked for
}

// place is where a tensor is described: a shard, and a position in its head.
type place struct{ shard, pos int }

// Info describes one tensor of a file.
type Info struct {
	Name   string
	Type   Type         // as the file says
	DType  tensor.DType // Invalid if package tensor does not have the type
	Shape  []int        // row-major: the last dimension is the fastest
	File   string       // the file that it is in: one of a split model's, or the only one
	Offset int64        // of the first byte, from that file's start
	Bytes  int64        // -1 if the layout of the type is not known
}

// Open opens the file at path and checks it. Memory of the tensors is the
// mapped file's, until Close. Of a model that is split into several files, path
// may be any; all of them are opened, and are one File with the values of the
// first.
func Open(path string) (*File, error) { return open(path, nil) }

func open(path string, faults *faults) (*File, error) {
	s, err := openShard(path, faults)
	if err != nil {
		return nil, err
	}
	count, err := s.splitCount()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("gguf: %s: %w", path, err), s.close())
	}
	if count > 1 {
		return openSplit(path, s)
	}
	return newFile(path, []*shard{s})
}

// OpenShard opens one file of a split model, or the only one of another. It has
// the tensors of that file only.
func OpenShard(path string) (*File, error) {
	s, err := openShard(path, nil)
	if err != nil {
		return nil, err
	}
	return newFile(path, []*shard{s})
}

// Parse opens the content of a file, for example one embedded in the program.
// The tensors are views of data, which must not change. Errors call it name.
// One file of a split model is refused ([errors.ErrUnsupported]).
func Parse(name string, data []byte) (*File, error) {
	s := &shard{path: name, data: data}
	if err := s.parse(); err != nil {
		return nil, fmt.Errorf("gguf: %s: %w", name, err)
	}
	if count, err := s.splitCount(); err != nil || count > 1 {
		return nil, fmt.Errorf("gguf: %s: key %q: one shard of a split model is not supported here (%w)", name, splitCountKey, errors.ErrUnsupported)
	}
	return newFile(name, []*shard{s})
}

// openShard maps and checks one file.
func openShard(path string, faults *faults) (*shard, error) {
	m, err := tensor.MapFile(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	s := &shard{path: path, data: m.Bytes(), mapping: m, faults: faults}
	if err := s.parse(); err != nil {
		return nil, errors.Join(fmt.Errorf("gguf: %s: %w", path, err), m.Close())
	}
	return s, nil
}

func (s *shard) close() error {
	if s.mapping == nil {
		return nil
	}
	if err := s.mapping.Close(); err != nil {
		return fmt.Errorf("gguf: %s: close: %w", s.path, err)
	}
	return nil
}

// newFile makes a file of its shards, which it closes on failure.
func newFile(path string, shards []*shard) (*File, error) {
	f := &File{path: path, shards: shards}
	f.index()
	twice := false
	for i, p := range f.byName {
		if i == 0 || string(f.nameAt(p)) != string(f.nameAt(f.byName[i-1])) {
			continue
		}
		first, second := shards[f.byName[i-1].shard], shards[p.shard]
		err := fmt.Errorf("offset %d: a second tensor %.100q", p.pos, f.nameAt(p))
		if first != second {
			err = fmt.Errorf("%w; the first is in %s", err, first.path)
		}
		if err := second.fault(err); err != nil {
			return nil, errors.Join(fmt.Errorf("gguf: %s: %w", second.path, err), f.closeShards())
		}
		twice = true
	}
	if twice { // only the first counts
		f.byName = slices.CompactFunc(f.byName, func(a, b place) bool { return string(f.nameAt(a)) == string(f.nameAt(b)) })
		f.order = slices.DeleteFunc(f.order, func(p place) bool {
			first, _ := f.place(string(f.nameAt(p)))
			return p != first
		})
	}
	return f, nil
}

// index makes the tables of tensors.
func (f *File) index() {
	n := 0
	for _, s := range f.shards {
		n += len(s.infos)
	}
	f.order = make([]place, 0, n)
	for i, s := range f.shards {
		for _, pos := range s.infos {
			f.order = append(f.order, place{i, pos})
		}
	}
	f.byName = slices.Clone(f.order)
	slices.SortFunc(f.byName, func(a, b place) int {
		return cmp.Or(slices.Compare(f.nameAt(a), f.nameAt(b)), cmp.Compare(a.shard, b.shard), cmp.Compare(a.pos, b.pos))
	})
}

func (f *File) nameAt(p place) []byte { return f.shards[p.shard].nameAt(p.pos) }

// Begins reports whether the file at path begins as GGUF files do. It fails if there is no
// such file, or none that can be mapped.
func Begins(path string) (bool, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("gguf: %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	begin := make([]byte, len(magic))
	_, err = io.ReadFull(f, begin)
	return err == nil && string(begin) == magic, nil // a shorter file begins otherwise
}

// Path returns the file's name as given to [Open].
func (f *File) Path() string { return f.path }

// Files returns the names of all files that the model is in, in order.
func (f *File) Files() []string {
	paths := make([]string, len(f.shards))
	for i, s := range f.shards {
		paths[i] = s.path
	}
	return paths
}

// Version returns the version of the format, 2 or 3.
func (f *File) Version() int { return f.shards[0].version }

// Alignment returns the number of bytes that tensors are aligned to.
func (f *File) Alignment() int { return f.shards[0].alignment }

// Close gives the mapped memory back. The tensors must not be used any more;
// keys, names and infos stay.
func (f *File) Close() error {
	if f.closed {
		return nil
	}
	f.closed, f.storages = true, nil
	moved := false
	for _, s := range f.shards {
		if s.mapping != nil {
			s.keepHead()
			moved = true
		}
		s.data = nil
	}
	if moved {
		f.index()
	}
	return f.closeShards()
}

func (f *File) closeShards() error {
	var errs []error
	for _, s := range f.shards {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Tensors describes all tensors in the order of their bytes in the file.
func (f *File) Tensors() []Info {
	infos := make([]Info, len(f.order))
	for i, p := range f.order {
		infos[i] = f.info(p)
	}
	return infos
}

// Names returns the tensors' names in the order of their bytes in the file.
func (f *File) Names() []string {
	names := make([]string, len(f.order))
	for i, p := range f.order {
		names[i] = string(f.nameAt(p))
	}
	return names
}

// Info describes the tensor of that name, if there is one.
func (f *File) Info(name string) (Info, bool) {
	p, ok := f.place(name)
	if !ok {
		return Info{}, false
	}
	return f.info(p), true
}

// place looks a tensor up.
func (f *File) place(name string) (place, bool) {
	i, ok := slices.BinarySearchFunc(f.byName, name, func(p place, name string) int { return compare(f.nameAt(p), name) })
	if !ok {
		return place{}, false
	}
	return f.byName[i], true
}

func (f *File) info(p place) Info {
	s := f.shards[p.shard]
	raw := s.infoAt(p.pos)
	info := Info{
		Name: string(raw.name), Type: raw.typ, DType: raw.typ.DType(), Shape: make([]int, raw.rank),
		File: s.path, Offset: s.at(raw), Bytes: raw.bytes,
	}
	for i := range info.Shape {
		info.Shape[i] = int(raw.dims[i])
	}
	return info
}

// Tensor returns a tensor, read-only, as a view of the file; asked for again,
// it has the same storage. Only elements that the file does not align are
// copied. A type that package tensor does not have is an error
// ([errors.ErrUnsupported]).
func (f *File) Tensor(name string) (tensor.Tensor, error) {
	p, ok := f.place(name)
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("gguf: %s: no tensor %q", f.path, name)
	}
	info := f.info(p)
	if info.DType == tensor.Invalid {
		return tensor.Tensor{}, fmt.Errorf("gguf: %s: tensor %q: type %v is not supported (%w)", info.File, name, info.Type, errors.ErrUnsupported)
	}
	b, err := f.Bytes(name)
	if err != nil {
		return tensor.Tensor{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.storages == nil {
		f.storages = map[place]*tensor.Storage{}
	}
	if f.storages[p] == nil {
		f.storages[p] = fileio.Storage(b, info.DType)
	}
	return tensor.Of(f.storages[p], info.DType, info.Shape...), nil
}

// Bytes returns a tensor's bytes, of whatever type it is: the file's own, which
// must not be changed. It fails if the layout of the type is not known.
func (f *File) Bytes(name string) ([]byte, error) {
	p, ok := f.place(name)
	if !ok {
		return nil, fmt.Errorf("gguf: %s: no tensor %q", f.path, name)
	}
	s := f.shards[p.shard]
	raw := s.infoAt(p.pos)
	switch {
	case f.closed:
		return nil, fmt.Errorf("gguf: %s: tensor %q: the file is closed", s.path, name)
	case raw.bytes < 0:
		return nil, fmt.Errorf("gguf: %s: tensor %q: the size of type %v is not known (%w)", s.path, name, raw.typ, errors.ErrUnsupported)
	}
	from := s.at(raw)
	return s.data[from : from+raw.bytes : from+raw.bytes], nil
}

// Discard says that the tensor of that name will not be read soon: its pages of
// the mapped file, or its copy, need not stay in memory. Asking for the tensor
// again is slower but right; tensors handed out before stay valid.
func (f *File) Discard(name string) {
	b, err := f.Bytes(name)
	if err != nil {
		return
	}
	p, _ := f.place(name)
	f.mu.Lock()
	delete(f.storages, p)
	f.mu.Unlock()
	f.DiscardBytes(b)
}

// DiscardBytes is [File.Discard] for a part of what [File.Bytes] returned.
func (f *File) DiscardBytes(part []byte) {
	for _, s := range f.shards {
		if s.mapping != nil {
			s.mapping.Discard(part)
		}
	}
}
