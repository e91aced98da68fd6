// Products of quantised weights as files have them, without strips, and a few vectors.

package asm

import "fmt"

// FileFormat reports whether [GemvFileBlocks] takes the format.
func (f BlockFormat) FileFormat() bool { return f == Q4_0 || f == Q8_0 }

// A rowStep4 is 128 elements of a vector for four blocks of Q4_0: elements 0 to 15 of
// each, then 16 to 31. There are 16 sums, four for each block: sum i takes bytes 4i to
// 4i+3 of both, has its block's scale, and -8 times the sum of its codes.
type rowStep4 struct {
	codes [2][64]int8
	scale [16]float32
	zero  [16]int32
}

// A rowStep2 is 64 elements for two blocks of Q8_0. There are 16 sums, eight for each
// block: sum i takes bytes 4i to 4i+3. zero is -128 times the sum of its codes.
type rowStep2 struct {
	codes [64]int8
	scale [16]float32
	zero  [16]int32
}

// PrepareFile arranges the activations for [GemvFileBlocks] with weights of format f.
// It must be called anew after each QuantizeActivations, and before workers share them.
// It panics if the format is none of FileFormat's.
func (a *Activations) PrepareFile(f BlockFormat) {
	blocks := a.k / 32
	switch f {
	case Q4_0:
		n := (blocks + 3) / 4
		a.steps4 = resized(a.steps4, a.m*n)
		for i := range a.m {
			for b := range blocks {
				a.steps4[i*n+b/4].set(b%4, &a.blocks[i*blocks+b])
			}
		}
	case Q8_0:
		n := (blocks + 1) / 2
		a.steps2 = resized(a.steps2, a.m*n)
		for i := range a.m {
			for b := range blocks {
				a.steps2[i*n+b/2].set(b%2, &a.blocks[i*blocks+b])
			}
		}
	default:
		panic(fmt.Sprintf("asm: PrepareFile: no products with %v as in files", f))
	}
}

// resized returns n zeros, in the memory of x if there is enough.
func resized[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	x = x[:n]
	clear(x)
	return x
}

func (s *rowStep4) set(i int, b *vectorBlock) {
	copy(s.codes[0][16*i:], b.codes[:16])
	copy(s.codes[1][16*i:], b.codes[16:])
	for j := range 4 {
		s.scale[4*i+j] = b.scale
		s.zero[4*i+j] = -8 * (quadSum(b.codes[4*j:]) + quadSum(b.codes[16+4*j:]))
	}
}

func (s *rowStep2) set(i int, b *vectorBlock) {
	copy(s.codes[32*i:], b.codes[:])
	for j := range 8 {
		s.scale[8*i+j] = b.scale
		s.zero[8*i+j] = -128 * quadSum(b.codes[4*j:])
	}
}

func quadSum(c []int8) int32 { return int32(c[0]) + int32(c[1]) + int32(c[2]) + int32(c[3]) }

// GemvFileBlocks computes Y = alpha*X*Wᵀ + beta*Y as [GemvBlocks] does, with W [n, k] in
// the layout of files, row by row in src: mapped weights can be used where they lie. x
// must have been prepared for the format, which must be one of FileFormat's. Weights are
// read once for each row of x, in order, but for a part that stays in the second cache.
//
// The sums are formed in another order than in GemvBlocks: 16 of them for a row of W,
// added in pairs at the end. All levels give the same bits.
func GemvFileBlocks(f BlockFormat, y []float32, ldy int, src []byte, n, k int, x *Activations, alpha, beta float32) {
	rowBytes := f.FileBytes(k)
	checkBytes("GemvFileBlocks: W", f, n, k, len(src), n*rowBytes)
	per, have := 4, len(x.steps4) // blocks of a step
	if f == Q8_0 {
		per, have = 2, len(x.steps2)
	}
	switch {
	case !f.FileFormat():
		panic(fmt.Sprintf("asm: GemvFileBlocks: no products with %v as in files", f))
	case x.k != k:
		panic(fmt.Sprintf("asm: GemvFileBlocks: W is [%d, %d], x [%d, %d]", n, k, x.m, x.k))
	case x.m > 1 && ldy < n || x.m > 0 && (x.m-1)*ldy+n > len(y):
		panic(fmt.Sprintf("asm: GemvFileBlocks: Y is [%d, %d] with rows %d apart: has %d elements", x.m, n, ldy, len(y)))
	}
	if n == 0 || x.m == 0 {
		return
	}
	if k == 0 || alpha == 0 {
		scaleRows(x.m, n, beta, y, ldy)
		return
	}
	steps := (k/32 + per - 1) / per
	if have != x.m*steps {
		panic(fmt.Sprintf("asm: GemvFileBlocks: x [%d, %d] is not prepared for %v", x.m, x.k, f))
	}
	raceRead(src)
	raceRead(x.blocks)
	for i := range x.m {
		raceWrite(y[i*ldy:][:n])
	}
	count := max(1, gemvChunk/rowBytes)
	for r := 0; r < n; r += count {
		rows := min(count, n-r)
		w := src[r*rowBytes:][:rows*rowBytes]
		for i := range x.m {
			rowGemv(f, y[i*ldy+r:][:rows], w, x, i*steps, k/32, alpha, beta)
		}
	}
}

// rowGemvGeneric multiplies rows of blocks by the vector whose steps begin at first.
func rowGemvGeneric(f BlockFormat, y []float32, w []byte, x *Activations, first, blocks int, alpha, beta float32) {
	size := f.info().fileBytes
	for r := range y {
		var s [16]float32
		for b := range blocks {
			block := w[(r*blocks+b)*size:][:size]
			d, codes := halfAt(block), block[2:]
			if f == Q8_0 {
				x := &x.steps2[first+b/2]
				for j := range 8 {
					i := 8*(b%2) + j
					var p int32
					for e := range 4 {
						p += int32(int8(codes[4*j+e])) * int32(x.codes[4*i+e])
					}
					s[i] = fma32(float32(float32(p)*d), x.scale[i], s[i])
				}
				continue
			}
			x := &x.steps4[first+b/4]
			for j := range 4 {
				i := 4*(b%4) + j
				p := x.zero[i]
				for e := range 4 {
					c := codes[4*j+e]
					p += int32(c&15)*int32(x.codes[0][4*i+e]) + int32(c>>4)*int32(x.codes[1][4*i+e])
				}
				s[i] = fma32(float32(float32(p)*d), x.scale[i], s[i])
			}
		}
		for n := 8; n > 0; n /= 2 {
			for i := range n {
				s[i] += s[i+n]
			}
		}
		v := float32(alpha * s[0])
		if beta != 0 {
			v = fma32(beta, y[r], v)
		}
		y[r] = v
	}
}
