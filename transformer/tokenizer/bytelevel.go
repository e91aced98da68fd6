package tokenizer

// Byte-level byte-pair encoding: text is cut into words, their bytes merge.

import "unicode/utf8"

// GPT-2's alphabet writes every byte as a character that can be seen: those of
// Latin-1 that can be seen as themselves, the others, in order, as U+0100 and
// following. Source: bytes_to_unicode in OpenAI's gpt-2.
var (
	byteRunes [256]rune
	runeBytes [324]int16 // -1: no byte
)

func init() {
	for r := range runeBytes {
		runeBytes[r] = -1
	}
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if b < '!' || b > '~' && b < 0xa1 || b == 0xad {
			r = next
			next++
		}
		byteRunes[b] = r
		runeBytes[r] = int16(b)
	}
}

// unalphabet appends the bytes that a token in GPT-2's alphabet stands for; a
// token with other characters is text as it is.
func unalphabet(out []byte, token string) []byte {
	before := len(out)
	for _, r := range token {
		if int(r) >= len(runeBytes) || runeBytes[r] < 0 {
			return append(out[:before], token...)
		}
		out = append(out, byte(runeBytes[r]))
	}
	return out
}

func (t *Tokenizer) initByteLevel(ids *table) error {
	v := t.vocab
	pre, err := preOf(v.Pre)
	if err != nil {
		return err
	}
	t.next = map[string]func(string) int{preGPT2: nextGPT2, preLlama3: nextLlama3, preQwen2: nextQwen2}[pre]
	if t.pairs, err = ofMerges(v.Merges, ids); err != nil {
		return err
	}
	size := 0
	for _, token := range v.Tokens {
		size += len(token)
	}
	text, ends := make([]byte, 0, size), make([]int, len(v.Tokens))
	for id, token := range v.Tokens {
		switch kind := v.Type(id); {
		case kind == UserDefined:
			text = append(text, token...)
		case kind != Control && kind != Unknown && !v.isPadding(id):
			text = unalphabet(text, token)
		}
		ends[id] = len(text)
	}
	all, from := string(text), 0
	t.pieces = make([]string, len(v.Tokens))
	for id, to := range ends {
		t.pieces[id] = all[from:to]
		from = to
	}
	var alphabet [utf8.UTFMax]byte
	for b, r := range byteRunes {
		if id := ids.findBytes(utf8.AppendRune(alphabet[:0], r)); id >= 0 && v.Type(int(id)) == Normal {
			t.bytes[b] = id
		}
	}
	if v.IgnoreMerges {
		words := make([]string, len(v.Tokens))
		for id := range words {
			if v.Type(id) == Normal {
				words[id] = t.pieces[id]
			}
		}
		t.words, _ = newTable(words)
	}
	return nil
}

// encodeByteLevel appends the tokens of a text without special ones.
func (t *Tokenizer) encodeByteLevel(ids []int32, s *state, text string) []int32 {
	for len(text) > 0 {
		n := t.next(text)
		word := append(s.text[:0], text[:n]...)
		s.text = word
		text = text[n:]
		before := len(ids)
		var keep *cached
		if ids, keep = s.lookup(ids, word); len(ids) == before {
			ids = t.mergeBytes(ids, s, word)
			keep.keep(word, ids[before:])
		}
	}
	return ids
}

// mergeBytes appends the tokens of a word.
func (t *Tokenizer) mergeBytes(ids []int32, s *state, word []byte) []int32 {
	if t.words != nil {
		if id := t.words.findBytes(word); id >= 0 {
			return append(ids, id)
		}
	}
	s.symbols = s.symbols[:0]
	for at, b := range word {
		id := t.bytes[b]
		if id < 0 {
			if id = t.vocab.Unknown; id < 0 {
				continue
			}
		}
		s.push(id, at)
	}
	s.merge(t.pairs)
	for i := int32(0); i >= 0 && len(s.symbols) > 0; i = s.symbols[i].next {
		ids = append(ids, s.symbols[i].id)
	}
	return ids
}
