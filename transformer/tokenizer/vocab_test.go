package tokenizer

import (
	"slices"
	"testing"

	"netllm/internal/golden"

	"github.com/google/go-cmp/cmp"
)

// sameEncoding checks that two vocabularies encode and decode alike.
func sameEncoding(t *testing.T, a, b *Vocab, texts []string) {
	t.Helper()
	x, y := mustNew(t, a, nil), mustNew(t, b, nil)
	for _, text := range texts {
		for _, special := range []bool{false, true} {
			got, want := y.Encode(text, special), x.Encode(text, special)
			if !slices.Equal(got, want) {
				t.Fatalf("Encode(%q, %v): got %v, want %v", text, special, got, want)
			}
			if g, w := y.Decode(want), x.Decode(want); g != w {
				t.Fatalf("Decode(%v): got %q, want %q", want, g, w)
			}
		}
		if got, want := y.EncodePrompt(text, false), x.EncodePrompt(text, false); !slices.Equal(got, want) {
			t.Fatalf("EncodePrompt(%q, false): got %v, want %v", text, got, want)
		}
	}
}

// A vocabulary written to a GGUF file is read as it was; one written to a
// Hugging Face folder is the same but for what that does not say.
func TestRoundTrips(t *testing.T) {
	for name, v := range madeVocabs() {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(v, throughGGUF(t, v)); diff != "" {
				t.Errorf("through GGUF, want -, got +:\n%s", diff)
			}
			again := throughHF(t, v)
			want := *v
			if v.Merges != nil && v.Model == SentencePiece {
				want.Scores = again.Scores // made from merges
			}
			if diff := cmp.Diff(&want, again); diff != "" {
				t.Errorf("through Hugging Face, want -, got +:\n%s", diff)
			}
			sameEncoding(t, v, again, texts(300, 3))
		})
	}
}

// Padding is kept in GGUF and left out of Hugging Face's files.
func TestPadding(t *testing.T) {
	for name, v := range madeVocabs() {
		t.Run(name, func(t *testing.T) {
			n := len(v.Tokens)
			types := slices.Clone(v.Types)
			v.PadTo(n - 1)
			if len(v.Tokens) != n {
				t.Fatalf("padded to fewer: got %d tokens, want %d", len(v.Tokens), n)
			}
			v.PadTo(n + 7)
			if len(v.Tokens) != n+7 || v.Type(n+6) != Unused || v.Tokens[n] != padding(n) {
				t.Fatalf("got %d tokens, the last of type %d", len(v.Tokens), v.Type(n+6))
			}
			if diff := cmp.Diff(v, throughGGUF(t, v)); diff != "" {
				t.Errorf("through GGUF, want -, got +:\n%s", diff)
			}
			again := throughHF(t, v)
			if len(again.Tokens) != n || !slices.Equal(again.Types, types) {
				t.Errorf("through Hugging Face: got %d tokens, want %d", len(again.Tokens), n)
			}
			sameEncoding(t, v, again, texts(100, 4))
			tok := mustNew(t, v, nil)
			if got := tok.Decode([]int32{int32(n), int32(n + 7), -1, 1 << 30}); got != "" {
				t.Errorf("Decode of padding and ids beyond: got %q, want nothing", got)
			}
		})
	}
}

// The same with every vocabulary there is.
func TestGoldenRoundTrips(t *testing.T) {
	golden.Data(t, "models") // or skips
	cases := 0
	for _, path := range []string{
		"models/vocab-only-gguf/ggml-vocab-llama-spm.gguf", "models/vocab-only-gguf/ggml-vocab-gpt-2.gguf",
		"models/stories260k/stories260k-f32.gguf", "models/tinystories656k/tinystories656k-f32.gguf",
		"models/tinystories3m-chat-gpt2/tinystories3m-chat-gpt2-f32.gguf", "models/tinystories656k", "models/tinystories3m-chat-gpt2", "models/llama2-sentencepiece",
	} {
		t.Run(path, func(t *testing.T) {
			file := golden.Data(t, path)
			v, err := ReadHF(file)
			if err != nil {
				v = fromGGUFFile(t, file)
			}
			list := texts(200, 5)
			for _, c := range llamaCppCases(t, golden.Data(t, "models/vocab-only-gguf/ggml-vocab-gpt-2.gguf")) {
				list = append(list, c.text)
			}
			if diff := cmp.Diff(v, throughGGUF(t, v)); diff != "" {
				t.Errorf("through GGUF, want -, got +:\n%.2000s", diff)
			}
			again := throughHF(t, v)
			sameEncoding(t, v, again, list)
			if v.Model == SentencePiece {
				again.Pre = v.Pre // llama.cpp writes "default"
			}
			if diff := cmp.Diff(v, again); diff != "" {
				t.Errorf("through Hugging Face, want -, got +:\n%.2000s", diff)
			}
			cases++
		})
	}
	golden.Cases(t, cases)
}
