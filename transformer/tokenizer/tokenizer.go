package tokenizer

// The tokenizer: a vocabulary made ready to encode and decode.

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// Tokenizer encodes and decodes. It does not change, and may be used from
// several goroutines at once.
type Tokenizer struct {
	vocab  *Vocab
	pairs  *pairs
	pieces []string // by id: the text that a token is
	bytes  [256]int32
	users  *matcher // of tokens that are recognised in any text
	all    *matcher // of those and the special ones
	states sync.Pool

	// SentencePiece
	scored bool // merging is by scores; else by the list of merges
	ascii  [utf8.RuneSelf]int32
	chars  map[rune]int32 // the symbols of characters
	inside *bigrams       // nil: text is not cut

	// Byte-level
	next  func(text string) int // length of the first word
	words *table                // of pieces, to ignore merges
}

// New makes a tokenizer. The vocabulary must not be changed afterwards. Merges
// that name no tokens, tokens that occur twice and ids beyond the tokens are
// errors.
func New(v *Vocab) (*Tokenizer, error) {
	t, err := newTokenizer(v)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func newTokenizer(v *Vocab) (*Tokenizer, error) {
	ids, err := v.check()
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{vocab: v, users: newMatcher(v, false), all: newMatcher(v, true)}
	t.states.New = func() any { return new(state) }
	for b := range t.bytes {
		t.bytes[b] = -1
	}
	if v.Model == ByteLevel {
		err = t.initByteLevel(ids)
	} else {
		err = t.initSentencePiece(ids)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Vocab returns the vocabulary, which must not be changed.
func (t *Tokenizer) Vocab() *Vocab { return t.vocab }

// Encode returns the tokens of a text. If special is set, control tokens
// written out in the text are recognised; user-defined ones always are, the
// longest first. Neither BOS nor EOS is added.
//
// Text that has no token, and no bytes either, is the unknown token, in
// SentencePiece one for all in a row; if there is none it is left out. Text need
// not be UTF-8. SentencePiece cannot tell a blank from a U+2581.
func (t *Tokenizer) Encode(text string, special bool) []int32 {
	return t.encode(make([]int32, 0, len(text)/3+8), text, special)
}

// EncodePrompt is [Tokenizer.Encode] between BOS and EOS, if the vocabulary says
// that they are added.
func (t *Tokenizer) EncodePrompt(text string, special bool) []int32 {
	ids := make([]int32, 0, len(text)/3+8)
	if t.vocab.AddBOS {
		ids = append(ids, t.vocab.BOS)
	}
	ids = t.encode(ids, text, special)
	if t.vocab.AddEOS {
		ids = append(ids, t.vocab.EOS)
	}
	return ids
}

func (t *Tokenizer) encode(ids []int32, text string, special bool) []int32 {
	s := t.states.Get().(*state)
	defer t.states.Put(s)
	if s.cache == nil && len(text) >= cacheFrom {
		s.cache = make([]cached, cacheSize)
	}
	m := t.users
	if special {
		m = t.all
	}
	for first := true; text != ""; first = false {
		at, length, id := m.find(text)
		if at > 0 {
			if t.vocab.Model == ByteLevel {
				ids = t.encodeByteLevel(ids, s, text[:at])
			} else {
				ids = t.encodeSentencePiece(ids, s, text[:at], first)
			}
		}
		if id >= 0 {
			ids = append(ids, id)
		}
		text = text[at+length:]
	}
	return ids
}

// matcher finds tokens that are written out in a text.
type matcher struct {
	table   *table
	ids     []int32    // by the table's numbers
	lengths [256][]int // of the tokens by their first byte, the longest first
}

// newMatcher takes user-defined tokens, and control tokens and the unknown one
// if special is set.
func newMatcher(v *Vocab, special bool) *matcher {
	m := &matcher{}
	var texts []string
	for id, token := range v.Tokens {
		kind := v.Type(id)
		if token == "" || kind != UserDefined && !(special && (kind == Control || kind == Unknown)) {
			continue
		}
		texts = append(texts, v.written(id))
		m.ids = append(m.ids, int32(id))
	}
	m.table, _ = newTable(texts)
	for _, s := range texts {
		list := &m.lengths[s[0]]
		at := 0
		for at < len(*list) && (*list)[at] > len(s) {
			at++
		}
		if at == len(*list) || (*list)[at] != len(s) {
			*list = append(*list, 0)
			copy((*list)[at+1:], (*list)[at:])
			(*list)[at] = len(s)
		}
	}
	return m
}

// written returns how a token that is no ordinary one looks in a text.
func (v *Vocab) written(id int) string {
	if v.Model == SentencePiece && v.Type(id) == UserDefined {
		return strings.ReplaceAll(v.Tokens[id], space, " ")
	}
	return v.Tokens[id]
}

// find returns the first token in text and where it is: the longest there. If
// there is none, id is -1 and at the text's length.
func (m *matcher) find(text string) (at, length int, id int32) {
	if len(m.ids) == 0 {
		return len(text), 0, -1
	}
	for at := range len(text) {
		for _, n := range m.lengths[text[at]] {
			if n > len(text)-at {
				continue
			}
			if i := m.table.find(text[at : at+n]); i >= 0 {
				return at, n, m.ids[i]
			}
		}
	}
	return len(text), 0, -1
}
