package tokenizer

// Vocabularies and encodings made by others.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/tensor/gguf"
)

// fromGGUFFile reads the vocabulary of a file.
func fromGGUFFile(t testing.TB, path string) *Vocab {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustNew(t testing.TB, v *Vocab, err error) *Tokenizer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := New(v)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// vocabCase is a text and its tokens without BOS.
type vocabCase struct {
	text string
	ids  []int32
}

// llamaCppCases reads the 47 texts beside one of llama.cpp's vocabulary files.
func llamaCppCases(t testing.TB, path string) []vocabCase {
	t.Helper()
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	texts := strings.Split(read(path+".inp"), "\n__ggml_vocab_test__\n")
	lines := strings.Split(read(path+".out"), "\n")
	cases := make([]vocabCase, 47)
	for i := range cases {
		cases[i].text = texts[i]
		for _, s := range strings.Fields(lines[i]) {
			id, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			cases[i].ids = append(cases[i].ids, int32(id))
		}
	}
	return cases
}

// compare checks the cases in both directions.
func compare(t *testing.T, tok *Tokenizer, cases []vocabCase) {
	t.Helper()
	for i, c := range cases {
		got := tok.Encode(c.text, false)
		if !slices.Equal(got, c.ids) {
			t.Errorf("%d: Encode(%q): got %v, want %v", i, c.text, got, c.ids)
		}
		if text := tok.Decode(c.ids); text != c.text {
			t.Errorf("%d: Decode: got %q, want %q", i, text, c.text)
		}
	}
}

// The cases that llama.cpp's own tests have.
func TestGoldenLlamaCpp(t *testing.T) {
	golden.Data(t, "models") // or skips
	total := 0
	for _, name := range []string{"ggml-vocab-llama-spm.gguf", "ggml-vocab-gpt-2.gguf"} {
		t.Run(name, func(t *testing.T) {
			path := golden.Data(t, "models/vocab-only-gguf/"+name)
			v := fromGGUFFile(t, path)
			cases := llamaCppCases(t, path)
			compare(t, mustNew(t, v, nil), cases)
			total += len(cases)
		})
	}
	golden.Cases(t, total)
}

// The Llama 2 vocabulary from its other two files.
func TestGoldenSentencePiece(t *testing.T) {
	cases := llamaCppCases(t, golden.Data(t, "models/vocab-only-gguf/ggml-vocab-llama-spm.gguf"))
	dir := golden.Data(t, "models/llama2-sentencepiece")
	want := fromGGUFFile(t, golden.Data(t, "models/vocab-only-gguf/ggml-vocab-llama-spm.gguf"))
	for _, c := range []struct {
		name string
		read func(string) (*Vocab, error)
		path string
	}{{"tokenizer.model", ReadHF, dir}, {"tokenizer.bin", ReadLlama2C, filepath.Join(dir, "tokenizer.bin")}} {
		t.Run(c.name, func(t *testing.T) {
			v, err := c.read(c.path)
			compare(t, mustNew(t, v, err), cases)
			if !slices.Equal(v.Tokens, want.Tokens) || !slices.Equal(v.Scores, want.Scores) || !slices.Equal(v.Types, want.Types) {
				t.Error("got other tokens, scores or types than the GGUF file has")
			}
		})
	}
	golden.Cases(t, 2*len(cases))
}

// readJSON reads a golden file.
func readJSON(t testing.TB, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestGoldenTokenize(t *testing.T) {
	var cases []struct {
		Text string
		IDs  []int32
	}
	readJSON(t, golden.Spec(t, "llama_golden/tiny/tokenize.json"), &cases)
	tok := mustNew(t, fromGGUFFile(t, golden.Spec(t, "llama_golden/tiny/tiny-f32.gguf")), nil)
	for _, c := range cases {
		if got := tok.EncodePrompt(c.Text, false); !slices.Equal(got, c.IDs) {
			t.Errorf("EncodePrompt(%q, false): got %v, want %v", c.Text, got, c.IDs)
		}
		if got := tok.Decode(c.IDs); got != c.Text {
			t.Errorf("Decode: got %q, want %q", got, c.Text)
		}
	}
	golden.Cases(t, len(cases))
}

// What the models were asked, and what they said, from every file that has
// their vocabulary.
func TestGoldenModels(t *testing.T) {
	hf := func(dir string) *Vocab {
		v, err := ReadHF(golden.Data(t, "models/"+dir))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	llama2c := func(path string) *Vocab {
		v, err := ReadLlama2C(golden.Data(t, path))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	model := func(path string) *Vocab {
		b, err := os.ReadFile(golden.Data(t, path))
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseModel(b)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	file := func(path string) *Vocab { return fromGGUFFile(t, golden.Data(t, path)) }
	sources := []struct {
		dir, name string
		vocab     *Vocab
	}{
		{"stories260k", "gguf", file("models/stories260k/stories260k-f32.gguf")},
		{"stories260k", "tok512.bin", llama2c("models/stories260k/tok512.bin")},
		{"tinystories656k", "gguf", file("models/tinystories656k/tinystories656k-f32.gguf")},
		{"tinystories656k", "tokenizer.json", hf("tinystories656k")},
		{"babyllama105", "tok105.model", model("models/babyllama105/tok105.model")},
		{"tinystories3m-chat-gpt2", "gguf", file("models/tinystories3m-chat-gpt2/tinystories3m-chat-gpt2-f32.gguf")},
		{"tinystories3m-chat-gpt2", "vocab.json", hf("tinystories3m-chat-gpt2")},
	}
	cases := 0
	for _, s := range sources {
		tok := mustNew(t, s.vocab, nil)
		paths, err := filepath.Glob(golden.Data(t, "models/"+s.dir) + "/golden_*.json")
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: got %d golden files, %v", s.dir, len(paths), err)
		}
		for _, path := range paths {
			var g struct {
				Prompt    string
				PromptIDs []int32 `json:"prompt_ids"`
				Generated []int32 `json:"generated_ids"`
				Text      string  `json:"generated_text"`
				Start     []int32 `json:"start_ids"`
				IDs       []int32
				Story     string `json:"text"`
			}
			readJSON(t, path, &g)
			name := s.dir + "/" + s.name + "/" + filepath.Base(path)
			if g.Prompt != "" {
				if got := tok.EncodePrompt(g.Prompt, false); !slices.Equal(got, g.PromptIDs) {
					t.Errorf("%s: EncodePrompt(%q, false): got %v, want %v", name, g.Prompt, got, g.PromptIDs)
				}
			}
			text := g.Text + g.Story
			all := slices.Concat(g.Start, g.IDs, g.PromptIDs, g.Generated)
			if got := tok.Decode(all); got != text {
				t.Errorf("%s: Decode: got %q, want %q", name, got, text)
			}
			stream, streamed := tok.Stream(), ""
			for _, id := range all {
				streamed += stream.Next(id)
			}
			if streamed += stream.Flush(); streamed != text {
				t.Errorf("%s: streamed: got %q, want %q", name, streamed, text)
			}
			cases += 3
		}
	}
	golden.Cases(t, cases)
}
