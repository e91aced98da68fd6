package gguf

import (
	"math"
	"strings"
	"testing"
)

// Each way in which a file can be bad, and what the error must say.
func TestBadFiles(t *testing.T) {
	f32 := func(n int) []byte { return make([]byte, 4*n) }
	one := info("a", 0, 0, 8) // 32 bytes
	const huge = uint64(1) << 62
	tests := []struct {
		name string
		data []byte
		want []string
	}{
		{"empty", nil, []string{"offset 0", "magic"}},
		{"magic", append([]byte("GGML"), good()[4:]...), []string{"offset 0", `"GGML"`}},
		{"version 0", head(0, 0, 0), []string{"offset 4", "version 0"}},
		{"version 1", head(1, 0, 0), []string{"offset 4", "version 1"}},
		{"version 4", head(4, 0, 0), []string{"offset 4", "version 4"}},
		{"big-endian", head(3<<24, 0, 0), []string{"offset 4", "big-endian"}},
		{"absurd tensors", head(3, huge, 0), []string{"offset 8", "tensors"}},
		{"absurd keys", head(3, 0, huge), []string{"offset 16", "keys"}},
		{"all ones", append([]byte("GGUF\x03\x00\x00\x00"), []byte(strings.Repeat("\xff", 500))...), []string{"offset 8"}},

		{"key too long", file(head(3, 0, 1), u(huge), make([]byte, 24)), []string{"key 1 of 1", "offset 32", "past the end"}},
		{"key of 2^64-1", file(head(3, 0, 1), u(uint64(math.MaxUint64)), make([]byte, 24)), []string{"offset 32", "past the end"}},
		{"key over 65535", file(head(3, 0, 1), kv(strings.Repeat("k", 1<<16), vUint8, uint8(0))), []string{"offset 24", "65536 bytes"}},
		{"empty key", file(head(3, 0, 1), kv("", vUint8, uint8(0)), pad), []string{"offset 24", "key of 0 bytes"}},
		{"duplicate key", file(head(3, 0, 2), kv("k", vUint8, uint8(0)), kv("k", vUint8, uint8(0))), []string{"key 2 of 2", "offset 38", `second key "k"`}},
		{"value type 13", file(head(3, 0, 1), kv("k", 13, uint64(0))), []string{`"k"`, "offset 33", "13"}},
		{"bool 2", file(head(3, 0, 1), kv("k", vBool, uint8(2))), []string{`"k"`, "offset 37", "bool is 2"}},
		{"bool in array", file(head(3, 0, 1), kv("k", vArray, vBool, uint64(2), uint8(1), uint8(7))), []string{`"k"`, "offset 50", "bool is 7"}},
		{"string too long", file(head(3, 0, 1), kv("k", vString, huge)), []string{`"k"`, "offset 45", "string"}},
		{"array of arrays", file(head(3, 0, 1), kv("k", vArray, vArray, uint64(0))), []string{`"k"`, "offset 37", "array of arrays"}},
		{"array of type 99", file(head(3, 0, 1), kv("k", vArray, uint32(99), uint64(0))), []string{`"k"`, "offset 37", "99"}},
		{"absurd array", file(head(3, 0, 1), kv("k", vArray, vUint32, huge)), []string{`"k"`, "offset 41", "elements"}},
		{"array bytes overflow", file(head(3, 0, 1), kv("k", vArray, vUint64, uint64(1)<<61)), []string{`"k"`, "offset 41", "elements"}},
		{"absurd strings", file(head(3, 0, 1), kv("k", vArray, vString, uint64(1)<<40)), []string{`"k"`, "offset 41", "elements"}},
		{"string in array too long", file(head(3, 0, 1), kv("k", vArray, vString, uint64(1), huge)), []string{`"k"`, "offset 57"}},

		{"alignment 0", file(head(3, 0, 1), kv("general.alignment", vUint32, uint32(0)), pad), []string{"general.alignment", "offset", "power of two"}},
		{"alignment 48", file(head(3, 0, 1), kv("general.alignment", vUint32, uint32(48)), pad), []string{"general.alignment", "48"}},
		{"alignment 2^31", file(head(3, 0, 1), kv("general.alignment", vUint32, uint32(1)<<31), pad), []string{"general.alignment"}},
		{"alignment text", file(head(3, 0, 1), kv("general.alignment", vString, "32"), pad), []string{"general.alignment", "string, want an integer"}},
		{"alignment array", file(head(3, 0, 1), kv("general.alignment", vArray, vUint32, uint64(1), uint32(32)), pad), []string{"general.alignment"}},
		{"split", file(head(3, 0, 1), kv("split.count", vUint16, uint16(2))), []string{"split.", "shard"}},
		{"split text", file(head(3, 0, 1), kv("split.count", vString, "2")), []string{"split.count", "shard"}},

		{"empty tensor name", file(head(3, 1, 0), info("", 0, 0, 8), pad, f32(8)), []string{"tensor 1 of 1", "offset", "empty name"}},
		{"tensor name too long", file(head(3, 1, 0), u(huge), f32(8)), []string{"tensor 1 of 1", "offset 32", "name"}},
		{"duplicate tensor", file(head(3, 2, 0), one, info("a", 0, 32, 8), pad, f32(16)), []string{"offset 57", `second tensor "a"`}},
		{"5 dimensions", file(head(3, 1, 0), info("a", 0, 0, 1, 1, 1, 1, 1), pad, f32(8)), []string{`"a"`, "offset 33", "5 dimensions"}},
		{"2^32-1 dimensions", file(head(3, 1, 0), u("a", uint32(math.MaxUint32)), pad), []string{`"a"`, "dimensions"}},
		{"dimension 2^64-1", file(head(3, 1, 0), info("a", 0, 0, math.MaxUint64), pad, f32(8)), []string{`"a"`, "offset 37", "overflow"}},
		{"product overflows", file(head(3, 1, 0), info("a", 0, 0, 1<<33, 1<<33), pad, f32(8)), []string{`"a"`, "offset 37", "overflow"}},
		{"product wraps to 8", file(head(3, 1, 0), info("a", 0, 0, 1<<63, 16, 8), pad, f32(8)), []string{`"a"`, "overflow"}},
		{"overflow behind a zero", file(head(3, 1, 0), info("a", 0, 0, 1<<40, 0, 1<<40), pad), []string{`"a"`, "overflow"}},
		{"row of half a block", file(head(3, 1, 0), info("a", 8, 0, 16, 2), pad, make([]byte, 34)), []string{`"a"`, "offset", "Q8_0", "multiple of 32"}},
		{"row of a K-quant", file(head(3, 1, 0), info("a", 12, 0, 128, 2), pad, make([]byte, 144)), []string{`"a"`, "Q4_K", "multiple of 256"}},
		{"offset past the end", file(head(3, 1, 0), info("a", 0, 1<<20, 8), pad, f32(8)), []string{`"a"`, "offset", "past the end"}},
		{"offset 2^64-32", file(head(3, 1, 0), info("a", 0, math.MaxUint64-31, 8), pad, f32(8)), []string{`"a"`, "past the end"}},
		{"offset not aligned", file(head(3, 1, 0), info("a", 0, 4, 7), pad, f32(8)), []string{`"a"`, "offset 4", "alignment 32"}},
		{"elements past the end", file(head(3, 1, 0), info("a", 0, 0, 9), pad, f32(8)), []string{`"a"`, "bytes 64 to 100", "96 bytes"}},
		{"absurd tensor", file(head(3, 1, 0), info("a", 0, 0, 1<<27), pad, f32(8)), []string{`"a"`, "past the end"}},
		{"tensor of 2^60 bytes", file(head(3, 1, 0), info("a", 0, 0, 1<<58), pad, f32(8)), []string{`"a"`}},
		{"overlap", file(head(3, 2, 0), info("a", 0, 0, 16), info("b", 0, 32, 8), pad, f32(16)), []string{`"b"`, "overlaps", `"a"`}},
		{"same place", file(head(3, 2, 0), one, info("b", 0, 0, 8), pad, f32(8)), []string{`"b"`, "overlaps", `"a"`}},
		{"hole", file(head(3, 2, 0), one, info("b", 0, 64, 8), pad, f32(24)), []string{`"b"`, "belong to no tensor"}},
		{"hole at the start", file(head(3, 1, 0), info("a", 0, 32, 8), pad, f32(16)), []string{`"a"`, "belong to no tensor"}},
		{"bytes at the end", file(head(3, 1, 0), one, pad, f32(9)), []string{"offset 96", "4 bytes after the last tensor"}},
		{"bytes after padding", append(good(), 0), []string{"offset 640", "1 bytes after"}},
		{"bytes without tensors", file(head(3, 0, 0), make([]byte, 9)), []string{"offset 32", "1 bytes after"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse("bad.gguf", c.data)
			if f != nil {
				t.Error("got a file")
			}
			says(t, err, append(c.want, "gguf: bad.gguf: ")...)
			path := save(t, c.data)
			_, err = Open(path)
			says(t, err, path)
		})
	}
}

// A file cut off anywhere before its last tensor's end is refused by an error
// that names the file and the place.
func TestTruncated(t *testing.T) {
	b := good()
	for n := range b {
		f, err := Parse("cut.gguf", b[:n:n])
		if n >= goodEnd { // only padding is missing
			if err != nil {
				t.Errorf("%d of %d bytes: got %v", n, len(b), err)
			}
			continue
		}
		if f != nil || err == nil {
			t.Fatalf("%d of %d bytes: got no error", n, len(b))
		}
		if s := err.Error(); !strings.Contains(s, "cut.gguf") || !strings.Contains(s, "offset ") && !strings.Contains(s, "tensor ") {
			t.Errorf("%d of %d bytes: got %q, want file and place", n, len(b), s)
		}
	}
}

// Every byte of the head changed: an error or a file, never a panic.
func TestFlippedBytes(t *testing.T) {
	for i := range goodEnd - 200 {
		for _, x := range []byte{1, 0x80, 0xff} {
			b := good()
			b[i] ^= x
			if f, err := Parse("flipped.gguf", b); err == nil {
				useAll(t, f)
			}
		}
	}
}

// A tensor of an unknown type may be anywhere that others are not.
func TestUnknownType(t *testing.T) {
	b := file(head(3, 3, 0), info("a", 0, 0, 8), info("x", 77, 32, 5, 3), info("c", 0, 128, 8), pad, make([]byte, 160))
	f, err := Parse("x.gguf", b)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := f.Info("x"); info.Bytes != -1 {
		t.Errorf("got %d bytes, want -1", info.Bytes)
	}
	_, err = f.Tensor("x")
	says(t, err, "x.gguf", `"x"`, "ggml type 77")
	c, err := f.Tensor("c")
	if err != nil || c.Len() != 8 {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestEmptyTensors(t *testing.T) {
	b := file(head(3, 4, 0), info("scalar", 0, 0), info("none", 0, 32, 0, 5), info("b", 26, 32, 2), info("last", 0, 64, 3, 0), pad,
		u(float32(7)), pad, u(int32(8), int32(9)), pad)
	f, err := Open(save(t, b))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := f.Tensor("scalar")
	if err != nil || x.Rank() != 0 || x.At() != 7 {
		t.Errorf("got %v, %v", x, err)
	}
	for _, name := range []string{"none", "last"} {
		if x, err := f.Tensor(name); err != nil || x.Len() != 0 || x.Rank() != 2 {
			t.Errorf("%s: got %v, %v", name, x, err)
		}
	}
	if x, err := f.Tensor("b"); err != nil || x.Int32s()[1] != 9 {
		t.Errorf("got %v, %v", x, err)
	}
}
