package safetensors

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

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

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A file that claims to be large makes no large allocation.
func TestBoundedAllocation(t *testing.T) {
	tests := []struct {
		name string
		data []byte
	}{
		{"header", append([]byte{0, 0xe1, 0xf5, 5, 0, 0, 0, 0}, "{}"...)}, // 10^8
		{"tensor", file(`{`+entry("a", "U8", "[1125899906842624]", "0", "1125899906842624")+`}`, 8)},
		{"zero-size tensor", file(`{`+entry("a", "U8", "[1152921504606846975,0]", "0", "0")+`}`, 8)},
		{"deep nesting", file(`{"a":`+strings.Repeat("[", 1<<16), 0)},
		{"many dimensions", file(`{`+entry("a", "U8", "["+strings.Repeat("1,", 1<<14)+"2]", "0", "1")+`}`, 1)},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := allocated(func() {
				if _, err := Parse("x", c.data); err == nil {
					t.Error("got no error")
				}
			})
			if limit := uint64(1<<18 + 128*len(c.data)); got > limit {
				t.Errorf("got %d bytes allocated for a file of %d, want at most %d", got, len(c.data), limit)
			}
		})
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
		if n := allocated(func() { file, err = Parse("fuzz", data) }); n > 1<<20+256*uint64(len(data)) {
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
		shardOf, err := parseIndex(text)
		if err != nil {
			return
		}
		for name, shard := range shardOf {
			if shard == "" || shard == ".." || strings.ContainsRune(shard, '/') {
				t.Errorf("%q: got %q", name, shard)
			}
		}
	})
}
