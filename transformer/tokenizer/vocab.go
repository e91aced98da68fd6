package tokenizer

// What a vocabulary is, whatever file it came from.

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The models of a [Vocab], by GGUF's names.
const (
	SentencePiece = "llama" // byte-pair encoding of characters, by scores
	ByteLevel     = "gpt2"  // byte-pair encoding of bytes, by merges
)

// ErrNone says that a file has no vocabulary.
var ErrNone = errors.New("no vocabulary")

// TokenType says what a token is for. The numbers are GGUF's and SentencePiece's.
type TokenType int32

const (
	Normal      TokenType = 1 + iota
	Unknown               // stands for text that no token has
	Control               // never comes from plain text, and is no text
	UserDefined           // a text that is one token wherever it occurs
	Unused                // takes up an id
	Byte                  // one byte, "<0x00>" to "<0xFF>"
)

// Vocab is a vocabulary with what is needed to encode as its model was trained.
type Vocab struct {
	Model string // [SentencePiece] or [ByteLevel]

	// Pre is how byte-level encoding cuts text into words: "gpt-2", "llama-bpe"
	// or "qwen2". With SentencePiece it means nothing.
	Pre string

	// Tokens are the pieces by id, as GGUF has them: a blank is U+2581 in
	// SentencePiece's, and bytes are written in GPT-2's alphabet in the others.
	// Scores may be nil if there are Merges; Types may be nil: all normal.
	Tokens []string
	Scores []float32
	Types  []TokenType

	// Merges are pairs "left right", first the one that is merged first.
	// SentencePiece needs them only where the order of scores says otherwise
	// than Hugging Face's list of merges did.
	Merges []string

	BOS, EOS, Unknown, Pad int32 // -1: none

	AddBOS, AddEOS bool // what EncodePrompt adds
	AddSpacePrefix bool // SentencePiece: a blank before the text

	// Metaspace changes where that blank stands. "": before every text that
	// begins or follows a special token, as llama.cpp does. "first" (only where
	// the text begins) and "always" are Hugging Face's prepend_scheme: no blank
	// if there is one already.
	Metaspace string

	// TrimSpaces takes out blanks at the ends, and all but one elsewhere
	// (SentencePiece's remove_extra_whitespaces).
	TrimSpaces bool

	IgnoreMerges bool // byte-level: a word that is a token is not put together by merges
	ChatTemplate string
}

// Type returns what token id is for.
func (v *Vocab) Type(id int) TokenType {
	if v.Types == nil {
		return Normal
	}
	return v.Types[id]
}

// PadTo adds tokens "[PAD17]" of type Unused (17 is the id), so that there are
// n: models have more rows than tokens. It does nothing if there are n already.
func (v *Vocab) PadTo(n int) {
	if n <= len(v.Tokens) {
		return
	}
	if v.Types == nil {
		v.Types = make([]TokenType, len(v.Tokens), n)
		for i := range v.Types {
			v.Types[i] = Normal
		}
	}
	for i := len(v.Tokens); i < n; i++ {
		v.Tokens = append(v.Tokens, padding(i))
		v.Types = append(v.Types, Unused)
		if v.Scores != nil {
			v.Scores = append(v.Scores, padScore)
		}
	}
}

const padScore = -1000 // as llama.cpp's converter

func padding(id int) string { return "[PAD" + strconv.Itoa(id) + "]" }

// isPadding reports whether token id is one that [Vocab.PadTo] makes.
func (v *Vocab) isPadding(id int) bool {
	t := v.Tokens[id]
	return v.Type(id) == Unused && strings.HasPrefix(t, "[PAD") && t == padding(id)
}

// check returns what is wrong with the vocabulary but for its merges, and the
// ids by token.
func (v *Vocab) check() (*table, error) {
	n := len(v.Tokens)
	switch {
	case v.Model != SentencePiece && v.Model != ByteLevel:
		return nil, fmt.Errorf("tokenizer model %q is not supported, want %q or %q (%w)", v.Model, SentencePiece, ByteLevel, errors.ErrUnsupported)
	case n == 0:
		return nil, errors.New("0 tokens")
	case n > math.MaxInt32/2:
		return nil, fmt.Errorf("%d tokens are too many", n)
	case v.Types != nil && len(v.Types) != n:
		return nil, fmt.Errorf("%d types for %d tokens", len(v.Types), n)
	case v.Scores != nil && len(v.Scores) != n:
		return nil, fmt.Errorf("%d scores for %d tokens", len(v.Scores), n)
	case v.Scores == nil && v.Model == SentencePiece && v.Merges == nil:
		return nil, errors.New("no scores")
	}
	if v.Model == ByteLevel {
		if _, err := preOf(v.Pre); err != nil {
			return nil, err
		}
	}
	if v.Metaspace != "" && v.Metaspace != "first" && v.Metaspace != "always" {
		return nil, fmt.Errorf("metaspace %q, want \"first\" or \"always\" (%w)", v.Metaspace, errors.ErrUnsupported)
	}
	for _, s := range []struct {
		name string
		id   int32
	}{{"bos", v.BOS}, {"eos", v.EOS}, {"unknown", v.Unknown}, {"padding", v.Pad}} {
		if s.id < -1 || int(s.id) >= n {
			return nil, fmt.Errorf("%s token %d of %d tokens", s.name, s.id, n)
		}
	}
	switch {
	case v.AddBOS && v.BOS < 0:
		return nil, errors.New("a bos token is to be added, but there is none")
	case v.AddEOS && v.EOS < 0:
		return nil, errors.New("an eos token is to be added, but there is none")
	}
	for i, s := range v.Scores {
		if s != s {
			return nil, fmt.Errorf("token %d: score is NaN", i)
		}
	}
	for i, t := range v.Types {
		if t < Normal || t > Byte {
			return nil, fmt.Errorf("token %d %q: type %d, want %d to %d", i, v.Tokens[i], t, Normal, Byte)
		}
		if _, ok := byteOf(v.Tokens[i]); t == Byte && !ok {
			return nil, fmt.Errorf("token %d %q is of type byte, want \"<0x00>\" to \"<0xFF>\"", i, v.Tokens[i])
		}
	}
	t, twice := newTable(v.Tokens)
	if twice >= 0 {
		return nil, fmt.Errorf("token %d is token %d again: %q", twice, t.find(v.Tokens[twice]), v.Tokens[twice])
	}
	return t, nil
}

// byteOf returns the byte that a token "<0x0A>" stands for.
func byteOf(token string) (byte, bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(b), err == nil
}
