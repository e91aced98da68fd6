package safetensors

// An open model: opening, closing, and asking for tensors.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"netllm/tensor"
	"netllm/tensor/internal/fileio"
)

// The names that [Open] looks for in a folder.
const (
	modelName = "model.safetensors"
	indexName = "model.safetensors.index.json"
)

// File is an open safetensors file, or the shards of a model. Its methods may
// be called from several goroutines at once, but for Close.
type File struct {
	path     string
	mappings []*tensor.Mapping
	metadata []pair // sorted by key
	closed   bool
	records  []record
	names    map[string]int

	mu sync.Mutex // guards records[].store
}

// Info describes one tensor of a file.
type Info struct {
	Name   string
	Type   string       // as the file says
	DType  tensor.DType // Invalid if package tensor does not have the type
	Shape  []int        // row-major
	File   string       // the file that it is in: one of the shards, or the only one
	Offset int64        // of the first byte, from that file's start
	Bytes  int64
}

// record is a tensor's description and its bytes.
type record struct {
	Info
	at    int // in the file, of its description
	data  []byte
	store *tensor.Storage // nil until asked for
}

// Open opens and checks the file at path; the shards of the index at path, if
// its name ends in .json; or the model.safetensors or
// model.safetensors.index.json of the folder at path. Memory of the tensors is
// the mapped files', until Close.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if info.IsDir() {
		if path, err = find(path); err != nil {
			return nil, fmt.Errorf("safetensors: %w", err)
		}
	}
	f := &File{path: path}
	if strings.HasSuffix(path, ".json") {
		err = f.openIndex()
	} else {
		var h *header
		if h, err = f.open(path); err == nil {
			err = f.join([]*header{h})
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// find returns the model in the folder dir.
func find(dir string) (string, error) {
	for _, name := range []string{modelName, indexName} {
		path := filepath.Join(dir, name)
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s: neither %s nor %s in this folder", dir, modelName, indexName)
}

// Parse opens the content of a single file, for example one embedded in the
// program. The tensors are views of data, which must not change. Errors call
// it name.
func Parse(name string, data []byte) (*File, error) {
	f := &File{path: name}
	h, err := parseFile(name, data)
	if err != nil {
		return nil, err
	}
	return f, f.join([]*header{h})
}

// open maps one file and reads its header.
func (f *File) open(path string) (*header, error) {
	m, err := tensor.MapFile(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	f.mappings = append(f.mappings, m)
	return parseFile(path, m.Bytes())
}

// join takes the tensors and the metadata of all files in.
func (f *File) join(headers []*header) error {
	if len(headers) == 1 {
		f.records, f.metadata = headers[0].records, headers[0].metadata
	} else {
		records, metadata := 0, 0
		for _, h := range headers {
			records += len(h.records)
			metadata += len(h.metadata)
		}
		f.records, f.metadata = make([]record, 0, records), make([]pair, 0, metadata)
		for _, h := range headers {
			f.records = append(f.records, h.records...)
			f.metadata = append(f.metadata, h.metadata...)
		}
		slices.SortStableFunc(f.metadata, comparePairs)
		f.metadata = slices.CompactFunc(f.metadata, func(a, b pair) bool { return a.name == b.name }) // the first counts
	}
	f.names = make(map[string]int, len(f.records))
	for i, r := range f.records {
		if first, ok := f.names[r.Name]; ok {
			return fmt.Errorf("safetensors: tensor %.100q is in two shards, %s and %s", r.Name, f.records[first].File, r.File)
		}
		f.names[r.Name] = i
	}
	return nil
}

// Path returns the name of the file or index that was opened.
func (f *File) Path() string { return f.path }

// Files returns the names of all files that tensors are in, in order.
func (f *File) Files() []string {
	paths := make([]string, len(f.mappings))
	for i, m := range f.mappings {
		paths[i] = m.Path()
	}
	return paths
}

// Metadata returns the text that the file has beside its tensors (the
// __metadata__ of the header), which may be empty. Of shards that differ in a
// value the first one, by file name, counts.
func (f *File) Metadata() map[string]string {
	m := make(map[string]string, len(f.metadata))
	for _, p := range f.metadata {
		m[p.name] = p.value
	}
	return m
}

// Close gives the mapped memory back. The tensors must not be used any more;
// names, infos and metadata stay.
func (f *File) Close() error {
	f.closed = true
	var errs []error
	for _, m := range f.mappings {
		if err := m.Close(); err != nil {
			errs = append(errs, fmt.Errorf("safetensors: %s: close: %w", m.Path(), err))
		}
	}
	return errors.Join(errs...)
}

// Tensors describes all tensors in the order of their bytes in the file; shards
// follow one another by file name.
func (f *File) Tensors() []Info {
	infos := make([]Info, len(f.records))
	for i, r := range f.records {
		infos[i] = r.Info
		infos[i].Shape = slices.Clone(r.Shape)
	}
	return infos
}

// Names returns the tensors' names in the order of [File.Tensors].
func (f *File) Names() []string {
	names := make([]string, len(f.records))
	for i, r := range f.records {
		names[i] = r.Name
	}
	return names
}

// Info describes the tensor of that name, if there is one.
func (f *File) Info(name string) (Info, bool) {
	i, ok := f.names[name]
	if !ok {
		return Info{}, false
	}
	info := f.records[i].Info
	info.Shape = slices.Clone(info.Shape)
	return info, true
}

// Tensor returns a tensor, read-only, as a view of the file; asked for again,
// it has the same storage. Only elements that the file does not align are
// copied. A type that package tensor does not have, or more dimensions than
// [tensor.MaxRank], is an error ([errors.ErrUnsupported]).
func (f *File) Tensor(name string) (tensor.Tensor, error) {
	i, ok := f.names[name]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("safetensors: %s: no tensor %q", f.path, name)
	}
	r := &f.records[i]
	switch {
	case r.DType == tensor.Invalid:
		return tensor.Tensor{}, fmt.Errorf("safetensors: %s: tensor %q: type %s is not supported (%w)", r.File, name, r.Type, errors.ErrUnsupported)
	case len(r.Shape) > tensor.MaxRank:
		return tensor.Tensor{}, fmt.Errorf("safetensors: %s: tensor %q: %d dimensions %v, at most %d (%w)", r.File, name, len(r.Shape), r.Shape, tensor.MaxRank, errors.ErrUnsupported)
	case f.closed:
		return tensor.Tensor{}, fmt.Errorf("safetensors: %s: tensor %q: the file is closed", r.File, name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.store == nil {
		r.store = fileio.Storage(r.data, r.DType)
	}
	return tensor.Of(r.store, r.DType, r.Shape...), nil
}

// Bytes returns a tensor's bytes, of whatever type it is: the file's own, which
// must not be changed.
func (f *File) Bytes(name string) ([]byte, error) {
	i, ok := f.names[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("safetensors: %s: no tensor %q", f.path, name)
	case f.closed:
		return nil, fmt.Errorf("safetensors: %s: tensor %q: the file is closed", f.records[i].File, name)
	}
	return f.records[i].data, nil
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
	f.records[i].store = nil
	f.mu.Unlock()
	f.DiscardBytes(f.records[i].data)
}

// DiscardBytes is [File.Discard] for a part of what [File.Bytes] returned.
func (f *File) DiscardBytes(part []byte) {
	for _, m := range f.mappings {
		m.Discard(part)
	}
}
