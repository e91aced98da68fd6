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
// to its bytes is a fault, and so is reading them after another process has
// made the file shorter; replacing it by renaming does no harm.
func MapFile(path string) (*Mapping, error) {
	// Asked before opening: to open a named pipe waits for its other end.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
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
