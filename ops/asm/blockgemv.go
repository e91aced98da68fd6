// Products of quantised weights, kept in strips, and a few vectors.

package asm

import (
	"fmt"
	"unsafe"
)

// gemvChunk is the most bytes of weights that one call of assembly reads: some ten
// microseconds. It is also what several groups of vectors share in the second cache.
const gemvChunk = 128 << 10

// GemvBlocks computes Y = alpha*X*Wᵀ + beta*Y on one thread: the product of quantised
// weights W [n, k], in strips as [PackBlocks] makes them, and the m rows of x, which
// must have k elements each. Y is [m, n], element (i, j) at y[i*ldy+j]. It is meant for
// a few rows, whose weights it reads once, in order, for up to four rows at a time.
//
// If beta is 0, y is not read: it may hold NaN. If alpha or k is 0, W and x are not read
// and Y becomes beta*Y.
//
// Codes are multiplied and added up as integers, exactly, block by block. With the sum P
// of a group that shares a scale and the blocks' scales and minima
//
//	s = fma(round(P*scale), x.scale, s)           // formats without minima
//	s = fma(fma(minimum, sum of x's codes, round(P*scale)), x.scale, s)
//
// in rising order of k, then beta*y + alpha*s. The scale and minimum of K formats are
// d*s and -dmin*m, which are exact. Nothing else enters, so that a product may be split
// by rows of x or of W, and all levels give the same bits. A NaN or infinity in x, or in
// a scale of W, makes NaN of the outputs that it belongs to, or an infinity.
//
// To share W among workers, split n at multiples of StripRows. A large W is read some 15
// percent faster from huge pages. GemvBlocks panics if k is not a multiple of the format's
// unit or not x's, or if an operand does not fit.
func GemvBlocks(f BlockFormat, y []float32, ldy int, strips []byte, n, k int, x *Activations, alpha, beta float32) {
	stripBytes := f.StripBytes(k)
	checkBytes("GemvBlocks: strips", f, n, k, len(strips), Strips(n)*stripBytes)
	switch {
	case x.k != k:
		panic(fmt.Sprintf("asm: GemvBlocks: W is [%d, %d], x [%d, %d]", n, k, x.m, x.k))
	case x.m > 1 && ldy < n || x.m > 0 && (x.m-1)*ldy+n > len(y):
		panic(fmt.Sprintf("asm: GemvBlocks: Y is [%d, %d] with rows %d apart: has %d elements", x.m, n, ldy, len(y)))
	}
	if n == 0 || x.m == 0 {
		return
	}
	if k == 0 || alpha == 0 {
		scaleRows(x.m, n, beta, y, ldy)
		return
	}
	raceRead(strips)
	raceRead(x.blocks)
	for i := range x.m {
		raceWrite(y[i*ldy:][:n])
	}
	g := blockGemv{f: f, y: y, ldy: ldy, n: n, blocks: k / 32, x: x, alpha: alpha, beta: beta}
	count := max(1, gemvChunk/stripBytes)
	for s := 0; s < Strips(n); s += count {
		c := min(count, Strips(n)-s)
		for i := 0; i < x.m; {
			cols := vectorsAtOnce(x.m - i)
			g.run(strips[s*stripBytes:][:c*stripBytes], s, c, i, cols)
			i += cols
		}
	}
}

// A blockGemv holds the arguments of [GemvBlocks].
type blockGemv struct {
	f           BlockFormat
	y           []float32
	ldy, n      int
	blocks      int // of a row of x
	x           *Activations
	alpha, beta float32
	sums        [4][StripRows]float32 // of a strip that is read in parts
	last        [4][StripRows]float32 // of the last strip, if it is not full
}

// run multiplies count strips from strip first on by vectors i to i+cols-1.
func (g *blockGemv) run(strips []byte, first, count, i, cols int) {
	stripBytes := len(strips) / count
	x := g.x.blocks[i*g.blocks:][:cols*g.blocks]
	full := count
	if (first+count)*StripRows > g.n {
		full--
	}
	if full > 0 {
		g.runStrips(g.y[i*g.ldy+first*StripRows:], g.ldy, strips[:full*stripBytes], x, full, cols, g.beta)
	}
	if full == count {
		return
	}
	// The last strip has rows that y has not.
	row := (first + full) * StripRows
	if g.beta != 0 {
		for c := range cols {
			copy(g.last[c][:], g.y[(i+c)*g.ldy+row:][:g.n-row])
		}
	}
	last := g.last[:]
	g.runStrips(flat(last), StripRows, strips[full*stripBytes:], x, 1, cols, g.beta)
	for c := range cols {
		copy(g.y[(i+c)*g.ldy+row:][:g.n-row], last[c][:])
	}
}

// runStrips hands strips to a kernel, a long one in parts.
func (g *blockGemv) runStrips(y []float32, ldy int, strips []byte, x []vectorBlock, count, cols int, beta float32) {
	i := g.f.info()
	units := len(strips) / count / i.unitBytes
	most := max(1, gemvChunk/i.unitBytes)
	if units <= most {
		blockGemvStrips(g.f, y, ldy, strips, x, g.blocks, units, count, cols, &zeroSums, g.alpha, beta)
		return
	}
	// One strip: count > 1 only where they fit.
	g.sums = zeroSums
	for u := 0; u < units; u += most {
		part, blocks := strips[u*i.unitBytes:], x[u*i.unitLen/32:]
		if rest := units - u; rest > most {
			blockGemvStrips(g.f, flat(g.sums[:]), StripRows, part, blocks, g.blocks, most, 1, cols, &g.sums, 1, 0)
		} else {
			blockGemvStrips(g.f, y, ldy, part, blocks, g.blocks, rest, 1, cols, &g.sums, g.alpha, beta)
		}
	}
}

var zeroSums [4][StripRows]float32

func flat(sums [][StripRows]float32) []float32 {
	return unsafe.Slice(&sums[0][0], len(sums)*StripRows)
}
