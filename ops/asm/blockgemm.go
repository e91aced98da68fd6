// Products of activations rounded to int8 with quantised weights: the contract, and the
// blocks that a product is computed in.

package asm

import (
	"fmt"
	"unsafe"
)

// GemmBlocks computes rows fromRow to toRow-1 of C = alpha*A*W' + beta*C on one thread.
//
// A [m, k] is q; W [n, k] is given by its strips, k = q.Depth(); C is [m, n], element
// (i, j) at c[i*ldc+j]. To split a product by columns among workers, give each its
// strips and c from its first column on; to split it by rows, give each its range,
// which must begin and end at multiples of [BlockRows] or at m. No bit depends on how a
// product is split.
//
// With VPDPBUSD, and at the generic level, the products of codes are summed in integers,
// which is exact; an element of C is then the sum of
//
//	sA*(sW*(sum of qA*qW)), or sA*(sW*(sum of qA*qW) + mW*(sum of qA))
//
// over the blocks of k that share a scale, in rising order, each operation rounded once, and multiplied by
// alpha and added to beta*C in the end. Elsewhere the products are those of [Gemm], of
// sA*qA rounded to float32 and of the weights as [DequantizeStrip] gives them.
//
// If beta is 0, C is not read; if alpha or k is 0, A and W are not. A scale of W that is no
// finite number makes the column of C NaN. GemmBlocks panics if an operand does not fit
// its slice.
func GemmBlocks(ws *Workspace, f BlockFormat, q *BlockActivations, fromRow, toRow int, strips []byte, n, k int, alpha, beta float32, c []float32, ldc int) {
	bound := func(i int) bool { return i%BlockRows == 0 || i == q.m }
	switch {
	case k != q.k:
		panic(fmt.Sprintf("asm: GemmBlocks: weights of depth %d, activations of %d", k, q.k))
	case n < 0 || fromRow < 0 || fromRow > toRow || toRow > q.m:
		panic(fmt.Sprintf("asm: GemmBlocks: rows %d to %d of %d, n %d", fromRow, toRow, q.m, n))
	case !bound(fromRow) || !bound(toRow):
		panic(fmt.Sprintf("asm: GemmBlocks: rows %d to %d of %d: not multiples of %d", fromRow, toRow, q.m, BlockRows))
	case len(strips) < Strips(n)*f.StripBytes(k):
		panic(fmt.Sprintf("asm: GemmBlocks: %v weights [%d, %d] need %d bytes, have %d", f, n, k, Strips(n)*f.StripBytes(k), len(strips)))
	case fromRow == toRow || n == 0:
		return
	case toRow-fromRow > 1 && ldc < n:
		panic(fmt.Sprintf("asm: GemmBlocks: rows of C overlap: n %d, ldc %d", n, ldc))
	case (toRow-1)*ldc+n > len(c):
		panic(fmt.Sprintf("asm: GemmBlocks: C [%d, %d] with rows %d apart does not fit %d", toRow, n, ldc, len(c)))
	}
	g := blockProduct{f, q, fromRow, toRow, strips, n, k, alpha, beta, c, ldc}
	if k == 0 || alpha == 0 {
		scaleRows(toRow-fromRow, n, beta, c[fromRow*ldc:], ldc)
		return
	}
	raceBlocks(&g)
	if blockIntegers() {
		g.integers(ws)
	} else {
		g.floats(ws)
	}
}

// raceBlocks reports the operands to the race detector.
func raceBlocks(g *blockProduct) {
	if !raceEnabled {
		return
	}
	raceRead(g.strips[:Strips(g.n)*g.f.StripBytes(g.k)])
	raceRead(g.q.codes[g.fromRow*g.k : g.toRow*g.k])
	for i := g.fromRow; i < g.toRow; i++ {
		raceWrite(g.c[i*g.ldc:][:g.n])
	}
}

// A blockProduct holds the arguments of [GemmBlocks].
type blockProduct struct {
	f              BlockFormat
	q              *BlockActivations
	fromRow, toRow int
	strips         []byte
	n, k           int
	alpha, beta    float32
	c              []float32
	ldc            int
}

// strip returns strip s of W.
func (g *blockProduct) strip(s int) []byte {
	size := g.f.StripBytes(g.k)
	return g.strips[s*size:][:size]
}

// blocking returns how deep, and how many, strips are expanded at a time. The panels
// of many rows of activations stay in L1, one at a time, while strips pass from L2; for
// few rows the strips stay in L1. Sums are kept from one depth to the next, so this
// changes no result.
func (g *blockProduct) blocking() (depth, strips int) {
	if g.toRow-g.fromRow <= fewRows {
		return min(g.k, 512), 1
	}
	depth = min(g.k, 2048)
	bytes := depth*StripRows + depth/32*4*g.f.panelScales()
	return depth, clamp(CacheSizes().L2/2/bytes, 1, min(maxPanels, Strips(g.n)))
}

// fewRows is the most rows of C for which strips that stay in L1 are faster.
const fewRows = 24 * BlockRows

// integers computes C by integer products of codes, block of strips by block, the tiles
// of activations inside.
func (g *blockProduct) integers(ws *Workspace) {
	depth, group := g.blocking()
	codesLen, scalesLen := depth*StripRows, depth/32*g.f.panelScales()
	if g.f == Q8_0 {
		codesLen = 0
	}
	const line = 16 // floats of a cache line
	ws.b = grow(ws.b, group*(codesLen/4+scalesLen)+line)
	buf := ws.b[alignment(ws.b):]
	scales := buf[:group*scalesLen]
	codes := unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), 4*len(buf))[4*len(scales):]

	// Behind the sums that the integers start from, the sums of tiles between two depths.
	rows := g.toRow - g.fromRow
	starts := rows * g.k / blockFormats[g.f].group
	parts := 0
	if depth < g.k {
		parts = rows * group * StripRows
	}
	ws.a = grow(ws.a, starts+parts+line)
	g.startSums(ws.a[:starts])

	var panels [maxPanels]blockPanel
	for from := 0; from < Strips(g.n); from += group {
		count := min(group, Strips(g.n)-from)
		for p := 0; p < g.k; p += depth {
			d := min(depth, g.k-p)
			for s := range count {
				panels[s] = expandStrip(g.f, g.strip(from+s), p, p+d, codes[s*codesLen:], scales[s*scalesLen:])
			}
			g.tiles(panels[:count], from, p, d, ws.a[:starts], ws.a[starts:starts+parts])
		}
	}
}

// maxPanels is the most strips that are expanded at a time.
const maxPanels = 32

// alignment returns how many floats of x lie before the first at a multiple of 64 bytes.
func alignment(x []float32) int {
	return int(-uintptr(unsafe.Pointer(&x[0]))%64) / 4
}

// tiles multiplies the activations p to p+depth-1 with the panels of strips from on.
func (g *blockProduct) tiles(panels []blockPanel, from, p, depth int, starts, parts []float32) {
	t := blockTile{f: g.f, blocks: depth / 32, alpha: g.alpha, beta: g.beta, ldc: 4 * g.ldc, load: p > 0, save: p+depth < g.k}
	groups := g.f.groups()
	for i := g.fromRow; i < g.toRow; i += BlockRows {
		_, t.rows = g.q.tile(i)
		t.a = &g.q.codes[i*g.k+p*t.rows]
		t.aScale = &g.q.scales[(i*g.k+p*t.rows)/32]
		t.aSum = &starts[((i-g.fromRow)*g.k+p*t.rows)/32*groups]
		for s := range panels {
			t.w = &panels[s]
			t.cols = min(StripRows, g.n-(from+s)*StripRows)
			t.c = &g.c[i*g.ldc+(from+s)*StripRows]
			if len(parts) > 0 {
				t.part = &parts[((i-g.fromRow)*len(panels)+s*t.rows)*StripRows]
			}
			runBlockTile(&t)
		}
	}
}

// A blockTile is a tile of C, up to BlockRows x StripRows, over a depth of so many blocks.
type blockTile struct {
	f            BlockFormat
	rows, blocks int
	a            *int8
	aScale, aSum *float32
	w            *blockPanel
	part         *float32 // sums so far [rows][StripRows]
	load, save   bool     // begin with part, end there
	c            *float32
	ldc          int // in bytes
	alpha, beta  float32
	cols         int
}

// startSums fills dst with what the kernels need beside the codes of the activations, in
// their order: for formats with a zero point the integers, as bits, that sums
// of products start from, blockBiasBits - zero*(sum of codes); else the sums of codes.
func (g *blockProduct) startSums(dst []float32) {
	groups := g.f.groups()
	sums := g.q.sums
	if groups == 2 {
		sums = g.q.halves
	}
	sums = sums[g.fromRow*g.k/32*groups:][:len(dst)]
	if g.f.hasMinima() {
		copy(dst, sums)
		return
	}
	zero := int32(blockFormats[g.f].zero)
	bits := unsafe.Slice((*int32)(unsafe.Pointer(&dst[0])), len(dst))
	for i, s := range sums {
		bits[i] = blockBiasBits - zero*int32(s)
	}
}
