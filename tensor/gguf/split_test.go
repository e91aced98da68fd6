package gguf

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shardBytes is shard no of count of a model of total tensors: with the values
// given, and one tensor of 8 bytes for each name.
func shardBytes(no, count uint16, total int32, more []byte, names ...string) []byte {
	parts := []any{head(3, uint64(len(names)), 3+uint64(min(len(more), 1))), more,
		kv("split.no", vUint16, no), kv("split.count", vUint16, count), kv("split.tensors.count", vInt32, total)}
	for i, name := range names {
		parts = append(parts, info(name, 0, uint64(i)*32, 2))
	}
	for _, name := range names {
		parts = append(parts, pad, bytes.Repeat([]byte(name[:1]), 8))
	}
	return file(append(parts, pad)...)
}

// threeShards is a model in three files, whose first has no tensors.
func threeShards() map[string][]byte {
	return map[string][]byte{
		"m-00001-of-00003.gguf": shardBytes(0, 3, 3, kv("k", vString, "v")),
		"m-00002-of-00003.gguf": shardBytes(1, 3, 3, nil, "b", "a"),
		"m-00003-of-00003.gguf": shardBytes(2, 3, 3, nil, "c"),
	}
}

func saveAll(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSplit(t *testing.T) {
	dir := saveAll(t, threeShards())
	var paths []string
	for no := range 3 {
		paths = append(paths, ShardPath(filepath.Join(dir, "m"), no, 3))
	}
	t.Chdir(dir)
	for _, path := range append(paths, filepath.Base(paths[0])) {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Path() != path {
			t.Errorf("got path %q, want %q", f.Path(), path)
		}
		if filepath.IsAbs(path) {
			if diff := cmp.Diff(paths, f.Files()); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		}
		if diff := cmp.Diff([]string{"b", "a", "c"}, f.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if v, err := f.String("k"); err != nil || v != "v" {
			t.Errorf("got %q, %v, want the first shard's value", v, err)
		}
		info, ok := f.Info("c")
		if !ok || filepath.Base(info.File) != filepath.Base(paths[2]) {
			t.Errorf("got %v, want it in %s", info, paths[2])
		}
		for _, name := range f.Names() {
			x, err := f.Tensor(name)
			if err != nil || string(x.Bytes()) != strings.Repeat(name, 8) {
				t.Errorf("%s: got %v, %v", name, x, err)
			}
			f.Discard(name)
		}
		tensors, keys := f.Tensors(), f.Keys()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tensors, f.Tensors()); diff != "" {
			t.Errorf("tensors after Close (-want +got):\n%s", diff)
		}
		if got, ok := f.Info("a"); !ok || got.Name != "a" || !slices.Equal(keys, f.Keys()) || !f.Has("k") || f.Has("none") {
			t.Errorf("after Close: got %v, keys %q, want those from before, %q", got, f.Keys(), keys)
		}
	}
	f, err := OpenShard(paths[1])
	if err != nil || !slices.Equal(f.Names(), []string{"b", "a"}) {
		t.Fatalf("got %v, want the shard's own tensors", err)
	}
	f.Close()
	f, err = Open(save(t, file(head(3, 0, 1), kv("split.count", vUint16, uint16(0)))))
	if err != nil {
		t.Fatalf("a merged file: %v", err)
	}
	f.Close()
	_, err = Parse("m", shardBytes(0, 3, 0, nil))
	says(t, err, "split.count", "shard")
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
}

// Shards that do not belong together, and names that are not a shard's.
func TestBadSplit(t *testing.T) {
	const first, second, third = "m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"
	tests := []struct {
		name, path string
		files      map[string][]byte // nil: taken away
		want       []string
	}{
		{"one missing", first, map[string][]byte{second: nil}, []string{"shard 2 of 3", second}},
		{"first missing", third, map[string][]byte{first: nil}, []string{"shard 1 of 3", first}},
		{"of another count", first, map[string][]byte{third: shardBytes(2, 4, 3, nil, "c")}, []string{third, "shard 3 of 4", "want shard 3 of 3", first}},
		{"of another order", first, map[string][]byte{second: threeShards()[third]}, []string{second, "shard 3 of 3", "want shard 2 of 3"}},
		{"of another total", first, map[string][]byte{second: shardBytes(1, 3, 4, nil, "b", "a")}, []string{second, "4 tensors", "3 tensors"}},
		{"too few tensors", first, map[string][]byte{third: shardBytes(2, 3, 3, nil)}, []string{first, "2 tensors", "split.tensors.count", "3"}},
		{"a tensor twice", first, map[string][]byte{third: shardBytes(2, 3, 3, nil, "a")}, []string{third, `second tensor "a"`, second}},
		{"not split", first, map[string][]byte{third: file(head(3, 0, 0))}, []string{third, "split.no"}},
		{"cut off", first, map[string][]byte{second: threeShards()[second][:100]}, []string{"shard 2 of 3", second, "truncated"}},
		{"a name of its own", "m.gguf", map[string][]byte{"m.gguf": threeShards()[first]}, []string{"m.gguf", "-00001-of-00003.gguf"}},
		{"another shard's name", second, map[string][]byte{second: threeShards()[first]}, []string{second, "-00001-of-00003.gguf"}},
		{"number over the count", first, map[string][]byte{first: shardBytes(3, 3, 3, nil)}, []string{first, "shard number 3 of 3"}},
		{"no number", "m.gguf", map[string][]byte{"m.gguf": file(head(3, 0, 1), kv("split.count", vUint16, uint16(2)))}, []string{"m.gguf", "split.no"}},
		{"no total", first, map[string][]byte{first: file(head(3, 0, 2), kv("split.count", vUint16, uint16(3)), kv("split.no", vUint16, uint16(0)))}, []string{first, "split.tensors.count"}},
		{"absurd count", first, map[string][]byte{first: file(head(3, 0, 1), kv("split.count", vUint32, uint32(1e9)))}, []string{first, "1000000000 shards"}},
		{"negative", first, map[string][]byte{first: file(head(3, 0, 1), kv("split.count", vInt32, int32(-1)))}, []string{first, "split.count", "-1"}},
		{"text", first, map[string][]byte{first: file(head(3, 0, 1), kv("split.count", vString, "../../etc"))}, []string{first, "split.count", "want an integer"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			files := threeShards()
			for name, b := range c.files {
				if files[name] = b; b == nil {
					delete(files, name)
				}
			}
			path := filepath.Join(saveAll(t, files), c.path)
			f, err := Open(path)
			if f != nil {
				t.Error("got a file")
			}
			says(t, err, append(c.want, "gguf: ")...)
			_, all := Check(path)
			says(t, errors.Join(all...), c.want...)
		})
	}
}

// Check finds all that is wrong, and leaves what is sound.
func TestCheck(t *testing.T) {
	b := file(head(3, 6, 4), kv("b", vBool, uint8(2)), kv("k", vUint8, uint8(1)), kv("k", vUint8, uint8(2)), kv("general.alignment", vUint32, uint32(24)),
		info("good", 0, 0, 8), info("outside", 0, 1<<20, 8), info("over", 0, 16, 8), info("odd", 0, 100, 1),
		info("good", 24, 128, 1), info("long", 0, 160, 100), pad, make([]byte, 192), []byte{1})
	path := save(t, b)
	f, faults := Check(path)
	for _, want := range []string{
		`"b": offset 37: a bool is 2`, `second key "k"`, "alignment 24", `"outside"`, "offset 16 in the data", "offset 100 in the data",
		`"long": bytes`, `"over" at offset`, `second tensor "good"`,
	} {
		if !slices.ContainsFunc(faults, func(err error) bool {
			return strings.Contains(err.Error(), want) && strings.Contains(err.Error(), path)
		}) {
			t.Errorf("got %v, want one that says %q", faults, want)
		}
	}
	if f == nil {
		t.Fatal("got no file")
	}
	defer f.Close()
	if got := f.Names(); !slices.Equal(got, []string{"good", "over", "odd"}) {
		t.Errorf("got %q, want the tensors that are in the file", got)
	}
	useAll(t, f)

	holes := file(head(3, 2, 0), info("a", 0, 32, 8), info("b", 0, 96, 8), pad, make([]byte, 128), []byte{1})
	if f, faults := Check(save(t, holes)); f == nil || len(faults) != 3 {
		t.Errorf("got %v, want two holes and a byte at the end", faults)
	}
	if f, faults := Check(save(t, good())); f == nil || len(faults) > 0 {
		t.Errorf("a good file: got %v", faults)
	}
	if f, faults := Check(save(t, good()[:100])); f != nil || len(faults) != 1 {
		t.Errorf("half a head: got %v", faults)
	}
	if _, faults := Check(filepath.Join(t.TempDir(), "none")); len(faults) != 1 || !errors.Is(faults[0], fs.ErrNotExist) {
		t.Errorf("no file: got %v", faults)
	}
	var many []byte
	for range 2000 {
		many = append(many, kv("b", vBool, uint8(2))...)
	}
	if f, faults := Check(save(t, file(head(3, 0, 2000), many))); f != nil || len(faults) != maxFaults+1 {
		t.Errorf("got %d faults, want %d and that there are more", len(faults), maxFaults)
	}
	dir := saveAll(t, map[string][]byte{"m-00001-of-00003.gguf": threeShards()["m-00001-of-00003.gguf"]})
	if f, faults := Check(filepath.Join(dir, "m-00001-of-00003.gguf")); f == nil || len(faults) != 3 {
		t.Errorf("got %v, want two missing shards and too few tensors", faults)
	}
}

// A copy of all of a file is the file, also where a type is not known here.
func TestCopy(t *testing.T) {
	for _, want := range [][]byte{goodVersion(2), goodVersion(3), good()[:goodEnd], head(3, 0, 0), file(head(3, 0, 0), pad)} {
		f, err := Open(save(t, want))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		values, err := f.KeyValues()
		if err != nil {
			t.Fatal(err)
		}
		var sources []Source
		for _, name := range f.Names() {
			sources = append(sources, Source{f, name})
		}
		c, err := NewCopy(f.Version(), values, sources)
		if err != nil {
			t.Fatal(err)
		}
		c.Unpadded = f.Unpadded()
		var b bytes.Buffer
		if err := c.Encode(&b); err != nil {
			t.Fatal(err)
		}
		if c.Size() != int64(len(want)) {
			t.Errorf("got size %d, want %d", c.Size(), len(want))
		}
		if diff := cmp.Diff(want, b.Bytes()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(sources) == 0 {
			continue
		}
		b.Reset()
		if err := f.WriteTensor(&b, "h"); err != nil || !bytes.Equal(b.Bytes(), want[goodEnd-8:goodEnd]) {
			t.Errorf("got %x, %v", b.Bytes(), err)
		}
		_, err = NewCopy(3, append(values, values[0]), nil)
		says(t, err, `key "u8": given twice`)
		_, err = NewCopy(3, nil, append(sources, sources[0]))
		says(t, err, `tensor "a": given twice`)
		_, err = NewCopy(3, nil, []Source{{f, "none"}})
		says(t, err, `no tensor "none"`)
	}
	f, err := Parse("x", file(head(3, 1, 0), info("x", 77, 0, 5), pad, make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewCopy(3, nil, []Source{{f, "x"}})
	says(t, err, `"x"`, "ggml type 77", "not known")
	_, err = f.Bytes("x")
	says(t, err, `"x"`, "ggml type 77", "not known")
	_, err = f.Bytes("none")
	says(t, err, `no tensor "none"`)
}
