package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/tensor"
)

// ramp is a tensor of bytes 0, 1, 2, ...
func ramp(dtype tensor.DType, shape ...int) tensor.Tensor {
	t := tensor.New(dtype, shape...)
	for i := range t.Bytes() {
		t.Bytes()[i] = byte(i)
	}
	return t
}

// entriesOf returns what Write needs to write f again.
func entriesOf(t *testing.T, f *File) []Entry {
	t.Helper()
	var entries []Entry
	for _, name := range f.Names() {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, EntryOf(name, x))
	}
	return entries
}

func TestRoundTrip(t *testing.T) {
	metadata := map[string]string{"format": "pt", "quote": "\"\\\n\x01\u2028<&>", "ü": ""}
	tensors := map[string]tensor.Tensor{
		"f64": ramp(tensor.F64, 2, 3), "f32": ramp(tensor.F32, 2, 3), "f16": ramp(tensor.F16, 3), "bf16": ramp(tensor.BF16, 1, 1, 1, 3),
		"i64": ramp(tensor.I64, 1), "i32": ramp(tensor.I32, 5), "i16": ramp(tensor.I16, 5), "i8": ramp(tensor.I8, 5), "u8": ramp(tensor.U8, 3),
		"bool": ramp(tensor.Bool, 2), "scalar": ramp(tensor.F32), "zero": ramp(tensor.F32, 0, 3), "": ramp(tensor.U8, 1), "\"\t\u2028<ü": ramp(tensor.U8, 1),
	}
	dir := t.TempDir()
	var first []byte
	for try := range 3 { // map order differs, the file does not
		var entries []Entry
		for name, x := range tensors {
			entries = append(entries, EntryOf(name, x))
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.safetensors", try))
		if err := Write(path, metadata, entries); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if string(b) != string(first) {
			t.Error("the same tensors gave other bytes")
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if diff := cmp.Diff(metadata, f.Metadata()); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
		if len(f.Names()) != len(tensors) {
			t.Errorf("got tensors %q, want %d", f.Names(), len(tensors))
		}
		for name, want := range tensors {
			x, err := f.Tensor(name)
			if err != nil || x.DType() != want.DType() || !x.SameShape(want) || string(x.Bytes()) != string(want.Bytes()) {
				t.Errorf("%q: got %v, %v, want %v", name, x, err, want)
			}
			info, _ := f.Info(name)
			if info.Offset%int64(want.DType().BlockBytes()) != 0 {
				t.Errorf("%q: %v at offset %d is not aligned", name, want, info.Offset)
			}
		}
	}
}

// The bytes are those of the format's description and of the reference
// implementation's order: wide types first, then names.
func TestWriteBytes(t *testing.T) {
	header := `{"__metadata__":{"a":"1","b":"2"},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},` +
		`"z":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"x":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]},` +
		`"a":{"dtype":"U8","shape":[0],"data_offsets":[12,12]}}`
	header += strings.Repeat(" ", -len(header)&7)
	want := file(header, 0)
	for _, n := range []int{4, 4, 4} {
		want = append(want, ramp(tensor.U8, n).Bytes()...)
	}
	path := filepath.Join(t.TempDir(), "x")
	err := Write(path, map[string]string{"b": "2", "a": "1"}, []Entry{
		EntryOf("a", ramp(tensor.U8, 0)), EntryOf("x", ramp(tensor.BF16, 1, 2)), EntryOf("z", ramp(tensor.F32)), EntryOf("y", ramp(tensor.F32, 1))})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if diff := cmp.Diff(string(want), string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	empty := filepath.Join(t.TempDir(), "empty")
	if err := Write(empty, nil, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(empty); string(got) != "\x08\x00\x00\x00\x00\x00\x00\x00{}      " || err != nil {
		t.Errorf("nothing: got %q, %v", got, err)
	}
}

// Files that others wrote open and have all their tensors; those of the
// reference implementation are written again byte for byte.
func TestGoldenFiles(t *testing.T) {
	tests := []struct {
		path      string
		reference bool
	}{
		{golden.Data(t, "models/tinystories656k/model.safetensors"), true},
		{golden.Data(t, "models/stories260k/model.safetensors"), false},
		{golden.Data(t, "models/babyllama105"), false},
		{golden.Data(t, "models/tinystories3m-chat-gpt2"), false},
		{golden.Data(t, "cjs/decima.safetensors"), false},
		{golden.Spec(t, "llama_golden/tiny/model.safetensors"), false},
		{golden.Spec(t, "llama_golden/tiny/tiny-f32-trace.safetensors"), false},
		{golden.Spec(t, "abr_policy_golden.safetensors"), false},
	}
	for _, c := range tests {
		f, err := Open(c.path)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		defer f.Close()
		useAll(t, f)
		again := filepath.Join(t.TempDir(), "again.safetensors")
		if err := Write(again, f.Metadata(), entriesOf(t, f)); err != nil {
			t.Fatal(err)
		}
		if c.reference {
			want, _ := os.ReadFile(c.path)
			got, _ := os.ReadFile(again)
			if len(want) == 0 || string(got) != string(want) {
				t.Errorf("%s: written again: got other bytes", c.path)
			}
		}
		g, err := Open(again)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for _, name := range f.Names() {
			a, _ := f.Tensor(name)
			b, err := g.Tensor(name)
			if err != nil || !a.SameShape(b) || string(a.Bytes()) != string(b.Bytes()) {
				t.Errorf("%s: %q: got %v, %v, want %v", c.path, name, b, err, a)
			}
		}
	}
	golden.Cases(t, len(tests))
}

func TestWriteErrors(t *testing.T) {
	x := ramp(tensor.F32, 2, 3)
	entry := func(name string, dtype tensor.DType, shape ...int) Entry {
		return Entry{Name: name, DType: dtype, Shape: shape, Load: func() (tensor.Tensor, error) { return x, nil }}
	}
	broken := errors.New("broken")
	tests := []struct {
		name     string
		metadata map[string]string
		tensors  []Entry
		want     string
	}{
		{"metadata key", map[string]string{"\xff": ""}, nil, "UTF-8"},
		{"metadata value", map[string]string{"k": "\xff"}, nil, "UTF-8"},
		{"name", nil, []Entry{EntryOf("\xff", x)}, "not a name"},
		{"reserved name", nil, []Entry{EntryOf("__metadata__", x)}, "not a name"},
		{"name twice", nil, []Entry{EntryOf("a", x), EntryOf("a", x)}, `tensor "a": given twice`},
		{"block type", nil, []Entry{EntryOf("a", tensor.New(tensor.Q8_0, 32))}, "no type Q8_0"},
		{"no type", nil, []Entry{entry("a", tensor.Invalid)}, "no type invalid"},
		{"negative", nil, []Entry{entry("a", tensor.F32, -2, -3)}, "[-2 -3]"},
		{"overflow", nil, []Entry{entry("a", tensor.F32, math.MaxInt, 8)}, "overflows"},
		{"sum overflows", nil, []Entry{entry("a", tensor.F64, math.MaxInt/8), entry("b", tensor.F64, math.MaxInt/8)}, "address space"},
		{"header too long", map[string]string{"k": strings.Repeat("x", maxHeaderLen)}, nil, "at most 100000000"},
		{"other shape", nil, []Entry{entry("a", tensor.F32, 3, 2)}, "got F32[2x3], want F32[3 2]"},
		{"strided", nil, []Entry{EntryOf("a", x.Transpose(0, 1))}, "not contiguous"},
		{"load", nil, []Entry{{Name: "a", DType: tensor.F32, Load: func() (tensor.Tensor, error) { return x, broken }}}, `tensor "a": broken`},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.safetensors")
			says(t, Write(path, c.metadata, c.tensors), path, c.want)
			index := filepath.Join(dir, "x.safetensors.index.json")
			says(t, WriteSharded(index, 1<<62, c.metadata, c.tensors), filepath.Join(dir, "x"), c.want)
			if list, _ := os.ReadDir(dir); len(list) != 0 {
				t.Errorf("left behind: %v", list)
			}
		})
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := Write(path, nil, []Entry{EntryOf("old", ramp(tensor.F32, 8))}); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, nil, nil); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want that %s exists", err, path)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Replace(path, f.Metadata(), entriesOf(t, f)); err != nil {
		t.Fatal(err)
	}
	if x, err := f.Tensor("old"); err != nil || x.Bytes()[31] != 31 {
		t.Errorf("the open file: got %v, %v", x, err)
	}
	g, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if x, err := g.Tensor("old"); err != nil || x.Bytes()[31] != 31 {
		t.Errorf("the new file: got %v, %v", x, err)
	}
}

func TestWriteSharded(t *testing.T) {
	var entries []Entry
	for i := range 5 {
		entries = append(entries, EntryOf(fmt.Sprintf("t%d", i), ramp(tensor.F32, 2+i)))
	}
	slices.Reverse(entries)
	dir := t.TempDir()
	index := filepath.Join(dir, "model.safetensors.index.json")
	// Bytes by name: 8, 12, 16, 20, 24.
	if err := WriteSharded(index, 21, map[string]string{"format": "pt"}, entries); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := map[string]string{}
	for _, info := range f.Tensors() {
		got[info.Name] = filepath.Base(info.File)
	}
	want := map[string]string{
		"t0": "model-00001-of-00004.safetensors", "t1": "model-00001-of-00004.safetensors", "t2": "model-00002-of-00004.safetensors",
		"t3": "model-00003-of-00004.safetensors", "t4": "model-00004-of-00004.safetensors",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shards (-want +got):\n%s", diff)
	}
	if f.Metadata()["format"] != "pt" {
		t.Errorf("metadata: got %v", f.Metadata())
	}
	for _, e := range entries {
		want, _ := e.Load()
		if x, err := f.Tensor(e.Name); err != nil || !x.SameShape(want) || string(x.Bytes()) != string(want.Bytes()) {
			t.Errorf("%s: got %v, %v, want %v", e.Name, x, err, want)
		}
	}
	text, err := os.ReadFile(index)
	wantText := `{
  "metadata": {
    "total_size": 80
  },
  "weight_map": {
    "t0": "model-00001-of-00004.safetensors",
    "t1": "model-00001-of-00004.safetensors",
    "t2": "model-00002-of-00004.safetensors",
    "t3": "model-00003-of-00004.safetensors",
    "t4": "model-00004-of-00004.safetensors"
  }
}
`
	if diff := cmp.Diff(wantText, string(text)); diff != "" || err != nil {
		t.Errorf("index, %v (-want +got):\n%s", err, diff)
	}

	if err := WriteSharded(index, 21, nil, entries); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
	says(t, WriteSharded(filepath.Join(dir, "x.json"), 21, nil, entries), "x.json", ".safetensors.index.json")
	says(t, WriteSharded(index, 0, nil, entries), "limit 0")
}

// When a shard fails, none stays.
func TestWriteShardedCleansUp(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	err := WriteSharded(filepath.Join(dir, "m.safetensors.index.json"), 8, nil, []Entry{
		EntryOf("a", ramp(tensor.F32, 2)), EntryOf("b", ramp(tensor.F32, 2)),
		{Name: "c", DType: tensor.F32, Load: func() (tensor.Tensor, error) { return tensor.Tensor{}, broken }}})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want broken", err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

func TestWriteShardedEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := WriteSharded(filepath.Join(dir, indexName), 8, nil, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(filepath.Join(dir, indexName))
	if err != nil || len(f.Names()) != 0 {
		t.Fatalf("got %v, %v", f, err)
	}
	f.Close()
}
