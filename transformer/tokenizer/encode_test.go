package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"netllm/internal/golden"
)

// All kinds decode what they encoded, and a stream says the same as Decode.
func TestTextIsKept(t *testing.T) {
	for name, v := range madeVocabs() {
		t.Run(name, func(t *testing.T) {
			tok := mustNew(t, v, nil)
			for _, text := range texts(500, 6) {
				ids := tok.Encode(text, false)
				got := tok.Decode(ids)
				// Behind a user-defined token there is a blank that Decode leaves.
				if want := kept(v, text); got != want && name != "users" {
					t.Fatalf("Decode(Encode(%q)): got %q, want %q", text, got, want)
				}
				if streamed := streamAll(tok, ids); streamed != got {
					t.Fatalf("%q streamed: got %q", got, streamed)
				}
			}
		})
	}
}

// kept returns what is left of a text.
func kept(v *Vocab, text string) string {
	if v.TrimSpaces {
		text = trimSpaces(text)
	}
	if v.Metaspace != "" && strings.HasPrefix(text, " ") {
		text = text[1:] // it stands for the blank that is put before texts
	}
	return text
}

func streamAll(tok *Tokenizer, ids []int32) string {
	var b strings.Builder
	s := tok.Stream()
	for _, id := range ids {
		part := s.Next(id)
		if !utf8.ValidString(part) {
			return "not UTF-8: " + part
		}
		b.WriteString(part)
	}
	return b.String() + s.Flush()
}

func TestDecodeBytes(t *testing.T) {
	v := spVocab("▁", "a", "é")
	tok := mustNew(t, v, nil)
	id := func(token string) int32 { return int32(slices.Index(v.Tokens, token)) }
	tests := []struct {
		name   string
		tokens []string
		want   []string // of a stream, one for each token and one at the end
	}{
		{"one character", []string{"<0xC3>", "<0xA9>"}, []string{"", "é", ""}},
		{"four bytes", []string{"<0xF0>", "<0x9F>", "<0x98>", "<0x80>"}, []string{"", "", "", "😀", ""}},
		{"cut off at the end", []string{"a", "<0xF0>", "<0x9F>", "<0x98>"}, []string{"a", "", "", "", "\ufffd"}},
		{"cut off before a letter", []string{"<0xE2>", "<0x96>", "a"}, []string{"", "", "\ufffda", ""}},
		{"cut off before another", []string{"<0xE2>", "<0xC3>", "<0xA9>"}, []string{"", "\ufffd", "é", ""}},
		{"never the beginning", []string{"<0x80>", "<0xFF>", "a"}, []string{"\ufffd", "\ufffd", "a", ""}},
		{"surrogate", []string{"<0xED>", "<0xA0>", "<0x80>"}, []string{"", "\ufffd\ufffd", "\ufffd", ""}},
		{"control between", []string{"<0xC3>", "</s>", "<0xA9>"}, []string{"", "", "é", ""}},
		{"blank in front", []string{"<s>", "▁", "▁", "a"}, []string{"", "", " ", "a", ""}},
		{"blank as a byte in front", []string{"<0x20>", "<0x20>", "a"}, []string{"", " ", "a", ""}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := tok.Stream()
			var ids []int32
			for i, token := range c.tokens {
				ids = append(ids, id(token))
				if got := s.Next(id(token)); got != c.want[i] {
					t.Errorf("Next(%s): got %q, want %q", token, got, c.want[i])
				}
			}
			if got := s.Flush(); got != c.want[len(ids)] {
				t.Errorf("Flush: got %q, want %q", got, c.want[len(ids)])
			}
			if got, want := tok.Decode(ids), strings.Join(c.want, ""); got != want {
				t.Errorf("Decode: got %q, want %q", got, want)
			}
		})
	}
}

func TestSpecialTokens(t *testing.T) {
	v := spVocab("▁", "a", "b", "<", "s", ">", "▁▁", "<a>", "<a>b", "▁a", "x y")
	for i, kind := range []TokenType{UserDefined, Normal, Control, Control} {
		v.Types[len(v.Types)-1-i] = kind
	}
	tok := mustNew(t, v, nil)
	once := *v
	once.Metaspace = "first"
	tests := []struct {
		name    string
		vocab   *Vocab
		text    string
		special bool
		want    []string
	}{
		{"as text", v, "a<s>", false, []string{"▁a", "<", "s", ">"}},
		{"recognised", v, "a<s>", true, []string{"▁a", "<s>"}},
		{"blank after", v, "<s>a<a>a", true, []string{"<s>", "▁a", "<a>", "▁a"}},
		{"no blank after", &once, "<s>a<a>a", true, []string{"<s>", "a", "<a>", "a"}},
		{"blank there", &once, " a", true, []string{"▁a"}},
		{"longest", v, "<a>b<a>a<a>", true, []string{"<a>b", "<a>", "▁a", "<a>"}},
		{"nearly", v, "<<a<a>b", true, []string{"▁", "<", "<", "a", "<a>b"}},
		{"unknown", v, "<unk>", true, []string{"<unk>"}},
		{"user-defined", v, "x ya", false, []string{"x y", "▁a"}},
		{"bytes are no texts", v, "<0x41>", true, []string{"▁", "<", "<0x30>", "<0x78>", "<0x34>", "<0x31>", ">"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			tok := tok
			if c.vocab != v {
				tok = mustNew(t, c.vocab, nil)
			}
			var got []string
			for _, id := range tok.Encode(c.text, c.special) {
				got = append(got, v.Tokens[id])
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("Encode(%q): got %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	v := &Vocab{Model: SentencePiece, BOS: -1, EOS: -1, Unknown: 0, Pad: -1, Tokens: []string{"<unk>", "a", "b"}, Scores: []float32{0, 0, 0}, Types: []TokenType{Unknown, Normal, Normal}}
	tok := mustNew(t, v, nil)
	for text, want := range map[string][]int32{"xyaé你b": {0, 1, 0, 2}, "x": {0}, "axb": {1, 0, 2}, "é é": {0}} {
		for range 2 {
			if got := tok.Encode(text, false); !slices.Equal(got, want) {
				t.Errorf("Encode(%q): got %v, want %v", text, got, want)
			}
			long := strings.Repeat("a", cacheFrom)
			if got := tok.Encode(long+text, false)[cacheFrom:]; !slices.Equal(got, want) {
				t.Errorf("Encode(%q) after others: got %v, want %v", text, got, want)
			}
		}
	}
	v.Unknown = -1
	if got := mustNew(t, v, nil).Encode("xaé", false); !slices.Equal(got, []int32{1}) {
		t.Errorf("without an unknown token: got %v, want [1]", got)
	}
}

// One tokenizer serves several goroutines.
func TestConcurrent(t *testing.T) {
	tok := mustNew(t, madeVocabs()["gpt-2"], nil)
	text := strings.Repeat(strings.Join(samples, " "), 5)
	want := tok.Encode(text, false)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 20 {
				if !slices.Equal(tok.Encode(text, false), want) {
					t.Error("got other tokens than alone")
				}
			}
		})
	}
	wait.Wait()
}

// FuzzEncode looks for texts that are not kept, or that panic.
func FuzzEncode(f *testing.F) {
	var toks []*Tokenizer
	made := madeVocabs()
	for _, name := range []string{"sentencepiece", "plain", "merges", "gpt-2", "llama-bpe", "qwen2", "ignore merges"} {
		toks = append(toks, mustNew(f, made[name], nil))
	}
	for _, s := range samples {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			ids := tok.Encode(text, false)
			got := tok.Decode(ids)
			if streamed := streamAll(tok, ids); streamed != got {
				t.Errorf("%q streamed: got %q", got, streamed)
			}
			tok.Encode(text, true)
			want := strings.ReplaceAll(text, space, " ")
			if tok.vocab.Model == ByteLevel {
				want = text
			}
			if utf8.ValidString(text) && got != want {
				t.Errorf("%s: Decode(Encode(%q)): got %q", tok.vocab.Model, text, got)
			}
		}
	})
}

// Llama 2's runs of blanks have equal scores, and Hugging Face's merges order
// them otherwise: every run is the same tokens.
func TestBlanks(t *testing.T) {
	v := fromGGUFFile(t, golden.Data(t, "models/vocab-only-gguf/ggml-vocab-llama-spm.gguf"))
	files, err := v.HF()
	if err != nil {
		t.Fatal(err)
	}
	delete(files, fileModel)
	merges, err := ReadHF(writeFiles(t, files))
	a, b := mustNew(t, v, nil), mustNew(t, merges, err)
	for n := range 200 {
		text := strings.Repeat(" ", n) + "x"
		if got, want := b.Encode(text, false), a.Encode(text, false); !slices.Equal(got, want) {
			t.Errorf("%d blanks: got %v, want %v", n, got, want)
		}
	}
}
