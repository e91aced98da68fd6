//go:build linux || darwin

package tensor

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A named pipe nobody writes to is refused at once.
func TestMapFilePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Skipf("skip: no named pipes here: %v", err)
	}
	if _, err := MapFile(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v, want that it is not a regular file", err)
	}
}
