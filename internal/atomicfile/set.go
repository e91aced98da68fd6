package atomicfile

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteSet makes several files that are worth something only together, such as
// the shards of a model; whoever looks for them begins with the first. All are
// written under temporary names, then renamed, the first last, so that it is
// never there with others that are not its own. If any exists WriteSet fails
// with [fs.ErrExist], unless replace is set; then the old first file goes before
// another one is touched. On failure no new file is left.
func WriteSet(paths []string, replace bool, write func(i int, w io.Writer) error) (err error) {
	if !replace {
		for _, path := range paths {
			if err := mustNotExist(path); err != nil {
				return err
			}
		}
	}
	var temps []string
	var installed []string
	defer func() {
		for _, name := range temps {
			err = errors.Join(err, removed(name))
		}
		if err != nil {
			for _, name := range installed {
				err = errors.Join(err, removed(name))
			}
		}
	}()
	for i, path := range paths {
		name, err := writeTemp(path, func(w io.Writer) error { return write(i, w) })
		if err != nil {
			return err
		}
		temps = append(temps, name)
	}
	if replace {
		if err := removed(paths[0]); err != nil {
			return err
		}
		syncFolder(filepath.Dir(paths[0]))
	}
	for i := len(paths) - 1; i >= 0; i-- {
		observe("rename", paths[i], 0)
		if err := install(temps[i], paths[i], replace); err != nil {
			return err
		}
		temps = temps[:i]
		installed = append(installed, paths[i])
		if i <= 1 {
			syncFolder(filepath.Dir(paths[i])) // the others' names, then the first's
		}
	}
	return nil
}

// removed removes a file, which need not be there.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeTemp makes a file of what write puts out beside path, flushed to the
// disk, and returns its name. On failure nothing is left.
func writeTemp(path string, write func(w io.Writer) error) (name string, err error) {
	f, err := createTemp(path)
	if err != nil {
		return "", err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(&observed{w: f, path: path}, 1<<20)
	if err := write(w); err != nil {
		return "", err
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	open = false
	return f.Name(), f.Close()
}

// Observer, if a test sets it, is called before bytes are written ("write",
// after so many) and before a finished file gets its name ("rename"): the places
// at which a test interrupts a program.
var Observer func(op, path string, written int64)

func observe(op, path string, written int64) {
	if Observer != nil {
		Observer(op, path, written)
	}
}

// observed is a file that tells the observer what is written to it.
type observed struct {
	w    io.Writer
	path string
	n    int64
}

func (o *observed) Write(b []byte) (int, error) {
	observe("write", o.path, o.n)
	n, err := o.w.Write(b)
	o.n += int64(n)
	return n, err
}
