package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/tensor"
	"netllm/tensor/gguf"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata")

// command runs the program with args.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

// succeed runs the program and wants success.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := command(t, args...)
	if code != 0 {
		t.Fatalf("gguf %s: got exit code %d, want 0; stderr:\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// fail runs the program and wants the exit code, one line on stderr that has
// all of want, and returns stdout.
func fail(t *testing.T, code int, args []string, want ...string) string {
	t.Helper()
	got, stdout, stderr := command(t, args...)
	if got != code || strings.Count(stderr, "\n") != 1 {
		t.Errorf("gguf %q: got exit code %d, want %d, and one line; stderr:\n%s", args, got, code, stderr)
	}
	for _, w := range want {
		if !strings.Contains(stderr, w) {
			t.Errorf("gguf %q: got %q, want %q in it", args, stderr, w)
		}
	}
	return stdout
}

// goldenFile compares text with a file of testdata.
func goldenFile(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

// decode reads JSON that must have the fields of v and no others.
func decode(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

// weights is a tensor of n rows of width numbers, which seed makes differ.
func weights(dtype tensor.DType, seed, n, width int) tensor.Tensor {
	x := make([]float32, n*width)
	for i := range x {
		x[i] = float32((i*7+seed*13)%41)/16 - 1.25
	}
	t := tensor.New(dtype, n, width)
	tensor.Quantize(dtype, t.Bytes(), x)
	return t
}

// smallValues are the values of a model that verify has nothing against.
func smallValues() []gguf.KeyValue {
	return []gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"}, {Key: "general.name", Value: "small"},
		{Key: "llama.context_length", Value: uint32(64)}, {Key: "llama.embedding_length", Value: uint32(32)},
		{Key: "llama.block_count", Value: uint32(1)}, {Key: "llama.feed_forward_length", Value: uint32(64)},
		{Key: "llama.attention.head_count", Value: uint32(2)}, {Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Key: "tokenizer.ggml.tokens", Value: []string{"<unk>", "<s>", "</s>", "a", "b", "c", "d", "e", "f|g"}},
		{Key: "tokenizer.ggml.scores", Value: []float32{0, 0, 0, -1, -2, -3, -4, -5, -6}},
		{Key: "tokenizer.ggml.token_type", Value: []int32{2, 3, 3, 1, 1, 1, 1, 1, 1}},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.add_bos_token", Value: true},
	}
}

func smallTensors() []gguf.Entry {
	return []gguf.Entry{
		gguf.EntryOf("token_embd.weight", weights(tensor.Q8_0, 1, 9, 32)),
		gguf.EntryOf("blk.0.attn_q.weight", weights(tensor.F16, 2, 32, 32)),
		gguf.EntryOf("blk.0.attn_norm.weight", weights(tensor.F32, 3, 1, 32).Reshape(32)),
		gguf.EntryOf("output.weight", weights(tensor.Q4_0, 4, 9, 32)),
	}
}

// small goes to a folder with a small model, small.gguf.
func small(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "small.gguf", smallValues(), smallTensors())
}

func write(t *testing.T, path string, values []gguf.KeyValue, tensors []gguf.Entry) {
	t.Helper()
	if err := gguf.Replace(path, values, tensors); err != nil {
		t.Fatal(err)
	}
}

// with returns the values with one changed; nil takes it away.
func with(values []gguf.KeyValue, key string, value any) []gguf.KeyValue {
	var list []gguf.KeyValue
	found := false
	for _, kv := range values {
		if kv.Key == key {
			found = true
			if value == nil {
				continue
			}
			kv.Value = value
		}
		list = append(list, kv)
	}
	if !found {
		list = append(list, gguf.KeyValue{Key: key, Value: value})
	}
	return list
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// entries returns the names in the folder that the test is in.
func entries(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// Every command explains itself, with examples that are commands of it.
func TestHelp(t *testing.T) {
	for _, c := range newRoot("gguf").Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		t.Run(c.Name(), func(t *testing.T) {
			help := succeed(t, c.Name(), "--help")
			if !strings.Contains(help, "Examples:\n") || c.Long == "" || c.Short == "" {
				t.Errorf("got help without examples or words:\n%s", help)
			}
			for line := range strings.Lines(c.Example) {
				if !strings.HasPrefix(line, "  gguf "+c.Name()+" ") {
					t.Errorf("got example %q", line)
				}
			}
		})
	}
}

func TestUsage(t *testing.T) {
	small(t)
	if err := os.WriteFile("text", []byte("neither of the formats"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no command", nil, 2, "a command is needed"},
		{"unknown command", []string{"view"}, 2, `unknown command "view"`},
		{"unknown flag", []string{"inspect", "--colour", "small.gguf"}, 2, "unknown flag: --colour"},
		{"inspect nothing", []string{"inspect"}, 2, "got 0 arguments"},
		{"inspect pattern", []string{"inspect", "--keys", "[", "small.gguf"}, 2, `pattern "["`},
		{"inspect missing", []string{"inspect", "none.gguf"}, 1, "none.gguf"},
		{"inspect folder without model", []string{"inspect", "."}, 1, "model.safetensors"},
		{"inspect device", []string{"inspect", "/dev/null"}, 1, "not a regular file"},
		{"inspect other file", []string{"inspect", "text"}, 1, "not a GGUF file"},
		{"inspect over file", []string{"inspect", "--json=small.gguf", "small.gguf"}, 1, "--force"},
		{"verify two", []string{"verify", "a", "b"}, 2, "got 2 arguments"},
		{"verify missing", []string{"verify", "none.gguf"}, 1, "none.gguf"},
		{"verify threads", []string{"verify", "--threads", "-1", "small.gguf"}, 2, "--threads -1"},
		{"verify hex", []string{"verify", "--sha256", "12", "small.gguf"}, 2, "64 hexadecimal digits"},
		{"verify both", []string{"verify", "--sha256", strings.Repeat("0", 64), "--checksum-file", "x", "small.gguf"}, 2, "exclude"},
		{"verify no list", []string{"verify", "--checksum-file", "none", "small.gguf"}, 1, "none"},
		{"diff one", []string{"diff", "small.gguf"}, 2, "got 1 arguments"},
		{"diff tolerance", []string{"diff", "--tolerance", "-1", "small.gguf", "small.gguf"}, 2, "--tolerance -1"},
		{"diff missing", []string{"diff", "small.gguf", "none.gguf"}, 1, "none.gguf"},
		{"hash missing", []string{"hash", "none.gguf"}, 1, "none.gguf"},
		{"set nothing", []string{"set", "small.gguf"}, 2, "nothing to change"},
		{"set no file", []string{"set"}, 2, "FILE"},
		{"set in place", []string{"set", "general.name=x", "small.gguf"}, 2, "--force"},
		{"set over file", []string{"set", "--out", "small.gguf", "general.name=x", "small.gguf"}, 1, "--force"},
		{"set missing", []string{"set", "--out", "o", "a=x", "none.gguf"}, 1, "none.gguf"},
		{"set no value", []string{"set", "--out", "o", "general.name", "small.gguf"}, 2, "want KEY=VALUE"},
		{"set no type", []string{"set", "--out", "o", "new=1", "small.gguf"}, 2, "new:str=1"},
		{"set unknown type", []string{"set", "--out", "o", "new:int=1", "small.gguf"}, 2, `unknown type "int"`},
		{"set array of arrays", []string{"set", "--out", "o", "new:u8[][]=1", "small.gguf"}, 2, "unknown type"},
		{"set twice", []string{"set", "--out", "o", "general.name=a", "general.name=b", "small.gguf"}, 2, "given twice"},
		{"set and delete", []string{"set", "--out", "o", "--delete", "general.name", "general.name=b", "small.gguf"}, 2, "given twice"},
		{"set architecture", []string{"set", "--out", "o", "general.architecture=x", "small.gguf"}, 2, "not changed"},
		{"delete architecture", []string{"set", "--out", "o", "--delete", "general.architecture", "small.gguf"}, 2, "not changed"},
		{"set split", []string{"set", "--out", "o", "split.count:u16=1", "small.gguf"}, 2, "not changed"},
		{"delete none", []string{"set", "--out", "o", "--delete", "none", "small.gguf"}, 2, `no key "none"`},
		{"set range", []string{"set", "--out", "o", "a:u8=256", "small.gguf"}, 2, "value out of range"},
		{"set negative", []string{"set", "--out", "o", "a:u8=-1", "small.gguf"}, 2, "not a value of type u8"},
		{"set bool", []string{"set", "--out", "o", "a:bool=yes", "small.gguf"}, 2, "not true or false"},
		{"set float", []string{"set", "--out", "o", "a:f32=x", "small.gguf"}, 2, "not a value of type f32"},
		{"set float range", []string{"set", "--out", "o", "a:f32=1e39", "small.gguf"}, 2, "value out of range"},
		{"set bad array", []string{"set", "--out", "o", "a:u8[]=[1", "small.gguf"}, 2, `key "a"`},
		{"set array of numbers", []string{"set", "--out", "o", "a:str[]=[1]", "small.gguf"}, 2, "not a text"},
		{"set alignment", []string{"set", "--out", "o", "general.alignment:u32=24", "small.gguf"}, 1, "power of two"},
		{"set empty key", []string{"set", "--out", "o", ":u8=1", "small.gguf"}, 1, "key of 0 bytes"},
		{"split one", []string{"split", "small.gguf"}, 2, "got 1 arguments"},
		{"split size", []string{"split", "--split-max-size", "2X", "small.gguf", "o"}, 2, `"2X"`},
		{"split zero", []string{"split", "--split-max-size", "0", "small.gguf", "o"}, 2, "--split-max-size"},
		{"split overflow", []string{"split", "--split-max-size", "99999999999999G", "small.gguf", "o"}, 2, "--split-max-size"},
		{"split no tensors", []string{"split", "--split-max-tensors", "0", "small.gguf", "o"}, 2, "--split-max-tensors 0"},
		{"split both", []string{"split", "--split-max-tensors", "1", "--split-max-size", "1M", "small.gguf", "o"}, 2, "exclude"},
		{"split missing", []string{"split", "none.gguf", "o"}, 1, "none.gguf"},
		{"merge one", []string{"merge", "small.gguf"}, 2, "got 1 arguments"},
		{"merge unsplit", []string{"merge", "small.gguf", "o"}, 1, "not a file of a split model"},
		{"merge over file", []string{"merge", "small.gguf", "small.gguf"}, 1, "--force"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if stdout := fail(t, c.code, c.args, c.want); stdout != "" {
				t.Errorf("stdout: got %q, want nothing", stdout)
			}
			if got := entries(t); len(got) != 2 {
				t.Errorf("got files %q, want no new ones", got)
			}
		})
	}
}

// --json stands alone before a model's name, and takes one that ends in .json.
func TestJSONArgs(t *testing.T) {
	small(t)
	var a, b, c contents
	decode(t, succeed(t, "inspect", "--json", "small.gguf"), &a)
	decode(t, succeed(t, "inspect", "small.gguf", "--json"), &b)
	if out := succeed(t, "inspect", "--json", "out.json", "small.gguf"); !strings.Contains(out, "small.gguf") {
		t.Errorf("got %q, want text beside the file", out)
	}
	decode(t, string(read(t, "out.json")), &c)
	for _, got := range []contents{b, c} {
		if diff := cmp.Diff(a, got, cmp.AllowUnexported(contents{}, tensorInfo{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
