package tokenizer

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/measure"
)

// use encodes and decodes with what a parser made of a file.
func use(t *testing.T, v *Vocab) {
	t.Helper()
	tok, err := New(v)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	text := "the a  b\n<s>é\xff" + v.Tokens[len(v.Tokens)/2] + v.Tokens[len(v.Tokens)-1]
	ids := tok.EncodePrompt(text, false)
	for _, id := range slices.Concat(ids, tok.Encode(text, true)) {
		if id < 0 || int(id) >= len(v.Tokens) {
			t.Fatalf("Encode(%q): got %d of %d tokens", text, id, len(v.Tokens))
		}
	}
	if got, want := streamAll(tok, ids), tok.Decode(ids); got != want {
		t.Errorf("%q streamed: got %q", want, got)
	}
}

// parseBounded runs a parser and checks what it allocates.
func parseBounded(t *testing.T, data []byte, parse func([]byte) (*Vocab, error)) *Vocab {
	t.Helper()
	var v *Vocab
	var err error
	if n := measure.Allocated(func() { v, err = parse(data) }); n > justified(len(data)) {
		t.Errorf("got %d bytes allocated for %d", n, len(data))
	}
	if err != nil {
		return nil
	}
	return v
}

// FuzzTokenizerJSON looks for files that panic, that want more memory than they
// justify, or that are read otherwise after they are written again.
func FuzzTokenizerJSON(f *testing.F) {
	for _, v := range madeVocabs() {
		files, err := v.HF()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(files[fileTokenizer])
	}
	f.Add([]byte(tokenizerText(replace, "null", "null", smallModel)))
	f.Add([]byte(tokenizerText("null", `{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}`, "null", `"vocab": {"<unk>": 0, "\u2581": 3, "a\ud83d\ude00": 7}, "merges": [["a", "b"]]`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		v := parseBounded(t, data, parseTokenizerJSON)
		if v == nil {
			return
		}
		use(t, v)
		files, err := v.HF()
		if err != nil {
			t.Fatalf("HF: %v", err)
		}
		again, err := parseTokenizerJSON(files[fileTokenizer])
		if err != nil {
			t.Fatalf("written again: %v\n%s", err, files[fileTokenizer])
		}
		use(t, again)
	})
}

// FuzzTokenizerModel looks for files that panic, that want more memory than they
// justify, or whose pieces are others after they are written again.
func FuzzTokenizerModel(f *testing.F) {
	for _, v := range madeVocabs() {
		if v.Model == SentencePiece {
			f.Add(v.model())
		}
	}
	f.Add([]byte("\x0a\x03\x0a\x01a\x12\x02\x18\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v := parseBounded(t, data, parseModel)
		if v == nil {
			return
		}
		use(t, v)
		again, err := parseModel(v.model())
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		n := v.unpadded()
		if diff := cmp.Diff(v.Tokens[:n], again.Tokens); diff != "" {
			t.Errorf("written again, want -, got +:\n%s", diff)
		}
		if !slices.Equal(v.Types[:n], again.Types) || !slices.Equal(v.Scores[:n], again.Scores) {
			t.Error("written again: got other types or scores")
		}
	})
}

// FuzzMerges looks for lists of merges that panic or want too much memory.
func FuzzMerges(f *testing.F) {
	f.Add([]byte("#version: 0.2\nh e\nĠ t\n"))
	f.Add([]byte("a a\r\naa a\n\n! \" "))
	f.Fuzz(func(t *testing.T, data []byte) {
		v := parseBounded(t, data, mergesOnly)
		if v != nil {
			use(t, v)
		}
	})
}
