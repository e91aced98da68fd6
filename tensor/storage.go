package tensor

import (
	"fmt"
	"unsafe"
)

// Storage is where a tensor's bytes are: host memory (heap or a mapped file),
// or a compute device. Several tensors may view one Storage; its address is
// its identity.
type Storage struct {
	host   []byte // nil on a device
	handle any    // a device's own, nil on the host
	base   int    // bytes from the handle's start
	size   int
}

// NewHost returns zeroed host storage of size bytes, aligned to 64 bytes.
func NewHost(size int) *Storage {
	const align = 64
	raw := make([]byte, size+align)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) & (align - 1))
	return &Storage{host: raw[skip : skip+size : skip+size], size: size}
}

// HostBytes returns storage over b, which is not copied: the storage is valid
// as long as b is. b must be aligned for the element types stored in it.
func HostBytes(b []byte) *Storage {
	return &Storage{host: b, size: len(b)}
}

// NewDevice returns storage of size bytes that a device made: handle is
// whatever the device needs to find it again.
func NewDevice(handle any, size int) *Storage {
	return &Storage{handle: handle, size: size}
}

// Size is the number of bytes.
func (s *Storage) Size() int { return s.size }

// OnHost reports whether the storage is memory that the host can read.
func (s *Storage) OnHost() bool { return s.handle == nil }

// Bytes returns the host's bytes. It panics for a device's storage: only the
// device that made it can read it.
func (s *Storage) Bytes() []byte {
	if s.handle != nil {
		panic("tensor: Bytes: storage is on a device, not in host memory")
	}
	return s.host
}

// Device returns the handle given to [NewDevice] and the offset in bytes of
// this storage from the handle's start. It returns nil for host storage.
func (s *Storage) Device() (handle any, base int) { return s.handle, s.base }

// Carve makes part the storage of size bytes of s starting at byte off. It
// reuses part's memory, so that an arena allocates no new object per tensor.
func (s *Storage) Carve(part *Storage, off, size int) {
	if off < 0 || size < 0 || size > s.size-off {
		panic(fmt.Sprintf("tensor: Carve: %d bytes at %d of %d", size, off, s.size))
	}
	*part = Storage{handle: s.handle, base: s.base + off, size: size}
	if s.handle == nil {
		part.host = s.host[off : off+size : off+size]
	}
}
