package tensor

import (
	"fmt"
	"os"
)

// Mapping is a file's content in memory, mapped read-only where the system
// can do that. Tensors over it read the file's pages as they are touched.
type Mapping struct {
	path  string
	data  []byte
	unmap func() error
}

// MapFile maps a file. The tensors made from it are valid until Close. Writing
// to its bytes is a fault.
func MapFile(path string) (*Mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() == 0 {
		return &Mapping{path: path}, nil
	}
	if int64(int(info.Size())) != info.Size() {
		return nil, fmt.Errorf("%s: %d bytes do not fit the address space", path, info.Size())
	}
	data, unmap, err := mapFile(f, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s: map: %w", path, err)
	}
	return &Mapping{path: path, data: data, unmap: unmap}, nil
}

// Path returns the file's name as given to [MapFile].
func (m *Mapping) Path() string { return m.path }

// Bytes returns the file's content, not to be written to.
func (m *Mapping) Bytes() []byte { return m.data }

// Close gives the mapping back. Tensors over it must not be used any more.
func (m *Mapping) Close() error {
	unmap := m.unmap
	m.data, m.unmap = nil, nil
	if unmap == nil {
		return nil
	}
	return unmap()
}
