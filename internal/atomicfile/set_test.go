package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// contents returns the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestWriteSet(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "1"), filepath.Join(dir, "2"), filepath.Join(dir, "3")}
	put := func(s string) func(int, io.Writer) error {
		return func(i int, w io.Writer) error {
			_, err := fmt.Fprint(w, s, i)
			return err
		}
	}
	want := func(files map[string]string) {
		t.Helper()
		if got := contents(t, dir); !maps.Equal(got, files) {
			t.Errorf("got %v, want %v", got, files)
		}
	}
	broken := errors.New("broken")
	breaks := func(i int, w io.Writer) error {
		io.WriteString(w, "half")
		if i == 2 {
			return broken
		}
		return nil
	}
	if err := WriteSet(paths, false, breaks); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	want(map[string]string{})
	if err := WriteSet(paths, false, put("a")); err != nil {
		t.Fatal(err)
	}
	old := map[string]string{"1": "a0", "2": "a1", "3": "a2"}
	want(old)
	if err := WriteSet(paths, false, put("b")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want %v", err, fs.ErrExist)
	}
	want(old)
	if err := WriteSet(paths, true, breaks); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	want(old)

	// The first file is there only with its own companions.
	var order []string
	Observer = func(op, path string, _ int64) {
		if op != "rename" {
			return
		}
		order = append(order, filepath.Base(path))
		if _, err := os.Lstat(paths[0]); err == nil {
			t.Errorf("before %s is renamed: the first file is there", path)
		}
	}
	defer func() { Observer = nil }()
	if err := WriteSet(paths, true, put("b")); err != nil {
		t.Fatal(err)
	}
	want(map[string]string{"1": "b0", "2": "b1", "3": "b2"})
	if !slices.Equal(order, []string{"3", "2", "1"}) {
		t.Errorf("got order %q", order)
	}

	// A file that appears meanwhile is not replaced, and nothing is left beside it.
	Observer = nil
	for _, path := range paths {
		os.Remove(path)
	}
	err := WriteSet(paths, false, func(i int, w io.Writer) error {
		return os.WriteFile(paths[1], []byte("theirs"), 0o666)
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want %v", err, fs.ErrExist)
	}
	want(map[string]string{"2": "theirs"})
}
