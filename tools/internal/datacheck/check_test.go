package datacheck

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/netllm/abr"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// small is a folder of data with a little of everything.
func small() map[string]string {
	files := map[string]string{
		"vp/Own/video1/user1.csv":              "0,1,2,3\n0.2,-180,90,180\n",
		"vp/Own/video1/user2.csv":              "0.2,1,2,3\n0.1,1,2,3\n0.3,1,2,3\n",
		"vp/Own/video10/user1.csv":             "0,1,2,3\r\n",
		"vp/README.md":                         "about",
		"abr/traces/fcc-test/a":                "0\t1\n1\t1\n3600\t1\n",
		"abr/traces/fcc-test/b":                "0\t1\n3600\t2\n",
		"abr/traces/fcc-test_start_index.json": `{"a": 2, "b": 1}`,
		"abr/README.md":                        "about",
		"cjs/tpch_1g.json.gz":                  packed(queries("1g")),
		"cjs/README.md":                        "about",
	}
	for q := range abr.Qualities {
		files[fmt.Sprintf("abr/videos/video1_sizes/video_size_%d", q)] = strings.Repeat("100\n", abr.Chunks+1)
	}
	return files
}

// queries is a profile of one query of one stage.
func queries(size string) string {
	return `{"format": "cjs-tpch-1", "size": "` + size + `", "queries": [{"query": 1, "edges": [], "stages": [{"levels": [5], "fresh": [[]], "first": [[7]], "rest": [[]]}]}]}`
}

func packed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // to memory
	_ = z.Close()
	return b.String()
}

// TestSchedulingFaults harms what belongs to cluster job scheduling.
func TestSchedulingFaults(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"another size", "tpch_1g.json.gz", packed(queries("2g")), `tpch_1g.json.gz: size "2g" in it`},
		{"no gzip", "tpch_1g.json.gz", "x", "tpch_1g.json.gz: "},
		{"no stages", "tpch_1g.json.gz", packed(`{"format": "cjs-tpch-1", "size": "1g", "queries": [{"query": 1}]}`), "query 1: 0 stages"},
		{"no queries at all", "", "", "no file tpch_*.json.gz in it"},
		{"weights that are none", "decima.safetensors", "x", "decima.safetensors: "},
	} {
		files := map[string]string{"cjs/tpch_1g.json.gz": packed(queries("1g"))}
		if files["cjs/"+c.file] = c.text; c.file == "" {
			files = map[string]string{"cjs/README.md": ""}
		}
		r := check1(t, put(t, files))
		if len(r.Faults) != 1 || !strings.Contains(r.Faults[0], c.want) {
			t.Errorf("%s: got %q, want ... %s", c.name, r.Faults, c.want)
		}
	}
}

func put(t *testing.T, files map[string]string) string {
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
	return dir
}

func check1(t *testing.T, dir string) *Report {
	t.Helper()
	r, err := Check(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGood(t *testing.T) {
	dir := put(t, small())
	w := tensor.FromFloat32([]float32{1, 2}, 2)
	if err := os.MkdirAll(filepath.Join(dir, "abr", "genet"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(filepath.Join(dir, "abr", "genet", "mine.safetensors"), nil, []safetensors.Entry{safetensors.EntryOf("w", w)}); err != nil {
		t.Fatal(err)
	}
	var told []string
	r, err := Check(t.Context(), dir, func(done, total int) { told = append(told, fmt.Sprintf("%d/%d", done, total)) })
	if err != nil {
		t.Fatal(err)
	}
	want := []Part{
		{"vp", "Own", 3, 6, "2 videos, 2 users"},
		{"abr", "fcc-test", 2, 5, "2.0 hours"},
		{"abr", "fcc-test start rows", 1, 2, "for 2 traces"},
		{"abr", "video1", 6, 294, "48 chunks in 6 qualities"},
		{"abr", "genet", 1, 1, "mine"},
		{"cjs", "tpch", 1, 1, "1 size, 1 stage"},
	}
	if diff := cmp.Diff(want, r.Parts); diff != "" {
		t.Errorf("parts: -want +got:\n%s", diff)
	}
	if len(r.Faults) > 0 || r.Count > 0 {
		t.Errorf("got faults %q", r.Faults)
	}
	notes := []string{
		"abr fcc-test: 2 of 100 published traces",
		"cjs: no decima.safetensors",
		"vp Own: the clock, which no model reads, steps back in video1/user2:2",
		"cjs 1g: 1 of 22 queries",
	}
	if diff := cmp.Diff(notes, r.Notes); diff != "" {
		t.Errorf("notes: -want +got:\n%s", diff)
	}
	if !slices.Equal(told, []string{"1/14", "2/14", "3/14", "4/14", "5/14", "6/14", "12/14", "13/14", "14/14"}) {
		t.Errorf("progress: got %q", told)
	}
}

// TestFaults harms one file and wants one line about it, with all else as it was.
func TestFaults(t *testing.T) {
	sizes := func(lines ...string) string { return strings.Join(lines, "\n") }
	good := strings.Split(strings.Repeat("100,", abr.Chunks)+"100", ",")
	for _, c := range []struct {
		name, file, text string
		want             string // after the path; "" for no fault
	}{
		{"columns", "vp/Own/video1/user1.csv", "0,1,2,3\n0.2,1,2\n", ":2: 3 columns, want 4"},
		{"no number", "vp/Own/video1/user1.csv", "0,1,2,3\n0.2,x,2,3\n", `:2: column 2: "x" is not a number`},
		{"no time", "vp/Own/video1/user1.csv", "x,1,2,3\n", `:1: column 1: "x" is not a number`},
		{"not finite", "vp/Own/video1/user1.csv", "0,1,2,3\n0,1,2,3\n0.2,1,NaN,3\n", `:3: column 3: "NaN" is not a number`},
		{"roll", "vp/Own/video1/user1.csv", "0,180.5,2,3\n", ":1: column 2: roll is 180.5"},
		{"pitch", "vp/Own/video1/user1.csv", "0,1,-90.1,3\n", ":1: column 3: pitch is -90.1"},
		{"yaw", "vp/Own/video1/user1.csv", "0,1,2,-181\n", ":1: column 4: yaw is -181"},
		{"half a row", "vp/Own/video1/user1.csv", "0,1,2,3\n0.2,1.5,", ":2: 3 columns"},
		{"a blank line", "vp/Own/video1/user1.csv", "0,1,2,3\n\n0.2,1,2,3\n", ":2: 1 columns"},
		{"a header", "vp/Own/video1/user1.csv", "time,roll,pitch,yaw\n0,1,2,3\n", `:1: column 1: "time" is not a number`},
		{"no rows", "vp/Own/video1/user1.csv", "", ": no rows"},
		{"a long line", "vp/Own/video1/user1.csv", "0,1,2,3\n" + strings.Repeat("1", 1<<17), ":2: bufio.Scanner: token too long"},
		{"bandwidth", "abr/traces/fcc-test/a", "0\t1\n1\t-1\n2\t1\n", ":2: bandwidth -1 is negative"},
		{"time", "abr/traces/fcc-test/a", "0\t1\n1\t1\n1\t1\n", ":3: time 1 does not increase"},
		{"an idle trace", "abr/traces/fcc-test/a", "0\t1\n1\t0\n", ": carries 0 bytes"},
		{"a long wait", "abr/traces/own/c.log", "1 0 59 10 9 1000\n1 900 59 10 9 0\n", ":2: hsdpa: 0 ms elapsed"},
		{"packets that go back", "abr/traces/own/c", "5\n4\n", ":2: mahimahi: time 4 ms goes back"},
		{"reports of two units", "abr/traces/own/c.csv", "unit_id,bytes_sec\n1,1000\n2,1000\n", `:3: csv: unit_id is "2"`},
		{"no columns that are known", "abr/traces/own/c.csv", "a,b\n1,1\n", ":1: csv: no column of bandwidth"},
		{"a table of sizes", "abr/videos/own.json", "{\n\"kbps\": x}", ":2: invalid character 'x'"},
		{"a table of too few", "abr/videos/own.json", `{"chunk_ms": 4000, "kbps": [1], "sizes_bytes": [[1]]}`, ": 1 qualities, the simulator plays videos of 6"},
		{"a manifest", "abr/videos/own.mpd", "<MPD>\n<Period>\n</MPD>", ":3: element <Period> closed by </MPD>"},
		{"a manifest of nothing", "abr/videos/own.mpd", "<MPD/>", ": 0 periods, want 1"},
		{"size", "abr/videos/video1_sizes/video_size_3", sizes(append([]string{"100", "x"}, good[2:]...)...), `:2: "x" is not a number of bytes`},
		{"sizes", "abr/videos/video1_sizes/video_size_3", sizes(good[:40]...), ":40: the file ends after 40 sizes"},
		{"start rows that are no JSON", "abr/traces/fcc-test_start_index.json", "{", ": unexpected end of JSON"},
		{"start rows that are nothing", "abr/traces/fcc-test_start_index.json", "null", ": null, want an object"},
		{"a trace without a start row", "abr/traces/fcc-test_start_index.json", `{"a": 2}`, `: no start row for trace "b"`},
		{"start row at 0", "abr/traces/fcc-test_start_index.json", `{"a": 0, "b": 1}`, `: trace "a" starts at row 0, want 1 to 2`},
		{"start row beyond the end", "abr/traces/fcc-test_start_index.json", `{"a": 3, "b": 1}`, `: trace "a" starts at row 3, want 1 to 2`},
		{"start rows of another set", "abr/traces/own_start_index.json", `{}`, ": start rows without the folder own beside them"},
		{"a checkpoint", "abr/genet/mine.safetensors", "no checkpoint", ": offset 0: header of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := small()
			files[c.file] = c.text
			dir := put(t, files)
			r := check1(t, dir)
			want := filepath.Join(dir, filepath.FromSlash(c.file)) + c.want
			if len(r.Faults) != 1 || r.Count != 1 || !strings.HasPrefix(r.Faults[0], want) {
				t.Errorf("got %d faults %q, want %q", r.Count, r.Faults, want)
			}
			if strings.Contains(strings.Join(r.Faults, ""), "\n") {
				t.Errorf("more than a line: %q", r.Faults)
			}
		})
	}
}

// TestFormats wants traces and videos of all formats to be told.
func TestFormats(t *testing.T) {
	sizes := "[" + strings.TrimSuffix(strings.Repeat("1000,", abr.Chunks), ",") + "]"
	r := check1(t, put(t, map[string]string{
		"abr/traces/own/a":     "0 1\n3600 1\n",
		"abr/traces/own/b.log": "1 0 59 10 9000 1000\n1 1000 59 10 9000 1000\n",
		"abr/traces/own/c":     "10\n5000\n",
		"abr/traces/own/d.csv": "bytes_sec,unit_id\n1000,1\n1000,1\n",
		"abr/traces/own/e.csv": "time (ns GMT),delivery_rate\n1700000000000000000,5\n1700000009000000000,5000\n",
		"abr/videos/own.json": `{"chunk_ms": 4000, "kbps": [300, 750, 1200, 1850, 2850, 4300], "sizes_bytes": [` +
			strings.TrimSuffix(strings.Repeat(sizes+",", abr.Qualities), ",") + "]}",
	}))
	want := []Part{
		{"abr", "own", 5, 12, "1.0 hours, 2 csv, 1 hsdpa, 1 mahimahi"},
		{"abr", "own.json", 1, 294, "48 chunks in 6 qualities"},
	}
	if diff := cmp.Diff(want, r.Parts); diff != "" || len(r.Faults) > 0 {
		t.Errorf("faults %q, parts: -want +got:\n%s", r.Faults, diff)
	}
	if note := "abr own.json: chunk 49, which only MPC looks at, is taken to weigh what the one before does"; !slices.Contains(r.Notes, note) {
		t.Errorf("got notes %q, want %q", r.Notes, note)
	}
}

// TestMissing takes something away.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
		fault  string // after the folder's path
		note   string
	}{
		{"no vp", func(dir string) error { return os.RemoveAll(dir + "/vp") }, "", "no folder vp/"},
		{"no abr", func(dir string) error { return os.RemoveAll(dir + "/abr") }, "", "no folder abr/"},
		{"abr without anything", func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/abr/traces"), os.RemoveAll(dir+"/abr/videos"))
		}, "/abr: neither traces nor videos in it", "abr: no folder traces/"},
		{"no traces", func(dir string) error { return os.RemoveAll(dir + "/abr/traces") }, "", "abr: no folder traces/"},
		{"no videos", func(dir string) error { return os.RemoveAll(dir + "/abr/videos") }, "", "abr: no folder videos/"},
		{"no start rows", func(dir string) error { return os.Remove(dir + "/abr/traces/fcc-test_start_index.json") }, "", "no start rows, so that"},
		{"a trace", func(dir string) error { return os.Remove(dir + "/abr/traces/fcc-test/b") }, "", "start rows of traces that are not there: b"},
		{"a size", func(dir string) error { return os.Remove(dir + "/abr/videos/video1_sizes/video_size_4") }, "/abr/videos/video1_sizes/video_size_4: no such file", ""},
		{"all traces", func(dir string) error {
			return errors.Join(os.Remove(dir+"/abr/traces/fcc-test/a"), os.Remove(dir+"/abr/traces/fcc-test/b"))
		}, "/abr/traces/fcc-test: no traces in it", ""},
		{"all recordings", func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/vp/Own/video1"), os.RemoveAll(dir+"/vp/Own/video10"))
		}, "/vp/Own: no videoN/userM.csv in it", ""},
		{"a folder for a trace", func(dir string) error { return os.Mkdir(dir+"/abr/traces/fcc-test/c", 0o777) }, "/abr/traces/fcc-test/c: not a regular file", ""},
		{"a folder for a recording", func(dir string) error { return os.Mkdir(dir+"/vp/Own/video1/user9.csv", 0o777) }, "/vp/Own/video1/user9.csv: not a regular file", ""},
		{"another name", func(dir string) error {
			return os.WriteFile(dir+"/vp/Own/video1/simple_5Hz_user9.csv", nil, 0o666)
		}, "", "vp Own: passed over, since they are not videoN/userM.csv: video1/simple_5Hz_user9.csv"},
		{"a leading zero", func(dir string) error { return os.WriteFile(dir+"/vp/Own/video1/user09.csv", nil, 0o666) }, "", "passed over"},
		{"splits", func(dir string) error { return os.WriteFile(dir+"/vp/Own/splits.json", []byte("{}"), 0o666) }, "", ""},
		{"hidden", func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/abr/traces/fcc-test/.x", nil, 0o666), os.WriteFile(dir+"/vp/Own/.x", nil, 0o666))
		}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := put(t, small())
			if err := c.change(filepath.FromSlash(dir)); err != nil {
				t.Fatal(err)
			}
			r := check1(t, dir)
			if c.fault == "" && len(r.Faults) > 0 || c.fault != "" && !slices.ContainsFunc(r.Faults, func(s string) bool {
				return strings.HasPrefix(filepath.ToSlash(s), filepath.ToSlash(dir)+c.fault)
			}) {
				t.Errorf("got faults %q, want %q", r.Faults, c.fault)
			}
			if c.note != "" && !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.Contains(s, c.note) }) {
				t.Errorf("got notes %q, want %q", r.Notes, c.note)
			}
		})
	}
}

func TestNoData(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ dir, want string }{
		{dir, "no data in " + dir + ": it has no folder vp/ or abr/ or cjs/"},
		{filepath.Join(dir, "missing"), "no such file"},
		{filepath.Join(put(t, map[string]string{"x": ""}), "x"), "is not a folder"},
	} {
		if _, err := Check(t.Context(), c.dir, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.dir, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, put(t, small()), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

// TestManyFaults wants the first ones of each part, and how many more there are.
func TestManyFaults(t *testing.T) {
	files := small()
	for user := range 30 {
		files[fmt.Sprintf("vp/Own/video3/user%d.csv", user)] = "0,1,2\n"
	}
	files["abr/traces/fcc-test/a"] = "x"
	r := check1(t, put(t, files))
	if r.Count != 31 || len(r.Faults) != maxListed+2 {
		t.Fatalf("got %d faults, %d lines, want 31 and %d", r.Count, len(r.Faults), maxListed+2)
	}
	if got := r.Faults[maxListed+1]; got != "vp Own: 10 more faults" {
		t.Errorf("got %q", got)
	}
	if got := r.Faults[maxListed]; !strings.Contains(got, "fcc-test") {
		t.Errorf("got %q, want the fault of the trace", got)
	}
}

// TestPublishedNotes wants the holes of a published set to be told apart from others.
func TestPublishedNotes(t *testing.T) {
	files := map[string]string{}
	row := "0,1,2,3\n"
	for video := 1; video <= 27; video++ {
		for user := 1; user <= 84; user++ {
			files[fmt.Sprintf("vp/Jin2022/video%d/user%d.csv", video, user)] = row
		}
	}
	for name := range files {
		if !strings.HasPrefix(name, "vp/Jin2022/video5/") && !strings.HasPrefix(name, "vp/Jin2022/video6/") {
			delete(files, name)
		}
	}
	delete(files, "vp/Jin2022/video5/user7.csv")
	files["vp/Jin2022/video6/user1.csv"] = "bad"
	r := check1(t, put(t, files))
	want := []string{
		"no folder abr/",
		"no folder cjs/",
		"vp Jin2022: 2101 of 2268 published recordings are not there: video1/user1, video1/user2, video1/user3, video1/user4, video1/user5 and 2096 more",
		"vp Jin2022: recordings shorter than those published: video5 (83, from 1 rows on), video6 (83, from 1 rows on)",
	}
	if diff := cmp.Diff(want, r.Notes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestData checks the data that tests read: the figures are those of its documents.
func TestData(t *testing.T) {
	vp := golden.Data(t, "vp")
	golden.Data(t, "abr")
	r := check1(t, filepath.Dir(vp))
	if r.Count > 0 {
		t.Errorf("faults: %q", r.Faults)
	}
	cases := 0
	for _, want := range []Part{
		{"vp", "Jin2022", 2268, 673708, "27 videos, 84 users"},
		{"vp", "Wu2017", 405, 585225, "9 videos, 45 users"}, // 45 times the rows of its nine videos
		{"abr", "fcc-train", 235, 98260, "42.7 hours"},
		{"abr", "fcc-valid", 150, 47924, "13.3 hours"},
		{"abr", "fcc-test", 68, 13076, "6.0 hours"},
		{"abr", "fcc-test start rows", 1, 68, "for 68 traces"},
		{"abr", "video1", 6, 294, "48 chunks in 6 qualities"},
		{"abr", "video2", 6, 294, "48 chunks in 6 qualities"},
		{"abr", "genet", 5, 160, "genet, udr_1, udr_2, udr_3, udr_real"},
	} {
		if !slices.Contains(r.Parts, want) {
			t.Errorf("no %+v among %+v", want, r.Parts)
		}
		cases++
	}
	for _, want := range []string{
		"vp Jin2022: recordings shorter than the others of their video, known: video5 (1, from 58 rows on), video6 (1, from 86 rows on), video9 (50, from 118 rows on), video18 (77, from 226 rows on), video27 (69, from 248 rows on)",
		"vp Wu2017: no users 13, 41, 47, ",
		"vp Wu2017: no videos 10, 11, 12, 13, 14, 15, 16, 17, 18, ",
		"steps back in video3/user27:81, video3/user30:230, video6/user22:2085",
	} {
		if !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no note %q among %q", want, r.Notes)
		}
		cases++
	}
	golden.Cases(t, cases)
}
