package convert

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// model writes a folder of one small Llama, changed by change, and returns it.
func model(t *testing.T, tied bool, change func(dir string, list map[string]tensor.Tensor)) string {
	t.Helper()
	config := families()["llama"]
	config.Tied = tied
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	text, err := config.HF(tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	list := map[string]tensor.Tensor{}
	for _, w := range config.Weights() {
		if !w.Tied {
			x := tensor.New(tensor.F32, w.Shape...)
			copy(x.Float32s(), numbers(x.Len()))
			list[w.HF] = x
		}
	}
	if change != nil {
		change(dir, list)
	}
	var entries []safetensors.Entry
	for name, x := range list {
		entries = append(entries, safetensors.EntryOf(name, x))
	}
	if err := safetensors.WriteSharded(filepath.Join(dir, "model.safetensors.index.json"), 30000, nil, entries); err != nil {
		t.Fatal(err)
	}
	return dir
}

func replace(t *testing.T, path, old, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("%s: no %q", path, old)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte(old), []byte(text), 1), 0o666); err != nil {
		t.Fatal(err)
	}
}

const q0 = "model.layers.0.self_attn.q_proj.weight"

func TestErrors(t *testing.T) {
	good := model(t, false, nil)
	vocabulary := filepath.Join(t.TempDir(), "tok.bin")
	if err := os.WriteFile(vocabulary, []byte("no"), 0o666); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "good.gguf")
	mustRun(t, good, file, Options{})
	blocks := filepath.Join(t.TempDir(), "q8_0.gguf")
	mustRun(t, good, blocks, Options{Type: "q8_0"})
	put := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	values := func(kv ...gguf.KeyValue) string {
		path := filepath.Join(t.TempDir(), "values.gguf")
		if err := gguf.Write(path, kv, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name, in, out string
		o             Options
		is            error // nil: any
		want          string
	}{
		{name: "nothing there", in: filepath.Join(good, "none"), is: fs.ErrNotExist, want: "none"},
		{name: "no model file", in: put("x.txt", "text"), want: "neither a GGUF file"},
		{name: "empty folder", in: t.TempDir(), want: "in this folder"},
		{name: "broken GGUF", in: put("x.gguf", "GGUF\x03"), want: "x.gguf"},
		{name: "unknown type", in: good, o: Options{Type: "q9_z"}, is: ErrType{"q9_z"}, want: `type "q9_z", known: auto, f32`},
		{name: "blocks in a folder", in: file, out: "out", o: Options{Type: "q8_0"}, is: ErrUsage, want: "no type q8_0"},
		{name: "existing file", in: good, out: file, is: fs.ErrExist, want: "good.gguf"},
		{name: "existing folder", in: file, out: good, is: fs.ErrExist, want: "model"},
		{name: "a folder for a file", in: good, out: filepath.Dir(put("d.gguf/x", "")), o: Options{Replace: true}, want: "a folder stands"},
		{name: "a file for a folder", in: file, out: put("x", ""), o: Options{Replace: true}, want: "a file stands"},
		{name: "a folder of something else", in: file, out: filepath.Dir(put("thesis/chapter.tex", "")), o: Options{Replace: true}, want: "holds no model"},
		{name: "below a file", in: good, out: filepath.Join(file, "x.gguf"), want: "not a directory"},
		{name: "twice quantised", in: blocks, o: Options{Type: "q4_0"}, want: "from Q8_0 to Q4_0"},
		{name: "vocabulary", in: good, o: Options{Vocab: vocabulary}, want: "tok.bin"},
		{name: "no vocabulary file", in: good, o: Options{Vocab: vocabulary + "x"}, is: fs.ErrNotExist, want: "tok.binx"},
		{name: "only the vocabulary, which is not there", in: good, o: Options{VocabOnly: true}, is: tokenizer.ErrNone, want: "model"},
		{name: "the same of GGUF", in: file, o: Options{VocabOnly: true}, is: tokenizer.ErrNone, want: "good.gguf"},
		{name: "adapter", in: values(gguf.KeyValue{Key: "general.type", Value: "adapter"}), is: ErrUsage, want: "is an adapter"},
		{name: "adapter folder", in: filepath.Dir(put("adapter_config.json", "{}")), is: ErrUsage, want: "is an adapter"},
		{name: "unknown architecture of GGUF", in: values(gguf.KeyValue{Key: "general.architecture", Value: "mamba"}), out: "out", want: `architecture "mamba", known: llama`},
		{name: "llama2.c cut off", in: put("x.bin", "short"), want: "x.bin: 5 bytes are no checkpoint"},
		{name: "llama2.c of nonsense", in: put("x.bin", strings.Repeat("x", 100)), want: "no checkpoint of llama2.c"},
		{name: "unknown architecture", want: `"mamba"), known: llama`, in: model(t, false, func(dir string, _ map[string]tensor.Tensor) {
			replace(t, filepath.Join(dir, "config.json"), `"LlamaForCausalLM"`, `"MambaForCausalLM"`)
			replace(t, filepath.Join(dir, "config.json"), `"llama"`, `"mamba"`)
		})},
		{name: "no config.json", is: fs.ErrNotExist, want: "config.json", in: model(t, false, func(dir string, _ map[string]tensor.Tensor) {
			if err := os.Remove(filepath.Join(dir, "config.json")); err != nil {
				t.Fatal(err)
			}
		})},
		{name: "missing tensor", want: `no tensor "` + q0, in: model(t, false, func(_ string, list map[string]tensor.Tensor) { delete(list, q0) })},
		{name: "extra tensor", want: `tensor "model.layers.0.extra" belongs to no part`, in: model(t, false, func(_ string, list map[string]tensor.Tensor) {
			list["model.layers.0.extra"] = tensor.New(tensor.F32, 3)
		})},
		{name: "wrong shape", want: q0 + `": shape [64 65], want [64 64]`, in: model(t, false, func(_ string, list map[string]tensor.Tensor) {
			list[q0] = tensor.New(tensor.F32, 64, 65)
		})},
		{name: "wrong type", want: q0 + `": type F64 is no weight's`, in: model(t, false, func(_ string, list map[string]tensor.Tensor) {
			list[q0] = tensor.New(tensor.F64, 64, 64)
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			out := c.out
			switch {
			case out == "":
				out = filepath.Join(dir, "out.gguf")
			case !filepath.IsAbs(out):
				out = filepath.Join(dir, out)
			}
			_, err := Run(t.Context(), c.in, out, c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %q (%v)", err, c.want, c.is)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left %v (%v)", left, err)
			}
		})
	}
	t.Run("missing shard", func(t *testing.T) {
		dir := model(t, false, nil)
		shards, err := filepath.Glob(filepath.Join(dir, "*-00002-of-*.safetensors"))
		if err != nil || len(shards) != 1 {
			t.Fatal(shards, err)
		}
		if err := os.Remove(shards[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), dir, filepath.Join(t.TempDir(), "x.gguf"), Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), filepath.Base(shards[0])) {
			t.Errorf("got %v, want that %s is missing", err, shards[0])
		}
	})
	t.Run("more tokens than rows", func(t *testing.T) {
		big := filepath.Join(t.TempDir(), "big.gguf")
		v := &tokenizer.Vocab{Model: tokenizer.SentencePiece, Tokens: make([]string, 51), Scores: make([]float32, 51), BOS: -1, EOS: -1, Unknown: -1, Pad: -1}
		for i := range v.Tokens {
			v.Tokens[i] = strings.Repeat("a", i+1)
		}
		if err := gguf.Write(big, v.KeyValues(), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), good, filepath.Join(t.TempDir(), "x.gguf"), Options{Vocab: big}); err == nil || !strings.Contains(err.Error(), "51 tokens for a model of 50") {
			t.Errorf("got %v", err)
		}
	})
}

// A folder that cannot be written to is left as it is.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file") // no folder, not even for root
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	in := model(t, false, nil)
	for _, out := range []string{"x.gguf", "x"} {
		if _, err := Run(t.Context(), in, filepath.Join(file, out), Options{}); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s: got %v, want %v", out, err, syscall.ENOTDIR)
		}
	}
}

// What ties the embedding and the output matrix.
func TestTied(t *testing.T) {
	const embed, head = "model.embed_tokens.weight", "lm_head.weight"
	for _, c := range []struct {
		name   string
		tied   bool
		change func(string, map[string]tensor.Tensor)
		output bool // the GGUF file has one
	}{
		{"embedding alone", true, nil, false},
		{"output alone", true, func(_ string, l map[string]tensor.Tensor) { l[head] = l[embed]; delete(l, embed) }, false},
		{"both, equal", true, func(_ string, l map[string]tensor.Tensor) { l[head] = l[embed] }, false},
		{"both, different", true, func(_ string, l map[string]tensor.Tensor) {
			x := tensor.New(tensor.F32, 50, 64)
			copy(x.Float32s(), numbers(50*64+1))
			l[head] = x
		}, true},
		{"untied, equal", false, func(_ string, l map[string]tensor.Tensor) { l[head] = l[embed] }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.gguf")
			mustRun(t, model(t, c.tied, c.change), out, Options{})
			list := read(t, out)
			if _, ok := list[outputName]; ok != c.output {
				t.Errorf("output.weight: got %v, want %v", ok, c.output)
			}
			if !bytes.Equal(list[embeddingName].Bytes, quantized(tensor.F32, numbers(50*64))) {
				t.Error("token_embd.weight has other bytes")
			}
		})
	}
}

// Damaged weights are told, and converted.
func TestWarnings(t *testing.T) {
	in := model(t, false, func(_ string, list map[string]tensor.Tensor) {
		list[q0].Float32s()[7] = float32(math.NaN())
		list[q0].Float32s()[8] = 1e5
	})
	r := mustRun(t, in, filepath.Join(t.TempDir(), "x.gguf"), Options{Type: "f16"})
	for _, want := range []string{`"blk.0.attn_q.weight": 1 of 4096 elements are not finite`, `"blk.0.attn_q.weight": 1 of 4096 elements are too large for F16`} {
		if !strings.Contains(strings.Join(r.Warnings, "\n"), want) {
			t.Errorf("got %q, want %q", r.Warnings, want)
		}
	}
}

// A vocabulary without a model goes from a folder to GGUF and back, and is padded
// where there is a model that has more rows.
func TestVocabulary(t *testing.T) {
	v := &tokenizer.Vocab{Model: tokenizer.SentencePiece, BOS: 1, EOS: 2, Unknown: 0, Pad: -1, AddBOS: true, AddSpacePrefix: true}
	for i, text := range []string{"<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab"} {
		kind := tokenizer.Normal
		switch i {
		case 0:
			kind = tokenizer.Unknown
		case 1, 2:
			kind = tokenizer.Control
		}
		v.Tokens, v.Scores, v.Types = append(v.Tokens, text), append(v.Scores, -float32(i)), append(v.Types, kind)
	}
	dir := t.TempDir()
	a, hf, b := filepath.Join(dir, "a.gguf"), filepath.Join(dir, "hf"), filepath.Join(dir, "b.gguf")
	if err := gguf.Write(a, v.KeyValues(), nil); err != nil {
		t.Fatal(err)
	}
	mustRun(t, a, hf, Options{VocabOnly: true})
	r := mustRun(t, hf, b, Options{VocabOnly: true})
	if r.Tokens != 8 || len(r.Tensors) != 0 || keysOf(t, b)["general.architecture"] != "llama" {
		t.Errorf("got %d tokens, %d tensors, keys %v", r.Tokens, len(r.Tensors), keysOf(t, b))
	}
	if _, err := os.Stat(filepath.Join(hf, "config.json")); err == nil {
		t.Error("a vocabulary has a config.json")
	}
	whole := filepath.Join(dir, "whole.gguf")
	if r = mustRun(t, model(t, true, nil), whole, Options{Vocab: hf, Name: "small"}); r.Tokens != 50 {
		t.Errorf("got %d tokens for a model of 50", r.Tokens)
	}
	if got := keysOf(t, whole)["general.name"]; got != "small" {
		t.Errorf("general.name is %v", got)
	}
	back := filepath.Join(dir, "back")
	mustRun(t, whole, back, Options{})
	sameVocab(t, hf, back)
	config, err := transformer.ConfigFromHF(back)
	if err != nil || config.Vocab != 50 {
		t.Errorf("got a vocabulary of %d, %v", config.Vocab, err)
	}
	// A GGUF file gets another vocabulary and keeps all else.
	other := filepath.Join(dir, "other.gguf")
	mustRun(t, whole, other, Options{Vocab: a})
	same(t, read(t, other), read(t, whole))
	if got := keysOf(t, other); len(got["tokenizer.ggml.tokens"].([]string)) != 8 || got["general.name"] != "small" {
		t.Errorf("got keys %v", got)
	}
}
