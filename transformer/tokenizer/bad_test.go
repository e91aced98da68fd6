package tokenizer

// Files that are wrong, and files that want too much memory.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/internal/measure"
	"netllm/tensor/gguf"
)

// says checks that err is an error that has all parts in its text.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("got no error, want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("got %q, want it to have %q", err, p)
		}
	}
}

func TestBadVocabs(t *testing.T) {
	tests := []struct {
		name   string
		change func(v *Vocab)
		want   []string
	}{
		{"model", func(v *Vocab) { v.Model = "bert" }, []string{`"bert"`, "supported"}},
		{"no tokens", func(v *Vocab) { v.Tokens = nil }, []string{"0 tokens"}},
		{"twice", func(v *Vocab) { v.Tokens[len(v.Tokens)-1] = "t" }, []string{"again", `"t"`}},
		{"no scores", func(v *Vocab) { v.Scores = nil }, []string{"no scores"}},
		{"few scores", func(v *Vocab) { v.Scores = v.Scores[1:] }, []string{"scores for"}},
		{"few types", func(v *Vocab) { v.Types = v.Types[1:] }, []string{"types for"}},
		{"type", func(v *Vocab) { v.Types[4] = 7 }, []string{"token 4", "type 7"}},
		{"byte", func(v *Vocab) { v.Types[len(v.Types)-1] = Byte }, []string{"type byte"}},
		{"NaN", func(v *Vocab) { v.Scores[7] = float32(math.NaN()) }, []string{"token 7", "NaN"}},
		{"bos", func(v *Vocab) { v.BOS = int32(len(v.Tokens)) }, []string{"bos token"}},
		{"eos", func(v *Vocab) { v.EOS = -2 }, []string{"eos token -2"}},
		{"no bos", func(v *Vocab) { v.BOS = -1 }, []string{"bos token", "none"}},
		{"no eos", func(v *Vocab) { v.EOS, v.AddEOS = -1, true }, []string{"eos token", "none"}},
		{"metaspace", func(v *Vocab) { v.Metaspace = "last" }, []string{`"last"`}},
		{"merge of no token", func(v *Vocab) { v.Merges = []string{"a n", "a zz"} }, []string{"merge 1", `"zz" is no token`}},
		{"merge into no token", func(v *Vocab) { v.Merges = []string{"e e"} }, []string{"merge 0", `"ee" is no token`}},
		{"merge of one", func(v *Vocab) { v.Merges = []string{"he"} }, []string{"merge 0", `"he"`}},
		{"merge twice", func(v *Vocab) { v.Merges = []string{"▁t he", "a n", "▁t he"} }, []string{"merge 2", "merge 0 again"}},
		{"pre", func(v *Vocab) { v.Model, v.Pre = ByteLevel, "tekken" }, []string{`"tekken"`, `"llama-bpe"`}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			v := madeVocabs()["sentencepiece"]
			c.change(v)
			_, err := New(v)
			says(t, err, append(c.want, "tokenizer: ")...)
		})
	}
}

// set replaces or adds a value; nil takes it out.
func set(list []gguf.KeyValue, key string, value any) []gguf.KeyValue {
	var out []gguf.KeyValue
	for _, kv := range list {
		if kv.Key != key {
			out = append(out, kv)
		}
	}
	if value != nil {
		out = append(out, gguf.KeyValue{Key: key, Value: value})
	}
	return out
}

func TestBadGGUF(t *testing.T) {
	good := madeVocabs()["gpt-2"]
	tests := []struct {
		name  string
		key   string
		value any
		want  []string
	}{
		{"no model", keyModel, nil, []string{keyModel}},
		{"none", keyModel, "none", []string{ErrNone.Error()}},
		{"other model", keyModel, "t5", []string{`"t5"`}},
		{"model is a number", keyModel, uint32(1), []string{keyModel, "string"}},
		{"no tokens", keyTokens, nil, []string{keyTokens}},
		{"0 tokens", keyTokens, []string{}, []string{"0 tokens"}},
		{"no merges", keyMerges, nil, []string{keyMerges}},
		{"pre", keyPre, "falcon", []string{`"falcon"`}},
		{"types", keyTypes, []int32{1, 2}, []string{"2 types"}},
		{"type", keyTypes, []int32{1, 2, 9}, []string{keyTypes, "token 2", "type 9"}},
		{"scores", keyScores, "none", []string{keyScores}},
		{"bos", keyBOS, uint32(1 << 31), []string{keyBOS}},
		{"bos beyond", keyBOS, uint32(5000), []string{"bos token 5000"}},
		{"template", keyChatTemplate, true, []string{keyChatTemplate}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.gguf")
			if err := gguf.Write(path, set(good.KeyValues(), c.key, c.value), nil); err != nil {
				t.Fatal(err)
			}
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = FromGGUF(f)
			says(t, err, append(c.want, path)...)
			if none := c.name == "no model" || c.name == "none"; errors.Is(err, ErrNone) != none {
				t.Errorf("got %v, is ErrNone: want %v", err, none)
			}
		})
	}
}

// Merges in a SentencePiece file are not for encoding: converters of old wrote
// them, and llama.cpp goes by scores.
func TestForeignMerges(t *testing.T) {
	v := madeVocabs()["sentencepiece"]
	path := filepath.Join(t.TempDir(), "merges.gguf")
	if err := gguf.Write(path, set(v.KeyValues(), keyMerges, []string{"h e", "no token"}), nil); err != nil {
		t.Fatal(err)
	}
	sameEncoding(t, v, fromGGUFFile(t, path), samples)
}

// tokenizerText returns a small tokenizer.json with the parts given.
func tokenizerText(normalizer, pre, post, model string) string {
	return fmt.Sprintf(`{"version": "1.0", "added_tokens": [{"id": 0, "content": "<unk>", "special": true}], "normalizer": %s, "pre_tokenizer": %s, "post_processor": %s, "model": {"type": "BPE", "fuse_unk": true, %s}}`, normalizer, pre, post, model)
}

const (
	smallModel = `"unk_token": "<unk>", "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "▁": 4}, "merges": ["a b"]`
	replace    = `{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}`
	byteLevel  = `{"type": "ByteLevel", "add_prefix_space": false}`
)

func TestBadTokenizerJSON(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", ``, "offset 0"},
		{"cut off", `{"model": {"vocab": {"a": `, "offset 26"},
		{"more", tokenizerText(replace, "null", "null", smallModel) + "x", "more after"},
		{"no model", `{}`, "no model"},
		{"two models", `{"model": {"type": "BPE"}, "model": {}}`, "second model"},
		{"unigram", tokenizerText(replace, "null", "null", `"type": "Unigram"`), `"Unigram"`},
		{"neither", tokenizerText("null", "null", "null", smallModel), "neither"},
		{"normalizer", tokenizerText(`{"type": "NFKC"}`, "null", "null", smallModel), `"NFKC"`},
		{"normalizer of bytes", tokenizerText(`{"type": "Lowercase"}`, byteLevel, "null", smallModel), `"Lowercase"`},
		{"pre-tokenizer", tokenizerText("null", `{"type": "BertPreTokenizer"}`, "null", smallModel), `"BertPreTokenizer"`},
		{"splitting Metaspace", tokenizerText("null", `{"type": "Metaspace", "replacement": "▁"}`, "null", smallModel), "splits words"},
		{"prefix of bytes", tokenizerText("null", `{"type": "ByteLevel", "add_prefix_space": true}`, "null", smallModel), "add_prefix_space"},
		{"pattern", tokenizerText("null", `{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\p{Han}+"}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}`, "null", smallModel), `\\p{Han}+`},
		{"post-processor", tokenizerText(replace, "null", `{"type": "BertProcessing"}`, smallModel), `"BertProcessing"`},
		{"template", tokenizerText(replace, "null", `{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A"}}]}`, smallModel), `"[CLS]"`},
		{"lstrip", strings.Replace(tokenizerText(replace, "null", "null", smallModel), `"special": true`, `"lstrip": true`, 1), "lstrip"},
		{"ids", tokenizerText(replace, "null", "null", `"vocab": {"a": 1, "b": 1}`), "token id 1 is both"},
		{"huge id", tokenizerText(replace, "null", "null", `"vocab": {"a": 2000000000}`), "token id 2000000000"},
		{"negative id", tokenizerText(replace, "null", "null", `"vocab": {"a": -1}`), "token id -1"},
		{"added id", tokenizerText(replace, "null", "null", `"vocab": {"a": 0}`), "token id 0 is both"},
		{"token twice", tokenizerText(replace, "null", "null", `"vocab": {"<unk>": 0, "a": 1, "a": 2}`), "again"},
		{"merge", tokenizerText(replace, "null", "null", `"vocab": {"<unk>": 0, "a": 1}, "merges": ["a c"]`), "merge 0"},
		{"merge of three", tokenizerText(replace, "null", "null", `"vocab": {"<unk>": 0, "a": 1}, "merges": [["a", "a", "a"]]`), "merge 0"},
		{"prefix", tokenizerText(replace, "null", "null", smallModel+`, "continuing_subword_prefix": "##"`), "continuing_subword_prefix"},
		{"dropout", tokenizerText(replace, "null", "null", smallModel+`, "dropout": 0.1`), "dropout"},
		{"fuse", strings.Replace(tokenizerText(replace, "null", "null", smallModel), `"fuse_unk": true, `, "", 1), "fuse_unk"},
		{"half of a pair", tokenizerText(replace, "null", "null", `"vocab": {"\ud800": 0}`), "surrogate"},
		{"not UTF-8", "{\"\xff\": 1}", "UTF-8"},
		{"escape", `{"\x": 1}`, "escape"},
		{"control", "{\"\n\": 1}", "byte 0x0a"},
		{"number", `{"a": 01x}`, "01x"},
		{"deep", strings.Repeat(`{"a":`, 100), "deep"},
		{"large tree", `{"normalizer": [` + strings.Repeat("1,", 3000) + `1]}`, "more than"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			dir := writeFiles(t, map[string][]byte{fileTokenizer: []byte(c.text)})
			_, err := ReadHF(dir)
			says(t, err, c.want, filepath.Join(dir, fileTokenizer))
		})
	}
	if _, err := parseTokenizerJSON([]byte(tokenizerText(replace, "null", "null", smallModel))); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestBadFolders(t *testing.T) {
	merges, vocab := []byte("#version: 0.2\na b\n"), []byte(`{"a": 0, "b": 1, "ab": 2}`)
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing", nil, ErrNone.Error()},
		{"merges alone", map[string]string{fileMerges: string(merges)}, ErrNone.Error()},
		{"merge", map[string]string{fileVocab: string(vocab), fileMerges: "#version: 0.2\nb a\n"}, "merge 0"},
		{"vocab", map[string]string{fileVocab: `{"a": 0, "b": 0}`, fileMerges: string(merges)}, fileVocab},
		{"config", map[string]string{fileVocab: string(vocab), fileMerges: string(merges), fileConfig: `{"bos_token": `}, fileConfig},
		{"config's tokens", map[string]string{fileVocab: string(vocab), fileMerges: string(merges), fileConfig: `{"added_tokens_decoder": {"x": {}}}`}, `"x" is no id`},
		{"added id", map[string]string{fileVocab: string(vocab), fileMerges: string(merges), fileAdded: `{"<x>": 2000000000}`}, "2000000000"},
		{"added twice", map[string]string{fileVocab: string(vocab), fileMerges: string(merges), fileAdded: `{"<x>": 1}`}, "token id 1"},
		{"model", map[string]string{fileModel: "\x0a\xff"}, fileModel},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, text := range c.files {
				files[name] = []byte(text)
			}
			dir := writeFiles(t, files)
			_, err := ReadHF(dir)
			says(t, err, c.want, dir)
		})
	}
}

// sub returns a field that is a message or text.
func sub(id int, content ...byte) []byte {
	b := binary.AppendUvarint([]byte{byte(id<<3 | 2)}, uint64(len(content)))
	if id > 15 {
		b = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(id)<<3|2), uint64(len(content)))
	}
	return append(b, content...)
}

func TestBadModels(t *testing.T) {
	unk, bpe := sub(1, append(sub(1, []byte("<unk>")...), 3<<3, 2)...), sub(2, 3<<3, 2)
	join := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", bpe, "0 tokens"},
		{"unigram", unk, "unigram"},
		{"no text", join(unk, sub(1, 3<<3, 1), bpe), "piece 1: it has no text"},
		{"type", join(sub(1, append(sub(1, 'a'), 3<<3, 9)...), bpe), "piece 0: type 9"},
		{"twice", join(unk, unk, bpe), "again"},
		{"cut off", join(unk, []byte{0x0a, 9, 1}), "byte 11: field 1 is cut off"},
		{"cut off inside", join(unk, sub(1, 0x0a, 9, 1)), "piece 1: byte 0"},
		{"group", []byte{1<<3 | 3}, "wire type 3"},
		{"tag", []byte{0x80}, "byte 0"},
		{"field 0", []byte{0, 0}, "byte 0"},
		{"normalization", join(unk, bpe, sub(3, append(sub(1, []byte("nmt_nfkc")...), sub(2, 1, 2)...)...)), `"nmt_nfkc"`},
		{"suffix", join(unk, sub(2, 3<<3, 2, 0xc0, 1, 1)), "treat_whitespace_as_suffix"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseModel(c.data)
			says(t, err, c.want)
		})
	}
	if _, err := parseModel(join(unk, bpe)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestBadLlama2C(t *testing.T) {
	token := func(s string) string { return "\x00\x00\x80\xbf" + string(rune(len(s))) + "\x00\x00\x00" + s }
	tests := []struct{ name, data, want string }{
		{"empty", "", "ends"},
		{"few", "\x01\x00\x00\x00" + token("a"), "1 tokens"},
		{"cut off", "\x01\x00\x00\x00" + token("a")[:7], "offset 4"},
		{"long", "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff", "4294967295 bytes"},
		{"twice", "\x01\x00\x00\x00" + strings.Repeat(token("a"), 5), "again"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tokenizer.bin")
			if err := os.WriteFile(path, []byte(c.data), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := ReadLlama2C(path)
			says(t, err, c.want, path)
		})
	}
}

// justified is what reading so many bytes may allocate.
func justified(bytes int) uint64 { return 1<<20 + 16*uint64(bytes) }

// Files of several megabytes that are as greedy as can be.
func TestBoundedAllocation(t *testing.T) {
	repeat := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(f(i))
		}
		return b.String()
	}
	// name returns the i-th of the shortest texts.
	name := func(i int) string {
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&()*+-./:;<=>?@[]^_{|}~"
		s := ""
		for i++; i > 0; i = (i - 1) / len(letters) {
			s += string(letters[(i-1)%len(letters)])
		}
		return s
	}
	vocab := func(n int) string {
		return `"vocab": {` + repeat(n, func(i int) string { return fmt.Sprintf(`"%s":%d`, name(i), i) }) + `}`
	}
	rest := func(model string) string {
		return `{"normalizer":` + replace + `,"model":{"fuse_unk":true,` + model + `}}`
	}
	var pieces []byte
	for i := range 400000 {
		pieces = append(pieces, sub(1, sub(1, []byte(name(i))...)...)...)
	}
	short := 90 + 90*90
	tests := []struct {
		name, text string
		parse      func([]byte) (*Vocab, error)
	}{
		{"vocabulary", rest(vocab(300000)), parseTokenizerJSON},
		{"vocabulary of bytes", `{"pre_tokenizer":` + byteLevel + `,"model":{` + vocab(300000) + `}}`, parseTokenizerJSON},
		{"merges", rest(vocab(short) + `,"merges":[` + repeat(90*90, func(i int) string { return `"` + name(i%90) + " " + name(i/90) + `"` }) + `]`), parseTokenizerJSON},
		{"merges that repeat", rest(`"vocab":{"a":0,"aa":1},"merges":[` + repeat(700000, func(int) string { return `"a a"` }) + `]`), parseTokenizerJSON},
		{"merges as arrays", rest(`"vocab":{"a":0,"aa":1},"merges":[` + repeat(400000, func(int) string { return `["a","a"]` }) + `]`), parseTokenizerJSON},
		{"empty merges", rest(`"vocab":{"a":0,"aa":1},"merges":[` + repeat(1000000, func(int) string { return `""` }) + `]`), parseTokenizerJSON},
		{"one token", rest(`"vocab":{"` + strings.Repeat("a", 4<<20) + `":0,"a":1}`), parseTokenizerJSON},
		{"one escaped token", rest(`"vocab":{"` + strings.Repeat(`\n`, 2<<20) + `":0,"a":1}`), parseTokenizerJSON},
		{"tokens of all lengths", rest(`"vocab":{` + repeat(2500, func(i int) string { return fmt.Sprintf(`"%s":%d`, strings.Repeat("a", i+1), i) }) + `}`), parseTokenizerJSON},
		{"added tokens", `{"added_tokens":[` + repeat(150000, func(i int) string { return fmt.Sprintf(`{"id":%d,"content":"%s"}`, i, name(i)) }) + `],"normalizer":` + replace + `,"model":{"fuse_unk":true}}`, parseTokenizerJSON},
		{"added ids", `{"added_tokens":[` + repeat(150000, func(i int) string { return `{"id":2147483647,"content":"a"}` }) + `],"normalizer":` + replace + `,"model":{"fuse_unk":true}}`, parseTokenizerJSON},
		{"values that nobody reads", `{"x":[` + repeat(1000000, func(int) string { return `{}` }) + `]}`, parseTokenizerJSON},
		{"one number", `{"x":` + strings.Repeat("1", 4<<20) + `}`, parseTokenizerJSON},
		{"steps", `{"normalizer":[` + repeat(1000000, func(int) string { return `{}` }) + `]}`, parseTokenizerJSON},
		{"pieces", string(pieces) + string(sub(2, 3<<3, 2)), parseModel},
		{"pieces without text", strings.Repeat("\x0a\x00", 2<<20), parseModel},
		{"pieces without end", strings.Repeat("\x0a\x03\x0a\x01a", 800000), parseModel},
		{"table", "\x00\x00\x00\x00" + strings.Repeat("\x00", 4<<20), parseLlama2C},
		{"lines", strings.Repeat("\n", 4<<20), mergesOnly},
		{"short lines", strings.Repeat("a\n", 2<<20), mergesOnly},
		{"lines of merges", strings.Repeat("a a\n", 1600000), mergesOnly},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			data := []byte(c.text)
			var v *Vocab
			var err error
			n := measure.Allocated(func() { v, err = c.parse(data) })
			t.Logf("%.1f times its %d bytes, %v", float64(n)/float64(len(data)), len(data), shorten(err))
			if n > justified(len(data)) {
				t.Errorf("got %d bytes allocated for %d", n, len(data))
			}
			if err != nil {
				return
			}
			if n := measure.Allocated(func() { _, err = New(v) }); n > 4*justified(len(data)) {
				t.Errorf("New: got %d bytes allocated for %d", n, len(data))
			}
		})
	}
}

func shorten(err error) string { return fmt.Sprintf("%.100s", fmt.Sprint(err)) }

// mergesOnly reads a merges.txt beside a fixed vocabulary.
func mergesOnly(data []byte) (*Vocab, error) {
	v := madeVocabs()["gpt-2"]
	ids, err := v.check()
	if err == nil {
		v.Merges, err = parseMerges(data)
	}
	if err == nil {
		_, err = ofMerges(v.Merges, ids)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}
