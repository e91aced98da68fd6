package gguf

// An open file: opening, closing, and asking for tensors.

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"netllm/tensor"
	"netllm/tensor/internal/fileio"
)

// File is an open GGUF file. Its methods may be called from several goroutines
// at once, but for Close.
type File struct {
	path      string
	data      []byte
	mapping   *tensor.Mapping // nil if the bytes are the caller's
	closed    bool
	version   int
	alignment int
	entries   []entry // in file order
	keys      map[string]int
	infos     []Info // in file order
	names     map[string]int

	mu       sync.Mutex
	storages []*tensor.Storage // by index of infos; nil until asked for
}

// Info describes one tensor of a file.
type Info struct {
	Name   string
	Type   Type         // as the file says
	DType  tensor.DType // Invalid if package tensor does not have the type
	Shape  []int        // row-major: the last dimension is the fastest
	Offset int64        // of the first byte, from the file's start
	Bytes  int64        // -1 if the layout of the type is not known
}

// Open opens the file at path and checks it. Memory of the tensors is the
// mapped file's, until Close. A file that is one shard of a split model is
// refused ([errors.ErrUnsupported]); see [OpenShard].
func Open(path string) (*File, error) { return open(path, false) }

// OpenShard is [Open] for a file that may be one shard of a split model. It has
// the shard's tensors only.
func OpenShard(path string) (*File, error) { return open(path, true) }

func open(path string, shard bool) (*File, error) {
	m, err := tensor.MapFile(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	f, err := parse(path, m.Bytes(), shard)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	f.mapping = m
	return f, nil
}

// Parse opens the content of a file, for example one embedded in the program.
// The tensors are views of data, which must not change. Errors call it name.
func Parse(name string, data []byte) (*File, error) { return parse(name, data, false) }

// Path returns the file's name as given to [Open].
func (f *File) Path() string { return f.path }

// Version returns the version of the format, 2 or 3.
func (f *File) Version() int { return f.version }

// Alignment returns the number of bytes that tensors are aligned to.
func (f *File) Alignment() int { return f.alignment }

// Close gives the mapped memory back. The tensors must not be used any more;
// keys, names and infos stay.
func (f *File) Close() error {
	f.closed, f.data = true, nil
	if f.mapping == nil {
		return nil
	}
	if err := f.mapping.Close(); err != nil {
		return fmt.Errorf("gguf: %s: close: %w", f.path, err)
	}
	return nil
}

// Tensors describes all tensors in the order of their bytes in the file.
func (f *File) Tensors() []Info {
	infos := slices.Clone(f.infos)
	for i := range infos {
		infos[i].Shape = slices.Clone(infos[i].Shape)
	}
	return infos
}

// Names returns the tensors' names in the order of their bytes in the file.
func (f *File) Names() []string {
	names := make([]string, len(f.infos))
	for i, info := range f.infos {
		names[i] = info.Name
	}
	return names
}

// Info describes the tensor of that name, if there is one.
func (f *File) Info(name string) (Info, bool) {
	i, ok := f.names[name]
	if !ok {
		return Info{}, false
	}
	info := f.infos[i]
	info.Shape = slices.Clone(info.Shape)
	return info, true
}

// Tensor returns a tensor, read-only, as a view of the file; asked for again,
// it has the same storage. Only elements that the file does not align are
// copied. A type that package tensor does not have is an error
// ([errors.ErrUnsupported]).
func (f *File) Tensor(name string) (tensor.Tensor, error) {
	i, ok := f.names[name]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("gguf: %s: no tensor %q", f.path, name)
	}
	info := f.infos[i]
	if info.DType == tensor.Invalid {
		return tensor.Tensor{}, fmt.Errorf("gguf: %s: tensor %q: type %v is not supported (%w)", f.path, name, info.Type, errors.ErrUnsupported)
	}
	if f.closed {
		return tensor.Tensor{}, fmt.Errorf("gguf: %s: tensor %q: the file is closed", f.path, name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.storages[i] == nil {
		f.storages[i] = fileio.Storage(f.data[info.Offset:info.Offset+info.Bytes], info.DType)
	}
	return tensor.Of(f.storages[i], info.DType, info.Shape...), nil
}

// Discard says that the tensor of that name will not be read soon: its pages of
// the mapped file, or its copy, need not stay in memory. Asking for the tensor
// again is slower but right; tensors handed out before stay valid.
func (f *File) Discard(name string) {
	i, ok := f.names[name]
	if !ok || f.closed {
		return
	}
	f.mu.Lock()
	f.storages[i] = nil
	f.mu.Unlock()
	if info := f.infos[i]; f.mapping != nil && info.Bytes > 0 {
		f.mapping.Discard(f.data[info.Offset : info.Offset+info.Bytes])
	}
}
