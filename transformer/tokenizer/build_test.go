package tokenizer

// Vocabularies made for tests.

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/tensor/gguf"
)

// spVocab returns a SentencePiece vocabulary: <unk>, <s>, </s>, all bytes, and
// pieces with falling scores.
func spVocab(pieces ...string) *Vocab {
	v := &Vocab{Model: SentencePiece, BOS: 1, EOS: 2, Unknown: 0, Pad: -1, AddBOS: true, AddSpacePrefix: true}
	v.Tokens = []string{"<unk>", "<s>", "</s>"}
	v.Types = []TokenType{Unknown, Control, Control}
	for b := range 256 {
		v.Tokens = append(v.Tokens, fmt.Sprintf("<0x%02X>", b))
		v.Types = append(v.Types, Byte)
	}
	v.Scores = make([]float32, len(v.Tokens))
	for i, p := range pieces {
		v.Tokens = append(v.Tokens, p)
		v.Types = append(v.Types, Normal)
		v.Scores = append(v.Scores, -float32(i))
	}
	return v
}

// byteVocab returns a byte-level vocabulary: all bytes, what merges make, and
// <|end|>.
func byteVocab(pre string, merges ...string) *Vocab {
	v := &Vocab{Model: ByteLevel, Pre: pre, BOS: -1, EOS: -1, Unknown: -1, Pad: -1, Merges: merges}
	for _, r := range byteRunes {
		v.Tokens = append(v.Tokens, string(r))
	}
	for _, m := range merges {
		v.Tokens = append(v.Tokens, strings.Replace(m, " ", "", 1))
	}
	v.Types = make([]TokenType, len(v.Tokens)+1)
	for i := range v.Tokens {
		v.Types[i] = Normal
	}
	v.EOS = int32(len(v.Tokens))
	v.BOS = v.EOS
	v.Tokens = append(v.Tokens, "<|end|>")
	v.Types[v.EOS] = Control
	return v
}

// madeVocabs returns one of each kind, and what can be set in it.
func madeVocabs() map[string]*Vocab {
	words := []string{"▁", "e", "t", "h", "▁t", "he", "▁the", "a", "n", "an", "▁an", "nd", "d", "▁and", "▁▁", "▁▁▁▁", "é", "x", "aa", "aaa", "an▁"}
	merges := []string{"h e", "Ġ t", "Ġt he", "a n", "an d", "Ġ and", "' s", "1 2", "12 3", "Ã ©", "Ġ Ġ", "ĠĠ ĠĠ", "Ċ Ċ"}
	list := map[string]*Vocab{
		"sentencepiece": spVocab(words...), "gpt-2": byteVocab(preGPT2, merges...),
		"llama-bpe": byteVocab(preLlama3, merges...), "qwen2": byteVocab(preQwen2, merges...),
	}
	first := spVocab(words...)
	first.Metaspace = "first"
	list["first"] = first
	always := spVocab(words...)
	always.Metaspace, always.TrimSpaces, always.AddEOS = "always", true, true
	list["always"] = always
	plain := spVocab(words...)
	plain.AddSpacePrefix, plain.AddBOS, plain.ChatTemplate, plain.Pad = false, false, "{{ \"x\" }}\n\t▁é", 2
	list["plain"] = plain
	trim := spVocab(words...)
	trim.TrimSpaces = true
	list["trim"] = trim
	users := spVocab(append(words, "<user>", "and\n", "<us")...)
	for i := range 3 {
		users.Types[len(users.Types)-1-i] = UserDefined
	}
	list["users"] = users
	whole := byteVocab(preLlama3, merges...)
	whole.Tokens = append(whole.Tokens, "Ġword", "<|user|>")
	whole.Types = append(whole.Types, Normal, UserDefined)
	whole.IgnoreMerges, whole.AddBOS = true, true
	list["ignore merges"] = whole
	listed := spVocab(words...)
	listed.Merges = []string{"h e", "▁ t", "▁t he", "a n", "▁ an", "▁an d"}
	list["merges"] = listed
	return list
}

// samples are texts with what tokenizers stumble over.
var samples = []string{
	"", " ", "  ", "   ", "the and", " the  and   the", "The and", "hello world", "it's we'll I'VE 'tis 's", "12345 123 1 ½ ²",
	"tabs\tand\nends\r\n\r\n of lines\n", "a\u00a0b\u2003c\u3000", "éàü naïve", "你好，世界", "😀👩‍👩‍👧 x", "\x00\x01\x7f", "e\u0301",
	"aaaaaaaaa", "anananand", "<user>the<us<user><|end|></s><s><unk><0x41>", "and\nand\n", "word word", "x\n\n\n  y", strings.Repeat(" ", 40),
}

// texts returns samples and random ones.
func texts(n int, seed uint64) []string {
	alphabet := []rune("aaaeehhnttd  \t\n\r'sS12345é你😀.,!?<>|\u00a0\u2028ſ½")
	rng := rand.New(rand.NewPCG(seed, 1))
	list := append([]string(nil), samples...)
	for range n {
		text := make([]rune, rng.IntN(40))
		for i := range text {
			text[i] = alphabet[rng.IntN(len(alphabet))]
			if rng.IntN(50) == 0 {
				text[i] = rune(rng.IntN(0xd800))
			}
		}
		list = append(list, string(text))
	}
	return list
}

// writeFiles puts files into a new folder.
func writeFiles(t testing.TB, files map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// throughGGUF writes a vocabulary to a GGUF file and reads it again.
func throughGGUF(t testing.TB, v *Vocab) *Vocab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vocab.gguf")
	if err := gguf.Write(path, v.KeyValues(), nil); err != nil {
		t.Fatal(err)
	}
	return fromGGUFFile(t, path)
}

// throughHF writes a vocabulary to a Hugging Face folder and reads it again.
func throughHF(t testing.TB, v *Vocab) *Vocab {
	t.Helper()
	files, err := v.HF()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadHF(writeFiles(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return again
}
