package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"netllm/internal/golden"
)

// prose returns about n bytes of words of very different frequency, as in
// English, with a few numbers, names and lines.
func prose(n int) string {
	syllables := []string{"the", "in", "er", "an", "re", "on", "at", "en", "ti", "or", "st", "ar", "nd", "to", "net", "work", "qu", "ing", "ly", "ab", "str", "eam", "vi", "deo", "é", "über"}
	rng := rand.New(rand.NewPCG(7, 7))
	words := make([]string, 20000)
	for i := range words {
		for range 1 + rng.IntN(4) {
			words[i] += syllables[rng.IntN(len(syllables))]
		}
	}
	var b strings.Builder
	for b.Len() < n {
		x := rng.Float64()
		b.WriteString(words[int(x*x*x*x*float64(len(words)))])
		switch rng.IntN(12) {
		case 0:
			b.WriteString(", ")
		case 1:
			b.WriteString(". The ")
		case 2:
			b.WriteString(" 2026\n")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func BenchmarkEncode(b *testing.B) {
	text := prose(1 << 20)
	for _, name := range []string{"llama-spm", "gpt-2"} {
		v := fromGGUFFile(b, golden.Data(b, "models/vocab-only-gguf/ggml-vocab-"+name+".gguf"))
		tok := mustNew(b, v, nil)
		ids := tok.Encode(text, true)
		b.Run("vocab="+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				ids = tok.encode(ids[:0], text, true)
			}
		})
		b.Run("short/vocab="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ids = tok.encode(ids[:0], text[:60], true)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := mustNew(b, fromGGUFFile(b, golden.Data(b, "models/vocab-only-gguf/ggml-vocab-llama-spm.gguf")), nil)
	text := prose(1 << 20)
	ids := tok.Encode(text, false)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		tok.Decode(ids)
	}
}

// One word without end has no help from cache or cutting.
func BenchmarkLongWord(b *testing.B) {
	text := strings.Repeat("abcde", 1<<16)
	for _, name := range []string{"llama-spm", "gpt-2"} {
		tok := mustNew(b, fromGGUFFile(b, golden.Data(b, "models/vocab-only-gguf/ggml-vocab-"+name+".gguf")), nil)
		b.Run("vocab="+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, false)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, name := range []string{"llama-spm", "gpt-2"} {
		v := fromGGUFFile(b, golden.Data(b, "models/vocab-only-gguf/ggml-vocab-"+name+".gguf"))
		b.Run("vocab="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustNew(b, v, nil)
			}
		})
	}
}
