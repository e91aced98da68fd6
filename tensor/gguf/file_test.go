package gguf

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/tensor"
)

// save writes b to a file of its own.
func save(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.gguf")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func openGood(t *testing.T) *File {
	t.Helper()
	f, err := Open(save(t, good()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// says checks that err is one, and that its text has all of want.
func says(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("got no error, want one that says %q", want)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got error %q, want one that says %q", err, w)
		}
	}
}

func TestOpen(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		path := save(t, goodVersion(version))
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Path() != path || f.Version() != int(version) || f.Alignment() != 32 {
			t.Errorf("got %q, version %d, alignment %d", f.Path(), f.Version(), f.Alignment())
		}
		want := []Info{
			{Name: "a", Type: 0, DType: tensor.F32, Shape: []int{2, 3}, File: path, Offset: 512, Bytes: 24},
			{Name: "q", Type: 29, DType: tensor.Invalid, Shape: []int{256}, File: path, Offset: 544, Bytes: 56},
			{Name: "h", Type: 1, DType: tensor.F16, Shape: []int{4}, File: path, Offset: 608, Bytes: 8},
		}
		if diff := cmp.Diff(want, f.Tensors()); diff != "" {
			t.Errorf("tensors (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"a", "q", "h"}, f.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		a, err := f.Tensor("a")
		if err != nil {
			t.Fatal(err)
		}
		if a.Dim(0) != 2 || a.Dim(1) != 3 || a.At(0, 2) != 3 || a.At(1, 0) != 4 {
			t.Errorf("got %v %v, want rows 1 2 3 and 4 5 6", a, a.Float32s())
		}
		again, err := f.Tensor("a")
		if err != nil || again.Storage() != a.Storage() {
			t.Errorf("a second time: got another storage, %v", err)
		}
		h, err := f.Tensor("h")
		if err != nil || h.Uint16s()[3] != 0x7bff {
			t.Errorf("got %v, %v", h, err)
		}
		_, err = f.Tensor("q")
		says(t, err, path, `tensor "q"`, "IQ1_M", "not supported")
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want ErrUnsupported", err)
		}
		_, err = f.Tensor("none")
		says(t, err, path, `no tensor "none"`)
		if info, ok := f.Info("h"); !ok || info.Offset != 608 {
			t.Errorf("Info: got %v, %v", info, ok)
		}
		if info, ok := f.Info("none"); ok {
			t.Errorf("Info of none: got %v", info)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		_, err = f.Tensor("a")
		says(t, err, path, "closed")
		_, err = f.Uint("u32")
		says(t, err, path, "closed")
		if err := f.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
	_, err := Open(filepath.Join(t.TempDir(), "none.gguf"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	_, err = Open(t.TempDir())
	says(t, err, "not a regular file")
}

// The caller's own slices can be changed without harm to the file's.
func TestInfoCopies(t *testing.T) {
	f := openGood(t)
	f.Tensors()[0].Shape[0] = 99
	info, _ := f.Info("a")
	info.Shape[1] = 99
	if a, err := f.Tensor("a"); err != nil || a.Dim(0) != 2 || a.Dim(1) != 3 {
		t.Errorf("got %v, %v", a, err)
	}
}

// A tensor that the file does not align is copied to where it can be read.
func TestMisaligned(t *testing.T) {
	kvs := kv("general.alignment", vUint32, uint32(1))
	for shift := range 4 {
		name := strings.Repeat("x", shift+1)
		b := file(head(3, 1, 1), kvs, info(name, 0, 0, 2), u(float32(1), float32(2)))
		f, err := Open(save(t, b))
		if err != nil {
			t.Fatal(err)
		}
		x, err := f.Tensor(name)
		if err != nil || x.At(0) != 1 || x.At(1) != 2 {
			t.Errorf("shift %d: got %v, %v", shift, x, err)
		}
		f.Close()
	}
}

func TestGetters(t *testing.T) {
	f := openGood(t)
	want := []KeyValue{
		{"u8", uint8(200)}, {"i8", int8(-100)}, {"u16", uint16(60000)}, {"i16", int16(-30000)},
		{"u32", uint32(4e9)}, {"i32", int32(-2e9)}, {"f32", float32(0.5)}, {"b", true}, {"s", "text"},
		{"u64", uint64(1 << 63)}, {"i64", int64(-5)}, {"f64", 0.25},
		{"ints", []int16{-1, 2, 3}}, {"strings", []string{"x", "yz"}}, {"floats", []float32{1.5, -2}},
	}
	got, err := f.KeyValues()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	for i, key := range f.Keys() {
		if key != want[i].Key || !f.Has(key) {
			t.Errorf("key %d: got %q, want %q", i, key, want[i].Key)
		}
	}

	// Each getter on each value: the value it returns, or nothing.
	getters := []struct {
		name string
		get  func(string) (any, error)
		want map[string]any
		say  string
	}{
		{"Uint", func(k string) (any, error) { return f.Uint(k) },
			map[string]any{"u8": uint64(200), "u16": uint64(60000), "u32": uint64(4e9), "u64": uint64(1 << 63)}, "an integer"},
		{"Int", func(k string) (any, error) { return f.Int(k) },
			map[string]any{"u8": 200, "i8": -100, "u16": 60000, "i16": -30000, "u32": big(4e9), "i32": int(-2e9), "i64": -5}, "an integer"},
		{"Float", func(k string) (any, error) { return f.Float(k) }, map[string]any{"f32": 0.5, "f64": 0.25}, "a float"},
		{"Bool", func(k string) (any, error) { return f.Bool(k) }, map[string]any{"b": true}, "a bool"},
		{"String", func(k string) (any, error) { return f.String(k) }, map[string]any{"s": "text"}, "a string"},
		{"Strings", func(k string) (any, error) { return f.Strings(k) }, map[string]any{"strings": []string{"x", "yz"}}, "an array of strings"},
		{"Ints", func(k string) (any, error) { return f.Ints(k) }, map[string]any{"ints": []int{-1, 2, 3}}, "an array of integers"},
		{"Float32s", func(k string) (any, error) { return f.Float32s(k) }, map[string]any{"floats": []float32{1.5, -2}}, "an array of float32"},
	}
	for _, g := range getters {
		for _, key := range f.Keys() {
			got, err := g.get(key)
			want, ok := g.want[key]
			switch {
			case ok && want != nil:
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("%s(%q): got %v, %v, want %v", g.name, key, got, err, want)
				}
			case err == nil:
				t.Errorf("%s(%q): got %v, want an error", g.name, key, got)
			default:
				says(t, err, f.Path(), `"`+key+`"`, "offset ")
				if !strings.Contains(err.Error(), "want "+g.say) && !strings.Contains(err.Error(), "want not negative") && !strings.Contains(err.Error(), "want an int") {
					t.Errorf("%s(%q): got %q, want what was wanted", g.name, key, err)
				}
			}
		}
		_, err := g.get("none")
		says(t, err, f.Path(), `no key "none"`)
	}
	_, err = f.Value("none")
	says(t, err, f.Path(), `no key "none"`)
}

// big is n as an int, or nil where int has 32 bits: an error is expected then.
func big(n uint64) any {
	if n > math.MaxInt {
		return nil
	}
	return int(n)
}

func TestType(t *testing.T) {
	for number, want := range map[Type]string{0: "F32", 3: "Q4_1", 4: "Q4_2", 8: "Q8_0", 12: "Q4_K", 20: "IQ4_NL", 30: "BF16", 39: "MXFP4", 42: "Q2_0", 99: "ggml type 99", 1 << 31: "ggml type 2147483648"} {
		if got := number.String(); got != want {
			t.Errorf("type %d: got %q, want %q", uint32(number), got, want)
		}
	}
	seen := map[string]bool{}
	for i := range Type(len(typeInfo)) {
		if seen[i.String()] || i.String() == "" {
			t.Errorf("type %d: name %q", i, i)
		}
		seen[i.String()] = true
		block, size := i.layout()
		if d := i.DType(); d != tensor.Invalid {
			if d.String() != i.String() || d.BlockLen() != block || d.BlockBytes() != size {
				t.Errorf("%v: got blocks of %d in %d bytes, package tensor has %d in %d", i, block, size, d.BlockLen(), d.BlockBytes())
			}
			if back, ok := typeOf(d); !ok || back != i {
				t.Errorf("%v: typeOf: got %v, %v", d, back, ok)
			}
		}
	}
	if _, ok := typeOf(tensor.Invalid); ok {
		t.Error("typeOf(Invalid): got a type")
	}
}

func TestBegins(t *testing.T) {
	for text, want := range map[string]bool{"GGUF": true, "GGUF and more": true, "GGU": false, "": false, "gguf": false, "FUGG": false} {
		if got, err := Begins(save(t, []byte(text))); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	_, err := Begins(t.TempDir())
	says(t, err, "not a regular file")
	if _, err := Begins(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want %v", err, fs.ErrNotExist)
	}
}
