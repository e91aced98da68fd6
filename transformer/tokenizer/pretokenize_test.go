package tokenizer

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"netllm/internal/golden"
)

// The words are those that regular expressions find: see testdata/split.
func TestPreTokenizers(t *testing.T) {
	data, err := os.ReadFile("testdata/split/split.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(data)) {
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		var text string
		if err := json.Unmarshal([]byte(parts[0]), &text); err != nil || len(parts) != 4 {
			t.Fatalf("line %q: %v", line, err)
		}
		for i, next := range []func(string) int{nextGPT2, nextLlama3, nextQwen2} {
			var lengths []string
			for rest := text; rest != ""; {
				n := next(rest)
				lengths = append(lengths, strconv.Itoa(n))
				rest = rest[n:]
			}
			if got := strings.Join(lengths, ","); got != parts[1+i] {
				t.Errorf("%s of %q: got words of %s bytes, want %s", []string{preGPT2, preLlama3, preQwen2}[i], text, got, parts[1+i])
			}
			cases++
		}
	}
	golden.Cases(t, cases)
}

// The table of classes is what package unicode says.
func TestClasses(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 {
			continue
		}
		if got, _ := first(string(r)); got != classify(r) {
			t.Fatalf("%U: got class %d, want %d", r, got, classify(r))
		}
	}
}

func TestPreNames(t *testing.T) {
	for name, want := range map[string]string{"gpt-2": preGPT2, "llama-bpe": preLlama3, "llama3": preLlama3, "llama-v3": preLlama3, "qwen2": preQwen2, "deepseek-r1-qwen": preQwen2} {
		if got, err := preOf(name); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "default", "falcon", "tekken"} {
		if _, err := preOf(name); err == nil || !strings.Contains(err.Error(), strconv.Quote(name)) {
			t.Errorf("%q: got %v, want an error that names it", name, err)
		}
	}
}
