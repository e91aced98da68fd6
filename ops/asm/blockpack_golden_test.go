package asm_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"netllm/internal/golden"
	"netllm/ops/asm"
)

// A fileMatrix is a matrix of a GGUF file.
type fileMatrix struct {
	typ, n, k int
	raw       []byte
}

// fileTypes are ggml's numbers of types.
var fileTypes = map[int]asm.BlockFormat{
	2: asm.Q4_0, 3: asm.Q4_1, 6: asm.Q5_0, 7: asm.Q5_1, 8: asm.Q8_0, 12: asm.Q4_K, 13: asm.Q5_K, 14: asm.Q6_K,
	10: asm.Q2_K, 11: asm.Q3_K, 20: asm.IQ4_NL, 23: asm.IQ4_XS,
}

// matrices reads the matrices of a GGUF file that is known to be good. (Package gguf
// stands above this one.)
func matrices(t *testing.T, path string) map[string]fileMatrix {
	t.Helper()
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := 8 // behind magic and version
	number := func(size int) (n int) {
		for i := range size {
			n |= int(all[at+i]) << (8 * i)
		}
		at += size
		return n
	}
	text := func() string {
		n := number(8)
		at += n
		return string(all[at-n : at])
	}
	const str, array = 8, 9
	var skip func(kind int)
	skip = func(kind int) {
		switch kind {
		case str:
			text()
		case array:
			of := number(4)
			for range number(8) {
				skip(of)
			}
		default:
			at += []int{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}[kind]
		}
	}
	tensors, keys := number(8), number(8)
	for range keys {
		text()
		skip(number(4))
	}
	out, offsets := map[string]fileMatrix{}, map[string]int{}
	for range tensors {
		name := text()
		dims := []int{}
		for range number(4) {
			dims = append(dims, number(8))
		}
		typ := number(4)
		offset := number(8)
		if len(dims) == 2 {
			out[name], offsets[name] = fileMatrix{typ: typ, n: dims[1], k: dims[0]}, offset
		}
	}
	data := (at + 31) / 32 * 32
	for name, m := range out {
		size := 4 * m.n * m.k
		if f, ok := fileTypes[m.typ]; ok {
			size = m.n * f.FileBytes(m.k)
		}
		m.raw = all[data+offsets[name]:][:size]
		out[name] = m
	}
	return out
}

// values returns the elements of a matrix, by way of strips if it is quantised.
func (m fileMatrix) values(t *testing.T, name string) []float32 {
	t.Helper()
	x := make([]float32, m.n*m.k)
	f, ok := fileTypes[m.typ]
	if !ok {
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(m.raw[4*i:]))
		}
		return x
	}
	strips := make([]byte, asm.Strips(m.n)*f.StripBytes(m.k))
	asm.PackBlocks(f, strips, m.raw, m.n, m.k)
	asm.DequantizeStripRows(f, x, strips, m.n, m.k, 0, m.n)
	back := make([]byte, len(m.raw))
	asm.UnpackBlocks(f, back, strips, m.n, m.k, 0, m.n)
	if !bytes.Equal(back, m.raw) {
		t.Errorf("%s: got other bytes back from strips", name)
	}
	return x
}

// The files of a folder hold the same weights in several types: dequantised they must
// agree up to the types' precision. Files of tiny are compared with float32.
func TestGoldenBlocks(t *testing.T) {
	dir := golden.Spec(t, "llama_golden")
	cases := 0
	for _, c := range []struct {
		file, against string
		rms           float64 // of the difference, of the weights' own
	}{
		{"tiny/tiny-q8_0", "tiny/tiny-f32", 0.01},
		{"tiny/tiny-q5_1", "tiny/tiny-f32", 0.06},
		{"tiny/tiny-q5_0", "tiny/tiny-f32", 0.06},
		{"tiny/tiny-q4_1", "tiny/tiny-f32", 0.12},
		{"tiny/tiny-q4_0", "tiny/tiny-f32", 0.12},
		{"tinyk/tinyk-q6_k", "tinyk/tinyk-q8_0", 0.04},
		{"tinyk/tinyk-q5_k", "tinyk/tinyk-q8_0", 0.06},
		{"tinyk/tinyk-q4_k", "tinyk/tinyk-q8_0", 0.12},
		{"tinyk/tinyk-q4_k_m", "tinyk/tinyk-q8_0", 0.12},
	} {
		t.Run(c.file, func(t *testing.T) {
			base := matrices(t, filepath.Join(dir, c.against+".gguf"))
			seen := 0
			for name, m := range matrices(t, filepath.Join(dir, c.file+".gguf")) {
				if _, ok := fileTypes[m.typ]; !ok {
					t.Errorf("%s: type %d, want blocks", name, m.typ)
				}
				got, want := m.values(t, name), base[name].values(t, name)
				var diff, own float64
				for i, v := range got {
					diff += float64(v-want[i]) * float64(v-want[i])
					own += float64(want[i]) * float64(want[i])
				}
				if rms := math.Sqrt(diff / own); !(rms <= c.rms) {
					t.Errorf("%s, type %d: got a relative difference of %.4f, want %g at most", name, m.typ, rms, c.rms)
				}
				seen++
			}
			if seen < 8 {
				t.Errorf("got %d matrices, want 8 or more", seen)
			}
			cases += seen
		})
	}
	golden.Cases(t, cases)
}
