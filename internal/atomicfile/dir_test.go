package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteDir(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b")
	put := func(text string) func(string) error {
		return func(d string) error { return os.WriteFile(filepath.Join(d, "x"), []byte(text), 0o666) }
	}
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(dir, "x"))
		if err != nil || string(got) != want {
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
		entries, err := os.ReadDir(filepath.Dir(dir))
		if err != nil || len(entries) != 1 {
			t.Fatalf("left beside the folder: %v (%v)", entries, err)
		}
	}
	if err := WriteDir(dir, false, put("one")); err != nil {
		t.Fatal(err)
	}
	check("one")
	if err := WriteDir(dir, false, put("two")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("over an existing folder: got %v, want %v", err, fs.ErrExist)
	}
	check("one")
	broken := errors.New("broken")
	if err := WriteDir(dir, true, func(d string) error { return errors.Join(put("half")(d), broken) }); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	check("one")
	if err := WriteDir(dir, true, put("two")); err != nil {
		t.Fatal(err)
	}
	check("two")
}
