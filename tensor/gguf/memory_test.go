package gguf

// How much memory a file can make its reader take: never more than twice its
// size, whatever it says and however small its parts are.

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"netllm/internal/measure"
)

// allowed is what a file of so many bytes may allocate.
func allowed(size int) uint64 { return 1<<20 + 2*uint64(size) }

// A small file that claims to be large makes no large allocation.
func TestBoundedAllocation(t *testing.T) {
	fill := make([]byte, 1<<16)
	tests := []struct {
		name string
		data []byte
	}{
		{"tensors", file(head(3, uint64(len(fill))/minInfoBytes, 0), fill)},
		{"tensors past the end", file(head(3, math.MaxUint64, 0), fill)},
		{"keys", file(head(3, 0, uint64(len(fill))/minEntryBytes), fill)},
		{"key length", file(head(3, 0, 1), u(uint64(1)<<50), fill)},
		{"string", file(head(3, 0, 1), kv("k", vString, uint64(1)<<40), fill)},
		{"array", file(head(3, 0, 1), kv("k", vArray, vUint64, uint64(1)<<40), fill)},
		{"strings", file(head(3, 0, 1), kv("k", vArray, vString, uint64(1)<<40), fill)},
		{"zero-size tensor of 2^60 rows", file(head(3, 1, 0), info("a", 0, 0, 0, 1<<60), fill)},
		{"tensor", file(head(3, 1, 0), info("a", 0, 0, 1<<58), fill)},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := measure.Allocated(func() {
				if f, err := Parse("x", c.data); err == nil {
					t.Errorf("got a file with %v", f.Tensors())
				}
			})
			if got > 1<<16+2*uint64(len(c.data)) {
				t.Errorf("got %d bytes allocated for a file of %d", got, len(c.data))
			}
		})
	}
}

// Files of megabytes that consist of the smallest parts there can be.
func TestSmallestParts(t *testing.T) {
	const n = 1 << 17
	name := func(i int) string { return string([]byte{byte(i), byte(i >> 8), byte(i >> 16)}) }
	var keys, bools, unknown, empty, deep, texts []byte
	for i := range n {
		keys = append(keys, kv(name(i), vUint8, uint8(i))...)
		bools = append(bools, kv(name(n-1-i), vArray, vBool, uint64(0))...)
		unknown = append(unknown, info(name(i), 99, 0)...)
		empty = append(empty, info(name(n-1-i), 0, 0, 0)...)
		deep = append(deep, info(name(i), 24, 0, 0, 1, 1, 1)...)
		texts = append(texts, u("")...)
	}
	one := make([]byte, n)
	var bytes []byte // tensors of one byte, in reverse
	for i := range n {
		bytes = append(bytes, info(name(i), 24, uint64(n-1-i))...)
	}
	tests := []struct {
		name string
		data []byte
	}{
		{"keys", file(head(3, 0, n), keys)},
		{"empty arrays", file(head(3, 0, n), bools)},
		{"tensors of no known type", file(head(3, n, 0), unknown)},
		{"empty tensors", file(head(3, n, 0), empty)},
		{"empty tensors of four dimensions", file(head(3, n, 0), deep)},
		{"tensors of a byte", file(head(3, n, 1), kv("general.alignment", vUint32, uint32(1)), bytes, one)},
		{"keys and tensors", file(head(3, n, n), keys, empty)},
		{"strings", file(head(3, 0, 1), kv("k", vArray, vString, uint64(n), texts))},
		{"alignment of strings", file(head(3, 0, 1), kv("general.alignment", vArray, vString, uint64(n), texts))},
		{"alignment of bytes", file(head(3, 0, 1), kv("general.alignment", vArray, vUint8, uint64(n), one))},
		{"split into strings", file(head(3, 0, 1), kv("split.count", vArray, vString, uint64(n), texts))},
		{"a long name twice", file(head(3, 2, 0), info(strings.Repeat("\x00", n), 99, 0), info(strings.Repeat("\x00", n), 99, 0))},
		{"the last key twice", file(head(3, 0, n+1), keys, kv(name(0), vUint8, uint8(0)))},
		{"keys, then claims", file(head(3, uint64(len(keys))/minInfoBytes, n), keys)},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			var f *File
			var err error
			if got := measure.Allocated(func() { f, err = Parse("x", c.data) }); got > allowed(len(c.data)) {
				t.Errorf("got %d bytes allocated for a file of %d, want at most %d (%v)", got, len(c.data), allowed(len(c.data)), err)
			}
			if err != nil {
				if len(err.Error()) > 1000 {
					t.Errorf("got an error of %d bytes", len(err.Error()))
				}
				return
			}
			useSome(t, f)
		})
	}
}

// useSome looks up a few of many keys and tensors.
func useSome(t *testing.T, f *File) {
	t.Helper()
	keys, names := f.Keys(), f.Names()
	for i := 0; i < len(keys); i += 1 + len(keys)/100 {
		if _, err := f.Value(keys[i]); err != nil || !f.Has(keys[i]) {
			t.Errorf("key %q: %v", keys[i], err)
		}
	}
	for i := 0; i < len(names); i += 1 + len(names)/100 {
		if info, ok := f.Info(names[i]); !ok || info.Name != names[i] {
			t.Errorf("tensor %q: got %v, %v", names[i], info, ok)
		}
	}
}

// What the reader keeps of a large file is what the head takes, not the tensors:
// those of an ordinary model are a few kilobytes.
func TestOrdinaryAllocation(t *testing.T) {
	var infos [][]byte
	const layers = 32 * 9
	for i := range layers {
		infos = append(infos, info(fmt.Sprintf("blk.%d.ffn_down.weight", i), 0, uint64(i)*4096, 32, 32))
	}
	parts := []any{head(3, layers, 0)}
	for _, b := range infos {
		parts = append(parts, b)
	}
	data := file(append(parts, pad, make([]byte, layers*4096))...)
	if got := measure.Allocated(func() {
		if _, err := Parse("x", data); err != nil {
			t.Error(err)
		}
	}); got > 1<<15 {
		t.Errorf("got %d bytes allocated", got)
	}
}

// Opening a model of 7 billion weights: its head, of which the vocabulary is the
// most.
func BenchmarkOpen(b *testing.B) {
	const tensors, tokens = 291, 32000
	parts := []any{head(3, tensors, 3), kv("tokenizer.ggml.tokens", vArray, vString, uint64(tokens), vocabulary(tokens)),
		kv("tokenizer.ggml.scores", vArray, vFloat32, uint64(tokens), make([]byte, 4*tokens)),
		kv("tokenizer.ggml.token_type", vArray, vInt32, uint64(tokens), make([]byte, 4*tokens))}
	for i := range tensors {
		parts = append(parts, info(fmt.Sprintf("blk.%d.ffn_gate.weight", i), 0, uint64(i)*32, 8))
	}
	data := file(append(parts, pad, make([]byte, 32*tensors))...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("x", data); err != nil {
			b.Fatal(err)
		}
	}
}

func vocabulary(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, u(fmt.Sprintf("token%d", i))...)
	}
	return b
}
