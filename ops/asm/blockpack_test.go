package asm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var allFormats = []BlockFormat{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, Q2_K, Q3_K, IQ4_NL, IQ4_XS}

// randomBytes returns bytes of every value.
func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n]
}

// halfScales are the places of half-precision numbers in a unit of a file.
var halfScales = map[BlockFormat][]int{
	Q8_0: {0}, Q4_0: {0}, Q4_1: {0, 2}, Q5_0: {0}, Q5_1: {0, 2}, Q4_K: {0, 2}, Q5_K: {0, 2}, Q6_K: {208},
	Q2_K: {80, 82}, Q3_K: {108}, IQ4_NL: {0}, IQ4_XS: {0},
}

// randomRows returns rows as in a file: random codes, scales of both signs and of
// magnitudes in [1/8, 1).
func randomRows(r *rand.Rand, f BlockFormat, n, k int) []byte {
	b := randomBytes(r, n*f.FileBytes(k))
	unit := f.info().fileBytes
	for u := 0; u < len(b); u += unit {
		for _, at := range halfScales[f] {
			binary.LittleEndian.PutUint16(b[u+at:], uint16(r.IntN(2)<<15|0x3000|r.IntN(0xc00)))
		}
	}
	return b
}

func TestPackBlocksRoundTrip(t *testing.T) {
	for _, f := range allFormats {
		t.Run(f.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			u := f.UnitLen()
			for _, c := range []struct{ n, k int }{{1, u}, {31, 2 * u}, {32, u}, {33, 3 * u}, {70, 19 * u}, {3, 0}, {0, u}} {
				src := randomBytes(r, c.n*f.FileBytes(c.k))
				strips := place(t, placements[0], randomBytes(r, Strips(c.n)*f.StripBytes(c.k)))
				PackBlocks(f, strips, place(t, placements[0], src), c.n, c.k)
				got := lend[byte](t, placements[0], len(src))
				UnpackBlocks(f, got, strips, c.n, c.k, 0, c.n)
				if !bytes.Equal(got, src) {
					t.Fatalf("[%d, %d]: got other bytes back", c.n, c.k)
				}
				if c.n > 2 {
					row := f.FileBytes(c.k)
					UnpackBlocks(f, got[:row], strips, c.n, c.k, c.n-2, c.n-1)
					if !bytes.Equal(got[:row], src[(c.n-2)*row:(c.n-1)*row]) {
						t.Fatalf("[%d, %d]: row %d: got other bytes back", c.n, c.k, c.n-2)
					}
				}
				if rest := Strips(c.n)*StripRows - c.n; rest > 0 {
					x := make([]float32, rest*c.k)
					DequantizeStripRows(f, x, strips, Strips(c.n)*StripRows, c.k, c.n, c.n+rest)
					for i, v := range x {
						if v != 0 {
							t.Fatalf("[%d, %d]: element %d behind the rows: got %g, want 0", c.n, c.k, i, v)
						}
					}
				}
			}
		})
	}
}

// stripValue is element e of row r of a unit of a strip, by the tables in blocks.go.
func stripValue(f BlockFormat, unit []byte, r, e int) float64 {
	half := func(at int) float64 { return f16Value(binary.LittleEndian.Uint16(unit[at+2*r:])) }
	d, block, j := 0.0, unit, e/32
	switch f {
	case Q4_K:
		block = unit[128+j*576:]
	case Q5_K:
		block = unit[128+j*704:]
	case Q6_K:
		block = unit[64+j*832:]
	case Q2_K:
		block = unit[128+j*320:]
	case Q3_K:
		block = unit[64+j*448:]
	case IQ4_XS:
		block = unit[64+j*544:]
	}
	e %= 32
	q, h, b := e/4, r/16, 4*(r%16)+e%4
	nibble := func() float64 { return float64(block[64*(2*(q%4)+h)+b] >> (q / 4 * 4) & 15) }
	fifth := func() float64 {
		return float64(binary.LittleEndian.Uint64(block[512+8*(2*q+h):]) >> b & 1 * 16)
	}
	pair := func() float64 { return float64(block[64*(2*(q/4)+h)+b] >> (q % 4 * 2) & 3) }
	signed := func(at int) float64 { return float64(int8(block[at+r])) }
	table := func() float64 { return float64(iq4Table[int(nibble())]) - 128 }
	switch f {
	case IQ4_NL:
		return half(512) * table()
	case IQ4_XS:
		return half(0) * signed(512) * table()
	case Q2_K:
		s := block[256+32*(e/16)+r]
		return half(0)*float64(s&15)*pair() - half(64)*float64(s>>4)
	case Q3_K:
		third := float64(binary.LittleEndian.Uint64(block[256+8*(2*q+h):]) >> b & 1 * 4)
		return half(0) * signed(384+32*(e/16)) * (pair() + third - 4)
	case Q8_0:
		return half(1024) * (float64(block[64*(2*q+h)+b]) - 128)
	case Q4_0:
		return half(512) * (nibble() - 8)
	case Q4_1:
		return half(512)*nibble() + half(576)
	case Q5_0:
		return half(640) * (nibble() + fifth() - 16)
	case Q5_1:
		return half(640)*(nibble()+fifth()) + half(704)
	case Q4_K:
		return half(0)*float64(block[512+r])*nibble() - half(64)*float64(block[544+r])
	case Q5_K:
		return half(0)*float64(block[640+r])*(nibble()+fifth()) - half(64)*float64(block[672+r])
	}
	t, shift := q%4/2, []int{0, 4, 2, 6}[q%2+q/4*2]
	d = half(0) * float64(int8(block[768+32*(e/16)+r]))
	return d * (nibble() + float64(block[512+64*(2*t+h)+b]>>shift&3)*16 - 32)
}

func TestStripLayout(t *testing.T) {
	for _, f := range allFormats {
		t.Run(f.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			n, k := 45, 2*f.UnitLen()
			src := randomRows(r, f, n, k)
			strips := make([]byte, Strips(n)*f.StripBytes(k))
			PackBlocks(f, strips, src, n, k)
			x, y := make([]float32, n*k), make([]float32, n*k)
			DequantizeBlocks(f, x, src)
			DequantizeStripRows(f, y, strips, n, k, 0, n)
			for i := range x {
				row, e := i/k, i%k
				unit := strips[row/32*f.StripBytes(k)+e/f.UnitLen()*f.info().unitBytes:]
				want := stripValue(f, unit, row%32, e%f.UnitLen())
				if d := math.Abs(float64(x[i]) - want); !(d <= 2*eps*math.Abs(want)+0x1p-20) {
					t.Fatalf("row %d, element %d: got %g, want %g", row, e, x[i], want)
				}
				if !sameBits(x[i], y[i]) {
					t.Fatalf("row %d, element %d: got %g from the strip, %g from the file", row, e, y[i], x[i])
				}
			}
		})
	}
}

func TestBlockPanics(t *testing.T) {
	for _, c := range []struct {
		name, want string
		f          func()
	}{
		{"k", "asm: StripBytes: Q4_K rows of 32: not a multiple of 256", func() { Q4_K.StripBytes(32) }},
		{"file k", "asm: FileBytes: Q4_0 rows of 31: not a multiple of 32", func() { Q4_0.FileBytes(31) }},
		{"format", "asm: unknown format of blocks: 99", func() { BlockFormat(99).FileBytes(32) }},
		{"src", "asm: PackBlocks: src: Q4_0 [2, 32] takes 36 bytes, has 35", func() { PackBlocks(Q4_0, make([]byte, 576), make([]byte, 35), 2, 32) }},
		{"dst", "asm: PackBlocks: dst: Q4_0 [2, 32] takes 576 bytes, has 36", func() { PackBlocks(Q4_0, make([]byte, 36), make([]byte, 36), 2, 32) }},
		{"rows", "asm: UnpackBlocks: rows 1 to 3 of 2", func() { UnpackBlocks(Q4_0, nil, nil, 2, 32, 1, 3) }},
		{"elements", "asm: DequantizeStripRows: rows 0 to 1 of 32 elements: dst has 31", func() { DequantizeStripRows(Q4_0, make([]float32, 31), make([]byte, 576), 2, 32, 0, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) { panicsWith(t, c.want, c.f) })
	}
}

func panicsWith(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		if got := fmt.Sprint(recover()); got != want {
			t.Errorf("panic: got %q, want %q", got, want)
		}
	}()
	f()
}

func BenchmarkPackBlocks(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range allFormats {
		const n, k = 512, 4096
		src := randomRows(r, f, n, k)
		dst := make([]byte, Strips(n)*f.StripBytes(k))
		b.Run("dtype="+f.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				PackBlocks(f, dst, src, n, k)
			}
		})
	}
}
