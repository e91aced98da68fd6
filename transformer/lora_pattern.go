// Regular expressions from files: bounded before they are compiled, for a few
// characters can ask for megabytes.

package transformer

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// The limits of one file's regular expressions.
const (
	maxPatterns            = 32
	maxPatternBytes        = 1 << 10
	maxPatternInstructions = 1 << 10
)

// compile compiles a pattern between before and after.
func (b *patternBudget) compile(text, before, after string) (*regexp.Regexp, error) {
	b.patterns++
	switch {
	case b.patterns > maxPatterns:
		return nil, fmt.Errorf("more than %d regular expressions", maxPatterns)
	case len(text) > maxPatternBytes:
		return nil, fmt.Errorf("a regular expression of %d bytes, at most %d", len(text), maxPatternBytes)
	case strings.Contains(text, `\p`), strings.Contains(text, `\P`), strings.Contains(text, "(?i"):
		return nil, fmt.Errorf("regular expression %.80q: classes of Unicode are not supported", text)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("regular expression %.80q: %w (Python's look-around and back-references are not supported)", text, err)
	}
	if b.instructions += instructions(tree); b.instructions > maxPatternInstructions {
		return nil, fmt.Errorf("regular expression %.80q: too large", text)
	}
	return regexp.Compile(before + text + after)
}

// instructions returns about how long the program of an expression is, at most a
// little more than the limit.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/8
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n = min(n+instructions(sub), maxPatternInstructions+1)
	}
	if re.Op == syntax.OpRepeat {
		n = min(n*max(re.Min+1, re.Max), maxPatternInstructions+1)
	}
	return n
}
