// Operand memory between two inaccessible pages.

package guard

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// lend maps whole pages for at least size bytes between two pages without access.
func lend(tb testing.TB, size int) []byte {
	tb.Helper()
	page := os.Getpagesize()
	inner := max(page, (size+page-1)/page*page)
	mem, err := unix.Mmap(-1, 0, inner+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		tb.Fatalf("guard: mmap: %v", err)
	}
	for _, at := range []int{0, page + inner} {
		if err := unix.Mprotect(mem[at:at+page], unix.PROT_NONE); err != nil {
			tb.Fatalf("guard: mprotect: %v", err)
		}
	}
	tb.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			tb.Errorf("guard: munmap: %v", err)
		}
	})
	return mem[page : page+inner : page+inner]
}
