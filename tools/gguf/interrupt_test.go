//go:build unix

package main

// Interrupted writing: the commands run in a process of their own, which stops at
// a place that is told beforehand, and is interrupted or killed there, or finds
// its disk full.

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"netllm/internal/atomicfile"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// childName, as the first argument, makes the test's program the child.
const childName = "interrupted-child"

func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == childName {
		os.Exit(child(os.Args[2], os.Args[3], os.Args[4:]))
	}
	os.Exit(m.Run())
}

// child runs the program with args. Mode "interrupt" or "kill" stops at the nth
// place where a file is written to or renamed, says so, and waits for what it
// is named after; "full" lets no file become longer than n bytes.
func child(mode, n string, args []string) int {
	number, err := strconv.ParseUint(n, 10, 64)
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if mode == "full" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: number, Max: number}); err != nil {
			panic(err)
		}
		return run(ctx, args, os.Stdout, os.Stderr)
	}
	places := uint64(0)
	atomicfile.Observer = func(op, path string, written int64) {
		if places++; places != number {
			return
		}
		fmt.Printf("at %s\n", op)
		if mode == "interrupt" {
			<-ctx.Done()
			return
		}
		io.Copy(io.Discard, os.Stdin) // until the end of either process
	}
	return run(ctx, args, io.Discard, os.Stderr)
}

// writer is a command that writes files. prepare makes what it reads, in the
// folder that the test is in; without force, what it makes is not there yet.
type writer struct {
	name    string
	prepare func(t *testing.T)
	args    []string
	outputs []string                             // that it makes or replaces
	check   func(t *testing.T, outputs []string) // that they are whole
	renames int                                  // at the end: of files, and of a folder
}

// writers are all commands that write. Each stands twice: for new files, and for
// files that are replaced.
func writers() []writer {
	large := func(t *testing.T) { write(t, "in.gguf", smallValues(), largeTensors(1)) }
	// What is replaced is another model.
	old := func(names ...string) func(t *testing.T) {
		return func(t *testing.T) {
			large(t)
			for _, name := range names {
				write(t, name, smallValues(), largeTensors(2)[:1])
			}
		}
	}
	shards := []string{"s-00001-of-00003.gguf", "s-00002-of-00003.gguf", "s-00003-of-00003.gguf"}
	split := func(t *testing.T) {
		large(t)
		succeed(t, "split", "--split-max-tensors", "1", "in.gguf", "s")
	}
	opens := func(t *testing.T, outputs []string) {
		t.Helper()
		f, err := gguf.Open(outputs[0])
		if err != nil {
			t.Errorf("what is there is not whole: %v", err)
			return
		}
		f.Close()
	}
	// A model that has all its weights, and reads as one.
	folder := func(t *testing.T) {
		t.Helper()
		b := ops.NewCPU(1)
		defer b.Close()
		m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 64, FFN: 128, Heads: 4, KVHeads: 2, HeadDim: 16,
			Vocab: 4096, MaxPositions: 64, NormEps: 1e-5, RopeTheta: 1e4, RopeDim: 16}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteGGUF(b, "in.gguf", tensor.F32, nil, false); err != nil {
			t.Fatal(err)
		}
	}
	adapter := func(t *testing.T) {
		t.Helper()
		folder(t)
		b := ops.NewCPU(1)
		defer b.Close()
		m, err := transformer.Load(b, "in.gguf")
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		l, err := transformer.NewLoRA(b, m, transformer.LoRAConfig{Rank: 4, Alpha: 4, Targets: []string{"q_proj"}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir("adapter", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := l.Write(b, "adapter", "in"); err != nil {
			t.Fatal(err)
		}
	}
	loads := func(t *testing.T, outputs []string) {
		t.Helper()
		b := ops.NewCPU(1)
		defer b.Close()
		m, err := transformer.Load(b, filepath.Dir(outputs[0]))
		if err != nil {
			t.Errorf("what is there is not whole: %v", err)
			return
		}
		m.Close()
	}
	return []writer{
		{"set", large, []string{"set", "--out", "out.gguf", "general.name=x", "in.gguf"}, []string{"out.gguf"}, opens, 1},
		{"set in place", large, []string{"set", "--force", "general.name=x", "in.gguf"}, []string{"in.gguf"}, opens, 1},
		{"split", large, []string{"split", "--split-max-tensors", "1", "in.gguf", "s"}, shards, opens, 3},
		{"split over another", func(t *testing.T) {
			write(t, "in.gguf", smallValues(), largeTensors(2))
			succeed(t, "split", "--split-max-tensors", "1", "in.gguf", "s")
			large(t)
		}, []string{"split", "--force", "--split-max-tensors", "1", "in.gguf", "s"}, shards, opens, 3},
		{"merge", split, []string{"merge", shards[0], "out.gguf"}, []string{"out.gguf"}, opens, 1},
		{"merge over another", func(t *testing.T) { split(t); old("out.gguf")(t) }, []string{"merge", "--force", shards[0], "out.gguf"}, []string{"out.gguf"}, opens, 1},
		{"quantize", large, []string{"quantize", "--threads", "1", "in.gguf", "out.gguf", "q8_0"}, []string{"out.gguf"}, opens, 1},
		{"quantize over another", old("out.gguf"), []string{"quantize", "--force", "--threads", "1", "in.gguf", "out.gguf", "q8_0"}, []string{"out.gguf"}, opens, 1},
		{"dequantize over another", old("out.gguf"), []string{"dequantize", "--force", "--threads", "1", "in.gguf", "out.gguf", "f32"}, []string{"out.gguf"}, opens, 1},
		{"convert to a folder", folder, []string{"convert", "--threads", "1", "--in", "in.gguf", "--out", "hf"}, []string{"hf/model.safetensors", "hf/config.json"}, loads, 3},
		{"convert from a folder", func(t *testing.T) {
			folder(t)
			succeed(t, "convert", "--in", "in.gguf", "--out", "hf")
		}, []string{"convert", "--threads", "1", "--in", "hf", "--out", "out.gguf", "--type", "f32"}, []string{"out.gguf"}, opens, 1},
		{"merge-lora", adapter, []string{"merge-lora", "--threads", "1", "in.gguf", "adapter", "--out", "out.gguf"}, []string{"out.gguf"}, opens, 1},
	}
}

// largeTensors are three tensors that take several writes together.
func largeTensors(seed int) []gguf.Entry {
	var list []gguf.Entry
	for i := range 3 {
		list = append(list, gguf.EntryOf(fmt.Sprint("w", i), weights(tensor.F16, seed+i, 200, 1024)))
	}
	return list
}

// startChild starts the child in the folder that the test is in.
func startChild(t *testing.T, mode string, n int, args []string) (cmd *exec.Cmd, stdout *bufio.Reader, stderr *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self, append([]string{childName, mode, strconv.Itoa(n)}, args...)...)
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out), stderr
}

// content returns the files of the folder, temporary ones apart.
func content(t *testing.T) (files map[string]string, temporary []string) {
	t.Helper()
	files = map[string]string{}
	for _, name := range entries(t) {
		if strings.HasPrefix(name, ".") {
			temporary = append(temporary, name)
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if !info.IsDir() {
			files[name] = string(read(t, name))
			continue
		}
		for _, inner := range entriesIn(t, name) {
			files[filepath.Join(name, inner)] = string(read(t, filepath.Join(name, inner)))
		}
	}
	return files, temporary
}

// fresh goes to a new folder and returns what is in it after prepare.
func fresh(t *testing.T, w writer) map[string]string {
	t.Helper()
	t.Chdir(t.TempDir())
	w.prepare(t)
	files, _ := content(t)
	return files
}

// are reports whether the outputs are those of a state.
func (w writer) are(t *testing.T, state map[string]string) bool {
	t.Helper()
	now, _ := content(t)
	for _, name := range w.outputs {
		if now[name] != state[name] {
			return false
		}
	}
	return true
}

// judge checks what an interruption has left, given the files from before and
// those of an undisturbed run: the outputs are the old ones or the new ones, or
// such that nobody takes them for a model, since the first one is missing; all
// else is as it was.
func (w writer) judge(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	now, _ := content(t)
	for name, text := range before {
		if !slices.Contains(w.outputs, name) && now[name] != text {
			t.Errorf("%s: %s has changed", what, name)
		}
	}
	for name := range now {
		if _, ok := before[name]; !ok && !slices.Contains(w.outputs, name) {
			t.Errorf("%s: left %s", what, name)
		}
	}
	first, there := now[w.outputs[0]]
	switch {
	case w.are(t, before) || w.are(t, after):
		if there {
			w.check(t, w.outputs)
		}
	case there && first != "":
		t.Errorf("%s: got a mixture of old and new", what)
	case len(w.outputs) == 1:
		t.Errorf("%s: %s is gone", what, w.outputs[0])
	}
}

func TestInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: starts many processes")
	}
	stopped := 0 // a command that has little left to do may end well instead
	for _, w := range writers() {
		t.Run(w.name, func(t *testing.T) {
			before := fresh(t, w)
			succeed(t, w.args...)
			after, _ := content(t)
			reset := func() {
				t.Helper()
				for _, name := range entries(t) {
					if err := os.RemoveAll(name); err != nil {
						t.Fatal(err)
					}
				}
				for name, text := range before {
					if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, mode := range []string{"interrupt", "kill"} {
				writes, renames := 0, 0
				for n := 1; ; n++ {
					reset()
					cmd, stdout, stderr := startChild(t, mode, n, w.args)
					line, _ := stdout.ReadString('\n')
					if line == "" { // there are no more places
						if err := cmd.Wait(); err != nil {
							t.Fatalf("undisturbed: %v: %s", err, stderr)
						}
						break
					}
					place := fmt.Sprintf("%s at place %d (%s)", mode, n, strings.TrimSpace(line))
					sig := os.Interrupt
					if mode == "kill" {
						sig = os.Kill
					}
					if err := cmd.Process.Signal(sig); err != nil {
						t.Fatal(err)
					}
					err := cmd.Wait()
					w.judge(t, place, before, after)
					_, temporary := content(t)
					switch {
					case mode == "kill":
						if err == nil {
							t.Errorf("%s: it ended as if nothing were", place)
						}
					case len(temporary) > 0:
						t.Errorf("%s: left %q", place, temporary)
					case err != nil && (cmd.ProcessState.ExitCode() != 1 || !strings.HasSuffix(stderr.String(), "interrupted\n")):
						t.Errorf("%s: got %v and %q, want exit code 1 and that it was interrupted", place, err, stderr)
					case err == nil && !w.are(t, after): // it was too late
						t.Errorf("%s: it ended well, but its files are the old ones", place)
					case err != nil && !w.are(t, before):
						t.Errorf("%s: it was interrupted, but its files are not the old ones", place)
					}
					if mode == "interrupt" && err != nil {
						stopped++
					}
					if line == "at write\n" {
						writes++
					} else {
						renames++
					}
				}
				if writes < 1 || renames != w.renames {
					t.Errorf("%s: got %d writes and %d renames, want 1 or more and %d", mode, writes, renames, w.renames)
				}
			}
		})
	}
	if stopped < len(writers()) {
		t.Errorf("got %d interruptions that stopped a command", stopped)
	}
}

func TestFullDisk(t *testing.T) {
	for _, w := range writers() {
		t.Run(w.name, func(t *testing.T) {
			before := fresh(t, w)
			for _, limit := range []int{0, 1, 4096, 1 << 18} {
				cmd, stdout, stderr := startChild(t, "full", limit, w.args)
				io.Copy(io.Discard, stdout)
				err := cmd.Wait()
				what := fmt.Sprintf("%d bytes", limit)
				if cmd.ProcessState.ExitCode() != 1 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "file too large") {
					t.Errorf("%s: got %v and %q, want exit code 1 and one line that says so", what, err, stderr)
				}
				w.judge(t, what, before, before)
				if _, temporary := content(t); len(temporary) > 0 {
					t.Errorf("%s: left %q", what, temporary)
				}
			}
		})
	}
}
