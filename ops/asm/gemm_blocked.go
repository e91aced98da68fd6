// The blocked product and the products by a single row.

package asm

import "unsafe"

// gemmKC is the depth of a block. It is the same for all levels and processors, as it
// fixes the order of summation: half of a 32 KiB first-level cache for a panel of A.
const gemmKC = 512

// Limits for blocks in elements, by the caches of this processor.
var (
	// A packed block of A stays in L2 and leaves it room for panels of B; so many rows
	// are also what one assembly call works on, about 20 microseconds.
	blockA = clamp(CacheSizes().L2*3/8/4, 24*gemmKC, 96*gemmKC)
	// A packed block of B is read once for each block of A and stays in L3.
	blockB = clamp(CacheSizes().L3/4/4, 256*gemmKC, 2048*gemmKC)
	// If there is one block of A, a block of B is used once and stays in L2.
	blockBOnce = clamp(CacheSizes().L2/8/4, 32*gemmKC, 128*gemmKC)
)

func clamp(n, low, high int) int { return min(max(n, low), high) }

// balanced returns the block length for n: at most limit, a multiple of unit, the
// blocks nearly equal.
func balanced(n, limit, unit int) int {
	limit = max(unit, limit/unit*unit)
	blocks := (n + limit - 1) / limit
	per := (n + blocks - 1) / blocks
	return (per + unit - 1) / unit * unit
}

// blocked computes C block by block: the loops of BLIS (Van Zee and van de Geijn
// 2015) over depth, columns and rows round strips of tiles.
func (g *product) blocked(ws *Workspace) {
	mr, nr := tileShape()
	depth := min(g.k, gemmKC)
	mc := balanced(g.m, blockA/depth, mr)

	// The kernels read any A and any B with contiguous rows as they are. Packing pays
	// where rows lie far apart and are read often.
	packA := g.n > 4*nr && g.k > 32 && (g.acs != 1 || g.k > 128)
	packB := g.bcs != 1 || g.m >= 64 && g.brs >= 256
	nc := g.n
	if packB {
		limit := blockB
		if g.m <= mc {
			limit = blockBOnce
		}
		nc = balanced(g.n, limit/depth, nr)
	}

	for pc := 0; pc < g.k; pc += gemmKC {
		kb := min(gemmKC, g.k-pc)
		for jc := 0; jc < g.n; jc += nc {
			nb := min(nc, g.n-jc)
			s := strips{cols: nb, b: g.bAt(pc, jc), bCols: nr, bStep: 4 * nr}
			s.k, s.brs, s.ldc = kb, 4*g.brs, 4*g.ldc
			s.alpha, s.beta = g.alpha, g.betaAt(pc)
			if packB {
				s.b = ws.packB(g, pc, jc, kb, nb, nr)
				s.brs, s.bStep, s.packed = 4*nr, 4*nr*kb, true
			}
			for ic := 0; ic < g.m; ic += mc {
				h := splitTiles(min(mc, g.m-ic), mr)
				if packA && (jc == 0 || mc < g.m) {
					ws.packA(g, ic, pc, kb, h)
				}
				if packA {
					s.packedRows(&ws.a[0])
				} else {
					s.a, s.ars, s.acs, s.aRow = g.aAt(ic, pc), 4*g.ars, 4*g.acs, 4*g.ars
				}
				s.run(h, nr, &g.c[ic*g.ldc+jc], coming{})
			}
		}
	}
}

// tileHeights says how many tiles of how many rows a block of C has, from the top.
type tileHeights [2]struct{ rows, tiles int }

// splitTiles cuts rows into as few tiles as possible, their heights equal but for one,
// for low tiles leave the multipliers idle.
func splitTiles(rows, mr int) tileHeights {
	tiles := (rows + mr - 1) / mr
	low, high := rows/tiles, rows%tiles
	return tileHeights{{low + 1, high}, {low, tiles - high}}
}

// A strip holds what the tiles of one block of C share. Strides are in bytes.
type strip struct {
	k                         int
	ars, acs, aStep, brs, ldc int // aStep: from a tile's A to that of the tile below
	alpha, beta               float32
}

// strips walks a block of C from left to right, strip by strip.
type strips struct {
	strip
	cols    int
	a, b    *float32
	aRow    int  // aStep for each row of a tile
	packedA bool // a tile's A is contiguous
	bCols   int  // columns of a panel of B, a multiple of the tile's
	bStep   int  // bytes from a panel to the next
	packed  bool // a panel is contiguous
}

// packedRows sets A: the tiles packed one behind the other from a on.
func (s *strips) packedRows(a *float32) {
	s.a, s.ars, s.aRow, s.packedA = a, 4, 4*s.k, true
}

// coming is what is read next: so many rows of so many bytes, one behind the other.
type coming struct {
	at          *float32
	rows, bytes int
}

// run walks the block. Beside the last panel it prefetches what comes after the block, or,
// if that has no bytes, the first panel again. A block's tiles may have two heights.
func (s *strips) run(h tileHeights, nr int, c *float32, after coming) {
	for j := 0; j < s.cols; j += nr {
		b := (*float32)(unsafe.Add(unsafe.Pointer(s.b), j/s.bCols*s.bStep+4*(j%s.bCols)))
		next := coming{at: b}
		switch panel := j/s.bCols + 1; {
		case !s.packed || j%s.bCols != 0:
		case (panel+1)*s.bCols <= s.cols:
			next = coming{byteAt(s.b, panel*s.bStep), s.k, s.brs}
		case panel*s.bCols < s.cols: // a narrow panel may end before its rows do
			next = coming{byteAt(s.b, panel*s.bStep), 0, s.brs}
		case after.bytes > 0:
			next = after
		case s.bCols < s.cols:
			next = coming{s.b, s.k, s.brs}
		}
		// Tiles of both heights before the next panel: so this one is read from memory once.
		step, row := prefetchStep(h[0].tiles+h[1].tiles, next.bytes), 0
		for _, part := range h {
			if part.tiles == 0 {
				continue
			}
			s.aStep = part.rows * s.aRow
			if s.packedA {
				s.acs = 4 * part.rows
			}
			runStrip(&s.strip, part.rows, part.tiles, min(nr, s.cols-j), byteAt(s.a, row*s.aRow), b, byteAt(c, row*s.ldc+4*j), next.at, step)
			if done := s.k / 2 * part.tiles * step; done < next.rows*next.bytes {
				next.at, next.rows = byteAt(next.at, done), next.rows-(done+next.bytes-1)/next.bytes
			} else { // no address past the end: it would be some other object's
				next = coming{at: b}
			}
			row += part.rows * part.tiles
		}
	}
}

// prefetchStep is by how many bytes to move on for every second p, so that a panel with
// rows of so many bytes is fetched in the time of the tiles, no faster than it must.
// Two lines are fetched at each step, which need not begin where a line does.
func prefetchStep(tiles, bytes int) int { return min((2*bytes+tiles-1)/tiles, 128) }

// rowTimesColumns computes a single row of C from a B whose columns are contiguous.
func (g *product) rowTimesColumns(ws *Workspace) {
	x := g.a
	if g.acs != 1 {
		ws.a = grow(ws.a, g.k)
		for p := range g.k {
			ws.a[p] = x[p*g.acs]
		}
		x = ws.a
	}
	const unit = gemvRows
	for j := 0; j < g.n; j += 2 * unit {
		cols := min(2*unit, g.n-j)
		for pc := 0; pc < g.k; pc += gemmKC {
			v := gemv{&x[pc], min(gemmKC, g.k-pc), 4 * g.bcs, g.alpha, g.betaAt(pc)}
			if units := cols / unit; units > 0 {
				runGemv(&v, units, g.bAt(pc, j), &g.c[j], units*unit)
			}
			if rest := cols % unit; rest > 0 {
				last := g.n - unit // some columns are computed again, but not stored
				runGemv(&v, 1, g.bAt(pc, last), &g.c[last], rest)
			}
		}
	}
}

// gemvRows is the unit of matrix rows of the matrix-vector kernel.
const gemvRows = 8

// A gemv holds what the parts of a matrix-vector product share. The stride, between
// the contiguous rows of the matrix, is in bytes.
type gemv struct {
	x           *float32
	k, stride   int
	alpha, beta float32
}

// rowTimesRows computes a single row of C from a B whose rows are contiguous.
func (g *product) rowTimesRows() {
	for j, cols := 0, 0; j < g.n; j += cols {
		cols = rowTileCols(g.n - j)
		for pc := 0; pc < g.k; pc += gemmKC {
			s := strip{k: min(gemmKC, g.k-pc), acs: 4 * g.acs, brs: 4 * g.brs, alpha: g.alpha, beta: g.betaAt(pc)}
			b := g.bAt(pc, j)
			runStrip(&s, 1, 1, cols, g.aAt(0, pc), b, &g.c[j], b, 0)
		}
	}
}
