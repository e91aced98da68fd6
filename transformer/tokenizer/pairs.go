package tokenizer

// Which two neighbours merge, in which order, and into what.

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"
)

// pairs is a hash table of pairs of symbols.
type pairs struct {
	slots []pair
	seed  uint64
}

type pair struct {
	left, right int32
	rank        int32 // the lowest is merged first
	into        int32 // token + 1; 0: a free slot
}

func newPairs(n int) *pairs {
	return &pairs{slots: make([]pair, 1<<bits.Len(uint(n+n/3))), seed: rand.Uint64()}
}

// at returns the slot of a pair, or the free one where it would be.
func (p *pairs) at(left, right int32) *pair {
	h := uint64(uint32(left))<<32 | uint64(uint32(right))
	h = (h ^ p.seed) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	for i := h >> 32; ; i++ {
		s := &p.slots[i&uint64(len(p.slots)-1)]
		if s.into == 0 || s.left == left && s.right == right {
			return s
		}
	}
}

// ofMerges returns the pairs that merges list, which must be tokens and make
// tokens.
func ofMerges(merges []string, t *table) (*pairs, error) {
	p := newPairs(len(merges))
	for i, m := range merges {
		left, right, into, err := t.merge(m)
		if err != nil {
			return nil, fmt.Errorf("merge %d: %w", i, err)
		}
		s := p.at(left, right)
		if s.into != 0 {
			return nil, fmt.Errorf("merge %d is merge %d again: %q", i, s.rank, m)
		}
		*s = pair{left, right, int32(i), into + 1}
	}
	return p, nil
}

// merge finds the tokens of a merge "left right" and what they make. Tokens may
// have blanks in them; then the first way that names tokens counts.
func (t *table) merge(m string) (left, right, into int32, err error) {
	var missing string
	var both [64]byte
	for at := 1; at < len(m); at++ {
		blank := strings.IndexByte(m[at:], ' ')
		if blank < 0 {
			break
		}
		at += blank
		l, r := m[:at], m[at+1:]
		left, right = t.find(l), t.find(r)
		switch {
		case r == "":
			continue
		case left < 0:
			missing = l
		case right < 0:
			missing = r
		default:
			if into = t.findBytes(append(append(both[:0], l...), r...)); into >= 0 {
				return left, right, into, nil
			}
			missing = l + r
		}
		if at > maxBlankToken {
			break
		}
	}
	if missing == "" {
		return 0, 0, 0, fmt.Errorf("%.80q is not two tokens with a blank between", m)
	}
	return 0, 0, 0, fmt.Errorf("%.80q: %.80q is no token", m, missing)
}

// maxBlankToken limits the search for the blank between two tokens that have
// blanks themselves.
const maxBlankToken = 256

// ofScores returns the pairs of SentencePiece: any two symbols that make a token
// merge, first those that make the one with the highest score. Symbols are
// tokens and characters; chars has the symbols of characters, and more are
// added to it for those that are no tokens.
func (v *Vocab) ofScores(t *table, chars map[rune]int32) *pairs {
	ranks := v.ranks()
	count := 0
	v.splits(t, chars, func(left, right, into int32) bool { count++; return true })
	p := newPairs(count)
	v.splits(t, chars, func(left, right, into int32) bool {
		*p.at(left, right) = pair{left, right, ranks[into], into + 1}
		return true
	})
	return p
}

// ranks numbers the scores, the highest first, equal ones alike.
func (v *Vocab) ranks() []int32 {
	order := make([]int32, len(v.Tokens))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch x, y := v.Scores[a], v.Scores[b]; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return int(a - b)
	})
	ranks := make([]int32, len(order))
	for i, id := range order {
		if i > 0 {
			ranks[id] = ranks[order[i-1]]
			if v.Scores[id] != v.Scores[order[i-1]] {
				ranks[id]++
			}
		}
	}
	return ranks
}

// mergeable reports whether merging may make token id, and its text is not
// that of another kind of token.
func (v *Vocab) mergeable(id int32) bool {
	switch v.Type(int(id)) {
	case Normal, UserDefined, Unused:
		return utf8.ValidString(v.Tokens[id])
	}
	return false
}

// characters returns the symbols of the characters in mergeable tokens: the
// token, or a number from len(v.Tokens) on for one that is none.
func (v *Vocab) characters() map[rune]int32 {
	chars := make(map[rune]int32)
	for id, t := range v.Tokens {
		if r, n := utf8.DecodeRuneInString(t); n == len(t) && n > 0 && v.mergeable(int32(id)) {
			chars[r] = int32(id)
		}
	}
	next := int32(len(v.Tokens))
	for id, t := range v.Tokens {
		if !v.mergeable(int32(id)) {
			continue
		}
		for _, r := range t {
			if _, ok := chars[r]; !ok {
				chars[r] = next
				next++
			}
		}
	}
	return chars
}

// splits calls yield for all pairs of symbols that make a token, in the order
// of tokens, until it returns false.
func (v *Vocab) splits(t *table, chars map[rune]int32, yield func(left, right, into int32) bool) {
	// Only lengths that tokens have are tried: a very long token would take the
	// square of its length otherwise.
	longest := utf8.UTFMax
	for id := range v.Tokens {
		if v.mergeable(int32(id)) {
			longest = max(longest, len(v.Tokens[id]))
		}
	}
	has := make([]bool, longest+1)
	lengths := []int{}
	for id, token := range v.Tokens {
		if n := len(token); n <= longest && v.mergeable(int32(id)) {
			has[n] = true
		}
	}
	for n := range longest + 1 {
		if has[n] = has[n] || n > 0 && n <= utf8.UTFMax; has[n] {
			lengths = append(lengths, n)
		}
	}
	symbol := func(s string) int32 {
		if r, n := utf8.DecodeRuneInString(s); n == len(s) {
			if id, ok := chars[r]; ok {
				return id
			}
			return -1
		}
		if id := t.find(s); id >= 0 && v.mergeable(id) {
			return id
		}
		return -1
	}
	for id, token := range v.Tokens {
		if len(token) < 2 || !v.mergeable(int32(id)) {
			continue
		}
		for _, at := range lengths {
			if at >= len(token) {
				break
			}
			if !has[len(token)-at] || !utf8.RuneStart(token[at]) {
				continue
			}
			left := symbol(token[:at])
			if left < 0 {
				continue
			}
			if right := symbol(token[at:]); right >= 0 && !yield(left, right, int32(id)) {
				return
			}
		}
	}
}

// scoresOf returns scores by which SentencePiece encodes as the pairs of merges
// do, and whether there are such: every two tokens that make a token must be
// listed, and those that make the same one side by side.
func (v *Vocab) scoresOf(t *table, p *pairs, merges int) ([]float32, bool) {
	n := int32(len(v.Tokens))
	first := make([]int32, n) // of the merges that make a token, + 1
	count := make([]int32, n)
	listed, equal := 0, true
	v.splits(t, v.characters(), func(left, right, into int32) bool {
		if left >= n || right >= n {
			equal = false // scores would merge a character that is no token
			return false
		}
		s := p.at(left, right)
		if equal = s.into == into+1; !equal {
			return false
		}
		if first[into] == 0 || s.rank+1 < first[into] {
			first[into] = s.rank + 1
		}
		count[into]++
		listed++
		return true
	})
	if equal = equal && listed == merges; equal {
		for i := range p.slots {
			s := &p.slots[i]
			if s.into != 0 && s.rank+1 >= first[s.into-1]+count[s.into-1] {
				equal = false
				break
			}
		}
	}
	return v.scoresBy(p), equal
}

// scoresBy returns scores in the order in which merges make tokens first: minus
// the number of normal tokens before each. Where that is the order of ids it
// counts all of them, as SentencePiece's own trainer does; else those that no
// merge makes come last.
func (v *Vocab) scoresBy(p *pairs) []float32 {
	made := make([]int32, len(v.Tokens)) // rank + 1 of the first merge that makes it
	for i := range p.slots {
		if s := &p.slots[i]; s.into != 0 && (made[s.into-1] == 0 || s.rank+1 < made[s.into-1]) {
			made[s.into-1] = s.rank + 1
		}
	}
	var normal []int32
	sorted, last := true, int32(0)
	for id := range v.Tokens {
		switch v.Type(id) {
		case Unknown, Control, Byte:
			continue
		}
		normal = append(normal, int32(id))
		if made[id] > 0 {
			sorted, last = sorted && made[id] > last, made[id]
		}
	}
	if !sorted {
		slices.SortStableFunc(normal, func(a, b int32) int {
			switch x, y := made[a], made[b]; {
			case x == y:
				return 0
			case y == 0 || x > 0 && x < y:
				return -1
			}
			return 1
		})
	}
	scores := make([]float32, len(v.Tokens))
	for i, id := range normal {
		if scores[id] = -float32(i); v.isPadding(int(id)) {
			scores[id] = padScore
		}
	}
	return scores
}
