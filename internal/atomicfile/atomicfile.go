// Package atomicfile makes files and folders that nobody ever sees half of.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// Write makes the file at path of what write puts out: under a temporary name
// in the same folder, flushed to the disk, then renamed. If the file exists it
// fails with [fs.ErrExist], unless replace is set. On failure nothing is left.
func Write(path string, replace bool, write func(w io.Writer) error) error {
	if !replace {
		if err := mustNotExist(path); err != nil {
			return err
		}
	}
	name, err := writeTemp(path, write)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); replace && err == nil && info.Mode().IsRegular() {
		_ = os.Chmod(name, info.Mode().Perm()) // who may read the old may read the new
	}
	observe("rename", path, 0)
	if err := install(name, path, replace); err != nil {
		os.Remove(name)
		return err
	}
	syncFolder(filepath.Dir(path))
	return nil
}

// createTemp is [os.CreateTemp] with the permissions of an ordinary file.
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

// install gives the finished file its name. A hard link cannot take the place
// of another file; where links do not work, looking first must do.
func install(temp, path string, replace bool) error {
	if replace {
		return os.Rename(temp, path)
	}
	err := os.Link(temp, path)
	if err == nil {
		return os.Remove(temp)
	}
	if errors.Is(err, fs.ErrExist) {
		return exists(path)
	}
	if err := mustNotExist(path); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func mustNotExist(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return exists(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

func exists(path string) error {
	return &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
}

// syncFolder makes the new name durable. Not every system can do that for a
// folder, and the file is whole either way, so that errors are not the
// caller's.
func syncFolder(dir string) {
	if runtime.GOOS == "windows" {
		return
	}
	if f, err := os.Open(dir); err == nil {
		f.Sync()
		f.Close()
	}
}
