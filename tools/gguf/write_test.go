package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/tensor"
	"netllm/tensor/gguf"
)

func TestSet(t *testing.T) {
	small(t)
	original := read(t, "small.gguf")
	for _, c := range []struct {
		name string
		args []string
		want []gguf.KeyValue
	}{
		{"kept type", []string{"general.name=a=b c", "llama.block_count=2", "llama.attention.layer_norm_rms_epsilon=1e-6", "tokenizer.ggml.add_bos_token=false"},
			with(with(with(with(smallValues(), "general.name", "a=b c"), "llama.block_count", uint32(2)), "llama.attention.layer_norm_rms_epsilon", float32(1e-6)), "tokenizer.ggml.add_bos_token", false)},
		{"arrays", []string{"tokenizer.ggml.scores=1,-2.5, 3", `tokenizer.ggml.tokens=["a,b","é\n"]`, "tokenizer.ggml.token_type="},
			with(with(with(smallValues(), "tokenizer.ggml.scores", []float32{1, -2.5, 3}), "tokenizer.ggml.tokens", []string{"a,b", "é\n"}), "tokenizer.ggml.token_type", []int32{})},
		{"new", []string{"a:u8=255", "b:i8=-128", "c:u16=1", "d:i16=-1", "e:u32=1", "f:i32=-1", "g:u64=18446744073709551615", "h:i64=-1", "i:f32=0.1", "j:f64=0.1", "k:bool=1", "l:str= x ", "m:n:str=", "o:u8[]=[1,2]", "p:str[]=a,b", "q:bool[]=true,0"},
			append(smallValues(), []gguf.KeyValue{
				{Key: "a", Value: uint8(255)}, {Key: "b", Value: int8(-128)}, {Key: "c", Value: uint16(1)}, {Key: "d", Value: int16(-1)}, {Key: "e", Value: uint32(1)}, {Key: "f", Value: int32(-1)},
				{Key: "g", Value: uint64(18446744073709551615)}, {Key: "h", Value: int64(-1)}, {Key: "i", Value: float32(0.1)}, {Key: "j", Value: 0.1}, {Key: "k", Value: true}, {Key: "l", Value: " x "},
				{Key: "m:n", Value: ""}, {Key: "o", Value: []uint8{1, 2}}, {Key: "p", Value: []string{"a", "b"}}, {Key: "q", Value: []bool{true, false}},
			}...)},
		{"other type", []string{"general.name:u32=5"}, with(smallValues(), "general.name", uint32(5))},
		{"delete", []string{"--delete", "general.name", "--delete", "tokenizer.ggml.scores"}, with(with(smallValues(), "general.name", nil), "tokenizer.ggml.scores", nil)},
		{"alignment", []string{"general.alignment:u32=256"}, append(smallValues(), gguf.KeyValue{Key: "general.alignment", Value: uint32(256)})},
	} {
		t.Run(c.name, func(t *testing.T) {
			succeed(t, append(append([]string{"set", "--force", "--out", "o.gguf"}, c.args...), "small.gguf")...)
			write(t, "want.gguf", c.want, smallTensors())
			if got := read(t, "o.gguf"); !bytes.Equal(got, read(t, "want.gguf")) {
				f, err := gguf.Open("o.gguf")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				values, err := f.KeyValues()
				t.Errorf("got another file, %v (-want +got):\n%s", err, cmp.Diff(c.want, values))
			}
			if !bytes.Equal(read(t, "small.gguf"), original) {
				t.Error("the source has changed")
			}
		})
	}
	succeed(t, "set", "--force", "general.name=other", "small.gguf")
	succeed(t, "set", "--force", "general.name=small", "small.gguf")
	if !bytes.Equal(read(t, "small.gguf"), original) {
		t.Error("there and back in place: got another file")
	}
}

// Types that package tensor does not have, alignment, old versions and files
// without their last zeros stay as they are; so does one shard.
func TestSetKeepsAll(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, b := range oddFiles(t) {
		if err := os.WriteFile("odd.gguf", b, 0o666); err != nil {
			t.Fatal(err)
		}
		succeed(t, "set", "--force", "x:u32=1", "odd.gguf")
		succeed(t, "set", "--force", "--delete", "x", "odd.gguf")
		if !bytes.Equal(read(t, "odd.gguf"), b) {
			t.Errorf("%s: got another file", name)
		}
	}
	write(t, "small.gguf", smallValues(), smallTensors())
	succeed(t, "split", "--split-max-tensors", "2", "small.gguf", "s")
	succeed(t, "set", "--force", "general.name=other", "s-00001-of-00002.gguf")
	succeed(t, "merge", "s-00001-of-00002.gguf", "o.gguf")
	write(t, "want.gguf", with(smallValues(), "general.name", "other"), smallTensors())
	if !bytes.Equal(read(t, "o.gguf"), read(t, "want.gguf")) {
		t.Error("a value set in a shard: got another file")
	}
}

// oddFiles are files that few programs would write.
func oddFiles(t *testing.T) map[string][]byte {
	t.Helper()
	whole := func(values []gguf.KeyValue, entries []gguf.Entry) []byte {
		write(t, "temporary.gguf", values, entries)
		return read(t, "temporary.gguf")
	}
	plain := whole(smallValues(), smallTensors())
	aligned := whole(append(smallValues(), gguf.KeyValue{Key: "general.alignment", Value: uint32(4096)}), smallTensors())
	version2 := bytes.Clone(plain)
	version2[4] = 2
	// 33 I16 become 256 IQ2_XXS, which take 66 bytes as well.
	unknown := whole(smallValues(), []gguf.Entry{gguf.EntryOf("iq", tensor.New(tensor.I16, 33)), gguf.EntryOf("b", weights(tensor.F32, 1, 3, 3))})
	at := bytes.Index(unknown, []byte("\x02\x00\x00\x00\x00\x00\x00\x00iq")) + 10
	copy(unknown[at:], []byte{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0})
	return map[string][]byte{
		"plain": plain, "aligned": aligned, "version 2": version2, "unknown type": unknown,
		"unpadded":      plain[:len(plain)-30], // the last tensor has 162 bytes
		"no tensors":    whole(smallValues(), nil),
		"empty tensors": whole(nil, []gguf.Entry{gguf.EntryOf("a", tensor.New(tensor.F32, 0)), gguf.EntryOf("b", tensor.New(tensor.F32, 3, 0))}),
		"nothing":       whole(nil, nil),
	}
}

func TestSplitMerge(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, b := range oddFiles(t) {
		if err := os.WriteFile("odd.gguf", b, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, flags := range [][]string{{}, {"--split-max-tensors", "1"}, {"--split-max-tensors", "3", "--no-tensor-first-split"}, {"--split-max-size", "1K"}, {"--split-max-size", "1"}, {"--split-max-size", "1G", "--no-tensor-first-split"}} {
			out := succeed(t, append(append([]string{"split", "--force"}, flags...), "odd.gguf", "below/odd")...)
			first, _, _ := strings.Cut(out, ":")
			succeed(t, "merge", "--force", first, "merged.gguf")
			if !bytes.Equal(read(t, "merged.gguf"), b) {
				t.Errorf("%s %v: got another file", name, flags)
			}
		}
	}
	write(t, "small.gguf", smallValues(), smallTensors())
	if got := entriesIn(t, "below"); slices.ContainsFunc(got, func(name string) bool { return strings.HasPrefix(name, ".") }) {
		t.Errorf("got %q, want no temporary files", got)
	}

	// How many tensors are where.
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--split-max-tensors", "3"}, "o-00001-of-00002.gguf: 3 tensors, 3.49 kB\no-00002-of-00002.gguf: 1 tensors, 352 bytes\n"},
		{[]string{"--split-max-size", "3K"}, "o-00001-of-00001.gguf: 4 tensors, 3.74 kB\n"},
		{[]string{"--split-max-size", "2400"}, "o-00001-of-00002.gguf: 2 tensors, 3.33 kB\no-00002-of-00002.gguf: 2 tensors, 544 bytes\n"},
		{[]string{"--no-tensor-first-split"}, "o-00001-of-00002.gguf: 0 tensors, 832 bytes\no-00002-of-00002.gguf: 4 tensors, 3.04 kB\n"},
	} {
		if got := succeed(t, append(append([]string{"split", "--dry-run"}, c.flags...), "small.gguf", "o")...); got != c.want {
			t.Errorf("%v: got\n%swant\n%s", c.flags, got, c.want)
		}
	}
	if got := entries(t); slices.ContainsFunc(got, func(name string) bool { return strings.HasPrefix(name, "o-") }) {
		t.Errorf("--dry-run: got %q", got)
	}

	succeed(t, "split", "--split-max-tensors", "2", "small.gguf", "s")
	f, err := gguf.OpenShard("s-00002-of-00002.gguf")
	if err != nil {
		t.Fatal(err)
	}
	values, err := f.KeyValues()
	f.Close()
	want := []gguf.KeyValue{{Key: "split.no", Value: uint16(1)}, {Key: "split.count", Value: uint16(2)}, {Key: "split.tensors.count", Value: int32(4)}}
	if diff := cmp.Diff(want, values); diff != "" || err != nil {
		t.Errorf("the second file's values, %v (-want +got):\n%s", err, diff)
	}
	before := read(t, "s-00001-of-00002.gguf")
	fail(t, 1, []string{"split", "--split-max-tensors", "3", "small.gguf", "s"}, "s-00001-of-00002.gguf", "exists", "--force")
	if !bytes.Equal(before, read(t, "s-00001-of-00002.gguf")) {
		t.Error("a refused split has changed a file")
	}
	fail(t, 1, []string{"split", "s-00001-of-00002.gguf", "x"}, "split already")
	fail(t, 1, []string{"merge", "s-00002-of-00002.gguf", "x"}, "first file", "s-00001-of-00002.gguf")
	if err := os.Remove("s-00002-of-00002.gguf"); err != nil {
		t.Fatal(err)
	}
	fail(t, 1, []string{"merge", "s-00001-of-00002.gguf", "x"}, "shard 2 of 2", "s-00002-of-00002.gguf")
}

func entriesIn(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
