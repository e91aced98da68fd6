// Files that are whole or not there, and never replaced unasked.

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
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
func WriteFile(path string, force bool, write func(w io.Writer) error) (err error) {
	if err := CheckNew(path, force); err != nil {
		return err
	}
	if err := MakeFolder(path); err != nil {
		return err
	}
	temp, err := createTemp(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreClosed(temp.Close()), os.Remove(temp.Name()))
		}
	}()
	w := bufio.NewWriter(temp)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := CheckNew(path, force); err != nil { // it may have come meanwhile
		return err
	}
	return os.Rename(temp.Name(), path)
}

// createTemp is [os.CreateTemp] beside path with the permissions of an ordinary
// file.
func createTemp(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	for try := 0; ; try++ {
		name := dir + "." + base + ".tmp" + strconv.FormatUint(rand.Uint64(), 36)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}
