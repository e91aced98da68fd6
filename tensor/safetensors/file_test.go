package safetensors

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/tensor"
)

// file is a file with this header and so many bytes 0, 1, 2, ... of tensors.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

// entry is a tensor in a header.
func entry(name, dtype, shape string, begin, end string) string {
	return `"` + name + `":{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":[` + begin + `,` + end + `]}`
}

// save writes files into a folder of their own and returns that.
func save(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
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

var (
	goodHeader = `{"__metadata__":{"format":"pt","k":"v"},` +
		entry("b", "F16", "[2]", "16", "20") + "," + entry("a", "F32", "[2,2]", "0", "16") + "," +
		entry("s", "U8", "[]", "20", "21") + "," + entry("z", "I64", "[0,3]", "21", "21") + "," +
		entry("odd", "I32", "[1]", "21", "25") + "}  "
	good = file(goodHeader, 25)
)

func TestOpen(t *testing.T) {
	path := filepath.Join(save(t, map[string][]byte{"model.safetensors": good}), "model.safetensors")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	base := int64(8 + len(goodHeader))
	want := []Info{
		{"a", "F32", tensor.F32, []int{2, 2}, path, base, 16},
		{"b", "F16", tensor.F16, []int{2}, path, base + 16, 4},
		{"s", "U8", tensor.U8, []int{}, path, base + 20, 1},
		{"z", "I64", tensor.I64, []int{0, 3}, path, base + 21, 0},
		{"odd", "I32", tensor.I32, []int{1}, path, base + 21, 4},
	}
	if diff := cmp.Diff(want, f.Tensors()); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b", "s", "z", "odd"}, f.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"format": "pt", "k": "v"}, f.Metadata()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if f.Path() != path {
		t.Errorf("got path %q, want %q", f.Path(), path)
	}
	for _, info := range want {
		x, err := f.Tensor(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		at := info.Offset - base
		if got, want := string(x.Bytes()), string(good[8+len(goodHeader):][at:at+info.Bytes]); got != want || x.DType() != info.DType || !slices.Equal(x.Shape(), info.Shape) {
			t.Errorf("%s: got %v with %q, want %q", info.Name, x, got, want)
		}
		if again, _ := f.Tensor(info.Name); again.Storage() != x.Storage() {
			t.Errorf("%s: a second time: got another storage", info.Name)
		}
	}
	// Four bytes at an odd place: readable all the same.
	odd, err := f.Tensor("odd")
	if err != nil || odd.Int32s()[0] != 0x18171615 {
		t.Errorf("odd: got %v, %v", odd, err)
	}
	f.Tensors()[0].Shape[0] = 9
	info, ok := f.Info("a")
	info.Shape[1] = 9
	if a, err := f.Tensor("a"); !ok || err != nil || a.Dim(0) != 2 || a.Dim(1) != 2 {
		t.Errorf("got %v, %v, want the shape unchanged", a, err)
	}
	if _, ok := f.Info("none"); ok {
		t.Error("Info of none: got one")
	}
	_, err = f.Tensor("none")
	says(t, err, path, `no tensor "none"`)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	_, err = f.Tensor("a")
	says(t, err, path, "closed")
	if err := f.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestOpenFolder(t *testing.T) {
	dir := save(t, map[string][]byte{"model.safetensors": good})
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := filepath.Join(dir, "model.safetensors"); f.Path() != want {
		t.Errorf("got %q, want %q", f.Path(), want)
	}
	empty := t.TempDir()
	_, err = Open(empty)
	says(t, err, empty, "neither model.safetensors nor model.safetensors.index.json")
	_, err = Open(filepath.Join(empty, "none.safetensors"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestUnsupported(t *testing.T) {
	b := file(`{`+entry("f8", "F8_E4M3", "[3]", "0", "3")+","+entry("deep", "U8", "[1,1,1,1,1]", "3", "4")+","+
		entry("f4", "F4", "[2]", "4", "5")+","+entry("ok", "I8", "[1,1,1,1]", "5", "6")+"}", 6)
	f, err := Parse("x", b)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"f8": "F8_E4M3", "f4": "F4", "deep": "5 dimensions [1 1 1 1 1], at most 4"} {
		_, err := f.Tensor(name)
		says(t, err, "safetensors: x:", `"`+name+`"`, want)
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported", name, err)
		}
	}
	if x, err := f.Tensor("ok"); err != nil || x.Rank() != 4 || x.Bytes()[0] != 5 {
		t.Errorf("got %v, %v", x, err)
	}
}

// Each way in which a file can be bad, and what the error must say.
func TestBadFiles(t *testing.T) {
	one := entry("a", "U8", "[4]", "0", "4")
	length := func(n uint64, rest string) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), rest...) }
	tests := []struct {
		name string
		data []byte
		want []string
	}{
		{"empty", nil, []string{"offset 0", "0 bytes"}},
		{"seven bytes", make([]byte, 7), []string{"offset 0", "7 bytes"}},
		{"no header", length(0, ""), []string{"offset 8", "{"}},
		{"header past the end", length(100, "{}"), []string{"offset 0", "100 bytes", "10 bytes"}},
		{"header over the limit", length(100_000_001, "{}"), []string{"offset 0", "at most 100000000"}},
		{"header of 2^64-1", length(math.MaxUint64, "{}"), []string{"offset 0", "at most"}},
		{"no brace", file(" {}", 0), []string{"offset 8", "{"}},
		{"not JSON", file("{nonsense}", 0), []string{"offset 9"}},
		{"not UTF-8", file("{\"\xff\":1}", 0), []string{"offset 10", "UTF-8"}},
		{"array", file("[]", 0), []string{"offset 8", "{"}},
		{"unfinished", file(`{"a"`, 0), []string{"offset 12"}},
		{"unfinished inside", file(`{`+one, 4), []string{"EOF"}},
		{"comma at the end", file(`{`+one+`,}`, 4), []string{"offset"}},
		{"two objects", file(`{`+one+`}{}`, 4), []string{"offset", "after the object"}},
		{"text after", file(`{`+one+`}x`, 4), []string{"offset", "after the object"}},
		{"zero bytes after", file("{"+one+"}\x00\x00", 4), []string{"offset", "after the object"}},

		{"duplicate tensor", file(`{`+one+`,`+one+`}`, 4), []string{"offset", `second tensor "a"`}},
		{"duplicate in other words", file(`{`+one+`,`+entry(`\u0061`, "U8", "[0]", "4", "4")+`}`, 4), []string{"offset", `second tensor "a"`}},
		{"duplicate field", file(`{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4), []string{`"a"`, "offset", `second "dtype"`}},
		{"duplicate metadata", file(`{"__metadata__":{},"__metadata__":{},`+one+`}`, 4), []string{"offset", "second __metadata__"}},
		{"duplicate metadata key", file(`{"__metadata__":{"k":"v","k":"v"},`+one+`}`, 4), []string{"__metadata__", "offset", `second key "k"`}},
		{"metadata not text", file(`{"__metadata__":{"k":1},`+one+`}`, 4), []string{"__metadata__", "got a number"}},
		{"metadata null", file(`{"__metadata__":null,`+one+`}`, 4), []string{"__metadata__", "got null"}},
		{"tensor not an object", file(`{"a":3}`, 0), []string{`"a"`, "offset", "got a number, want an object"}},
		{"no dtype", file(`{"a":{"shape":[4],"data_offsets":[0,4]}}`, 4), []string{`"a"`, "no dtype"}},
		{"no shape", file(`{"a":{"dtype":"U8","data_offsets":[0,4]}}`, 4), []string{`"a"`, "no shape"}},
		{"no offsets", file(`{"a":{"dtype":"U8","shape":[4]}}`, 4), []string{`"a"`, "no data_offsets"}},
		{"unknown field", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}}`, 4), []string{`"a"`, `unknown field "x"`}},
		{"dtype number", file(`{"a":{"dtype":1,"shape":[4],"data_offsets":[0,4]}}`, 4), []string{`"a"`, "want a string"}},
		{"unknown dtype", file(`{`+entry("a", "F13", "[4]", "0", "4")+`}`, 4), []string{`"a"`, "offset", `unknown dtype "F13"`}},
		{"lower-case dtype", file(`{`+entry("a", "u8", "[4]", "0", "4")+`}`, 4), []string{`unknown dtype "u8"`}},
		{"block dtype", file(`{`+entry("a", "Q8_0", "[32]", "0", "34")+`}`, 34), []string{`unknown dtype "Q8_0"`}},

		{"negative dimension", file(`{`+entry("a", "U8", "[-4]", "0", "4")+`}`, 4), []string{`"a"`, "-4"}},
		{"fraction", file(`{`+entry("a", "U8", "[4.0]", "0", "4")+`}`, 4), []string{`"a"`, "4.0"}},
		{"exponent", file(`{`+entry("a", "U8", "[4e0]", "0", "4")+`}`, 4), []string{`"a"`, "4e0"}},
		{"over 2^64", file(`{`+entry("a", "U8", "[18446744073709551616]", "0", "4")+`}`, 4), []string{`"a"`, "whole number"}},
		{"shape not numbers", file(`{`+entry("a", "U8", `["4"]`, "0", "4")+`}`, 4), []string{`"a"`, "want a number"}},
		{"shape not an array", file(`{`+entry("a", "U8", `4`, "0", "4")+`}`, 4), []string{`"a"`, "want an array"}},
		{"nested shape", file(`{`+entry("a", "U8", `[[4]]`, "0", "4")+`}`, 4), []string{`"a"`, "want a number"}},
		{"product overflows", file(`{`+entry("a", "U8", "[4294967296,4294967296]", "0", "0")+`}`, 0), []string{`"a"`, "offset", "overflow"}},
		{"product wraps to 4", file(`{`+entry("a", "U8", "[9223372036854775808,2,4]", "0", "4")+`}`, 4), []string{`"a"`, "overflow"}},
		{"overflow behind a zero", file(`{`+entry("a", "U8", "[0,4294967296,4294967296]", "0", "0")+`}`, 0), []string{`"a"`, "overflow"}},
		{"bits overflow", file(`{`+entry("a", "F64", "[1152921504606846975]", "0", "4")+`}`, 4), []string{`"a"`, "offset"}},
		{"one offset", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[4]}}`, 4), []string{`"a"`, "data_offsets [4]"}},
		{"three offsets", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}`, 4), []string{`"a"`, "data_offsets [0 4 4]"}},
		{"end before begin", file(`{`+entry("a", "U8", "[4]", "4", "0")+`}`, 4), []string{`"a"`, "data_offsets [4 0]"}},
		{"offset over 2^63", file(`{`+entry("a", "U8", "[4]", "18446744073709551611", "18446744073709551615")+`}`, 4), []string{`"a"`, "data_offsets"}},
		{"too small for the shape", file(`{`+entry("a", "F32", "[4]", "0", "4")+`}`, 4), []string{`"a"`, "4 bytes apart", "takes 16"}},
		{"too large for the shape", file(`{`+entry("a", "U8", "[2]", "0", "4")+`}`, 4), []string{`"a"`, "4 bytes apart", "takes 2"}},
		{"half a byte", file(`{`+entry("a", "F4", "[3]", "0", "2")+`}`, 2), []string{`"a"`, "takes 12 bits"}},

		{"hole at the start", file(`{`+entry("a", "U8", "[2]", "2", "4")+`}`, 4), []string{`"a"`, "belong to no tensor"}},
		{"hole", file(`{`+entry("a", "U8", "[2]", "0", "2")+`,`+entry("b", "U8", "[1]", "3", "4")+`}`, 4), []string{`"b"`, "belong to no tensor"}},
		{"overlap", file(`{`+entry("a", "U8", "[3]", "0", "3")+`,`+entry("b", "U8", "[2]", "2", "4")+`}`, 4), []string{`"b"`, "overlaps", `"a"`}},
		{"same place", file(`{`+one+`,`+entry("b", "U8", "[4]", "0", "4")+`}`, 4), []string{`"b"`, "overlaps", `"a"`}},
		{"empty tensor inside", file(`{`+one+`,`+entry("b", "U8", "[0]", "2", "2")+`}`, 4), []string{`"b"`, "overlaps", `"a"`}},
		{"past the end", file(`{`+one+`}`, 3), []string{`"a"`, "past the end"}},
		{"absurd tensor", file(`{`+entry("a", "U8", "[134217728]", "0", "134217728")+`}`, 3), []string{`"a"`, "past the end"}},
		{"bytes at the end", file(`{`+one+`}`, 5), []string{"offset", "1 bytes after the last tensor"}},
		{"bytes without tensors", file(`{}`, 1), []string{"offset 10", "1 bytes after the last tensor"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse("bad.safetensors", c.data)
			if f != nil {
				t.Error("got a file")
			}
			says(t, err, append(c.want, "safetensors: bad.safetensors: ")...)
			path := filepath.Join(save(t, map[string][]byte{"x.safetensors": c.data}), "x.safetensors")
			_, err = Open(path)
			says(t, err, path)
		})
	}
}

// A file cut off anywhere is refused by an error that names file and place.
func TestTruncated(t *testing.T) {
	for n := range good {
		f, err := Parse("cut.safetensors", good[:n:n])
		if f != nil || err == nil {
			t.Fatalf("%d of %d bytes: got no error", n, len(good))
		}
		if s := err.Error(); !strings.Contains(s, "cut.safetensors") || !strings.Contains(s, "offset ") && !strings.Contains(s, "tensor ") {
			t.Errorf("%d of %d bytes: got %q, want file and place", n, len(good), s)
		}
	}
	if _, err := Parse("whole", good); err != nil {
		t.Error(err)
	}
}

func TestFlippedBytes(t *testing.T) {
	for i := range 8 + len(goodHeader) {
		for _, x := range []byte{1, 0x80, 0xff} {
			b := slices.Clone(good)
			b[i] ^= x
			if f, err := Parse("flipped", b); err == nil {
				useAll(t, f)
			}
		}
	}
}

func TestSmallest(t *testing.T) {
	f, err := Parse("x", file("{}", 0))
	if err != nil || len(f.Tensors()) != 0 || len(f.Metadata()) != 0 {
		t.Errorf("got %v, %v", f, err)
	}
	f, err = Parse("x", file(`{"":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}`, 1))
	if err != nil || !maps.Equal(f.names, map[string]int{"": 0}) {
		t.Errorf("got %v, %v, want a tensor without a name", f, err)
	}
}
