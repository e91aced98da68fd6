package tensor

import "golang.org/x/sys/unix"

// adviseLargePages asks for pages of 2 MiB, which spare translations where
// weights are streamed. Systems without them refuse, which changes nothing.
func adviseLargePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
