//go:build unix

package tensor

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapFile(f *os.File, size int) ([]byte, func() error, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return data, func() error { return unix.Munmap(data) }, nil
}

func mapMemory(size int) ([]byte, func() error, error) {
	data, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	adviseLargePages(data)
	return data, func() error { return unix.Munmap(data) }, nil
}

// discard leaves the pages of a file to the system. A refusal changes nothing
// but the memory in use.
func discard(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
