package tokenizer

// Merging symbols: byte-pair encoding of one word.

import "hash/maphash"

// state is what one call of Encode works in.
type state struct {
	text    []byte
	symbols []symbol
	queue   []uint64 // a heap of rank<<32 | index of the left symbol
	cache   []cached // nil, or cacheSize
}

// symbol is a part of a word, in a list that is linked both ways.
type symbol struct {
	id         int32 // token; for SentencePiece also a character that is none; -1: nothing known
	prev, next int32 // indices; -1: none
	rank       int32 // of the pair that it makes with the next one, if into >= 0
	into       int32 // what that pair makes; -1: nothing
	at         int32 // where it begins in the word
}

// push appends a symbol to the word.
func (s *state) push(id int32, at int) {
	n := int32(len(s.symbols))
	s.symbols = append(s.symbols, symbol{id: id, prev: n - 1, next: n + 1, into: -1, at: int32(at)})
}

// merge merges pairs until there is none left: always the one of the lowest
// rank, and of equal ones the first. n symbols take n log n steps. The symbols
// that are left begin with the first and are linked by next.
func (s *state) merge(p *pairs) {
	if len(s.symbols) == 0 {
		return
	}
	s.symbols[len(s.symbols)-1].next = -1
	s.queue = s.queue[:0]
	for i := range s.symbols {
		s.look(p, int32(i))
	}
	for len(s.queue) > 0 {
		top := s.pop()
		i := int32(uint32(top))
		left := &s.symbols[i]
		// A pair that came about since has a rank of its own, and its own entry.
		if left.into < 0 || left.rank != int32(top>>32) {
			continue
		}
		gone := &s.symbols[left.next]
		left.id, left.next = left.into, gone.next
		gone.into = -1
		if left.next >= 0 {
			s.symbols[left.next].prev = i
		}
		s.look(p, i)
		if left.prev >= 0 {
			s.look(p, left.prev)
		}
	}
}

// look notes which pair symbol i makes with the next one, and queues it.
func (s *state) look(p *pairs, i int32) {
	left := &s.symbols[i]
	left.into = -1
	if left.next < 0 || left.id < 0 {
		return
	}
	right := s.symbols[left.next].id
	if right < 0 {
		return
	}
	if found := p.at(left.id, right); found.into != 0 {
		left.rank, left.into = found.rank, found.into-1
		s.insert(uint64(found.rank)<<32 | uint64(i))
	}
}

// insert puts an entry into the heap.
func (s *state) insert(x uint64) {
	q := append(s.queue, x)
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 2
		if q[up] <= x {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = x
	s.queue = q
}

// pop takes the smallest entry out of the heap.
func (s *state) pop() uint64 {
	q := s.queue
	top := q[0]
	n := len(q) - 1
	x := q[n]
	q = q[:n]
	s.queue = q
	i := 0
	for {
		down := 2*i + 1
		if down >= n {
			break
		}
		if down+1 < n && q[down+1] < q[down] {
			down++
		}
		if q[down] >= x {
			break
		}
		q[i] = q[down]
		i = down
	}
	if n > 0 {
		q[i] = x
	}
	return top
}

const (
	cacheFrom = 256  // bytes of text from which on a cache is worth its memory
	cacheSize = 8192 // words
)

// cached is a short word and its tokens, one cache line. A word is kept until
// another takes its place.
type cached struct {
	hash uint64
	size uint8 // bytes of the word; 0: free
	n    uint8 // tokens
	text [22]byte
	ids  [8]int32
}

var cacheSeed = maphash.MakeSeed()

// lookup appends the tokens of a word if they are known. If not, it returns
// where they may be kept, or nil.
func (s *state) lookup(ids []int32, word []byte) ([]int32, *cached) {
	if s.cache == nil || len(word) > len(cached{}.text) {
		return ids, nil
	}
	hash := maphash.Bytes(cacheSeed, word)
	c := &s.cache[hash%cacheSize]
	if c.hash == hash && int(c.size) == len(word) && string(c.text[:c.size]) == string(word) {
		return append(ids, c.ids[:c.n]...), nil
	}
	c.hash, c.size = hash, 0
	copy(c.text[:], word)
	return ids, c
}

// keep notes the tokens of a word that lookup did not know.
func (c *cached) keep(word []byte, ids []int32) {
	if c != nil && len(ids) <= len(c.ids) {
		c.size, c.n = uint8(len(word)), uint8(len(ids))
		copy(c.ids[:], ids)
	}
}
