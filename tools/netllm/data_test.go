package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	gold "netllm/internal/golden"
	"netllm/tools/internal/published"
)

// files returns what is below a folder, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			for name, text := range files(t, path) {
				all[filepath.ToSlash(filepath.Join(filepath.Base(path), name))] = text
			}
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = string(text)
	}
	return all
}

// put writes a file, with the folders it lies in.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestDataSample imports the sample of the published repository, and checks and uses
// what came of it.
func TestDataSample(t *testing.T) {
	from := gold.Data(t, "import_sample")
	to := filepath.Join(t.TempDir(), "data")

	dry, _ := succeed(t, "data", "import", "--from", from, "--to", to, "--dry-run")
	if _, err := os.Stat(to); err == nil {
		t.Error("--dry-run: the folder is there")
	}
	stdout, stderr := succeed(t, "data", "import", "--from", from, "--to", to)
	want := strings.Join([]string{
		"task  part        files  bytes",
		"vp    Jin2022         1  12082",
		"vp    Wu2017          1  33517",
		"abr   fcc-test        2   1837",
		"abr   start rows      1    102",
		"abr   video1          6   2162",
		"abr   video2          6   2201",
		"cjs   tpch            1  11431",
		"all                  18  63332", "",
	}, "\n")
	if diff := cmp.Diff([]string{want, want}, []string{stdout, dry}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, want := range []string{
		"import: 18/18 files", "missing: abr fcc-train: the clone has no traces in ", "missing: abr fcc-valid: ", "missing: abr genet: ",
		"missing: cjs 5g: the clone has no cluster_job_scheduling/data/tpch/5g\n", "note: cjs 2g: 2 of 22 queries",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr: got %q, want %q", stderr, want)
		}
	}
	cases := 0
	first := files(t, to)
	for name, text := range first {
		if strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".gz") {
			continue // of fewer traces and queries than the data; see the tests of the import
		}
		want, err := os.ReadFile(gold.Data(t, name))
		if err != nil || text != string(want) {
			t.Errorf("%s: differs from the data (%v)", name, err)
		}
		cases++
	}
	gold.Cases(t, cases)

	badLine(t, 1, "17 more: file already exists (--force replaces them)", "data", "import", "--from", from, "--to", to)
	badLine(t, 1, "17 more: file already exists (--force replaces them)", "data", "import", "--from", from, "--to", to, "--dry-run")
	put(t, filepath.Join(to, "vp", "Jin2022", "video1", "user1.csv"), "harmed")
	stdout, _ = succeed(t, "data", "import", "--from", from, "--to", to, "--force", "--json")
	var r importResult
	decode(t, stdout, &r)
	if diff := cmp.Diff(importResult{
		From: from, To: to,
		Parts: []importPart{{"vp", "Jin2022", 1, 12082}, {"vp", "Wu2017", 1, 33517}, {"abr", "fcc-test", 2, 1837},
			{"abr", "start rows", 1, 102}, {"abr", "video1", 6, 2162}, {"abr", "video2", 6, 2201}, {"cjs", "tpch", 1, 11431}},
		Missing: r.Missing, Refused: []published.Gap{}, Notes: []string{"cjs 2g: 2 of 22 queries; jobs are drawn from what is there"}, Command: "netllm data import --from " + from + " --to " + to + " --force --json=-",
	}, r); diff != "" || len(r.Missing) != 9 || r.Missing[3].What != "cjs 5g" {
		t.Errorf("missing %v, -want +got:\n%s", r.Missing, diff)
	}
	if diff := cmp.Diff(first, files(t, to)); diff != "" {
		t.Errorf("--force: -first +now:\n%s", diff)
	}

	stdout, _ = succeed(t, "data", "check", to)
	for _, want := range []string{"vp    Jin2022              1 video, 1 user", "abr   fcc-test start rows  for 2 traces", "note: vp Jin2022: 2267 of 2268 published recordings are not there: video1/user2, "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got %q, want %q", stdout, want)
		}
	}
	succeed(t, "eval", "vp", "--policy", "lr", "--dataset", filepath.Join(to, "vp", "Jin2022"), "--split", "all")
	for _, video := range []string{"video1", "video2"} {
		_, stderr := succeed(t, "eval", "abr", "--policy", "bba", "--video", video, "--traces", "fcc-test", "--start", "index", "--data", to)
		if !strings.Contains(stderr, "is not known without fcc-train") {
			t.Errorf("stderr: got %q", stderr)
		}
	}
}

// TestDataRefused wants what is wrong to be named, the rest to be imported, and a failure.
func TestDataRefused(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	recordings := filepath.Join(from, "viewport_prediction", "data", "viewports", "Jin2022", "video1", "5Hz")
	put(t, filepath.Join(recordings, "simple_5Hz_user1.csv"), "0,1,2,3\n")
	traces := filepath.Join(from, "adaptive_bitrate_streaming", "data", "traces", "test", "fcc-test")
	put(t, filepath.Join(traces, "a"), "0\t1\n1\t1\n")
	put(t, filepath.Join(traces, "mahimahi_ptrs.pkl"), "\x80\x03cos\nsystem\nU\x04true\x85R.")
	if err := os.Symlink("/etc/hosts", filepath.Join(recordings, "simple_5Hz_user2.csv")); err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.json")
	code, stdout, stderr := command(t, "data", "import", "--from", from, "--to", to, "--json", report)
	if code != 1 || !strings.HasPrefix(stdout, "task  part") {
		t.Errorf("got exit code %d and %q", code, stdout)
	}
	for _, want := range []string{
		`refused: "viewport_prediction/data/viewports/Jin2022/video1/5Hz/simple_5Hz_user2.csv": path escapes from parent`,
		`mahimahi_ptrs.pkl": pickle: byte 2: global "os system" is not allowed`,
		"netllm data import: refused 2 of what is in " + from,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr: got %q, want %q", stderr, want)
		}
	}
	if got := files(t, to); len(got) != 2 || got["vp/Jin2022/video1/user1.csv"] != "0,1,2,3\n" || got["abr/traces/fcc-test/a"] == "" {
		t.Errorf("got files %v", got)
	}
	var r importResult
	readJSON(t, report, &r)
	if len(r.Refused) != 2 || len(r.Parts) != 2 {
		t.Errorf("got %+v", r)
	}
}

// TestDataCheckFaults wants every fault on a line of its own, and a failure.
func TestDataCheckFaults(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "vp", "Own", "video1", "user1.csv"), "0,1,2,3\n0.2,1,2\n")
	put(t, filepath.Join(dir, "abr", "traces", "own", "a"), "0\t1\n1\tx\n")
	code, stdout, stderr := command(t, "data", "check", dir)
	first, second, _ := strings.Cut(stdout, "\n")
	second, _, _ = strings.Cut(second, "\n")
	if want := filepath.Join(dir, "vp", "Own", "video1", "user1.csv") + ":2: 3 columns, want 4"; !strings.HasPrefix(first, want) {
		t.Errorf("got %q, want %q", first, want)
	}
	if want := filepath.Join(dir, "abr", "traces", "own", "a") + `:2: bandwidth "x" is not a number`; second != want {
		t.Errorf("got %q, want %q", second, want)
	}
	if want := "netllm data check: 2 faults in " + dir + "\n"; code != 1 || !strings.HasSuffix(stderr, want) {
		t.Errorf("got exit code %d and %q, want 1 and %q", code, stderr, want)
	}
	put(t, filepath.Join(dir, "abr", "traces", "own", "a"), "0\t1\n1\t1\n")
	code, stdout, stderr = command(t, "data", "check", dir, "--json")
	var r checkResult
	decode(t, stdout, &r)
	if code != 1 || r.Count != 1 || len(r.Faults) != 1 || len(r.Parts) != 2 || r.Dir != dir || !strings.HasSuffix(stderr, ": 1 fault in "+dir+"\n") {
		t.Errorf("got exit code %d, %+v, %q", code, r, stderr)
	}
}

func TestDataBadInput(t *testing.T) {
	empty := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, "")
	missing := filepath.Join(empty, "missing")
	one := t.TempDir()
	put(t, filepath.Join(one, "viewport_prediction", "data", "viewports", "Own", "video1", "5Hz", "simple_5Hz_user1.csv"), "0,1,2,3\n")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no command", []string{"data"}, 2, "a command is needed: import, check"},
		{"import of nothing", []string{"data", "import"}, 2, "--from and --to are needed"},
		{"import to nowhere", []string{"data", "import", "--from", one}, 2, "--from and --to are needed"},
		{"import with an argument", []string{"data", "import", one}, 2, "unexpected argument"},
		{"a missing clone", []string{"data", "import", "--from", missing, "--to", empty}, 1, "--from: "},
		{"a file for a clone", []string{"data", "import", "--from", file, "--to", empty}, 1, "--from: "},
		{"a file for a folder", []string{"data", "import", "--from", one, "--to", file}, 1, "not a directory"},
		{"a report that exists", []string{"data", "import", "--from", one, "--to", empty, "--json", file}, 1, "--force"},
		{"check of nothing", []string{"data", "check"}, 2, "got 0 folders, want one"},
		{"check of two", []string{"data", "check", one, one}, 2, "got 2 folders, want one"},
		{"check of a missing folder", []string{"data", "check", missing}, 1, "missing"},
		{"check of a file", []string{"data", "check", file}, 1, "is not a folder"},
		{"check of another folder", []string{"data", "check", one}, 1, "no data in " + one},
		{"a report of a check that exists", []string{"data", "check", one, "--json", file}, 1, "--force"},
	} {
		t.Run(c.name, func(t *testing.T) { badLine(t, c.code, c.want, c.args...) })
	}
	// What is missing is told all the same.
	code, stdout, stderr := command(t, "data", "import", "--from", empty, "--to", t.TempDir())
	if code != 1 || stdout != "" || !strings.HasSuffix(stderr, "nothing to import is there: is it a clone of github.com/duowuyms/NetLLM?\n") || strings.Count(stderr, "missing: ") != 10 {
		t.Errorf("an empty clone: got exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if got := files(t, empty); len(got) > 0 {
		t.Errorf("got files %v", got)
	}
}

func TestDataInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	from, to := t.TempDir(), t.TempDir()
	put(t, filepath.Join(from, "viewport_prediction", "data", "viewports", "Own", "video1", "5Hz", "simple_5Hz_user1.csv"), "0,1,2,3\n")
	put(t, filepath.Join(from, "vp", "Own", "video1", "user1.csv"), "0,1,2,3\n")
	for _, args := range [][]string{{"data", "import", "--from", from, "--to", to}, {"data", "check", from}} {
		code, stdout, stderr := commandIn(ctx, args...)
		if code != 1 || stdout != "" || !bytes.HasSuffix([]byte(stderr), []byte(": interrupted\n")) {
			t.Errorf("%s: got exit code %d, %q, %q", args[1], code, stdout, stderr)
		}
	}
	if got := files(t, to); len(got) > 0 {
		t.Errorf("got files %v", got)
	}
}
