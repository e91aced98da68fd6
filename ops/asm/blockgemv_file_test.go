package asm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGemvFileBlocks(t *testing.T) {
	for _, f := range []BlockFormat{Q4_0, Q8_0} {
		t.Run(f.String(), func(t *testing.T) {
			for _, c := range []struct{ m, n, k int }{
				{1, 1, 32}, {1, 5, 64}, {2, 7, 96}, {1, 3, 128}, {3, 2, 160}, {1, 4, 192}, {1, 9, 224}, {2, 33, 544}, {2, 700, 1024},
			} {
				r := rand.New(rand.NewPCG(uint64(c.n), uint64(c.k)))
				o := newBlockOperands(t, r, f, c.m, c.n, c.k)
				src := place(t, placements[0], make([]byte, c.n*f.FileBytes(c.k)))
				UnpackBlocks(f, src, o.strips, c.n, c.k, 0, c.n)
				o.x.PrepareFile(f)
				ldy := c.n + 2
				y0 := uniform(r, (c.m-1)*ldy+c.n, 1)
				for _, ab := range [][2]float32{{1, 0}, {0.7, -1.5}} {
					var first []float32
					forEachImpl(t, func(t *testing.T) {
						for _, p := range placements[:2] {
							y := place(t, p, y0)
							GemvFileBlocks(f, y, ldy, place(t, p, src), c.n, c.k, &o.x, ab[0], ab[1])
							if first == nil {
								first = slices.Clone(y)
								o.check(t, f, y, y0, ldy, ab[0], ab[1])
							}
							for i := range y {
								if want := first[i]; !sameBits(y[i], want) {
									t.Fatalf("[%d, %d, %d] y[%d]: got %g, %s %g", c.m, c.n, c.k, i, y[i], Implementations()[0], want)
								}
								if i%ldy >= c.n && !sameBits(y[i], y0[i]) {
									t.Fatalf("[%d, %d, %d] y[%d] between rows: got %g", c.m, c.n, c.k, i, y[i])
								}
							}
						}
					})
				}
			}
		})
	}
}

func TestGemvFileBlocksEdges(t *testing.T) {
	for _, f := range []BlockFormat{Q4_0, Q8_0} {
		t.Run(f.String(), func(t *testing.T) {
			const n, k = 4, 224
			r := rand.New(rand.NewPCG(1, 2))
			for _, fill := range []byte{0, 0x7f, 0x80, 0xff} {
				src := randomRows(r, f, n, k)
				fullRows(f, src, fill)
				for _, v := range []float32{1, -1, nan, inf} {
					x := make([]float32, k)
					for i := range x {
						x[i] = min(1, max(-1, v))
					}
					x[70] = v
					var a Activations
					QuantizeActivations(&a, x, 1, k, k)
					a.PrepareFile(f)
					want := make([]float32, n)
					rowGemvGeneric(f, want, src, &a, 0, k/32, 1, 0)
					forEachImpl(t, func(t *testing.T) {
						y := make([]float32, n)
						GemvFileBlocks(f, y, n, src, n, k, &a, 1, 0)
						for i := range y {
							if !equal(y[i], want[i]) || (y[i] != y[i]) != (v != v || v == inf) {
								t.Fatalf("codes of bytes %#x, x %g, row %d: got %g, want %g", fill, v, i, y[i], want[i])
							}
						}
					})
				}
			}
		})
	}
	var a Activations
	QuantizeActivations(&a, make([]float32, 64), 1, 64, 64)
	panicsWith(t, "asm: PrepareFile: no products with Q5_0 as in files", func() { a.PrepareFile(Q5_0) })
	panicsWith(t, "asm: GemvFileBlocks: x [1, 64] is not prepared for Q8_0", func() {
		a.PrepareFile(Q4_0)
		GemvFileBlocks(Q8_0, make([]float32, 1), 1, make([]byte, 68), 1, 64, &a, 1, 0)
	})
	panicsWith(t, "asm: GemvFileBlocks: x [1, 64] is not prepared for Q4_0", func() {
		QuantizeActivations(&a, make([]float32, 64), 1, 64, 64)
		GemvFileBlocks(Q4_0, make([]float32, 1), 1, make([]byte, 36), 1, 64, &a, 1, 0)
	})
	panicsWith(t, "asm: GemvFileBlocks: W is [1, 32], x [1, 64]", func() {
		GemvFileBlocks(Q4_0, make([]float32, 1), 1, make([]byte, 18), 1, 32, &a, 1, 0)
	})
}

func BenchmarkGemvFileBlocks(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range []BlockFormat{Q4_0, Q8_0} {
		for _, c := range []struct {
			where string
			n, k  int
		}{{"L2", 512, 2048}, {"memory", 1 << 16, 4096}} {
			src := make([]byte, c.n*f.FileBytes(c.k))
			part := randomRows(r, f, 64, c.k)
			for s := 0; s < len(src); s += len(part) {
				copy(src[s:], part)
			}
			var a Activations
			QuantizeActivations(&a, uniform(r, c.k, 1), 1, c.k, c.k)
			a.PrepareFile(f)
			y := make([]float32, c.n)
			for _, isa := range Implementations() {
				if isa == "generic" {
					continue
				}
				b.Run(fmt.Sprintf("dtype=%v/in=%s/isa=%s", f, c.where, isa), func(b *testing.B) {
					ForceLevel(b, isa)
					b.SetBytes(int64(len(src)))
					for b.Loop() {
						GemvFileBlocks(f, y, c.n, src, c.n, c.k, &a, 1, 0)
					}
				})
			}
		}
	}
}
