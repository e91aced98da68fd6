package published

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/atomicfile"
	"netllm/internal/golden"
)

const testSet = streaming + "/traces/test/fcc-test"

// small is a clone with a little of all that is copied.
func small() map[string]string {
	files := map[string]string{
		viewports + "/Jin2022/video1/5Hz/simple_5Hz_user1.csv":  "0,1,2,3\n",
		viewports + "/Jin2022/video1/5Hz/simple_5Hz_user12.csv": "0,1,2,4\n",
		viewports + "/Wu2017/video9/5Hz/simple_5Hz_user3.csv":   "0,1,2,5\n",
		streaming + "/traces/train/fcc-train/a":                 "0\t1\n1\t1\n",
		streaming + "/traces/valid/fcc-valid/b":                 "0\t1\n1\t2\n",
		testSet + "/B":                                          "0\t1\n1\t3\n",
		testSet + "/a":                                          "0\t1\n1\t4\n2\t4\n",
		testSet + "/" + startRows:                               "\x80\x03]q\x00(K\x01K\x02e.",
		"README.md":                                             "not for us",
	}
	for _, video := range []string{"video1", "video2"} {
		for _, q := range "012345" {
			files[streaming+"/videos/"+video+"_sizes/video_size_"+string(q)] = strings.Repeat("100\n", 49)
		}
	}
	return files
}

// clone writes files to a folder and opens it.
func clone(t *testing.T, files map[string]string) (*Clone, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, dir), dir
}

func open(t *testing.T, dir string) *Clone {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func planOf(t *testing.T, c *Clone) *Plan {
	t.Helper()
	p, err := c.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// contents returns the files below a folder; none if there is no folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return files
}

// lines are gaps as they are shown.
func lines(gaps []Gap) []string {
	var list []string
	for _, g := range gaps {
		list = append(list, g.String())
	}
	return list
}

func TestSample(t *testing.T) {
	c := open(t, golden.Data(t, "import_sample"))
	p := planOf(t, c)
	to := filepath.Join(t.TempDir(), "data")
	if err := p.Write(t.Context(), to, false, nil); err != nil {
		t.Fatal(err)
	}
	got := contents(t, to)
	if len(got) != p.Files() || len(got) != 18 {
		t.Errorf("got %d files, planned %d, want 18", len(got), p.Files())
	}
	cases := 0
	for name, text := range got {
		want, err := os.ReadFile(golden.Data(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "cjs/") {
			cases += sameQueries(t, text, string(want))
			continue
		}
		if name != "abr/traces/fcc-test_start_index.json" {
			if text != string(want) {
				t.Errorf("%s: differs from the data", name)
			}
			cases++
			continue
		}
		// The sample has two of the traces.
		var all, some map[string]int
		if err := errors.Join(json.Unmarshal(want, &all), json.Unmarshal([]byte(text), &some)); err != nil {
			t.Fatal(err)
		}
		if len(some) != 2 {
			t.Errorf("got %d start rows, want 2", len(some))
		}
		for trace, row := range some {
			if row != all[trace] {
				t.Errorf("start row of %s: got %d, want %d", trace, row, all[trace])
			}
			line := strings.Trim(strings.Split(text, "\n")[1], ",")
			if !strings.Contains(string(want), line) {
				t.Errorf("line %q is not in the data", line)
			}
			cases++
		}
	}
	golden.Cases(t, cases)
	want := []string{
		"abr fcc-train: the clone has no traces in adaptive_bitrate_streaming/data/traces/train/fcc-train",
		"abr fcc-valid: the clone has no traces in adaptive_bitrate_streaming/data/traces/valid/fcc-valid",
		"abr genet: the clone has no checkpoint in adaptive_bitrate_streaming/data/all_models",
	}
	for _, size := range sizes[1:] {
		want = append(want, "cjs "+size+": the clone has no "+tpch+"/"+size)
	}
	if diff := cmp.Diff(want, lines(p.Missing)); diff != "" {
		t.Errorf("missing: -want +got:\n%s", diff)
	}
	if want := []string{"cjs 2g: 2 of 22 queries; jobs are drawn from what is there"}; len(p.Refused) > 0 || !slices.Equal(p.Notes, want) {
		t.Errorf("got refused %v and notes %v, want none and %v", p.Refused, p.Notes, want)
	}
}

// sameQueries compares the queries of a packed file with those of another that has more, and returns their number.
func sameQueries(t *testing.T, got, want string) int {
	t.Helper()
	read := func(packed string) (f cjsFile) {
		z, err := gzip.NewReader(strings.NewReader(packed))
		if err == nil {
			err = json.NewDecoder(z).Decode(&f)
		}
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	some, all := read(got), read(want)
	if some.Format != all.Format || some.Size != all.Size || len(some.Queries) == 0 {
		t.Errorf("got %s of %s with %d queries", some.Format, some.Size, len(some.Queries))
	}
	for _, q := range some.Queries {
		if diff := cmp.Diff(all.Queries[q.Query-1], q); diff != "" {
			t.Errorf("query %d: -want +got:\n%s", q.Query, diff)
		}
	}
	return len(some.Queries)
}

// TestWhole imports something of every part, twice.
func TestWhole(t *testing.T) {
	files := small()
	files[viewports+"/Own/video3/5Hz/simple_5Hz_user7.csv"] = "x" // a set that nobody knows
	c, _ := clone(t, files)
	p := planOf(t, c)
	to := t.TempDir()
	var told []int
	if err := p.Write(t.Context(), to, false, func(done int) { told = append(told, done) }); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"vp/Jin2022/video1/user1.csv":          "0,1,2,3\n",
		"vp/Jin2022/video1/user12.csv":         "0,1,2,4\n",
		"vp/Wu2017/video9/user3.csv":           "0,1,2,5\n",
		"vp/Own/video3/user7.csv":              "x",
		"abr/traces/fcc-train/a":               "0\t1\n1\t1\n",
		"abr/traces/fcc-valid/b":               "0\t1\n1\t2\n",
		"abr/traces/fcc-test/B":                "0\t1\n1\t3\n",
		"abr/traces/fcc-test/a":                "0\t1\n1\t4\n2\t4\n",
		"abr/traces/fcc-test_start_index.json": "{\n \"B\": 1,\n \"a\": 2\n}", // B before a: the order of bytes
	}
	for name, text := range files {
		if name, ok := strings.CutPrefix(name, streaming+"/videos"); ok {
			want["abr/videos"+name] = text
		}
	}
	if diff := cmp.Diff(want, contents(t, to)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !slices.IsSorted(told) || len(told) != len(want) || told[len(told)-1] != len(want) {
		t.Errorf("progress: got %v, want 1 to %d", told, len(want))
	}
	var bytes int64
	for _, part := range p.Parts {
		bytes += part.Bytes()
	}
	wantBytes := 0
	for _, text := range want {
		wantBytes += len(text)
	}
	if bytes != int64(wantBytes) {
		t.Errorf("bytes: got %d, want %d", bytes, wantBytes)
	}
	for _, err := range []error{p.Check(to, false), p.Write(t.Context(), to, false, nil)} {
		if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "20 more") || !strings.Contains(err.Error(), "--force") {
			t.Errorf("a second time: got %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(to, "abr/traces/fcc-test/a"), []byte("harmed"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), to, true, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, to)); diff != "" {
		t.Errorf("replaced: -want +got:\n%s", diff)
	}
}

// TestOneStandsInTheWay wants nothing at all to be written.
func TestOneStandsInTheWay(t *testing.T) {
	c, _ := clone(t, small())
	to := t.TempDir()
	path := filepath.Join(to, "abr", "videos", "video2_sizes", "video_size_5")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte("mine"), 0o666)); err != nil {
		t.Fatal(err)
	}
	err := planOf(t, c).Write(t.Context(), to, false, nil)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(map[string]string{"abr/videos/video2_sizes/video_size_5": "mine"}, contents(t, to)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestGaps harms the clone and wants a word about it, and all the rest.
func TestGaps(t *testing.T) {
	pkl := testSet + "/" + startRows
	other := func(text string) func(map[string]string) {
		return func(files map[string]string) { files[pkl] = text }
	}
	for _, c := range []struct {
		name    string
		change  func(files map[string]string)
		lost    int // files fewer than of the whole clone
		missing string
		refused string
		note    string
	}{
		{"nothing", func(map[string]string) {}, 0, "", "", ""},
		{"no set", func(f map[string]string) { delete(f, viewports+"/Wu2017/video9/5Hz/simple_5Hz_user3.csv") }, 1, "vp Wu2017: the clone has no " + viewports + "/Wu2017", "", ""},
		{"a set of nothing", func(f map[string]string) {
			delete(f, viewports+"/Wu2017/video9/5Hz/simple_5Hz_user3.csv")
			f[viewports+"/Wu2017/video9/1Hz/simple_1Hz_user3.csv"] = ""
		}, 1, "vp Wu2017: " + viewports + "/Wu2017 has no videoN/5Hz/simple_5Hz_userM.csv", "", ""},
		{"other recordings", func(f map[string]string) {
			f[viewports+"/Jin2022/video1/5Hz/simple_5Hz_user01.csv"] = ""
			f[viewports+"/Jin2022/video1/5Hz/notes.txt"] = ""
		}, 0, "", "", `notes.txt" and 1 more in its folder are left out`},
		{"another folder", func(f map[string]string) { f[viewports+"/Jin2022/movie1/5Hz/simple_5Hz_user1.csv"] = "" }, 0, "", "", `Jin2022/movie1" is left out`},
		{"hidden files", func(f map[string]string) { f[testSet+"/.DS_Store"] = "x" }, 0, "", "", ""},
		{"no start rows", func(f map[string]string) { delete(f, pkl) }, 1, "abr start rows: the clone has no " + pkl, "", ""},
		{"no test traces", func(f map[string]string) { delete(f, testSet+"/a"); delete(f, testSet+"/B") }, 3, "abr fcc-test: the clone has no traces", "2 start rows for 0 traces", ""},
		{"no video", func(f map[string]string) {
			for _, q := range "012345" {
				delete(f, streaming+"/videos/video1_sizes/video_size_"+string(q))
			}
		}, 6, "abr video1: the clone has no " + streaming + "/videos/video1_sizes", "", ""},
		{"part of a video", func(f map[string]string) { delete(f, streaming+"/videos/video1_sizes/video_size_3") }, 1, "abr video1: the clone has no " + streaming + "/videos/video1_sizes/video_size_3", "", ""},

		{"too few start rows", other("\x80\x03](K\x01e."), 1, "", `"` + pkl + `": 1 start rows for 2 traces`, ""},
		{"start rows that are no rows", other("\x80\x03](K\x01K\x00e."), 1, "", "item 1 is 0", ""},
		{"start rows that are no numbers", other("\x80\x03](K\x01U\x011e."), 1, "", "item 1 is 1, want a row", ""},
		{"start rows that are no list", other("\x80\x03}."), 1, "", "the pickle is not a list", ""},
		{"a hostile pickle", other("\x80\x03cposix\nsystem\nU\x09touch /xx\x85R."), 1, "", `pickle: byte 2: global "posix system" is not allowed`, ""},
		{"half a pickle", other("\x80\x03](K\x01K"), 1, "", "pickle: byte 6: needs 1 more bytes", ""},
		{"a large pickle", other(strings.Repeat("x", maxPickle+1)), 1, "", "has 16777217 bytes, at most 16777216 are read", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // a disk is waited for, mostly
			files := small()
			whole := len(files) - 1 // the README
			c.change(files)
			from, _ := clone(t, files)
			p := planOf(t, from)
			if p.Files() != whole-c.lost {
				t.Errorf("files: got %d, want %d", p.Files(), whole-c.lost)
			}
			for _, list := range []struct {
				what string
				got  []string
				want string
				most int
			}{
				{"missing", lines(p.Missing), c.missing, 2}, // genet and cjs always are
				{"refused", lines(p.Refused), c.refused, 0},
				{"notes", p.Notes, c.note, 0},
			} {
				if list.want != "" && !slices.ContainsFunc(list.got, func(s string) bool { return strings.Contains(s, list.want) }) {
					t.Errorf("%s: got %q, want one with %q", list.what, list.got, list.want)
				}
				if list.want == "" && len(list.got) != list.most {
					t.Errorf("%s: got %q, want %d", list.what, list.got, list.most)
				}
			}
			to := t.TempDir()
			if err := p.Write(t.Context(), to, false, nil); err != nil {
				t.Fatal(err)
			}
			if got := len(contents(t, to)); got != p.Files() {
				t.Errorf("wrote %d files, want %d", got, p.Files())
			}
		})
	}
}

// TestNothing wants an empty plan of a folder that is no clone.
func TestNothing(t *testing.T) {
	c, dir := clone(t, map[string]string{"README.md": "x", viewports: "a file, no folder"})
	p := planOf(t, c)
	if p.Files() != 0 || len(p.Missing) != 10 {
		t.Errorf("got %d files, missing %v", p.Files(), p.Missing)
	}
	if got := lines(p.Refused); len(got) != 1 || got[0] != `"`+viewports+`": is not a folder` {
		t.Errorf("got refused %q", got)
	}
	for _, path := range []string{filepath.Join(dir, "README.md"), filepath.Join(dir, "missing")} {
		if c, err := Open(path); err == nil {
			c.Close()
			t.Errorf("%s: opened", path)
		}
	}
}

// TestInterrupted stops the import at every place at which something is written.
func TestInterrupted(t *testing.T) {
	files := small()
	for name := range files {
		if strings.Contains(name, "_sizes/") {
			delete(files, name)
		}
	}
	c, _ := clone(t, files)
	p := planOf(t, c)
	whole := t.TempDir()
	if err := p.Write(t.Context(), whole, false, nil); err != nil {
		t.Fatal(err)
	}
	want := contents(t, whole)
	defer func() { atomicfile.Observer = nil }()
	stopped := 0
	for place := 1; ; place++ {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		atomicfile.Observer = func(string, string, int64) {
			if n++; n == place {
				cancel()
			}
		}
		to := t.TempDir()
		err := p.Write(ctx, to, false, nil)
		cancel()
		got := contents(t, to)
		for name, text := range got {
			if text != want[name] { // also of a temporary file, which is not in want
				t.Errorf("stopped at place %d: %s is not whole", place, name)
			}
		}
		if n < place {
			break
		}
		if err != nil {
			stopped++
			if !errors.Is(err, context.Canceled) || len(got) == len(want) {
				t.Errorf("stopped at place %d: got %v and %d files", place, err, len(got))
			}
		}
	}
	if stopped < len(want) {
		t.Errorf("stopped %d times, want at least %d", stopped, len(want))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Plan(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

// TestChangesMeanwhile wants an error, and no file, if a file of the clone is not what it
// was when the plan was made.
func TestChangesMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(path string) error
		want   string
	}{
		{"longer", func(path string) error { return os.WriteFile(path, []byte("0,1,2,3\n0,1,2,3\n"), 0o666) }, "has 16 bytes, had 8"},
		{"gone", os.Remove, "no such file"},
		{"a folder", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o777)) }, "is not a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, dir := clone(t, small())
			p := planOf(t, from)
			name := viewports + "/Jin2022/video1/5Hz/simple_5Hz_user1.csv"
			if err := c.change(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
				t.Fatal(err)
			}
			to := t.TempDir()
			err := p.Write(t.Context(), to, false, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got := contents(t, to); len(got) > 0 {
				t.Errorf("got files %v", got)
			}
		})
	}
}

func TestCheckName(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"000_trace_942154_http---www.ebay.com_0", ""},
		{"norway_bus_1", ""},
		{`..\..\x`, "separator"},
		{"a/b", "separator"},
		{"..", "no plain name"},
		{"a\nb", "control character"},
		{"a\x1b[2Jb", "control character"},
		{"a\xffb", "not UTF-8"},
		{"", "no plain name"},
	} {
		err := checkName(c.name)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.name, err, c.want)
		}
	}
}
