//go:build unix

package published

// Clones that try to have something read or written that is not theirs.

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestHostile(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	recordings := viewports + "/Jin2022/video1/5Hz"
	for _, c := range []struct {
		name string
		path string // in the clone, to be made by make; what was there is removed
		make func(path string) error
		want string // of what is refused
	}{
		{"a link out", recordings + "/simple_5Hz_user2.csv", func(path string) error { return os.Symlink(secret, path) }, `user2.csv": path escapes from parent`},
		{"a relative link out", recordings + "/simple_5Hz_user2.csv", func(path string) error {
			return os.Symlink("../../../../../../../"+filepath.Base(outside)+"/secret", path)
		}, `user2.csv": path escapes from parent`},
		{"a link to itself", recordings + "/simple_5Hz_user2.csv", func(path string) error { return os.Symlink(filepath.Base(path), path) }, `user2.csv": `},
		{"a link to nothing", recordings + "/simple_5Hz_user2.csv", func(path string) error { return os.Symlink("nothing", path) }, `user2.csv": no such file`},
		{"a folder that is a link", viewports + "/Jin2022/video2", func(path string) error { return os.Symlink(outside, path) }, `Jin2022/video2/5Hz": path escapes`},
		{"a set that is a link", viewports + "/Other", func(path string) error { return os.Symlink(outside, path) }, `viewports/Other": path escapes`},
		{"traces that are a link", streaming + "/traces/train/fcc-train", func(path string) error { return os.Symlink(outside, path) }, `train/fcc-train": path escapes`},
		{"a video that is a link", streaming + "/videos/video1_sizes/video_size_2", func(path string) error { return os.Symlink(secret, path) }, `video_size_2": path escapes`},
		{"start rows that are a link", testSet + "/" + startRows, func(path string) error { return os.Symlink(secret, path) }, `mahimahi_ptrs.pkl": path escapes`},
		{"checkpoints that are a link", genetModels + "/genet", func(path string) error {
			return os.Symlink(outside, path)
		}, `all_models/genet": path escapes`},
		{"a named pipe", recordings + "/simple_5Hz_user2.csv", func(path string) error { return syscall.Mkfifo(path, 0o666) }, `user2.csv": is not a regular file`},
		{"a named pipe among traces", testSet + "/0", func(path string) error { return syscall.Mkfifo(path, 0o666) }, `fcc-test/0": is not a regular file`},
		{"a folder among traces", streaming + "/traces/train/fcc-train/folder", func(path string) error { return os.Mkdir(path, 0o777) }, `fcc-train/folder": is not a regular file`},
		{"a separator of Windows", streaming + "/traces/train/fcc-train/x\\..\\..\\y", func(path string) error { return os.WriteFile(path, []byte("x"), 0o666) }, `the name has a separator`},
		{"a name that goes over the screen", streaming + "/traces/train/fcc-train/a\x1b[2J\nb", func(path string) error { return os.WriteFile(path, []byte("x"), 0o666) }, `a\x1b[2J\nb": the name has a control character`},
		{"a name that is no text", streaming + "/traces/train/fcc-train/a\xff", func(path string) error { return os.WriteFile(path, []byte("x"), 0o666) }, `a\xff": the name is not UTF-8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // a disk is waited for, mostly
			_, dir := clone(t, small())
			path := filepath.Join(dir, c.path)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			p := planOf(t, open(t, dir))
			if got := strings.Join(lines(p.Refused), "\n"); !strings.Contains(got, c.want) {
				t.Errorf("refused: got %q, want %q", got, c.want)
			}
			to := t.TempDir()
			if err := p.Write(t.Context(), to, false, nil); err != nil {
				t.Fatal(err)
			}
			got := contents(t, to)
			for name, text := range got {
				if strings.Contains(text, "secret") {
					t.Errorf("%s is what lies outside the clone", name)
				}
			}
			if len(got) < 15 {
				t.Errorf("got %d files: the rest is to be imported", len(got))
			}
		})
	}
}

// A link that stays in the clone is as good as a file.
func TestLinkInside(t *testing.T) {
	_, dir := clone(t, small())
	if err := os.Symlink("a", filepath.Join(dir, testSet, "c")); err != nil {
		t.Fatal(err)
	}
	pkl := filepath.Join(dir, testSet, startRows)
	if err := os.WriteFile(pkl, []byte("\x80\x02](K\x01K\x01K\x02e."), 0o666); err != nil {
		t.Fatal(err)
	}
	p := planOf(t, open(t, dir))
	to := t.TempDir()
	if err := p.Write(t.Context(), to, false, nil); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, to)["abr/traces/fcc-test/c"]; len(p.Refused) > 0 || got != "0\t1\n1\t4\n2\t4\n" {
		t.Errorf("got %q, refused %v", got, p.Refused)
	}
}

// A link that is put there after the plan was made is not followed either.
func TestLinkLater(t *testing.T) {
	c, dir := clone(t, small())
	p := planOf(t, c)
	name := filepath.Join(dir, viewports, "Jin2022/video1/5Hz/simple_5Hz_user1.csv")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hosts", name); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), t.TempDir(), false, nil); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("got %v", err)
	}
}
