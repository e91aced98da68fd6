package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteDir makes the folder dir of what fill puts into a temporary one beside it,
// which is then renamed. If dir exists it fails with [fs.ErrExist], unless
// replace is set; then the old folder is removed at the end. On failure dir is
// as it was.
func WriteDir(dir string, replace bool, fill func(temporary string) error) (err error) {
	dir = filepath.Clean(dir)
	_, statErr := os.Lstat(dir)
	exists := statErr == nil
	if exists && !replace {
		return fmt.Errorf("%s: %w", dir, fs.ErrExist)
	}
	if statErr != nil && !errors.Is(statErr, fs.ErrNotExist) {
		return statErr
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temporary))
		}
	}()
	// MkdirTemp keeps the folder private; the result is an ordinary one.
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	if err := fill(temporary); err != nil {
		return err
	}
	observe("rename", dir, 0)
	if !exists {
		return os.Rename(temporary, dir)
	}
	if exchange(temporary, dir) == nil { // there is no moment without a folder then
		return os.RemoveAll(temporary)
	}
	old := temporary + ".old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(temporary, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}
