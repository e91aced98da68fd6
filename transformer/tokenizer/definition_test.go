package tokenizer

// Encoding compared with what its definition says.

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// slowSentencePiece encodes as the definition says, with strings: of all
// neighbours that make a token the pair with the highest score, the first of
// equals, until there is none.
func slowSentencePiece(v *Vocab, text string) []int32 {
	ids := map[string]int32{}
	for i, s := range v.Tokens {
		if v.mergeable(int32(i)) {
			ids[s] = int32(i)
		}
	}
	var parts []string
	for _, r := range text {
		parts = append(parts, string(r))
	}
	for {
		best := -1
		for i := range max(len(parts)-1, 0) {
			if id, ok := ids[parts[i]+parts[i+1]]; ok && (best < 0 || v.Scores[id] > v.Scores[ids[parts[best]+parts[best+1]]]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		parts = slices.Replace(parts, best, best+2, parts[best]+parts[best+1])
	}
	return slowBytes(v, ids, parts)
}

// slowMerges encodes by the list of merges.
func slowMerges(v *Vocab, parts []string) []string {
	ranks := map[string]int{}
	for i, m := range v.Merges {
		ranks[m] = i
	}
	for {
		best := -1
		for i := range max(len(parts)-1, 0) {
			if rank, ok := ranks[parts[i]+" "+parts[i+1]]; ok && (best < 0 || rank < ranks[parts[best]+" "+parts[best+1]]) {
				best = i
			}
		}
		if best < 0 {
			return parts
		}
		parts = slices.Replace(parts, best, best+2, parts[best]+parts[best+1])
	}
}

func slowBytes(v *Vocab, ids map[string]int32, parts []string) (out []int32) {
	bytes := map[byte]int32{}
	for i, s := range v.Tokens {
		if b, ok := byteOf(s); ok && v.Type(i) == Byte {
			bytes[b] = int32(i)
		}
	}
	for _, p := range parts {
		if id, ok := ids[p]; ok {
			out = append(out, id)
			continue
		}
		for _, b := range []byte(p) {
			if id, ok := bytes[b]; ok {
				out = append(out, id)
			} else if len(out) == 0 || out[len(out)-1] != v.Unknown {
				out = append(out, v.Unknown)
			}
		}
	}
	return out
}

// randomVocab returns pieces that overlap in many ways, also with characters
// that are no tokens and with equal scores.
func randomVocab(rng *rand.Rand, alphabet string) []string {
	letters := []rune(alphabet)
	seen := map[string]bool{}
	var pieces []string
	for _, r := range letters {
		if rng.IntN(8) > 0 {
			pieces = append(pieces, string(r))
		}
	}
	for range 10 + rng.IntN(30) {
		var s string
		if len(pieces) > 1 && rng.IntN(3) > 0 {
			s = pieces[rng.IntN(len(pieces))] + pieces[rng.IntN(len(pieces))]
		} else {
			for range 2 + rng.IntN(3) {
				s += string(letters[rng.IntN(len(letters))])
			}
		}
		if !seen[s] && len(s) < 20 {
			pieces = append(pieces, s)
		}
		seen[s] = true
	}
	return slices.Compact(pieces)
}

// The heap, the table of pairs, cutting and the cache change nothing.
func TestDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 2))
	for round := range 150 {
		alphabet := []string{"ab", "abc▁", "aé▁b", "abcdefgh▁"}[round%4]
		pieces := randomVocab(rng, alphabet)
		v := spVocab(pieces...)
		if round%3 == 0 { // equal scores
			for i := range v.Scores {
				v.Scores[i] = float32(int(v.Scores[i]) / 4)
			}
		}
		if round%5 == 0 { // no bytes
			keep := spVocab().Tokens
			v.Tokens = append(v.Tokens[:3:3], v.Tokens[len(keep):]...)
			v.Types = append(v.Types[:3:3], v.Types[len(keep):]...)
			v.Scores = append(v.Scores[:3:3], v.Scores[len(keep):]...)
		}
		v.AddSpacePrefix = false
		tok := mustNew(t, v, nil)
		letters := []rune(alphabet + "zy")
		for i := range 40 {
			text := make([]rune, rng.IntN(30))
			if i == 0 {
				text = make([]rune, 400)
			}
			for j := range text {
				text[j] = letters[rng.IntN(len(letters)*8)%len(letters)]
				if rng.IntN(20) > 0 && text[j] > 'x' && text[j] < 128 {
					text[j] = letters[0]
				}
			}
			s := string(text)
			for range 2 { // the second time from the cache
				if got, want := tok.Encode(s, false), slowSentencePiece(v, s); !slices.Equal(got, want) {
					t.Fatalf("vocabulary %q: Encode(%q): got %v, want %v", pieces, s, got, want)
				}
			}
		}
	}
}

func TestDefinitionOfMerges(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 2))
	for range 100 {
		pieces := []string{"a", "b", "c", "▁"}
		var merges []string
		for range 25 {
			l, r := pieces[rng.IntN(len(pieces))], pieces[rng.IntN(len(pieces))]
			if m := l + " " + r; !slices.Contains(merges, m) && len(l+r) < 16 {
				merges = append(merges, m)
				if !slices.Contains(pieces, l+r) {
					pieces = append(pieces, l+r)
				}
			}
		}
		v := spVocab(pieces...)
		v.Merges, v.AddSpacePrefix = merges, false
		ids := map[string]int32{}
		for i, s := range v.Tokens {
			ids[s] = int32(i)
		}
		tok := mustNew(t, v, nil)
		again := mustNew(t, throughHF(t, v), nil)
		for i := range 40 {
			text := make([]byte, rng.IntN(30)+i/39*300)
			for j := range text {
				text[j] = "abc xabcaab"[rng.IntN(11)]
			}
			var parts []string
			for _, r := range strings.ReplaceAll(string(text), " ", "▁") {
				parts = append(parts, string(r))
			}
			want := slowBytes(v, ids, slowMerges(v, parts))
			for _, tok := range []*Tokenizer{tok, again} {
				if got := tok.Encode(string(text), false); !slices.Equal(got, want) {
					t.Fatalf("merges %q: Encode(%q): got %v, want %v", merges, text, got, want)
				}
			}
		}
	}
}
