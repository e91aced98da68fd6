// Tests of products of rounded activations with quantised weights.

package asm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// forEachBlockImpl runs f for every level, and for AVX-512 without integer products of bytes.
func forEachBlockImpl(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	forEachImpl(t, f)
	if useVNNI {
		t.Run("isa=avx512/novnni", func(t *testing.T) {
			ForceLevel(t, "avx512")
			useVNNI = false
			f(t)
		})
	}
}

// activation returns scale and code of an element.
func (q *BlockActivations) activation(i, p int) (float64, float64) {
	first, rows := q.tile(i)
	r := i - first
	return float64(q.scales[(first*q.k)/32+p/32*rows+r]), float64(q.codes[first*q.k+p/4*4*rows+4*r+p%4])
}

func TestQuantize(t *testing.T) {
	const lda = 400
	for _, c := range []struct{ m, k int }{{1, 32}, {5, 64}, {6, 96}, {13, 384}} {
		r := rand.New(rand.NewPCG(5, 6))
		a := uniform(r, (c.m-1)*lda+c.k, 3)
		copy(a, make([]float32, 32))
		special := map[int]float32{}
		if c.m > 4 {
			for i, v := range []float32{nan, inf, -inf, 0x1p-101} {
				row := a[(i+1)*lda:][32:64]
				clear(row)
				row[7] = v
				special[i+1] = v
			}
			a[32+3] = 254
			a[32+4] = 5 // halves: 2.5
		}
		forEachImpl(t, func(t *testing.T) {
			var q, ref BlockActivations
			q.Reset(2*c.m, c.k) // memory that was used for something else
			q.Reset(c.m, c.k)
			in := place(t, placements[0], a)
			q.Quantize(in, lda, c.m/2, c.m)
			q.Quantize(in, lda, 0, c.m/2)
			unchanged(t, "a", in, a)
			ref.Reset(c.m, c.k)
			for i := range c.m {
				first, rows := ref.tile(i)
				at := first*c.k/32 + i - first
				quantizeRowGeneric(rows, a[i*lda:][:c.k], ref.codes[first*c.k+4*(i-first):], ref.scales[at:], ref.sums[at:], ref.halves[2*first*c.k/32+i-first:])
			}
			same := func(x, y float32) bool { return x == y || x != x && y != y }
			if !slices.Equal(q.codes, ref.codes) || !slices.EqualFunc(q.scales, ref.scales, same) ||
				!slices.Equal(q.sums, ref.sums) || !slices.Equal(q.halves, ref.halves) {
				t.Errorf("[%d, %d]: not as the generic twin has it", c.m, c.k)
			}
			for i := range c.m {
				for p := range c.k {
					s, code := q.activation(i, p)
					if v, ok := special[i]; ok && p/32 == 1 {
						if v == 0x1p-101 && (s != 0 || code != 0) || v != 0x1p-101 && s == s {
							t.Fatalf("row %d with %g: scale %g, code %g", i, v, s, code)
						}
						continue
					}
					x := float64(a[i*lda+p])
					// Half a step, and half of the scale's last bit.
					if d := math.Abs(s*code - x); !(d <= s*(0.5+127*0x1p-11)*1.0001) {
						t.Fatalf("[%d, %d] element %d of row %d: got %g*%g, want %g", c.m, c.k, p, i, code, s, x)
					}
				}
			}
		})
	}
}

type blockCase struct {
	m, n, k     int
	alpha, beta float32
}

// checkBlocks compares C with the float64 product of the rounded activations and the weights.
func checkBlocks(t *testing.T, f BlockFormat, c blockCase, q *BlockActivations, strips []byte, before, got []float32, ldc int) {
	t.Helper()
	group := blockFormats[f].group
	size := f.StripBytes(c.k)
	for j := range c.n {
		column := make([]stripWeight, c.k)
		for p := range column {
			column[p] = stripElement(f, strips[j/StripRows*size:][:size], p, j%StripRows)
		}
		for i := range c.m {
			var sum, blocks, products float64
			for p := 0; p < c.k; p += group {
				var dot, codes float64
				s, _ := q.activation(i, p)
				for e := p; e < p+group; e++ {
					_, code := q.activation(i, e)
					dot += code * (column[e].code - column[e].zero)
					codes += code
					products += math.Abs(s * code * column[e].value())
				}
				main, least := s*column[p].scale*dot, s*column[p].least*codes
				sum += main + least
				blocks += math.Abs(main) + math.Abs(least)
			}
			want := float64(c.alpha) * sum
			// Integer products: three roundings for each block, and one for each sum of them.
			bound := eps * float64(c.k/group+4) * blocks
			if !blockIntegers() {
				bound = eps * float64(min(c.k, gemmKC)+c.k/gemmKC+4) * products
			}
			bound *= math.Abs(float64(c.alpha))
			if c.beta != 0 {
				b := float64(c.beta) * float64(before[i*ldc+j])
				want += b
				bound += 4 * eps * math.Abs(b)
			}
			bound += 2 * eps * math.Abs(want)
			within(t, fmt.Sprintf("%v %+v element %d, %d", f, c, i, j), got[i*ldc+j], want, bound)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

func TestGemmBlocks(t *testing.T) {
	forEachBlockImpl(t, func(t *testing.T) {
		for _, f := range everyBlockFormat {
			unit := blockFormats[f].unitLen
			t.Run(f.String(), func(t *testing.T) {
				r := rand.New(rand.NewPCG(7, 8))
				for _, c := range []blockCase{
					{1, 1, unit, 1, 0},
					{2, 31, unit, 1, 1},
					{3, 32, 2 * unit, -0.5, 2},
					{4, 17, 3 * unit, 1, 0},
					{5, 33, 256, 2, -1},
					{6, 64, unit, 1, 0},
					{7, 100, 512, 1, 0},
					{13, 16, 768, 1, 0.5},
					{25, 40, 2048 + unit, 1, 0},
				} {
					if raceEnabled && c.m*c.n*c.k > 1<<20 {
						continue
					}
					ldc := c.n + 3
					a := uniform(r, c.m*c.k, 2)
					var q BlockActivations
					q.Reset(c.m, c.k)
					q.Quantize(a, c.k, 0, c.m)
					src := randomStrips(r, f, c.n, c.k)
					strips := place(t, placements[r.IntN(len(placements))], src)
					before := uniform(r, (c.m-1)*ldc+c.n, 100)
					if c.beta == 0 {
						for i := range before {
							before[i] = nan
						}
					}
					got := place(t, placements[0], before)
					var ws Workspace
					GemmBlocks(&ws, f, &q, 0, c.m, strips, c.n, c.k, c.alpha, c.beta, got, ldc)
					checkBlocks(t, f, c, &q, src, before, got, ldc)
					for i, v := range got {
						if i%ldc >= c.n && !sameBits(v, before[i]) {
							t.Fatalf("%+v: wrote between the rows of C", c)
						}
					}
					if !slices.Equal(strips, src) {
						t.Errorf("%+v: the strips changed", c)
					}
				}
			})
		}
	})
}

// The same bits however the product is split: by rows, which changes what is expanded at
// a time, or by strips.
func TestGemmBlocksSplit(t *testing.T) {
	const m, n, ldc = fewRows + 5, 70, 70
	forEachBlockImpl(t, func(t *testing.T) {
		for _, f := range []BlockFormat{Q8_0, Q4_0, Q4_K, Q6_K} {
			k := 2048 + 512 + 256 // two depths for many rows, six for few
			if currentLevel() == levelGeneric || raceEnabled {
				k = 256
			}
			r := rand.New(rand.NewPCG(9, 10))
			var q BlockActivations
			var ws Workspace
			q.Reset(m, k)
			q.Quantize(uniform(r, m*k, 1), k, 0, m)
			strips := randomStrips(r, f, n, k)
			before := uniform(r, m*n, 1)
			want := slices.Clone(before)
			GemmBlocks(&ws, f, &q, 0, m, strips, n, k, 0.7, 0.3, want, ldc)
			for _, rows := range [][]int{{0, m}, {0, 6, 18, m}, {0, 144, m}} {
				for _, cols := range [][]int{{0, n}, {0, 32, 64, n}} {
					got := slices.Clone(before)
					for i := range rows[1:] {
						for j := range cols[1:] {
							s := cols[j] / StripRows
							end := Strips(cols[j+1])
							GemmBlocks(&ws, f, &q, rows[i], rows[i+1], strips[s*f.StripBytes(k):end*f.StripBytes(k)], cols[j+1]-cols[j], k, 0.7, 0.3, got[cols[j]:], ldc)
						}
					}
					if !slices.EqualFunc(got, want, sameBits) {
						t.Errorf("%v split at rows %v, columns %v: other bits", f, rows, cols)
					}
				}
			}
		}
	})
}

func TestGemmBlocksNaN(t *testing.T) {
	const m, n, k = 8, 40, 512
	forEachBlockImpl(t, func(t *testing.T) {
		for _, f := range everyBlockFormat {
			r := rand.New(rand.NewPCG(11, 12))
			a := uniform(r, m*k, 1)
			a[1*k+300], a[4*k], a[7*k+511] = nan, inf, -inf
			strips := randomStrips(r, f, n, k)
			at := map[BlockFormat]int{Q8_0: 1024, Q4_0: 512, Q4_1: 512, Q5_0: 640, Q5_1: 640, IQ4_NL: 512}[f]
			binary.LittleEndian.PutUint16(strips[at+2*5:], 0x7e00) // row 5 of W
			var q BlockActivations
			var ws Workspace
			q.Reset(m, k)
			q.Quantize(a, k, 0, m)
			c := make([]float32, m*n)
			GemmBlocks(&ws, f, &q, 0, m, strips, n, k, 1, 1, c, n)
			for i, v := range c {
				row, col := i/n, i%n
				want := row == 1 || row == 4 || row == 7 || col == 5
				if (v != v) != want || v-v != 0 && !want {
					t.Fatalf("%v element %d, %d: got %g, NaN %v", f, row, col, v, want)
				}
			}
			GemmBlocks(&ws, f, &q, 0, m, strips, n, k, 0, 0, c, n)
			if !slices.Equal(c, make([]float32, m*n)) {
				t.Errorf("%v: alpha and beta 0: C is not zero", f)
			}
		}
	})
}

func TestGemmBlocksAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("skip: the race detector allocates")
	}
	const m, n, k = 30, 64, 512
	forEachBlockImpl(t, func(t *testing.T) {
		var q BlockActivations
		var ws Workspace
		a, c := make([]float32, m*k), make([]float32, m*n)
		strips := make([]byte, Strips(n)*Q4_K.StripBytes(k))
		if got := testing.AllocsPerRun(3, func() {
			q.Reset(m, k)
			q.Quantize(a, k, 0, m)
			GemmBlocks(&ws, Q4_K, &q, 0, m, strips, n, k, 1, 0, c, n)
			DequantizeStrip(Q4_K, c[:0], strips, k, 0, 0)
		}); got != 0 {
			t.Errorf("got %g allocations a product, want 0", got)
		}
	})
}

func TestGemmBlocksPanics(t *testing.T) {
	var q BlockActivations
	var ws Workspace
	q.Reset(8, 64)
	strips, c := make([]byte, Q4_0.StripBytes(64)), make([]float32, 8*32)
	for _, x := range []struct {
		name string
		f    func()
	}{
		{"depth", func() { GemmBlocks(&ws, Q4_0, &q, 0, 8, strips, 32, 32, 1, 0, c, 32) }},
		{"rows", func() { GemmBlocks(&ws, Q4_0, &q, 0, 9, strips, 32, 64, 1, 0, c, 32) }},
		{"part of a tile", func() { GemmBlocks(&ws, Q4_0, &q, 0, 5, strips, 32, 64, 1, 0, c, 32) }},
		{"strips", func() { GemmBlocks(&ws, Q4_0, &q, 0, 8, strips[1:], 32, 64, 1, 0, c, 32) }},
		{"c", func() { GemmBlocks(&ws, Q4_0, &q, 0, 8, strips, 32, 64, 1, 0, c[1:], 32) }},
		{"overlap", func() { GemmBlocks(&ws, Q4_0, &q, 0, 8, strips, 32, 64, 1, 0, c, 31) }},
		{"unit", func() { q.Reset(1, 33) }},
		{"a", func() { q.Quantize(make([]float32, 64), 64, 0, 2) }},
		{"range", func() { DequantizeStrip(Q4_0, c, strips, 64, 0, 65) }},
		{"dst", func() { DequantizeStrip(Q4_0, c, strips, 64, 0, 64) }},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: did not panic", x.name)
				}
			}()
			x.f()
		}()
	}
}
