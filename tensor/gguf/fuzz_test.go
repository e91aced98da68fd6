package gguf

import (
	"bytes"
	"testing"

	"netllm/internal/measure"
	"netllm/tensor"
)

// useAll calls everything that reads the file, which must not panic, and
// checks that each tensor has its bytes.
func useAll(t *testing.T, f *File) {
	t.Helper()
	for _, key := range f.Keys() {
		if _, err := f.Value(key); err != nil {
			t.Errorf("Value(%q): %v", key, err)
		}
		f.Uint(key)
		f.Int(key)
		f.Float(key)
		f.Bool(key)
		f.String(key)
		f.Strings(key)
		f.Ints(key)
		f.Float32s(key)
	}
	for _, info := range f.Tensors() {
		x, err := f.Tensor(info.Name)
		if (err == nil) != (info.DType != tensor.Invalid) {
			t.Errorf("%v: got %v", info, err)
		}
		if err == nil && int64(len(x.Bytes())) != info.Bytes {
			t.Errorf("%v: got %d bytes", info, len(x.Bytes()))
		}
	}
}

// rewrite returns the content of the file that Write makes of f, or an error
// if f has what cannot be written.
func rewrite(f *File) ([]byte, error) {
	values, err := f.KeyValues()
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, name := range f.Names() {
		x, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		entries = append(entries, EntryOf(name, x))
	}
	head, alignment, err := encodeHead(values, entries)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = encode(&b, head, alignment, entries)
	return b.Bytes(), err
}

// FuzzGGUF looks for files that panic, that allocate more than they justify, or
// that are read otherwise after they are written again.
func FuzzGGUF(f *testing.F) {
	f.Add(good())
	f.Add(goodVersion(2))
	f.Add(file(head(3, 0, 0)))
	f.Add(file(head(3, 1, 1), kv("general.alignment", vUint32, uint32(1)), info("a", 0, 0, 2), u(float32(1), float32(2))))
	f.Add(file(head(3, 2, 0), info("b", 2, 32, 32, 2), info("s", 24, 0), pad, []byte{5}, pad, make([]byte, 36), pad))
	f.Add(file(head(3, 2, 0), info("x", 77, 0, 5), info("z", 0, 32, 0, 5), pad, make([]byte, 64)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var file *File
		var err error
		if n := measure.Allocated(func() { file, err = Parse("fuzz.gguf", data) }); n > allowed(len(data)) {
			t.Errorf("got %d bytes allocated for a file of %d", n, len(data))
		}
		lenient := &shard{path: "fuzz.gguf", data: data, faults: &faults{}}
		parseErr := lenient.parse()
		if parseErr == nil {
			if file, parseErr = newFile("fuzz.gguf", []*shard{lenient}); parseErr == nil {
				useAll(t, file)
			}
		}
		if sound := parseErr == nil && len(lenient.faults.list) == 0; err == nil && !sound {
			t.Errorf("read leniently: got %v, %v, want no fault", parseErr, lenient.faults.list)
		}
		if err != nil {
			return
		}
		file, _ = Parse("fuzz.gguf", data)
		useAll(t, file)
		once, err := rewrite(file)
		if err != nil || len(once) > 1<<20 { // large: alignment
			return
		}
		again, err := Parse("again.gguf", once)
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		twice, err := rewrite(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("written twice: %v, got other bytes", err)
		}
		for _, info := range file.Tensors() {
			a, _ := file.Tensor(info.Name)
			b, err := again.Tensor(info.Name)
			if err != nil || !a.SameShape(b) || !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Errorf("%v: got %v, %v, want %v", info, b, err, a)
			}
		}
	})
}
