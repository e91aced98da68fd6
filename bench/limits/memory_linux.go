package limits

import "syscall"

// hugeBytes returns n bytes that the system may put into large pages, so that
// looking up pages does not count.
func hugeBytes(n int) []byte {
	const madvHugepage = 14
	b := make([]byte, n)
	_ = syscall.Madvise(b, madvHugepage) // small pages are only slower
	return b
}
