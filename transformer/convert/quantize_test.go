package convert

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/tensor"
	"netllm/tensor/gguf"
)

// wide is a file with tensors of several pieces, of rows for every block type,
// and of all that is not quantised.
func wide(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wide.gguf")
	var list []gguf.Entry
	put := func(name string, dtype tensor.DType, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := tensor.New(dtype, shape...)
		if dtype.IsFloat() {
			tensor.Quantize(dtype, x.Bytes(), numbers(n))
		}
		list = append(list, gguf.EntryOf(name, x))
	}
	put("token_embd.weight", tensor.F32, 50, 256)
	put("position_embd.weight", tensor.F16, 8, 256)
	for _, blk := range []string{"blk.0.", "blk.1."} {
		put(blk+"attn_norm.weight", tensor.F32, 256)
		put(blk+"attn_v.weight", tensor.F16, 64, 256)
		put(blk+"ffn_down.weight", tensor.F32, 256, 96)
		put(blk+"ffn_up.weight", tensor.BF16, 40, 24)
	}
	put("blk.0.ffn_gate.weight", tensor.F32, 2100, 512) // two pieces
	put("output.weight", tensor.F32, 50, 256)
	put("ids", tensor.I32, 3, 4)
	values := []gguf.KeyValue{
		{Key: "general.architecture", Value: "unheard-of"}, {Key: keyType, Value: uint32(0)}, {Key: "general.name", Value: "wide"},
		{Key: "unheard-of.block_count", Value: uint32(2)}, {Key: "split.count", Value: uint16(1)}, {Key: "tokenizer.ggml.model", Value: "none"},
	}
	if err := gguf.Write(path, values, list); err != nil {
		t.Fatal(err)
	}
	return path
}

// typesOf returns the tensors' types in the order of the file.
func typesOf(r *Result) string {
	var list []string
	for _, x := range r.Tensors {
		list = append(list, x.To)
	}
	return strings.Join(list, " ")
}

// The rules are those of llama-quantize, which chose the same types for models of
// 9 to 80 layers and rows of 48 to 512.
func TestTypes(t *testing.T) {
	path := wide(t)
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"keeps", Options{}, "F32 F16 F32 F16 F32 BF16 F32 F16 F32 BF16 F32 F32 I32"},
		{"f32", Options{Type: "F32"}, "F32 F32 F32 F32 F32 F32 F32 F32 F32 F32 F32 F32 I32"},
		{"f16", Options{Type: "f16"}, "F16 F16 F32 F16 F16 F16 F32 F16 F16 F16 F16 F16 I32"},
		{"one type", Options{Type: "q4_0"}, "Q4_0 F16 F32 Q4_0 Q4_0 F16 F32 Q4_0 Q4_0 F16 Q4_0 Q4_0 I32"},
		{"file type", Options{Type: "q4_0", Mix: true}, "Q4_0 F16 F32 Q4_0 Q4_0 F16 F32 Q4_0 Q4_0 F16 Q4_0 Q6_K I32"},
		{"pure", Options{Type: "q4_k_m", Mix: true, Pure: true}, "Q4_K F16 F32 Q4_K Q5_0 F16 F32 Q4_K Q5_0 F16 Q4_K Q4_K I32"},
		{"mixture", Options{Type: "q4_k_m"}, "Q4_K F16 F32 Q4_K Q5_0 F16 F32 Q6_K Q8_0 F16 Q4_K Q6_K I32"},
		{"the same by its short name", Options{Type: "q4_k", Mix: true}, "Q4_K F16 F32 Q4_K Q5_0 F16 F32 Q6_K Q8_0 F16 Q4_K Q6_K I32"},
		{"five bits", Options{Type: "q5_k_m"}, "Q5_K F16 F32 Q5_K Q5_1 F16 F32 Q6_K Q8_0 F16 Q5_K Q6_K I32"},
		{"three bits", Options{Type: "q3_k_m"}, "Q3_K F16 F32 Q5_K Q5_0 F16 F32 Q5_K Q5_0 F16 Q3_K Q6_K I32"},
		{"output", Options{Type: "q8_0", OutputType: tensor.F16, EmbeddingType: tensor.Q4_1}, "Q4_1 F16 F32 Q8_0 Q8_0 F16 F32 Q8_0 Q8_0 F16 Q8_0 F16 I32"},
		{"leave output", Options{Type: "q8_0", LeaveOutput: true}, "Q8_0 F16 F32 Q8_0 Q8_0 F16 F32 Q8_0 Q8_0 F16 Q8_0 F32 I32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.DryRun = true
			out := filepath.Join(t.TempDir(), "none.gguf")
			r := mustRun(t, path, out, c.o)
			if got := typesOf(r); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a dry run wrote: %v", err)
			}
		})
	}
}

// Rows that do not fit a type's blocks get one that they fit.
func TestFallback(t *testing.T) {
	for to, want := range map[tensor.DType][3]tensor.DType{ // for rows of 256, 32, 8
		tensor.Q2_K: {tensor.Q2_K, tensor.Q4_0, tensor.F16}, tensor.Q3_K: {tensor.Q3_K, tensor.Q4_0, tensor.F16},
		tensor.Q4_K: {tensor.Q4_K, tensor.Q5_0, tensor.F16}, tensor.Q5_K: {tensor.Q5_K, tensor.Q5_1, tensor.F16},
		tensor.Q6_K: {tensor.Q6_K, tensor.Q8_0, tensor.F16}, tensor.IQ4_XS: {tensor.IQ4_XS, tensor.IQ4_NL, tensor.F16},
		tensor.Q8_0: {tensor.Q8_0, tensor.Q8_0, tensor.F16}, tensor.BF16: {tensor.BF16, tensor.BF16, tensor.BF16},
	} {
		if got := [3]tensor.DType{fallback(to, 768), fallback(to, 96), fallback(to, 40)}; got != want {
			t.Errorf("%v: got %v, want %v", to, got, want)
		}
	}
}

// The bytes do not depend on the number of threads, and a second run gives them
// again. Values are kept but for those about the types.
func TestThreads(t *testing.T) {
	path := wide(t)
	var first []byte
	for _, threads := range []int{1, 2, 5} {
		out := filepath.Join(t.TempDir(), "out.gguf")
		last := int64(0)
		r := mustRun(t, path, out, Options{Type: "q4_k_m", Threads: threads, Progress: func(done, total int64) {
			if done <= last || done > total {
				t.Errorf("progress: %d after %d of %d", done, last, total)
			}
			last = done
		}})
		if last != r.Bytes {
			t.Errorf("progress ended at %d of %d", last, r.Bytes)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
			want := map[string]any{"general.architecture": "unheard-of", keyType: uint32(15), "general.name": "wide",
				"unheard-of.block_count": uint32(2), "tokenizer.ggml.model": "none", keyVersion: uint32(2)}
			if diff := cmp.Diff(want, keysOf(t, out)); diff != "" {
				t.Errorf("keys: -want +got:\n%s", diff)
			}
		} else if !bytes.Equal(b, first) {
			t.Errorf("%d threads: other bytes than with one", threads)
		}
	}
}

// Each block is what package tensor makes of the same row.
func TestQuantizedBytes(t *testing.T) {
	path := wide(t)
	out, back := filepath.Join(t.TempDir(), "out.gguf"), filepath.Join(t.TempDir(), "back.gguf")
	mustRun(t, path, out, Options{Type: "q4_k_m", Threads: 3})
	mustRun(t, out, back, Options{Type: "f32"})
	in, got, f32 := read(t, path), read(t, out), read(t, back)
	for name, x := range in {
		if !x.DType.IsFloat() {
			continue
		}
		n := len(x.Bytes) / x.DType.BlockBytes()
		v := make([]float32, n)
		tensor.Dequantize(x.DType, v, x.Bytes)
		want := x.Bytes
		if got[name].DType != x.DType {
			want = quantized(got[name].DType, v)
		}
		if !bytes.Equal(got[name].Bytes, want) {
			t.Errorf("%s: other bytes as %v", name, got[name].DType)
		}
		tensor.Dequantize(got[name].DType, v, got[name].Bytes)
		if !bytes.Equal(f32[name].Bytes, quantized(tensor.F32, v)) {
			t.Errorf("%s: other bytes after dequantising", name)
		}
	}
}

// TestMemory converts one matrix of 600 MB.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skip: the memory of a process is read from /proc")
	}
	rows, width := 36864, 4096
	path, out := filepath.Join(t.TempDir(), "big.gguf"), filepath.Join(t.TempDir(), "out.gguf")
	// The head of the file, then a hole.
	empty := gguf.Entry{Name: "blk.0.ffn_up.weight", DType: tensor.F32, Shape: []int{1, width}, Load: func() (tensor.Tensor, error) { return tensor.New(tensor.F32, 1, width), nil }}
	if err := gguf.Write(path, []gguf.KeyValue{{Key: "general.architecture", Value: "none"}}, []gguf.Entry{empty}); err != nil {
		t.Fatal(err)
	}
	head, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(head, []byte{0, 16, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}) + 8 // the dimensions: 4096, 1
	for i := range 4 {
		head[at+i] = byte(rows >> (8 * i))
	}
	if err := os.WriteFile(path, head, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(head)+4*(rows-1)*width)); err != nil {
		t.Fatal(err)
	}
	resident := func() int64 {
		text, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n * int64(os.Getpagesize())
	}
	before, most := resident(), int64(0)
	r := mustRun(t, path, out, Options{Type: "q4_0", Threads: 2, Progress: func(_, _ int64) { most = max(most, resident()-before) }})
	if r.BytesIn < 600_000_000 {
		t.Fatalf("a matrix of %d bytes", r.BytesIn)
	}
	if most > 200<<20 {
		t.Errorf("%d MB more in memory for a matrix of %d MB", most>>20, r.BytesIn>>20)
	}
	t.Logf("%d MB more in memory for a matrix of %d MB", most>>20, r.BytesIn>>20)
}

// An interrupted conversion leaves nothing, or what was there.
func TestInterrupt(t *testing.T) {
	path := wide(t)
	for _, name := range []string{"out.gguf", "new.gguf"} {
		dir := t.TempDir()
		out := filepath.Join(dir, name)
		if name == "out.gguf" {
			if err := os.WriteFile(out, []byte("old"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Run(ctx, path, out, Options{Type: "q8_0", Replace: true, Progress: func(done, total int64) {
			if done > total/2 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want to be cancelled", err)
		}
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		old, _ := os.ReadFile(out)
		if name == "out.gguf" && (len(left) != 1 || string(old) != "old") || name == "new.gguf" && len(left) != 0 {
			t.Errorf("%s: left %v, %q", name, left, old)
		}
	}
}

// Without a type, a folder is of the type of most matrices, and of F16 if they are
// blocks.
func TestFolderType(t *testing.T) {
	in := model(t, false, nil)
	for _, c := range []struct {
		file, want string
	}{{"f32", "F32"}, {"bf16", "BF16"}, {"f16", "F16"}, {"q8_0", "F16"}, {"q4_k_m", "F16"}} {
		file, out := filepath.Join(t.TempDir(), "a.gguf"), filepath.Join(t.TempDir(), "out")
		mustRun(t, in, file, Options{Type: c.file})
		for _, x := range mustRun(t, file, out, Options{}).Tensors {
			if x.To != c.want {
				t.Errorf("from %s: %s is %s, want %s", c.file, x.Name, x.To, c.want)
			}
		}
		text, err := os.ReadFile(filepath.Join(out, "config.json"))
		if want := map[string]string{"F32": "float32", "BF16": "bfloat16", "F16": "float16"}[c.want]; err != nil || !strings.Contains(string(text), `"torch_dtype": "`+want) {
			t.Errorf("from %s: config.json %s (%v)", c.file, text, err)
		}
	}
}
