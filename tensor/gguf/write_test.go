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

// ramp is a tensor of n small numbers, some negative.
func ramp(dtype tensor.DType, shape ...int) tensor.Tensor {
	t := tensor.New(dtype, shape...)
	x := make([]float32, t.Len())
	for i := range x {
		x[i] = float32(i%37)/8 - 2
	}
	if dtype.IsFloat() {
		tensor.Quantize(dtype, t.Bytes(), x)
		return t
	}
	for i := range t.Bytes() {
		t.Bytes()[i] = byte(i)
	}
	return t
}

// What is written is read back: every type of value, every type and rank of
// tensor.
func TestRoundTrip(t *testing.T) {
	values := []KeyValue{
		{"u8", uint8(1)}, {"i8", int8(-1)}, {"u16", uint16(1)}, {"i16", int16(-1)}, {"u32", uint32(1)}, {"i32", int32(-1)},
		{"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)}, {"f32", float32(1.5)}, {"f64", math.Pi},
		{"no", false}, {"yes", true}, {"empty", ""}, {"s", "ünï\x00\xff"},
		{"u8s", []uint8{1, 2}}, {"i8s", []int8{-1, 2}}, {"u16s", []uint16{1}}, {"i16s", []int16{-1}}, {"u32s", []uint32{1}}, {"i32s", []int32{-1}},
		{"u64s", []uint64{1}}, {"i64s", []int64{-1}}, {"f32s", []float32{1.5}}, {"f64s", []float64{1.5, 2}},
		{"bools", []bool{true, false}}, {"strings", []string{"", "a", "bc"}}, {"none", []uint32{}}, {"no strings", []string{}},
	}
	tensors := map[string]tensor.Tensor{
		"scalar": ramp(tensor.F32), "f32": ramp(tensor.F32, 3, 5), "f16": ramp(tensor.F16, 7), "bf16": ramp(tensor.BF16, 2, 3, 4, 5),
		"q8_0": ramp(tensor.Q8_0, 3, 64), "q4_0": ramp(tensor.Q4_0, 2, 2, 32), "f64": ramp(tensor.F64, 3), "i8": ramp(tensor.I8, 3),
		"i16": ramp(tensor.I16, 3, 1), "i32": ramp(tensor.I32, 1, 3), "i64": ramp(tensor.I64, 2, 2), "zero": ramp(tensor.F32, 0, 4),
		"q4_1": ramp(tensor.Q4_1, 3, 32), "q5_0": ramp(tensor.Q5_0, 1, 96), "q5_1": ramp(tensor.Q5_1, 5, 32),
		"q4_k": ramp(tensor.Q4_K, 3, 256), "q5_k": ramp(tensor.Q5_K, 512), "q6_k": ramp(tensor.Q6_K, 3, 1, 256),
	}
	order := []string{"q6_k", "q5_1", "f16", "scalar", "f32", "zero", "q4_0", "bf16", "i8", "q8_0", "f64", "i16", "i64", "i32", "q4_1", "q5_k", "q5_0", "q4_k"}
	for _, alignment := range []uint32{0, 1, 8, 64, 1 << 14} {
		kvs := values
		if alignment > 0 {
			kvs = append([]KeyValue{{"general.alignment", alignment}}, values...)
		}
		var entries []Entry
		for _, name := range order {
			entries = append(entries, EntryOf(name, tensors[name]))
		}
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := Write(path, kvs, entries); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Version() != 3 || alignment > 0 && f.Alignment() != int(alignment) {
			t.Errorf("got version %d, alignment %d, want 3, %d", f.Version(), f.Alignment(), alignment)
		}
		got, err := f.KeyValues()
		if diff := cmp.Diff(kvs, got); diff != "" || err != nil {
			t.Errorf("values, %v (-want +got):\n%s", err, diff)
		}
		if len(f.Names()) != len(order) {
			t.Errorf("got tensors %v, want %v", f.Names(), order)
		}
		for name, want := range tensors {
			x, err := f.Tensor(name)
			if err != nil || x.DType() != want.DType() || !x.SameShape(want) || string(x.Bytes()) != string(want.Bytes()) {
				t.Errorf("%s: got %v, %v, want %v", name, x, err, want)
			}
		}
	}
}

// The writer agrees with files put together by hand.
func TestWriteBytes(t *testing.T) {
	want := file(head(3, 2, 2), kv("k", vString, "v"), kv("n", vArray, vInt32, uint64(2), int32(1), int32(-1)),
		info("a", 0, 0, 3, 2), info("b", 26, 32, 1), pad,
		u([]float32{1, 2, 3, 4, 5, 6}), pad, u(int32(7)), pad)
	path := filepath.Join(t.TempDir(), "x.gguf")
	err := Write(path, []KeyValue{{"k", "v"}, {"n", []int32{1, -1}}}, []Entry{
		EntryOf("a", tensor.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)),
		EntryOf("b", tensor.FromInt32([]int32{7}, 1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestWriteErrors(t *testing.T) {
	x := ramp(tensor.F32, 2, 3)
	entry := func(name string, dtype tensor.DType, shape ...int) Entry {
		return Entry{Name: name, DType: dtype, Shape: shape, Load: func() (tensor.Tensor, error) { return x, nil }}
	}
	broken := errors.New("broken")
	tests := []struct {
		name    string
		values  []KeyValue
		tensors []Entry
		want    string
	}{
		{"no value", []KeyValue{{"k", nil}}, nil, `key "k": no value`},
		{"int", []KeyValue{{"k", 1}}, nil, "no type for int"},
		{"named type", []KeyValue{{"k", vUint32Named(1)}}, nil, "no type for"},
		{"nested", []KeyValue{{"k", [][]int32{{1}}}}, nil, "no type for [][]int32"},
		{"empty key", []KeyValue{{"", true}}, nil, "key of 0 bytes"},
		{"long key", []KeyValue{{strings.Repeat("k", 1<<16), true}}, nil, "key of 65536 bytes"},
		{"key twice", []KeyValue{{"k", true}, {"k", false}}, nil, `key "k": given twice`},
		{"alignment type", []KeyValue{{"general.alignment", uint64(32)}}, nil, "uint32"},
		{"alignment 24", []KeyValue{{"general.alignment", uint32(24)}}, nil, "power of two"},
		{"empty name", nil, []Entry{EntryOf("", x)}, "name of 0 bytes"},
		{"long name", nil, []Entry{EntryOf(strings.Repeat("n", 64), x)}, "name of 64 bytes"},
		{"name twice", nil, []Entry{EntryOf("a", x), EntryOf("a", x)}, `tensor "a": given twice`},
		{"U8", nil, []Entry{EntryOf("a", tensor.New(tensor.U8, 2))}, "no type U8"},
		{"BOOL", nil, []Entry{EntryOf("a", tensor.New(tensor.Bool, 2))}, "no type BOOL"},
		{"no type", nil, []Entry{entry("a", tensor.Invalid, 2, 3)}, "no type invalid"},
		{"rank", nil, []Entry{entry("a", tensor.F32, 1, 1, 1, 1, 6)}, "5 dimensions"},
		{"negative", nil, []Entry{entry("a", tensor.F32, -2, -3)}, "[-2 -3]"},
		{"overflow", nil, []Entry{entry("a", tensor.F32, math.MaxInt, 8)}, "overflows"},
		{"block", nil, []Entry{entry("a", tensor.Q8_0, 2, 3)}, "multiple of 32"},
		{"block of 256", nil, []Entry{entry("a", tensor.Q6_K, 2, 384)}, "multiple of 256"},
		{"other shape", nil, []Entry{entry("a", tensor.F32, 3, 2)}, "got F32[2x3], want F32[3 2]"},
		{"other type", nil, []Entry{entry("a", tensor.F16, 2, 3)}, "want F16"},
		{"strided", nil, []Entry{EntryOf("a", x.Transpose(0, 1))}, "not contiguous"},
		{"load", nil, []Entry{{Name: "a", DType: tensor.F32, Load: func() (tensor.Tensor, error) { return x, broken }}}, `tensor "a": broken`},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.gguf")
			err := Write(path, c.values, c.tensors)
			says(t, err, path, c.want)
			if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 0 {
				t.Errorf("left behind: %v", list)
			}
		})
	}
}

type vUint32Named uint32

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := Write(path, nil, []Entry{EntryOf("old", ramp(tensor.F32, 8))}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old, err := f.Tensor("old")
	if err != nil {
		t.Fatal(err)
	}
	err = Write(path, nil, nil)
	says(t, err, path)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
	// From the file itself into its own place: the open one keeps its bytes.
	if err := Replace(path, nil, []Entry{EntryOf("new", old)}); err != nil {
		t.Fatal(err)
	}
	g, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	x, err := g.Tensor("new")
	if err != nil || string(x.Bytes()) != string(old.Bytes()) {
		t.Errorf("got %v, %v", x, err)
	}
}

// Write loads one tensor at a time, in order, and once.
func TestLoadOnce(t *testing.T) {
	var loaded []string
	var entries []Entry
	for _, name := range []string{"b", "a", "c"} {
		entries = append(entries, Entry{Name: name, DType: tensor.F32, Shape: []int{2}, Load: func() (tensor.Tensor, error) {
			loaded = append(loaded, name)
			return tensor.New(tensor.F32, 2), nil
		}})
	}
	if err := Write(filepath.Join(t.TempDir(), "x.gguf"), nil, entries); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(loaded, ""); got != "bac" {
		t.Errorf("got %q, want bac", got)
	}
}
