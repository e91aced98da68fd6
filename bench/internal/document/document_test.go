package document

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	begin, end := Marks("x")
	otherBegin, otherEnd := Marks("y")
	head, tail := "# By hand\n\n", "\n\nby hand\n\n"+otherBegin+"\nkept\n"+otherEnd+"\n"
	if err := os.WriteFile(path, []byte(head+begin+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one\n", "two\nlines"} {
		if err := Replace(path, "x", text); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := head + begin + "\n\n" + strings.TrimSpace(text) + "\n\n" + end + tail; string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := Replace(path, "z", "text"); err == nil || !strings.Contains(err.Error(), "measured: z") {
		t.Errorf("a block that is not there: got error %v", err)
	}
}

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	begin, end := Marks("x")
	if err := os.WriteFile(path, []byte(begin+"\n"+end+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Check(path, []string{"x"}); err != nil {
		t.Error(err)
	}
	if err := Check(path, []string{"x", "y"}); err == nil || !strings.Contains(err.Error(), "block y") {
		t.Errorf("a block that is not there: got %v", err)
	}
}
