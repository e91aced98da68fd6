// Files that are whole or not there, and never replaced unasked.

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"netllm/internal/atomicfile"
)

// CheckNew fails if path exists and force is not set.
func CheckNew(path string, force bool) error {
	if force {
		return nil
	}
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s: %w (--force replaces it)", path, fs.ErrExist)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}

// MakeFolder makes the folder that path is to lie in.
func MakeFolder(path string) error { return os.MkdirAll(filepath.Dir(path), 0o777) }

// WriteFile makes the file at path of what write puts out: under a temporary
// name in the same folder, which is made if it is missing, flushed to the disk,
// then renamed. If the file exists it fails, unless force is set. On failure no
// file is left.
func WriteFile(path string, force bool, write func(w io.Writer) error) error {
	if err := CheckNew(path, force); err != nil {
		return err
	}
	if err := MakeFolder(path); err != nil {
		return err
	}
	return atomicfile.Write(path, force, write)
}
