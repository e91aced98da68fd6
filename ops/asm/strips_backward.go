// The gradient through frozen weights in strips: W is the operand that kernels
// broadcast from, since a row of a strip is contiguous along n for 32 elements. So
// nothing of W is packed; instead Cᵀ is computed, a block at a time, and transposed.

package asm

import "unsafe"

// backwardRows is how many columns of W a block has: 16 strips of them, 512 elements
// of n, take 384 KiB and stay in the second-level cache.
const backwardRows = 192

func (g *stripsProduct) backward(ws *Workspace, from, to int) {
	if !g.check("GemmStripsBackward", g.k, g.n, from, to) {
		return
	}
	mr, nr := tileShape()
	// The rows of Cᵀ are whole vectors, and do not all fall into one set of a cache.
	ld := (g.m + 15) / 16 * 16
	if ld%512 == 0 {
		ld += 16
	}
	// So many columns of C that Cᵀ stays in the third-level cache; A is packed once for each block.
	pb := balanced(to-from, max((1<<21)/ld, 2*backwardRows), mr)
	ws.c = grow(ws.c, pb*ld)
	for p := from; p < to; p += pb {
		cols := min(pb, to-p)
		if g.beta != 0 {
			g.loadTransposed(ws.c, ld, p, cols)
		}
		for jc := 0; jc < g.n; jc += gemmKC {
			depth := min(gemmKC, g.n-jc)
			ws.b = grow(ws.b, (g.m+nr-1)/nr*nr*depth+packSlack)
			for i := 0; i < g.m; i += nr {
				packPanel(ws.b[i*depth:], nr, min(nr, g.m-i), depth, g.aAt(i, jc), g.ars, g.acs)
			}
			for q := 0; q < cols; q += backwardRows {
				g.backwardBlock(ws, jc, depth, p+q, min(backwardRows, cols-q), ws.c[q*ld:], ld, mr, nr)
			}
		}
		g.storeTransposed(ws.c, ld, p, cols)
	}
}

// backwardBlock adds depth terms from jc on to rows of Cᵀ, which are columns of C from p on.
func (g *stripsProduct) backwardBlock(ws *Workspace, jc, depth, p, rows int, ct []float32, ld, mr, nr int) {
	s := segments{k: depth, step: 4 * StripRows * g.k, brs: 4 * nr, ldc: 4 * ld, alpha: g.alpha, beta: g.betaAt(jc)}
	var first *float32
	if g.w.is16 {
		n := rows * StripRows
		ws.a = grow(ws.a, (depth+StripRows-1)/StripRows*n)
		for j := 0; j < depth; j += StripRows {
			g.w.widen(ws.a[j/StripRows*n:][:n], (jc+j)*g.k+p*StripRows)
		}
		first, s.step = &ws.a[0], 4*n
	} else {
		first = &g.w.f32[jc*g.k+p*StripRows]
	}
	for i := 0; i < g.m; i += nr {
		done := 0
		for _, part := range splitTiles(rows, mr) {
			if part.tiles > 0 {
				runSegments(&s, part.rows, part.tiles, min(nr, g.m-i), at(first, done*StripRows), &ws.b[i*depth], &ct[done*ld+i])
				done += part.rows * part.tiles
			}
		}
	}
}

// segments holds what the tiles of one block share. Strides are in bytes; step is that
// from a strip to the next.
type segments struct {
	k, step, brs, ldc int
	alpha, beta       float32
}

// segmentsGeneric computes tiles*rows rows of cols elements; see the assembly's stubs
// for the contract.
func segmentsGeneric(s *segments, rows, tiles, cols int, w, b, c *float32) {
	for i := range rows * tiles {
		for j := range cols {
			var sum float32
			for p := range s.k {
				x := *(*float32)(unsafe.Add(unsafe.Pointer(w), p/StripRows*s.step+4*(i*StripRows+p%StripRows)))
				sum += float32(x * *byteAt(at(b, j), p*s.brs))
			}
			update(byteAt(c, i*s.ldc+4*j), sum, s.alpha, s.beta)
		}
	}
}

// transposeUnit is how many rows are transposed together, transposeLen how many
// elements of each at a time: more would touch too many pages in turn.
const (
	transposeUnit = 16
	transposeLen  = 64
)

// loadTransposed stores columns of C from p on as rows of ct.
func (g *stripsProduct) loadTransposed(ct []float32, ld, p, cols int) {
	for q := 0; q < cols; q += transposeLen {
		for i := 0; i < g.m; i += transposeUnit {
			packPanel(ct[q*ld+i:], ld, min(transposeUnit, g.m-i), min(transposeLen, cols-q), &g.c[i*g.ldc+p+q], g.ldc, 1)
		}
	}
}

// storeTransposed stores rows of ct as columns of C from p on.
func (g *stripsProduct) storeTransposed(ct []float32, ld, p, cols int) {
	whole := cols / transposeUnit * transposeUnit
	for i := 0; i < g.m; i += transposeLen {
		for q := 0; q < whole; q += transposeUnit {
			packPanel(g.c[i*g.ldc+p+q:], g.ldc, transposeUnit, min(transposeLen, g.m-i), &ct[q*ld+i], ld, 1)
		}
	}
	for i := range g.m {
		row := g.c[i*g.ldc+p:]
		for r := whole; r < cols; r++ {
			row[r] = ct[r*ld+i]
		}
	}
}
