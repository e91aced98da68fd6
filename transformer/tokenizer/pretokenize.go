package tokenizer

// Pre-tokenizers: how byte-level encoding cuts text into words. Each is the
// regular expression of its tokenizer.json (see patterns) written out by hand,
// since package regexp has no lookahead, and is slower.

import (
	"errors"
	"fmt"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Names of pre-tokenizers, by GGUF's.
const (
	preGPT2   = "gpt-2"
	preLlama3 = "llama-bpe"
	preQwen2  = "qwen2"
)

// preOf returns the pre-tokenizer of a name that GGUF files have.
func preOf(name string) (string, error) {
	switch name {
	case preGPT2, preLlama3, preQwen2:
		return name, nil
	case "llama3", "llama-v3":
		return preLlama3, nil
	case "deepseek-r1-qwen":
		return preQwen2, nil
	}
	return "", fmt.Errorf("pre-tokenizer %q is not supported, want %q, %q or %q (%w)", name, preGPT2, preLlama3, preQwen2, errors.ErrUnsupported)
}

// class is what a character is to a pre-tokenizer.
type class uint8

const (
	other  class = iota // [^\s\p{L}\p{N}]
	letter              // \p{L}
	number              // \p{N}
	blank               // \s
)

func classify(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.Is(unicode.White_Space, r):
		return blank
	}
	return other
}

var asciiClasses = func() (c [utf8.RuneSelf]class) {
	for r := range c {
		c[r] = classify(rune(r))
	}
	return c
}()

// planeClasses has the classes of the first 65,536 characters: searching the
// tables of package unicode for each takes longer than all the rest.
var planeClasses = sync.OnceValue(func() *[1 << 16]class {
	c := new([1 << 16]class)
	mark := func(t *unicode.RangeTable, as class) {
		for _, r := range t.R16 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				c[x] = as
			}
		}
	}
	mark(unicode.L, letter)
	mark(unicode.N, number)
	mark(unicode.White_Space, blank)
	return c
})

// first returns the class and the length of the first character.
func first(text string) (class, int) {
	if c := text[0]; c < utf8.RuneSelf {
		return asciiClasses[c], 1
	}
	r, n := utf8.DecodeRuneInString(text)
	if r < 1<<16 {
		return planeClasses()[r], n
	}
	return classify(r), n
}

// run returns where the characters of a class that begin at a place end.
func run(text string, at int, of class) int {
	for at < len(text) {
		c, n := first(text[at:])
		if c != of {
			break
		}
		at += n
	}
	return at
}

// nextGPT2 returns the length of the first word of GPT-2's pre-tokenizer.
func nextGPT2(text string) int {
	if text[0] == '\'' {
		if n := contraction(text); n > 0 && isLower(text[1:n]) {
			return n
		}
	}
	c, at := first(text)
	if text[0] == ' ' && len(text) > 1 {
		if after, n := first(text[1:]); after != blank {
			c, at = after, 1+n
		}
	}
	if c != blank {
		return run(text, at, c)
	}
	return blanks(text)
}

// nextLlama3 returns the length of the first word of Llama 3's pre-tokenizer.
func nextLlama3(text string) int { return nextWord(text, 3) }

// nextQwen2 returns the length of the first word of Qwen2's pre-tokenizer.
func nextQwen2(text string) int { return nextWord(text, 1) }

// nextWord is for both: a number is cut after so many digits.
func nextWord(text string, digits int) int {
	if text[0] == '\'' {
		if n := contraction(text); n > 0 {
			return n
		}
	}
	c, at := first(text)
	switch {
	case c == letter:
		return run(text, at, letter)
	case c == number:
		for digits--; digits > 0 && at < len(text); digits-- {
			c, n := first(text[at:])
			if c != number {
				break
			}
			at += n
		}
		return at
	}
	after, n := blank, 0
	if at < len(text) {
		after, n = first(text[at:])
	}
	switch {
	case after == letter && text[0] != '\r' && text[0] != '\n':
		return run(text, at+n, letter)
	case c == other || text[0] == ' ' && after == other:
		for at = run(text, at, other); at < len(text) && (text[at] == '\r' || text[at] == '\n'); {
			at++
		}
		return at
	}
	// Blanks up to the last end of a line among them.
	end := run(text, at, blank)
	for i := end; i > 0; i-- {
		if text[i-1] == '\r' || text[i-1] == '\n' {
			return i
		}
	}
	return blanks(text)
}

// blanks returns the length of the blanks at the beginning of text without the
// last, which goes with what follows, but with it if nothing does or if it is the
// only one.
func blanks(text string) int {
	end := run(text, 0, blank)
	if end == len(text) {
		return end
	}
	if _, n := utf8.DecodeLastRuneInString(text[:end]); n < end {
		return end - n
	}
	return end
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd in any case
// at the beginning of text, or 0. U+017F is an s in another case.
func contraction(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(text) > 2 && text[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(text) > 2 && text[2]|0x20 == 'l' {
			return 3
		}
	}
	if len(text) > 2 && text[1:3] == "ſ" {
		return 3
	}
	return 0
}

// isLower reports whether all bytes are small letters.
func isLower(text string) bool {
	for i := range len(text) {
		if text[i] < 'a' || text[i] > 'z' {
			return false
		}
	}
	return true
}
