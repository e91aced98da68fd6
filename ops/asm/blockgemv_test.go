package asm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// equal says that the bits agree, or that both are NaN.
func equal(a, b float32) bool { return sameBits(a, b) || a != a && b != b }

func TestFMA32(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		x, y := math.Float32frombits(r.Uint32()&0xbfffffff), math.Float32frombits(r.Uint32()&0xbfffffff)
		z := math.Float32frombits(r.Uint32())
		switch r.IntN(4) {
		case 0: // nearly cancels
			z = -x * y * (1 + float32(r.IntN(3)-1)*0x1p-23)
		case 1: // beside a halfway case
			x, y, z = float32(1+r.IntN(1<<12))*0x1p-24, float32(r.IntN(1<<13))*0x1p-13, 1+float32(r.IntN(8))*0x1p-23
		}
		got := fma32(x, y, z)
		if x != x || y != y || z != z || math.IsInf(float64(z), 0) {
			continue
		}
		sum := new(big.Float).SetPrec(2000)
		sum.Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
		sum.SetPrec(2000).Add(sum, new(big.Float).SetPrec(2000).SetFloat64(float64(z)))
		want, _ := sum.Float32()
		if got != want {
			t.Fatalf("%g * %g + %g: got %g, want %g", x, y, z, got, want)
		}
	}
}

func TestQuantizeActivations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const m, k, ldx = 3, 32 * 9, 300
	x := uniform(r, (m-1)*ldx+k, 3)
	x[5], x[7] = 0.5, -127 // exact: 127 by -127 is -1
	for i := range 32 {
		x[32+i] = 0
		x[64+i] *= 0x1p-120
		x[96+i] *= 0x1p-98
		x[128+i] *= 0x1p110
		x[160+i] = float32(i-16) + 0.5 // with 127, ties
	}
	x[160] = 127
	x[193], x[226], x[258] = nan, inf, -inf
	forEachImpl(t, func(t *testing.T) {
		var a Activations
		QuantizeActivations(&a, place(t, placements[0], x), m, k, ldx)
		for i := range m {
			for b := range k / 32 {
				var want vectorBlock
				in := (*[32]float32)(x[i*ldx+32*b:])
				quantizeBlock(&want, in)
				got := a.blocks[i*(k/32)+b]
				if !equal(got.scale, want.scale) {
					t.Fatalf("row %d, block %d: got scale %g, generic %g", i, b, got.scale, want.scale)
				}
				got.scale = want.scale
				if want.scale == want.scale && got != want {
					t.Fatalf("row %d, block %d:\n got %+v\nwant %+v", i, b, got, want)
				}
				greatest := 0.0
				for _, v := range in {
					greatest = max(greatest, math.Abs(float64(v)))
				}
				if math.IsNaN(greatest) || math.IsInf(greatest, 0) {
					if want.scale == want.scale {
						t.Fatalf("row %d, block %d: got scale %g, want NaN", i, b, want.scale)
					}
					continue
				}
				for e, v := range in {
					d := math.Abs(float64(v) - float64(got.codes[e])*float64(got.scale))
					// Half a step, and half of the scale's last bit.
					if bound := max(greatest*(1.0/254+0x1p-11)*(1+1e-5), 0x1p-100); !(d <= bound) {
						t.Fatalf("row %d, block %d: got %d times %g for %g", i, b, got.codes[e], got.scale, v)
					}
				}
			}
		}
	})
}

// blockOperands are a matrix in strips, its values, and quantised vectors with theirs.
type blockOperands struct {
	n, k, m int
	strips  []byte
	w       []float32
	x       Activations
	v       []float64
}

func newBlockOperands(t testing.TB, r *rand.Rand, f BlockFormat, m, n, k int) *blockOperands {
	o := &blockOperands{n: n, k: k, m: m}
	src := randomRows(r, f, n, k)
	o.strips = lend[byte](t, placements[0], Strips(n)*f.StripBytes(k))
	PackBlocks(f, o.strips, src, n, k)
	o.w = make([]float32, n*k)
	DequantizeBlocks(f, o.w, src)
	x := uniform(r, m*k, 2)
	for i := 0; i+32 <= len(x); i += 64 * 3 {
		for e := range 32 {
			x[i+e] = math.Float32frombits(math.Float32bits(x[i+e])&(1<<31) | math.Float32bits(2)) // the greatest codes
		}
	}
	QuantizeActivations(&o.x, x, m, k, k)
	for _, b := range o.x.blocks {
		for _, c := range b.codes {
			o.v = append(o.v, float64(c)*float64(b.scale))
		}
	}
	return o
}

// fullRows makes all codes of a row in a file the greatest or least.
func fullRows(f BlockFormat, src []byte, fill byte) {
	unit := f.info().fileBytes
	for u := 0; u < len(src); u += unit {
		for i := range unit {
			if !slices.Contains(halfScales[f], i) && !slices.Contains(halfScales[f], i-1) {
				src[u+i] = fill
			}
		}
	}
}

func TestGemvBlocks(t *testing.T) {
	for _, f := range allFormats {
		t.Run(f.String(), func(t *testing.T) {
			u := f.UnitLen()
			for _, c := range []struct{ m, n, k int }{
				{1, 1, u}, {1, 32, u}, {1, 33, 2 * u}, {2, 64, 3 * u}, {3, 70, u}, {4, 31, 2 * u}, {5, 100, u}, {7, 96, 2 * u},
				{1, 1700, 256}, {2, 40, 8192}, // several strips at a time, and parts of a strip
			} {
				r := rand.New(rand.NewPCG(uint64(c.n), uint64(c.k)))
				o := newBlockOperands(t, r, f, c.m, c.n, c.k)
				ldy := c.n + 3
				y0 := uniform(r, (c.m-1)*ldy+c.n, 1)
				for _, ab := range [][2]float32{{1, 0}, {0.7, -1.5}} {
					var first []float32
					forEachImpl(t, func(t *testing.T) {
						y := place(t, placements[0], y0)
						if ab[1] == 0 {
							for i := range y {
								y[i] = nan
							}
						}
						GemvBlocks(f, y, ldy, o.strips, c.n, c.k, &o.x, ab[0], ab[1])
						if first == nil {
							first = slices.Clone(y)
							o.check(t, f, y, y0, ldy, ab[0], ab[1])
						}
						for i := range y {
							if i%ldy < c.n && !sameBits(y[i], first[i]) {
								t.Fatalf("[%d, %d, %d] y[%d]: got %g, %s %g", c.m, c.n, c.k, i, y[i], Implementations()[0], first[i])
							}
							if i%ldy >= c.n && ab[1] == 0 && y[i] == y[i] {
								t.Fatalf("[%d, %d, %d] y[%d] between rows: got %g", c.m, c.n, c.k, i, y[i])
							}
						}
					})
				}
			}
		})
	}
}

func (o *blockOperands) check(t *testing.T, f BlockFormat, y, y0 []float32, ldy int, alpha, beta float32) {
	t.Helper()
	for i := range o.m {
		for j := range o.n {
			var s, bound float64
			for p := range o.k {
				v := float64(o.w[j*o.k+p]) * o.v[i*o.k+p]
				s += v
				bound += math.Abs(v)
				if f == Q4_K || f == Q5_K || f == Q4_1 || f == Q5_1 {
					bound += math.Abs(v) + 4*math.Abs(o.v[i*o.k+p]) // scale*c and the minimum may cancel
				}
			}
			want := float64(alpha) * s
			if beta != 0 {
				want += float64(beta) * float64(y0[i*ldy+j])
			}
			limit := eps * (float64(o.k/16+8)*bound + math.Abs(want) + 1)
			within(t, fmt.Sprintf("%v [%d, %d, %d] y[%d, %d]", f, o.m, o.n, o.k, i, j), y[i*ldy+j], want, limit)
		}
	}
}

// Sums of pairs of products that are added in 16 bits must not saturate.
func TestGemvBlocksExtremes(t *testing.T) {
	for _, f := range allFormats {
		t.Run(f.String(), func(t *testing.T) {
			const n, k = 32, 512
			for _, fill := range []byte{0, 0x7f, 0x80, 0xff} {
				r := rand.New(rand.NewPCG(1, 2))
				src := randomRows(r, f, n, k)
				fullRows(f, src, fill)
				strips := make([]byte, f.StripBytes(k))
				PackBlocks(f, strips, src, n, k)
				for _, sign := range []float32{1, -1} {
					x := make([]float32, k)
					for i := range x {
						x[i] = sign
					}
					var a Activations
					QuantizeActivations(&a, x, 1, k, k)
					want := make([]float32, n)
					blockGemvGeneric(f, want, n, strips, a.blocks, k/32, k/f.UnitLen(), 1, 1, &zeroSums, 1, 0)
					forEachImpl(t, func(t *testing.T) {
						y := make([]float32, n)
						GemvBlocks(f, y, n, strips, n, k, &a, 1, 0)
						for i := range y {
							if !sameBits(y[i], want[i]) {
								t.Fatalf("codes of bytes %#x, sign %g, row %d: got %g, want %g", fill, sign, i, y[i], want[i])
							}
						}
					})
				}
			}
		})
	}
}

func TestGemvBlocksNotFinite(t *testing.T) {
	for _, f := range allFormats {
		t.Run(f.String(), func(t *testing.T) {
			const n, k = 40, 512
			r := rand.New(rand.NewPCG(1, 2))
			src := randomRows(r, f, n, k)
			bad := src[7*f.FileBytes(k):]
			binary.LittleEndian.PutUint16(bad[halfScales[f][0]:], 0x7e00)
			strips := make([]byte, Strips(n)*f.StripBytes(k))
			PackBlocks(f, strips, src, n, k)
			forEachImpl(t, func(t *testing.T) {
				for _, v := range []float32{1, nan, inf, -inf} {
					x := uniform(r, 2*k, 1)
					x[k+300] = v
					var a Activations
					QuantizeActivations(&a, x, 2, k, k)
					y := make([]float32, 2*n)
					GemvBlocks(f, y, n, strips, n, k, &a, 1, 0)
					for i, got := range y {
						if want := i%n == 7 || i >= n && v != 1; (got != got) != want {
							t.Fatalf("x %g: y[%d]: got %g, want NaN: %v", v, i, got, want)
						}
					}
				}
			})
		})
	}
}

func TestGemvBlocksEmpty(t *testing.T) {
	var a Activations
	QuantizeActivations(&a, nil, 2, 0, 0)
	y := []float32{1, 2, 3, 4}
	GemvBlocks(Q4_0, y, 2, nil, 2, 0, &a, 1, 2)
	if want := []float32{2, 4, 6, 8}; !slices.Equal(y, want) {
		t.Errorf("k 0: got %v, want %v", y, want)
	}
	QuantizeActivations(&a, []float32{63: nan}, 2, 32, 32)
	GemvBlocks(Q4_0, y, 2, make([]byte, 576), 2, 32, &a, 0, 0.5)
	if want := []float32{1, 2, 3, 4}; !slices.Equal(y, want) {
		t.Errorf("alpha 0: got %v, want %v", y, want)
	}
	QuantizeActivations(&a, nil, 2, 0, 0)
	panicsWith(t, "asm: GemvBlocks: W is [2, 32], x [2, 0]", func() { GemvBlocks(Q4_0, y, 2, make([]byte, 576), 2, 32, &a, 1, 0) })
	panicsWith(t, "asm: GemvBlocks: Y is [2, 2] with rows 1 apart: has 4 elements", func() { GemvBlocks(Q4_0, y, 1, nil, 2, 0, &a, 1, 0) })
	panicsWith(t, "asm: QuantizeActivations: [1, 33]: want a multiple of 32 elements", func() { QuantizeActivations(&a, nil, 1, 33, 33) })
	panicsWith(t, "asm: QuantizeActivations: [2, 32] with rows 31 apart: have 99 elements", func() { QuantizeActivations(&a, make([]float32, 99), 2, 32, 31) })
}

func TestGemvBlocksAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	o := newBlockOperands(t, r, Q4_K, 3, 50, 512)
	y, x := make([]float32, 150), make([]float32, 3*512)
	if n := testing.AllocsPerRun(10, func() {
		QuantizeActivations(&o.x, x, 3, 512, 512)
		GemvBlocks(Q4_K, y, 50, o.strips, 50, 512, &o.x, 1, 0)
	}); n > 0 && !raceEnabled {
		t.Errorf("got %g allocations, want none", n)
	}
}

func BenchmarkGemvBlocks(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range allFormats {
		for _, c := range []struct {
			where string
			m     int
			n, k  int
		}{
			{"L2", 1, 768, 1024}, {"L3", 1, 4096, 2048}, {"memory", 1, 1 << 17, 4096},
			{"L2", 2, 768, 1024}, {"L2", 4, 768, 1024}, {"memory", 4, 1 << 17, 4096},
		} {
			stripBytes := f.StripBytes(c.k)
			src := randomRows(r, f, 32, c.k)
			strips := make([]byte, Strips(c.n)*stripBytes)
			PackBlocks(f, strips[:stripBytes], src, 32, c.k)
			for s := stripBytes; s < len(strips); s *= 2 {
				copy(strips[s:], strips[:s])
			}
			var a Activations
			QuantizeActivations(&a, uniform(r, c.m*c.k, 1), c.m, c.k, c.k)
			y := make([]float32, c.m*c.n)
			for _, isa := range Implementations() {
				if isa == "generic" {
					continue
				}
				b.Run(fmt.Sprintf("dtype=%v/in=%s/m=%d/isa=%s", f, c.where, c.m, isa), func(b *testing.B) {
					ForceLevel(b, isa)
					b.SetBytes(int64(len(strips)))
					for b.Loop() {
						GemvBlocks(f, y, c.n, strips, c.n, c.k, &a, 1, 0)
					}
				})
			}
		}
	}
}
