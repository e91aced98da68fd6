package tensor

import (
	"fmt"
	"os"
	"unsafe"
)

// Mapping is memory that the system gives a page at a time as it is touched: a
// file's content, mapped read-only where the system can do that, or zeros. It
// lies outside the Go heap.
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

// MapMemory returns size bytes of zeros that belong to no file and may be
// written to, in large pages if the system has them to give. It is for memory
// that is too large for the garbage collector to reckon with.
func MapMemory(size int) (*Mapping, error) {
	if size == 0 {
		return &Mapping{}, nil
	}
	data, unmap, err := mapMemory(size)
	if err != nil {
		return nil, fmt.Errorf("%d bytes of memory: %w", size, err)
	}
	return &Mapping{data: data, unmap: unmap}, nil
}

// Path returns the file's name as given to [MapFile], or "".
func (m *Mapping) Path() string { return m.path }

// Bytes returns the memory. That of a file is not to be written to.
func (m *Mapping) Bytes() []byte { return m.data }

// Discard tells the system that the part b of a mapped file will not be read
// soon, so that its pages need not stay in this process; reading them again is
// slow but right. It does nothing for other memory.
func (m *Mapping) Discard(b []byte) {
	if m.path == "" || len(b) == 0 || len(m.data) == 0 {
		return
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
	if from >= uintptr(len(m.data)) || len(b) > len(m.data)-int(from) {
		return // a copy, not a part
	}
	page := os.Getpagesize()
	first, last := (int(from)+page-1)/page*page, (int(from)+len(b))/page*page
	if first < last {
		discard(m.data[first:last])
	}
}

// Close gives the mapping back. Tensors over it must not be used any more.
func (m *Mapping) Close() error {
	unmap := m.unmap
	m.data, m.unmap = nil, nil
	if unmap == nil {
		return nil
	}
	return unmap()
}
