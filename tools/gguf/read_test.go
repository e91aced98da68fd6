package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
)

func TestInspect(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	small(t)
	x := make([]string, 30)
	for i := range x {
		x[i] = fmt.Sprint("t", i)
	}
	values := append(smallValues(), []gguf.KeyValue{
		{Key: "long", Value: x}, {Key: "text", Value: strings.Repeat("x", 300)}, {Key: "lines", Value: "a\n|b"}, {Key: "empty", Value: ""},
		{Key: "nan", Value: float32(math.NaN())}, {Key: "infs", Value: []float64{math.Inf(1), 1}}, {Key: "none", Value: []uint8{}},
	}...)
	write(t, "more.gguf", values, smallTensors())
	out := map[string]string{
		"inspect.txt":  succeed(t, "inspect", "small.gguf"),
		"inspect.md":   succeed(t, "inspect", "--markdown", "more.gguf"),
		"inspect.json": succeed(t, "inspect", "--json", "more.gguf"),
	}
	keys := succeed(t, "inspect", "--keys", "general.*", "small.gguf")
	tensors := succeed(t, "inspect", "--tensors", "blk.*.attn_[nq]*", "small.gguf")
	all := succeed(t, "inspect", "--all", "--keys", "*", "more.gguf")
	succeed(t, "split", "--split-max-tensors", "2", "small.gguf", "s")
	split := succeed(t, "inspect", "s-00002-of-00002.gguf")
	t.Chdir(wd)
	for name, text := range out {
		goldenFile(t, name, text)
	}
	has := func(what, text string, want, not []string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: got no %q in\n%s", what, w, text)
			}
		}
		for _, w := range not {
			if strings.Contains(text, w) {
				t.Errorf("%s: got %q in\n%s", what, w, text)
			}
		}
	}
	has("keys", keys, []string{"general.architecture", "general.name", "4 tensors"}, []string{"llama.", "blk.0"})
	has("tensors", tensors, []string{"blk.0.attn_q.weight", "blk.0.attn_norm.weight", "2 tensors, 1,056 parameters"}, []string{"output", "general."})
	has("all", all, []string{`"t29"`, strings.Repeat("x", 300)}, []string{"in all"})
	has("split", split, []string{"in 2 files, 4 tensors", "general.name", "s-00001-of-00002.gguf", "s-00002-of-00002.gguf"}, nil)
}

func TestInspectSafetensors(t *testing.T) {
	t.Chdir(t.TempDir())
	var list []safetensors.Entry
	for i := range 3 {
		list = append(list, safetensors.EntryOf(fmt.Sprintf("layer/%d", i), weights(tensor.BF16, i, 4, 8)))
	}
	if err := safetensors.WriteSharded("model.safetensors.index.json", 100, map[string]string{"format": "pt"}, list); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{".", "model.safetensors.index.json"} {
		var c contents
		decode(t, succeed(t, "inspect", "--json", path), &c)
		if c.Format != "safetensors" || len(c.Files) != 3 || len(c.Tensors) != 3 || c.Parameters != 96 || c.Bytes != 192 || c.BitsPerWeight != 16 {
			t.Errorf("%s: got %+v", path, c)
		}
		if len(c.Keys) != 1 || c.Keys[0].Key != "format" || c.Keys[0].Value != "pt" {
			t.Errorf("%s: got keys %v", path, c.Keys)
		}
		decode(t, succeed(t, "inspect", "--json", "--tensors", "layer?1", path), &c)
	}
	succeed(t, "verify", ".")
	succeed(t, "verify", "model-00001-of-00003.safetensors")
	succeed(t, "diff", ".", "model.safetensors.index.json")
	succeed(t, "hash", ".")
}

func TestVerify(t *testing.T) {
	small(t)
	if got := succeed(t, "verify", "small.gguf"); got != "small.gguf: ok, 4 tensors, 2.64 kB\n" {
		t.Errorf("got %q", got)
	}
	bad := func(f func(x []float32), dtype tensor.DType) gguf.Entry {
		x := make([]float32, 64)
		for i := range x {
			x[i] = float32(i)
		}
		f(x)
		b := tensor.New(dtype, 2, 32)
		tensor.Quantize(dtype, b.Bytes(), x)
		return gguf.EntryOf("bad", b)
	}
	scale := tensor.New(tensor.Q4_0, 2, 32) // all zero but for the scale of the second block
	binary.LittleEndian.PutUint16(scale.Bytes()[18:], 0x7c00)
	wide := tensor.New(tensor.F64, 3)
	binary.LittleEndian.PutUint64(wide.Bytes()[8:], math.Float64bits(math.Inf(-1)))
	large := tensor.New(tensor.F64, 3)
	binary.LittleEndian.PutUint64(large.Bytes()[8:], math.Float64bits(1e300))
	for _, c := range []struct {
		name    string
		values  []gguf.KeyValue
		tensors []gguf.Entry
		want    []string // of one line each
	}{
		{"NaN", smallValues(), []gguf.Entry{bad(func(x []float32) { x[5], x[40] = float32(math.NaN()), float32(math.Inf(1)) }, tensor.F32)},
			[]string{`bad.gguf: tensor "bad": 2 of 64 elements are not finite, the first at 5`}},
		{"half infinity", smallValues(), []gguf.Entry{bad(func(x []float32) { x[63] = 1e6 }, tensor.F16)}, []string{"1 of 64 elements are not finite, the first at 63"}},
		{"block", smallValues(), []gguf.Entry{bad(func(x []float32) { x[40] = float32(math.NaN()) }, tensor.Q8_0)}, []string{"32 of 64 elements are not finite, the first at 32"}},
		{"scale", smallValues(), []gguf.Entry{gguf.EntryOf("bad", scale)}, []string{"32 of 64 elements are not finite, the first at 32"}},
		{"wide", smallValues(), []gguf.Entry{gguf.EntryOf("bad", wide)}, []string{"1 of 3 elements are not finite, the first at 1"}},
		{"large", smallValues(), []gguf.Entry{gguf.EntryOf("good", large)}, nil},
		{"no architecture", with(smallValues(), "general.architecture", nil), smallTensors(), []string{`no key "general.architecture"`}},
		{"keys", with(with(with(smallValues(), "llama.block_count", nil), "llama.context_length", "64"), "llama.attention.layer_norm_rms_epsilon", nil), smallTensors(),
			[]string{`"llama.context_length"`, `no key "llama.block_count"`, `no key "llama.attention.layer_norm_rms_epsilon"`}},
		{"no layers", with(smallValues(), "llama.block_count", uint32(0)), smallTensors(), []string{`"llama.block_count" is 0`}},
		{"other architecture", []gguf.KeyValue{{Key: "general.architecture", Value: "other"}}, smallTensors(), nil},
		{"adapter", []gguf.KeyValue{{Key: "general.architecture", Value: "llama"}, {Key: "general.type", Value: "adapter"}}, smallTensors(),
			[]string{`"adapter.type"`, `"adapter.lora.alpha"`}},
		{"vocabulary", with(with(with(with(smallValues(), "tokenizer.ggml.scores", []float32{1}), "tokenizer.ggml.token_type", "x"), "tokenizer.ggml.bos_token_id", uint32(9)), "llama.vocab_size", uint32(8)), smallTensors(),
			[]string{`"tokenizer.ggml.scores" has 1 elements, 9 tokens`, `"tokenizer.ggml.token_type" is str`, `"tokenizer.ggml.bos_token_id" is 9, there are 9 tokens`, `"llama.vocab_size" is 8`}},
		{"rows", with(with(with(smallValues(), "tokenizer.ggml.tokens", []string{"a"}), "tokenizer.ggml.scores", nil), "tokenizer.ggml.token_type", nil), smallTensors(),
			[]string{`"tokenizer.ggml.bos_token_id" is 1`, `"token_embd.weight" has 9 rows`, `"output.weight" has 9 rows`}},
		{"tokens of numbers", with(smallValues(), "tokenizer.ggml.tokens", []int32{1}), smallTensors(), []string{`"tokenizer.ggml.tokens"`}},
		{"no token", with(smallValues(), "tokenizer.ggml.padding_token_id", uint32(math.MaxUint32)), smallTensors(), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, "bad.gguf", c.values, c.tensors)
			if c.want == nil {
				succeed(t, "verify", "bad.gguf")
				return
			}
			checkFaults(t, []string{"verify", "--threads", "2", "bad.gguf"}, c.want)
			var v verdict
			_, out, _ := command(t, "verify", "--json", "bad.gguf")
			decode(t, out, &v)
			if v.OK || len(v.Faults) != len(c.want) {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// checkFaults runs verify and wants these faults, one line each.
func checkFaults(t *testing.T, args, want []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(fail(t, 1, args, fmt.Sprintf("%d faults", len(want)))), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	for i, w := range want {
		if !strings.Contains(lines[i], w) {
			t.Errorf("line %d: got %q, want %q in it", i+1, lines[i], w)
		}
	}
}

// Faults of structure, all of them, and those of the tensors that can be read.
func TestVerifyStructure(t *testing.T) {
	small(t)
	good := read(t, "small.gguf")
	at := func(name string, after int) int { // behind a tensor's name in the head
		i := bytes.Index(good, append(binary.LittleEndian.AppendUint64(nil, uint64(len(name))), name...))
		return i + 8 + len(name) + after
	}
	put := func(b []byte, pos int, v uint64) { binary.LittleEndian.PutUint64(b[pos:], v) }
	matrix := 4 + 16 + 4 // dimensions and type stand before the offset
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		want   []string
	}{
		{"empty", func([]byte) []byte { return nil }, []string{"magic number"}},
		{"cut", func(b []byte) []byte { return b[:200] }, []string{"13 keys of at least"}},
		{"cut in a tensor", func(b []byte) []byte { return b[:len(b)-100] }, []string{`"output.weight": bytes`}},
		{"more", func(b []byte) []byte { return append(b, 1) }, []string{"1 bytes after the last tensor"}},
		{"several", func(b []byte) []byte {
			put(b, at("token_embd.weight", matrix), 1<<40)
			put(b, at("output.weight", matrix), 77)
			return append(b, 1)
		}, []string{`"token_embd.weight": offset`, `"output.weight": offset 77`}},
		{"overlap", func(b []byte) []byte {
			put(b, at("blk.0.attn_q.weight", matrix), 0)
			return b
		}, []string{`overlaps`, "belong to no tensor", "not finite"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile("bad.gguf", c.change(bytes.Clone(good)), 0o666); err != nil {
				t.Fatal(err)
			}
			checkFaults(t, []string{"verify", "bad.gguf"}, c.want)
		})
	}
	succeed(t, "split", "--split-max-tensors", "1", "small.gguf", "s")
	succeed(t, "verify", "s-00003-of-00004.gguf")
	if err := os.Remove("s-00002-of-00004.gguf"); err != nil {
		t.Fatal(err)
	}
	checkFaults(t, []string{"verify", "s-00001-of-00004.gguf"}, []string{"shard 2 of 4", "3 tensors"})
	if err := os.WriteFile("model.safetensors", []byte("12345678"), 0o666); err != nil {
		t.Fatal(err)
	}
	checkFaults(t, []string{"verify", "."}, []string{"header"})
}

func TestVerifyChecksum(t *testing.T) {
	small(t)
	sum := strings.Fields(strings.TrimPrefix(lastLine(succeed(t, "hash", "small.gguf")), "file"))[0]
	wrong := strings.Repeat("0", 64)
	put := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	as := "SHA-256 as it should be"
	if got := succeed(t, "verify", "--sha256", strings.ToUpper(sum), "small.gguf"); !strings.Contains(got, as) {
		t.Errorf("got %q", got)
	}
	checkFaults(t, []string{"verify", "--sha256", wrong, "small.gguf"}, []string{"SHA-256 is " + sum + ", want " + wrong})
	put("sums", "# sums\n"+wrong+"  other.gguf\n\n"+wrong+"  other/small.gguf\n"+sum+" *./small.gguf\n")
	succeed(t, "verify", "--checksum-file", "sums", "small.gguf")
	put("sums", sum+"  elsewhere/small.gguf\n")
	succeed(t, "verify", "--checksum-file", "sums", "small.gguf")
	put("sums", sum+"  a/small.gguf\n"+sum+"  b/small.gguf\n")
	fail(t, 1, []string{"verify", "--checksum-file", "sums", "small.gguf"}, "2 checksums of files named small.gguf")
	put("sums", wrong+"  other.gguf\n")
	fail(t, 1, []string{"verify", "--checksum-file", "sums", "small.gguf"}, "no checksum of small.gguf")
	put("sums", "zz  small.gguf\n")
	fail(t, 1, []string{"verify", "--checksum-file", "sums", "small.gguf"}, "line 1", "not a SHA-256")
	put("small.gguf.sha256", sum+"\n")
	if got := succeed(t, "verify", "small.gguf"); !strings.Contains(got, as) {
		t.Errorf("got %q", got)
	}
	put("small.gguf.sha256", wrong+"  small.gguf\n")
	checkFaults(t, []string{"verify", "small.gguf"}, []string{"want " + wrong})
	put("small.gguf.sha256", "nothing\n")
	checkFaults(t, []string{"verify", "small.gguf"}, []string{"not a SHA-256"})
	succeed(t, "split", "--split-max-tensors", "3", "small.gguf", "s")
	fail(t, 2, []string{"verify", "--sha256", sum, "s-00001-of-00002.gguf"}, "one file")
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func TestDiff(t *testing.T) {
	small(t)
	if got := succeed(t, "diff", "small.gguf", "small.gguf"); got != "4 tensors compared, none differs, largest difference 0; 0 values differ\n" {
		t.Errorf("got %q", got)
	}
	f32 := func(name string, x ...float32) gguf.Entry { return gguf.EntryOf(name, tensor.FromFloat32(x, len(x))) }
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	write(t, "a.gguf", []gguf.KeyValue{{Key: "same", Value: nan}, {Key: "list", Value: []float32{1, nan}}, {Key: "a", Value: uint8(1)}, {Key: "k", Value: "x"}},
		[]gguf.Entry{f32("same", 1, nan, inf), f32("values", 1, 2, 3, 4), f32("nan", 1, 2), f32("shape", 1, 2), f32("a", 1), f32("inf", inf, 1),
			gguf.EntryOf("type", weights(tensor.F32, 1, 2, 4)), gguf.EntryOf("zero", tensor.New(tensor.F32, 0, 3)), gguf.EntryOf("int", tensor.FromInt32([]int32{1, 1 << 30}, 2))})
	write(t, "b.gguf", []gguf.KeyValue{{Key: "same", Value: nan}, {Key: "list", Value: []float32{1, nan}}, {Key: "k", Value: "y"}, {Key: "b", Value: uint8(1)}},
		[]gguf.Entry{f32("same", 1, nan, inf), f32("values", 1, 2.5, 3, 3), f32("nan", 1, nan), gguf.EntryOf("shape", tensor.FromFloat32([]float32{1, 2}, 2, 1)), f32("b", 1), f32("inf", -inf, 1),
			gguf.EntryOf("type", weights(tensor.F16, 1, 2, 4)), gguf.EntryOf("zero", tensor.New(tensor.F32, 0, 3)), gguf.EntryOf("int", tensor.FromInt32([]int32{1, 1<<30 + 1}, 2))})
	out := fail(t, 1, []string{"diff", "--json", "a.gguf", "b.gguf"}, "8 of 10 tensors differ")
	var d difference
	decode(t, out, &d)
	want := []tensorDiff{
		{Name: "values", A: "F32 [4]", B: "F32 [4]", Count: 2, Largest: 1.0, RMS: math.Sqrt(1.25 / 4), What: "values"},
		{Name: "nan", A: "F32 [2]", B: "F32 [2]", Count: 1, Largest: "NaN", RMS: "NaN", What: "values"},
		{Name: "shape", A: "F32 [2]", B: "F32 [2 x 1]", What: "shape"},
		{Name: "a", A: "F32 [1]", What: "only in A"},
		{Name: "inf", A: "F32 [2]", B: "F32 [2]", Count: 1, Largest: "+Inf", RMS: "+Inf", What: "values"},
		{Name: "type", A: "F32 [2 x 4]", B: "F16 [2 x 4]", Largest: 0.0, RMS: 0.0, What: "type"},
		{Name: "int", A: "I32 [2]", B: "I32 [2]", Count: 1, Largest: 1.0, RMS: math.Sqrt(0.5), What: "values"},
		{Name: "b", B: "F32 [1]", What: "only in B"},
	}
	if diff := cmp.Diff(want, d.Tensors); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
	if d.Same || d.Compared != 10 || d.Differing != 8 || d.Largest != "NaN" || len(d.Keys) != 3 || d.Keys[0].Key != "a" || d.Keys[1].Key != "k" || d.Keys[2].Key != "b" {
		t.Errorf("got %+v", d)
	}
	text := fail(t, 1, []string{"diff", "a.gguf", "b.gguf"})
	for _, w := range []string{"only in A", "0.559", "NaN", "str x"} {
		if !strings.Contains(text, w) {
			t.Errorf("got no %q in\n%s", w, text)
		}
	}

	// Any number of threads sums up alike, and quantisation stays in a tolerance.
	write(t, "q.gguf", smallValues(), []gguf.Entry{gguf.EntryOf("w", weights(tensor.Q4_0, 1, 3000, 320))})
	write(t, "f.gguf", smallValues(), []gguf.Entry{gguf.EntryOf("w", weights(tensor.F32, 1, 3000, 320))})
	one := fail(t, 1, []string{"diff", "--threads", "1", "q.gguf", "f.gguf"})
	if four := fail(t, 1, []string{"diff", "--threads", "4", "q.gguf", "f.gguf"}); four != one {
		t.Errorf("got with 4 threads\n%s\nwant\n%s", four, one)
	}
	succeed(t, "diff", "--tolerance", "0.2", "q.gguf", "f.gguf")
	fail(t, 1, []string{"diff", "--tolerance", "0.001", "q.gguf", "f.gguf"}, "1 of 1")
}

func TestHash(t *testing.T) {
	small(t)
	out := succeed(t, "hash", "--tensors", "small.gguf")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[0], "sha256    ") || !strings.HasSuffix(lines[0], "  small.gguf:token_embd.weight") {
		t.Fatalf("got\n%s", out)
	}
	f, err := gguf.Open("small.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := f.Tensor("token_embd.weight")
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256Hex(x.Bytes()); !strings.Contains(lines[0], want) {
		t.Errorf("got %q, want %s", lines[0], want)
	}
	if want := sha256Hex(read(t, "small.gguf")); lines[5] != "file      "+want+"  small.gguf" {
		t.Errorf("got %q, want %s", lines[5], want)
	}
	// The tensors' hash depends on nothing but the tensors.
	tensors := strings.Fields(lines[4])[1]
	reversed := smallTensors()
	reversed[0], reversed[3] = reversed[3], reversed[0]
	write(t, "other.gguf", smallValues()[:1], reversed)
	succeed(t, "split", "--split-max-tensors", "1", "small.gguf", "s")
	for _, path := range []string{"other.gguf", "s-00001-of-00004.gguf"} {
		var h hashes
		decode(t, succeed(t, "hash", "--json", path), &h)
		if h.Tensors != tensors || h.Each != nil {
			t.Errorf("%s: got %+v, want tensors %s", path, h, tensors)
		}
	}
	write(t, "other.gguf", smallValues(), smallTensors()[:3])
	if out := succeed(t, "hash", "other.gguf"); strings.Contains(out, tensors) {
		t.Errorf("without a tensor: got the same hash\n%s", out)
	}
}

// A large file takes no time to look into. The benchmark's file has 4 GB, most of
// it holes.
func BenchmarkInspect(b *testing.B) {
	path := b.TempDir() + "/large.gguf"
	sparse(b, path, 4<<30)
	for b.Loop() {
		if code := run(b.Context(), []string{"inspect", path}, io.Discard, os.Stderr); code != 0 {
			b.Fatal("failed")
		}
	}
}

// sparse makes a file with the head of a large model and nothing but holes in its
// tensors.
func sparse(t testing.TB, path string, size int64) {
	t.Helper()
	const rows, width = 4096, 4096
	each := int64(rows * width * 2)
	tensors := uint64(size / each)
	vocabulary := make([]string, 32000)
	for i := range vocabulary {
		vocabulary[i] = fmt.Sprintf("token%d", i)
	}
	values := append(smallValues()[:8], gguf.KeyValue{Key: "tokenizer.ggml.tokens", Value: vocabulary})
	c, err := gguf.NewCopy(3, values, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Unpadded = true
	var b bytes.Buffer
	if err := c.Encode(&b); err != nil {
		t.Fatal(err)
	}
	head := b.Bytes()
	le := binary.LittleEndian
	le.PutUint64(head[8:], tensors)
	for i := range tensors {
		name := fmt.Sprintf("blk.%d.ffn_up.weight", i)
		head = append(le.AppendUint64(head, uint64(len(name))), name...)
		head = le.AppendUint32(head, 2)
		head = le.AppendUint64(le.AppendUint64(head, width), rows)
		head = le.AppendUint64(le.AppendUint32(head, 1), i*uint64(each))
	}
	head = append(head, make([]byte, -len(head)&31)...)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(head)) + int64(tensors)*each); err != nil {
		t.Skipf("no sparse file of %d bytes here: %v", size, err)
	}
}

// The published files are sound, survive split and merge byte for byte, and set
// leaves their tensors alone.
func TestPublished(t *testing.T) {
	models := golden.Data(t, "models")
	files, err := filepath.Glob(filepath.Join(models, "*", "*.gguf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got no GGUF files in %s, %v", models, err)
	}
	t.Chdir(t.TempDir())
	cases := 0
	for _, path := range files {
		succeed(t, "verify", "--checksum-file", filepath.Join(models, "SHA256SUMS"), path)
		for i, flags := range [][]string{{"--split-max-tensors", "5"}, {"--split-max-size", "300K", "--no-tensor-first-split"}} {
			prefix := fmt.Sprint("s", i)
			out := succeed(t, append(append([]string{"split", "--force"}, flags...), path, prefix)...)
			first, _, _ := strings.Cut(out, ":")
			succeed(t, "merge", "--force", first, "merged.gguf")
			if !bytes.Equal(read(t, path), read(t, "merged.gguf")) {
				t.Errorf("%s %v: split and merged it is another file", path, flags)
			}
			succeed(t, "diff", path, first)
			cases++
		}
		succeed(t, "set", "--force", "--out", "set.gguf", "general.name:str=another", path)
		if a, b := tensorsHash(t, path), tensorsHash(t, "set.gguf"); a != b {
			t.Errorf("%s: set has changed the tensors", path)
		}
	}
	folders, err := filepath.Glob(filepath.Join(models, "*", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range folders {
		succeed(t, "verify", filepath.Dir(path))
		cases++
	}
	golden.Cases(t, cases)
}

func tensorsHash(t *testing.T, path string) string {
	t.Helper()
	var h hashes
	decode(t, succeed(t, "hash", "--json", path), &h)
	return h.Tensors
}
