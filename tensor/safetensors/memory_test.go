package safetensors

// How much memory a header or an index can make its reader take: never more than
// sixteen times its size, however small its parts are.

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"netllm/internal/measure"
)

// allowed is what a header or an index of so many bytes may allocate.
func allowed(size int) uint64 { return 1<<20 + 16*uint64(size) }

// A file that claims to be large makes no large allocation.
func TestBoundedAllocation(t *testing.T) {
	tests := []struct {
		name string
		data []byte
	}{
		{"header", append([]byte{0, 0xe1, 0xf5, 5, 0, 0, 0, 0}, "{}"...)}, // 10^8
		{"tensor", file(`{`+entry("a", "U8", "[1125899906842624]", "0", "1125899906842624")+`}`, 8)},
		{"zero-size tensor", file(`{`+entry("a", "U8", "[1152921504606846975,0]", "0", "0")+`}`, 8)},
		{"deep nesting", file(`{"a":`+strings.Repeat("[", 1<<16), 0)},
		{"many dimensions", file(`{`+entry("a", "U8", "["+strings.Repeat("1,", 1<<14)+"2]", "0", "1")+`}`, 1)},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := measure.Allocated(func() {
				if _, err := Parse("x", c.data); err == nil {
					t.Error("got no error")
				}
			})
			if limit := uint64(1<<16 + 16*len(c.data)); got > limit {
				t.Errorf("got %d bytes allocated for a file of %d, want at most %d", got, len(c.data), limit)
			}
		})
	}
}

// Headers of megabytes that consist of the smallest parts there can be.
func TestSmallestParts(t *testing.T) {
	const n = 1 << 16
	name := func(i int) string { return strconv.FormatInt(int64(i), 36) }
	join := func(f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(f(i))
		}
		return b.String()
	}
	tests := []struct {
		name string
		data []byte
	}{
		{"empty tensors", file("{"+join(func(i int) string { return entry(name(n-i), "U8", "[0]", "0", "0") })+"}", 0)},
		{"tensors of a byte", file("{"+join(func(i int) string {
			return entry(name(i), "U8", "[]", strconv.Itoa(i), strconv.Itoa(i+1))
		})+"}", n)},
		{"tensors of escapes", file("{"+join(func(i int) string { return entry(`\u0041`+name(i), `\u00558`, "[0]", "0", "0") })+"}", 0)},
		{"metadata", file(`{"__metadata__":{`+join(func(i int) string { return `"` + name(i) + `":""` })+"}}", 0)},
		{"metadata of escapes", file(`{"__metadata__":{`+join(func(i int) string { return `"\n` + name(i) + `":"\t"` })+"}}", 0)},
		{"dimensions", file("{"+entry("a", "U8", "["+join(func(int) string { return "1" })+"]", "0", "1")+"}", 1)},
		{"offsets", file(`{"a":{"data_offsets":[`+join(func(int) string { return "1" })+`]}}`, 0)},
		{"claims", file(`{"a":"`+strings.Repeat(`\"data_offsets\"`, n)+`"}`, 0)},
		{"a long name", file(`{"`+strings.Repeat("\x7f", n)+`":{"dtype":"`+strings.Repeat("\x7f", n)+`","shape":[],"data_offsets":[0,0]}}`, 0)},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			var err error
			if got := measure.Allocated(func() { _, err = Parse("x", c.data) }); got > allowed(len(c.data)) {
				t.Errorf("got %d bytes allocated for a file of %d, want at most %d (%v)", got, len(c.data), allowed(len(c.data)), err)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("got an error of %d bytes", len(err.Error()))
			}
		})
	}
	indexes := []struct{ name, text string }{
		{"tensors", `{"weight_map":{` + join(func(i int) string { return `"` + name(i) + `":"x"` }) + "}}"},
		{"files", `{"weight_map":{` + join(func(i int) string { return `"` + name(i) + `":"` + name(n-i) + `"` }) + "}}"},
		{"escapes", `{"weight_map":{` + join(func(i int) string { return `"\n` + name(i) + `":"\u0041"` }) + "}}"},
		{"metadata", `{"metadata":{"a":[` + join(func(int) string { return "{}" }) + `]},"weight_map":{}}`},
		{"deep", `{"metadata":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}"},
		{"quotes", `{"weight_map":` + strings.Repeat(`""`, 4*n) + "}"},
	}
	for _, c := range indexes {
		t.Run("index of "+c.name, func(t *testing.T) {
			var err error
			if got := measure.Allocated(func() { _, err = parseIndex([]byte(c.text)) }); got > allowed(len(c.text)) {
				t.Errorf("got %d bytes allocated for an index of %d, want at most %d (%v)", got, len(c.text), allowed(len(c.text)), err)
			}
		})
	}
}

// A model of many shards and tiny tensors: the index and all headers.
func TestManyShards(t *testing.T) {
	const shards, each = 20, 2000
	files, total := map[string][]byte{}, 0
	weights := map[string]string{}
	for i := range shards {
		var parts []string
		shard := fmt.Sprintf("%d.safetensors", i)
		for j := range each {
			name := fmt.Sprintf("%x", i*each+j)
			weights[name] = shard
			parts = append(parts, entry(name, "U8", "[0]", "0", "0"))
		}
		files[shard] = file("{"+strings.Join(parts, ",")+"}", 0)
		total += len(files[shard])
	}
	index, err := json.Marshal(map[string]any{"weight_map": weights})
	if err != nil {
		t.Fatal(err)
	}
	files[indexName] = index
	total += len(index)
	dir := save(t, files)
	var f *File
	if got := measure.Allocated(func() { f, err = Open(filepath.Join(dir, indexName)) }); err != nil || got > allowed(total) {
		t.Fatalf("got %d bytes allocated for %d, want at most %d (%v)", got, total, allowed(total), err)
	}
	defer f.Close()
	if got := len(f.Names()); got != shards*each {
		t.Errorf("got %d tensors, want %d", got, shards*each)
	}
}

// The scanner accepts what encoding/json does, and reads the same strings.
func TestScanner(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `true`, `false`, `tru`, `nul`, `0`, `-0`, `01`, `-`, `1.5e-3`, `1.`, `.5`, `1e`, `1e+`, `+1`, `[1,]`, `[,]`, `[1 2]`, `{"a":1,}`,
		`{"a"}`, `{a:1}`, `{"a":}`, `[1,2`, `"`, `"a`, `"\`, `"\"`, `"\x"`, `"\u12"`, `"\u12G4"`, `"\u+123"`, "\"\n\"", "\"\x00\"", ` [ { "a" : [ 1 , "b" ] } ] `, `"\uD83D\uDE00"`, `"\uDE00"`,
		`"\uD83Dx"`, `"\uD83D\u0041"`, `"\"\\\/\b\f\n\r\t\u00e9é"`, ``, ` `, `{}x`, `[[[]]]`, `{"a":{"a":{}}}`, `NaN`, `1-2`,
	} {
		s := newScanner(text, 0)
		err := s.skip()
		if err == nil {
			err = s.end()
		}
		if want := json.Valid([]byte(text)); (err == nil) != want {
			t.Errorf("%s: got %v, want valid %v", text, err, want)
		}
		var want string
		if json.Unmarshal([]byte(text), &want) == nil && text != "null" {
			if got, err := newScanner(text, 0).string(); err != nil || got != want {
				t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
			}
		}
	}
}
