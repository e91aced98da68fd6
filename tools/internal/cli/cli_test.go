package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"netllm/gpu"
	"netllm/gpu/gputest"
)

// tree is a command with a command, whose work is f.
func tree(f func(cmd *cobra.Command) error) *cobra.Command {
	root := Group(&cobra.Command{Use: "tool"})
	work := &cobra.Command{Use: "work", Args: NoArgs, RunE: Action(func(cmd *cobra.Command, _ []string) error { return f(cmd) })}
	work.Flags().Int("n", 1, "")
	root.AddCommand(work)
	return root
}

func TestExecute(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		args   string
		work   error
		panics string
		code   int
		stderr string
	}{
		{name: "good", args: "work"},
		{name: "failed", args: "work", work: errors.New("broken"), code: 1, stderr: "tool work: broken\n"},
		{name: "many lines", args: "work", work: errors.Join(errors.New("one\n two"), errors.New("three")), code: 1, stderr: "tool work: one; two; three\n"},
		{name: "usage", args: "work", work: Usagef("-n %d", 3), code: 2, stderr: "tool work: -n 3 (see tool work --help)\n"},
		{name: "marked usage", args: "work", work: Usage(fs.ErrExist), code: 2, stderr: "tool work: file already exists (see tool work --help)\n"},
		{name: "bad flag", args: "work --m", code: 2, stderr: "tool work: unknown flag: --m (see tool work --help)\n"},
		{name: "bad value", args: "work --n x", code: 2, stderr: `tool work: invalid argument "x" for "--n" flag: strconv.ParseInt: parsing "x": invalid syntax (see tool work --help)` + "\n"},
		{name: "argument", args: "work x", code: 2, stderr: `tool work: unexpected argument "x" (see tool work --help)` + "\n"},
		{name: "no command", code: 2, stderr: "tool: a command is needed: work (see tool --help)\n"},
		{name: "unknown command", args: "wrk", code: 2, stderr: `tool: unknown command "wrk", known: work (see tool --help)` + "\n"},
		{name: "interrupted", ctx: cancelled, args: "work", work: cancelled.Err(), code: 1, stderr: "tool work: interrupted\n"},
		{name: "not interrupted", args: "work", work: context.Canceled, code: 1, stderr: "tool work: context canceled\n"},
		{name: "panic", args: "work", panics: "shapes\ndiffer", code: 1, stderr: "tool: internal error: shapes; differ\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx
			}
			var stdout, stderr bytes.Buffer
			code := Execute(ctx, tree(func(*cobra.Command) error {
				if c.panics != "" {
					panic(c.panics)
				}
				return c.work
			}), strings.Fields(c.args), &stdout, &stderr)
			got := stderr.String()
			if c.panics != "" {
				if !strings.Contains(got, "goroutine") {
					t.Error("no stack")
				}
				got = got[:strings.Index(got, "\n")+1]
			}
			if code != c.code || got != c.stderr || stdout.Len() > 0 {
				t.Errorf("got exit code %d, stderr %q, stdout %q, want %d and %q", code, got, stdout.String(), c.code, c.stderr)
			}
		})
	}
	if Usage(nil) != nil {
		t.Error("Usage(nil) is an error")
	}
}

func TestJSONArgs(t *testing.T) {
	for in, want := range map[string]string{
		"eval --json":               "eval --json=-",
		"eval --json -":             "eval --json=-",
		"eval --json f --x":         "eval --json=f --x",
		"eval --json --x 1":         "eval --json=- --x 1",
		"eval --json=f":             "eval --json=f",
		"eval --json -n 3":          "eval --json=- -n 3",
		"eval -- --json":            "eval -- --json",
		"eval --jsonx --json a b c": "eval --jsonx --json=a b c",
	} {
		if got := strings.Join(JSONArgs(strings.Fields(in)), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	got := CommandLine("tool", []string{"a", "b c", "", "it's", "k=v,w:1"})
	if want := `tool a 'b c' '' 'it'\''s' k=v,w:1`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEncodeJSON wants the same value back, short lines, and known text.
func TestEncodeJSON(t *testing.T) {
	long := make([]int, 60)
	for i := range long {
		long[i] = i
	}
	v := map[string]any{
		"text": `quo"te, {[ \ <>`, "empty": []int{}, "none": nil,
		"long": long, "items": []any{map[string]any{"id": strings.Repeat("é", 40), "v": 1.5}, map[string]any{"a,b": strings.Repeat("]", 90), "c": "\\"}},
	}
	var b bytes.Buffer
	if err := EncodeJSON(&b, v); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > jsonWidth+1 && !strings.Contains(line, "]]]]") && !strings.Contains(line, "é") {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
	b.Reset()
	if err := EncodeJSON(&b, struct {
		A []string `json:"a"`
		B int      `json:"b"`
	}{[]string{strings.Repeat("x", 60), strings.Repeat("<", 60)}, 3}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"a\": [\n    \"" + strings.Repeat("x", 60) + "\",\n    \"" + strings.Repeat("<", 60) + "\"\n  ],\n  \"b\": 3\n}\n"; b.String() != want {
		t.Errorf("got %s, want %s", b.String(), want)
	}
	if err := EncodeJSON(io.Discard, func() {}); err == nil {
		t.Error("a function: got no error")
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b.txt")
	put := func(text string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}
	}
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("files: got %v (%v), want one", entries, err)
		}
	}
	if err := WriteFile(path, false, put("one")); err != nil {
		t.Fatal(err)
	}
	check("one")
	if err := WriteFile(path, false, put("two")); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "--force") {
		t.Errorf("over a file: got %v", err)
	}
	check("one")
	broken := errors.New("broken")
	if err := WriteFile(path, true, func(w io.Writer) error { return errors.Join(put("half")(w), broken) }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	check("one")
	if err := WriteFile(path, true, put("two")); err != nil {
		t.Error(err)
	}
	check("two")
	if err := WriteFile(filepath.Join(path, "c"), false, put("x")); err == nil {
		t.Error("below a file: got no error")
	}
}

func TestTable(t *testing.T) {
	table := Table{Columns: []string{"name", "n"}, Text: 1}
	table.Add("é", "1000")
	table.Add("longer", "2")
	var b strings.Builder
	if err := table.Print(&b); err != nil {
		t.Fatal(err)
	}
	if want := "name       n\né       1000\nlonger     2\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// TestProgress covers what a pipe sees: at least a last line.
func TestProgress(t *testing.T) {
	var b strings.Builder
	p := NewProgress(&b, "work", "steps", 4)
	p.Set(2, "loss 1")
	p.told = p.told.Add(-2 * lineEvery)
	p.Set(3, "loss 2")
	p.Set(4, "loss 3")
	p.Close()
	lines := slices.Collect(strings.Lines(b.String()))
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "work: 3/4 steps, ") || !strings.Contains(lines[0], " left, loss 2") ||
		!strings.HasPrefix(lines[1], "work: 4/4 steps, ") || !strings.HasSuffix(lines[1], "/s, loss 3\n") {
		t.Errorf("got %q", lines)
	}
}

func TestDevice(t *testing.T) {
	t.Setenv("NETLLM_VULKAN_LIB", filepath.Join(t.TempDir(), "libnone.so"))
	for _, c := range []struct {
		name    string
		threads int
		want    string // of the error
	}{
		{"auto", 0, ""},
		{"cpu", 3, ""},
		{"cpu:0", 0, "only vulkan has numbers"},
		{"vulkan", 0, "--device vulkan: "},
		{"vulkan:2", 0, "--device vulkan:2: "},
		{"vulkan:", 0, "not the number"},
		{"tpu", 0, "want cpu, vulkan[:N] or auto"},
		{"cpu", -1, "--threads -1"},
	} {
		used, err := (&Device{name: c.name, threads: c.threads}).Resolve()
		if c.want == "" {
			if err != nil || used.Device != "cpu" || used.Threads < 1 || c.threads > 0 && used.Threads != c.threads || used.CPU == "" {
				t.Errorf("%s: got %+v, %v", c.name, used, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	if _, err := (&Device{name: "vulkan", noRepack: true}).Resolve(); err == nil || !strings.Contains(err.Error(), "--no-repack") {
		t.Errorf("vulkan without repacking: got %v", err)
	}
	if used, err := (&Device{name: "auto"}).Resolve(); err != nil || used.why == "" {
		t.Errorf("auto without Vulkan: got %+v, %v, want the reason", used, err)
	}
	var b strings.Builder
	Used{Device: "cpu", CPU: "avx2 (X)", Threads: 4}.Print(&b)
	if want := "cpu: avx2 (X), threads 4; device: cpu\n"; !strings.HasPrefix(b.String(), want) {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestVulkan(t *testing.T) {
	list, err := gpu.Devices()
	if err != nil || len(list) == 0 {
		gputest.Missing(t, errors.Join(gpu.ErrNoDevice, err))
	}
	for _, name := range []string{"vulkan", fmt.Sprint("vulkan:", list[0].Index)} {
		used, err := (&Device{name: name}).Resolve()
		if err != nil || !strings.HasPrefix(used.Device, "vulkan:") || used.Threads < 1 {
			t.Fatalf("%s: got %+v, %v", name, used, err)
		}
		b, err := used.Open()
		if err != nil {
			t.Fatal(err)
		}
		if b.Name() != used.Device {
			t.Errorf("%s: got %s, %s was said", name, b.Name(), used.Device)
		}
		if open, workers := used.Worker(b); workers != 1 || open() != b {
			t.Errorf("%s: %d workers, want one on the same backend", name, workers)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := (&Device{name: "vulkan:99"}).Resolve(); err == nil || !strings.Contains(err.Error(), list[0].Name) {
		t.Errorf("device 99: got %v, want the names of those that are there", err)
	}
	used, err := (&Device{name: "auto"}).Resolve()
	software := !slices.ContainsFunc(list, func(d gpu.Device) bool { return d.Kind != "software" })
	if err != nil || software != (used.Device == "cpu") || software != (used.why != "") {
		t.Errorf("auto with %+v: got %+v, %v", list, used, err)
	}
}

func TestDataDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NETLLM_DATA", "")
	if got, err := (&Flags{}).DataDir(); got != "" || err != nil {
		t.Errorf("nothing said: got %q, %v", got, err)
	}
	t.Setenv("NETLLM_DATA", dir)
	if got, err := (&Flags{}).DataDir(); got != dir || err != nil {
		t.Errorf("NETLLM_DATA: got %q, %v, want %q", got, err, dir)
	}
	if _, err := (&Flags{Data: file}).DataDir(); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("a file: got %v", err)
	}
	t.Setenv("NETLLM_DATA", filepath.Join(dir, "none"))
	if _, err := (&Flags{}).DataDir(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "NETLLM_DATA") {
		t.Errorf("a missing folder: got %v", err)
	}
}
