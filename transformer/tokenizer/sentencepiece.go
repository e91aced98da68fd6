package tokenizer

// SentencePiece byte-pair encoding: characters merge, blanks are characters too.

import (
	"unicode/utf8"
)

// bigrams is a set of two characters side by side, as bits by a hash: it may
// have more than were put in.
type bigrams [1 << 11]uint64

func (b *bigrams) bit(left, right rune) (word *uint64, mask uint64) {
	h := (uint32(left)*0x9e3779b1 ^ uint32(right)) * 0x85ebca77 >> 15
	return &b[h>>6], 1 << (h & 63)
}

func (b *bigrams) add(left, right rune) {
	w, mask := b.bit(left, right)
	*w |= mask
}

func (b *bigrams) has(left, right rune) bool {
	w, mask := b.bit(left, right)
	return *w&mask != 0
}

func (t *Tokenizer) initSentencePiece(ids *table) error {
	v := t.vocab
	t.chars = v.characters()
	t.scored = v.Merges == nil
	if t.scored {
		t.pairs = v.ofScores(ids, t.chars)
	} else {
		var err error
		if t.pairs, err = ofMerges(v.Merges, ids); err != nil {
			return err
		}
		for r, id := range t.chars {
			if int(id) >= len(v.Tokens) {
				delete(t.chars, r)
			}
		}
	}
	for r := range t.ascii {
		t.ascii[r] = -1
		if id, ok := t.chars[rune(r)]; ok {
			t.ascii[r] = id
		}
	}
	t.pieces = make([]string, len(v.Tokens))
	for id, token := range v.Tokens {
		switch v.Type(id) {
		case Byte:
			b, _ := byteOf(token)
			t.bytes[b] = int32(id)
			t.pieces[id] = string([]byte{b})
		case Control, Unknown:
		default:
			if !v.isPadding(id) {
				t.pieces[id] = replaceSpace(token)
			}
		}
	}
	t.inside = t.joints()
	return nil
}

// joints returns which characters stand side by side inside of tokens that
// merging makes. Between two others no merge reaches across, so that text can
// be cut there and each part be encoded alone.
func (t *Tokenizer) joints() *bigrams {
	v := t.vocab
	b := new(bigrams)
	for i := range t.pairs.slots {
		s := &t.pairs.slots[i]
		if s.into == 0 {
			continue
		}
		for _, id := range []int32{s.left, s.right} {
			if int(id) < len(v.Tokens) && !v.mergeable(id) {
				return nil // bytes merge, or worse
			}
		}
		last := rune(-1)
		for _, r := range v.Tokens[s.into-1] {
			if last >= 0 {
				b.add(last, r)
			}
			last = r
		}
	}
	return b
}

// encodeSentencePiece appends the tokens of a text without special ones. first
// says that it is where all of the text begins.
func (t *Tokenizer) encodeSentencePiece(ids []int32, s *state, text string, first bool) []int32 {
	s.text = t.prepare(s.text[:0], text, first)
	segment := len(ids)
	for rest := s.text; len(rest) > 0; {
		n := t.cut(rest)
		word := rest[:n]
		rest = rest[n:]
		before := len(ids)
		var keep *cached
		if ids, keep = s.lookup(ids, word); len(ids) == before {
			ids = t.mergeWord(ids, s, word)
			keep.keep(word, ids[before:])
		}
		// Unknown characters in a row are one token.
		if u := t.vocab.Unknown; u >= 0 && before > segment && len(ids) > before && ids[before] == u && ids[before-1] == u {
			ids = append(ids[:before], ids[before+1:]...)
		}
	}
	return ids
}

// prepare appends the text as tokens have it: U+2581 for blanks, and one more
// before it where the vocabulary says so.
func (t *Tokenizer) prepare(to []byte, text string, first bool) []byte {
	v := t.vocab
	if v.TrimSpaces {
		text = trimSpaces(text)
	}
	if text == "" {
		return to
	}
	if v.AddSpacePrefix {
		has := text[0] == ' ' || len(text) >= len(space) && text[:len(space)] == space
		if v.Metaspace == "" || !has && (first || v.Metaspace == "always") {
			to = append(to, space...)
		}
	}
	for i := range len(text) {
		if c := text[i]; c == ' ' {
			to = append(to, space...)
		} else {
			to = append(to, c)
		}
	}
	return to
}

// trimSpaces takes out blanks at the ends, and all but one elsewhere.
func trimSpaces(text string) string {
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		if text[i] != ' ' || len(out) > 0 && out[len(out)-1] != ' ' {
			out = append(out, text[i])
		}
	}
	if n := len(out); n > 0 && out[n-1] == ' ' {
		out = out[:n-1]
	}
	return string(out)
}

// cut returns the length of a first part that no merge leaves.
func (t *Tokenizer) cut(text []byte) int {
	if t.inside == nil {
		return len(text)
	}
	last, at := utf8.DecodeRune(text)
	for at < len(text) {
		r, n := rune(text[at]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[at:])
		}
		if !t.inside.has(last, r) {
			break
		}
		last = r
		at += n
	}
	return at
}

// mergeWord appends the tokens of a part of the text.
func (t *Tokenizer) mergeWord(ids []int32, s *state, word []byte) []int32 {
	s.symbols = s.symbols[:0]
	for at := 0; at < len(word); {
		r, n := rune(word[at]), 1
		id := int32(-1)
		if r < utf8.RuneSelf {
			id = t.ascii[r]
		} else if r, n = utf8.DecodeRune(word[at:]); r != utf8.RuneError || n > 1 {
			if known, ok := t.chars[r]; ok {
				id = known
			}
		}
		if id >= 0 || t.scored {
			s.push(id, at)
		} else { // bytes may be merged too
			var bytes [utf8.UTFMax]int32
			for _, id := range t.fallback(bytes[:0], 0, word[at:at+n]) {
				if n := len(s.symbols); n == 0 || id != t.vocab.Unknown || s.symbols[n-1].id != id {
					s.push(id, at)
				}
			}
		}
		at += n
	}
	s.merge(t.pairs)
	from := len(ids)
	tokens := int32(len(t.vocab.Tokens))
	for i := int32(0); i >= 0 && len(s.symbols) > 0; i = s.symbols[i].next {
		if sym := &s.symbols[i]; sym.id >= 0 && sym.id < tokens {
			ids = append(ids, sym.id)
			continue
		}
		end := len(word)
		if next := s.symbols[i].next; next >= 0 {
			end = int(s.symbols[next].at)
		}
		ids = t.fallback(ids, from, word[s.symbols[i].at:end])
	}
	return ids
}

// fallback appends the bytes of a character that is no token, or the unknown
// token, but not behind another one at or after from.
func (t *Tokenizer) fallback(ids []int32, from int, char []byte) []int32 {
	before := len(ids)
	for _, b := range char {
		if t.bytes[b] >= 0 {
			ids = append(ids, t.bytes[b])
			continue
		}
		ids = ids[:before]
		if u := t.vocab.Unknown; u >= 0 && (before == from || ids[before-1] != u) {
			ids = append(ids, u)
		}
		break
	}
	return ids
}
