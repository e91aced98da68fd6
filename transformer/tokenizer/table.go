package tokenizer

// Ids by token: a hash table that knows only numbers of tokens.

import (
	"hash/maphash"
	"math/bits"
)

// table finds tokens by their text. It takes 12 bytes a token at most, beside
// the tokens themselves. Empty tokens are not in it.
type table struct {
	tokens []string
	slots  []int32 // token + 1; 0: free
	seed   maphash.Seed
}

// newTable returns the table of tokens, and the first token that occurred
// before, or -1.
func newTable(tokens []string) (t *table, twice int) {
	t = &table{tokens: tokens, slots: make([]int32, 1<<bits.Len(uint(len(tokens)+len(tokens)/2))), seed: maphash.MakeSeed()}
	twice = -1
	for i, s := range tokens {
		if s == "" {
			continue
		}
		slot := t.slot(maphash.String(t.seed, s))
		for t.slots[slot] != 0 && tokens[t.slots[slot]-1] != s {
			slot = t.slot(uint64(slot + 1))
		}
		if t.slots[slot] == 0 {
			t.slots[slot] = int32(i) + 1
		} else if twice < 0 {
			twice = i
		}
	}
	return t, twice
}

// findBytes is [table.find].
func (t *table) findBytes(s []byte) int32 {
	for slot := t.slot(maphash.Bytes(t.seed, s)); t.slots[slot] != 0; slot = t.slot(uint64(slot + 1)) {
		if id := t.slots[slot] - 1; t.tokens[id] == string(s) {
			return id
		}
	}
	return -1
}

func (t *table) slot(hash uint64) int { return int(hash & uint64(len(t.slots)-1)) }

// find returns the id of a token, or -1.
func (t *table) find(s string) int32 {
	for slot := t.slot(maphash.String(t.seed, s)); t.slots[slot] != 0; slot = t.slot(uint64(slot + 1)) {
		if id := t.slots[slot] - 1; t.tokens[id] == s {
			return id
		}
	}
	return -1
}
