package safetensors

import (
	"bytes"
	"strings"
	"testing"

	"netllm/internal/measure"
	"netllm/tensor"
)

// useAll calls everything that reads the file, which must not panic, and
// checks that each tensor has its bytes.
func useAll(t *testing.T, f *File) {
	t.Helper()
	for _, info := range f.Tensors() {
		x, err := f.Tensor(info.Name)
		if (err == nil) != (info.DType != tensor.Invalid && len(info.Shape) <= tensor.MaxRank) {
			t.Errorf("%v: got %v", info, err)
		}
		if err == nil && int64(len(x.Bytes())) != info.Bytes {
			t.Errorf("%v: got %d bytes", info, len(x.Bytes()))
		}
	}
}

// FuzzSafetensors looks for files that panic, that allocate more than they
// justify, or that are read otherwise after they are written again.
func FuzzSafetensors(f *testing.F) {
	f.Add(good)
	f.Add(file("{}", 0))
	f.Add(file(`{"__metadata__":{"\u00fc\n":"\"\\\u2028"}}  `, 0))
	f.Add(file(`{`+entry("f8", "F8_E4M3", "[3]", "0", "3")+","+entry("deep", "U8", "[1,1,1,1,1]", "3", "4")+","+entry("f4", "F4", "[2]", "4", "5")+"}", 5))
	f.Add(file(`{`+entry("a", "I16", "[2]", "1", "5")+","+entry("b", "BOOL", "[1]", "0", "1")+"}", 5))
	f.Fuzz(func(t *testing.T, data []byte) {
		var file *File
		var err error
		if n := measure.Allocated(func() { file, err = Parse("fuzz", data) }); n > allowed(len(data)) {
			t.Errorf("got %d bytes allocated for a file of %d", n, len(data))
		}
		if err != nil {
			return
		}
		useAll(t, file)
		var entries []Entry
		for _, name := range file.Names() {
			x, err := file.Tensor(name)
			if err != nil {
				return
			}
			entries = append(entries, EntryOf(name, x))
		}
		head, ordered, err := encodeHeader(file.Metadata(), entries)
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		var b bytes.Buffer
		if err := encode(&b, head, ordered); err != nil {
			t.Fatalf("written again: %v", err)
		}
		again, err := Parse("again", b.Bytes())
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if len(again.Names()) != len(entries) || len(again.Metadata()) != len(file.Metadata()) {
			t.Errorf("written again: got %q, %v", again.Names(), again.Metadata())
		}
		for key, want := range file.Metadata() {
			if got := again.Metadata()[key]; got != want {
				t.Errorf("metadata %q: got %q, want %q", key, got, want)
			}
		}
		for _, e := range entries {
			want, _ := e.Load()
			got, err := again.Tensor(e.Name)
			if err != nil || !want.SameShape(got) || got.DType() != want.DType() || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%q: got %v, %v, want %v", e.Name, got, err, want)
			}
		}
	})
}

// FuzzIndex looks for indexes that panic or that lead out of their folder.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":3,"x":[{}]},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x","b":"/x","c":"x/y","d":"..","e":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var listed []pair
		var err error
		if n := measure.Allocated(func() { listed, err = parseIndex(text) }); n > allowed(len(text)) {
			t.Errorf("got %d bytes allocated for an index of %d", n, len(text))
		}
		if err != nil {
			return
		}
		for _, l := range listed {
			if l.value == "" || l.value == ".." || strings.ContainsAny(l.value, `/\`) {
				t.Errorf("%q: got %q", l.name, l.value)
			}
		}
	})
}
