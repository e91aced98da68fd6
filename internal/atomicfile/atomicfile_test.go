package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// holds checks that dir has the file with this content and nothing else.
func holds(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
	}
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 {
		t.Errorf("folder has %v, %v, want one file", list, err)
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := Write(path, false, text("one")); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "one")

	err := Write(path, false, text("two"))
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want that %s exists", err, path)
	}
	holds(t, path, "one")

	if err := Write(path, true, text("two")); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "two")

	broken := errors.New("broken")
	err = Write(path, true, func(w io.Writer) error {
		if err := text("half")(w); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	holds(t, path, "two")

	if err := Write(filepath.Join(path, "below", "a", "file"), false, text("")); err == nil {
		t.Error("got no error for a folder that is a file")
	}
}

// A file that replaces another can be read by the same people.
func TestWriteKeepsMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: no permissions here")
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, true, text("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	holds(t, path, "new")
}

// A file that appears while ours is being written is not replaced.
func TestWriteRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	err := Write(path, false, func(w io.Writer) error {
		return os.WriteFile(path, []byte("theirs"), 0o666)
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want %v", err, fs.ErrExist)
	}
	holds(t, path, "theirs")
}
