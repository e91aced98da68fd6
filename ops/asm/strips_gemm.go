// Products with frozen weights in strips: the contract, and which route they take.

package asm

import (
	"fmt"
	"unsafe"
)

// HalfFormat is a type of 16-bit floating point weights.
type HalfFormat uint8

const (
	F16  HalfFormat = iota // IEEE half precision
	BF16                   // the upper half of a float32
)

// String returns the format's usual name.
func (f HalfFormat) String() string {
	switch f {
	case F16:
		return "F16"
	case BF16:
		return "BF16"
	}
	return fmt.Sprintf("HalfFormat(%d)", uint8(f))
}

// GemmStrips computes C = alpha*A*Wᵀ + beta*C on one thread for a W [n, k] in the
// strips of [PackStrips]. A is [m, k], element (i, p) at a[i*ars+p*acs]; C is [m, n],
// element (i, j) at c[i*ldc+j] and overlaps neither A nor W.
//
// It gives the bits that [Gemm] gives for the same matrices, and has its rules for
// sizes, strides and beta. So workers may split the product by rows of C, and by
// columns at multiples of 32, from w[j*k] on.
func GemmStrips(ws *Workspace, m, n, k int, alpha float32, a []float32, ars, acs int, w []float32, beta float32, c []float32, ldc int) {
	g := stripsProduct{m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, ars: ars, acs: acs, w: weights{f32: w}, c: c, ldc: ldc}
	g.forward(ws)
}

// GemmStripsHalf is [GemmStrips] for weights of 16 bits, in the strips of
// [PackStrips16]. Its bits are those for the weights as float32.
func GemmStripsHalf(ws *Workspace, f HalfFormat, m, n, k int, alpha float32, a []float32, ars, acs int, w []uint16, beta float32, c []float32, ldc int) {
	g := stripsProduct{m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, ars: ars, acs: acs, w: halfWeights(f, w), c: c, ldc: ldc}
	g.forward(ws)
}

// GemmStripsBackward computes the columns from, ..., to-1 of C = alpha*A*W + beta*C on
// one thread, for a W [n, k] in the strips of [PackStrips]: the gradient of what W was
// applied to. A is [m, n], element (i, j) at a[i*ars+j*acs]; C is [m, k], element
// (i, p) at c[i*ldc+p]; only the columns named are touched, and C overlaps neither A nor W.
//
// It gives the bits that [Gemm] gives for the same matrices (sums over n in blocks of
// 512), and has its rules for sizes, strides and beta. So workers may split the
// product by rows and by columns of C anywhere.
func GemmStripsBackward(ws *Workspace, m, n, k, from, to int, alpha float32, a []float32, ars, acs int, w []float32, beta float32, c []float32, ldc int) {
	g := stripsProduct{m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, ars: ars, acs: acs, w: weights{f32: w}, c: c, ldc: ldc}
	g.backward(ws, from, to)
}

// GemmStripsHalfBackward is [GemmStripsBackward] for weights of 16 bits, in the strips
// of [PackStrips16]. Its bits are those for the weights as float32.
func GemmStripsHalfBackward(ws *Workspace, f HalfFormat, m, n, k, from, to int, alpha float32, a []float32, ars, acs int, w []uint16, beta float32, c []float32, ldc int) {
	g := stripsProduct{m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, ars: ars, acs: acs, w: halfWeights(f, w), c: c, ldc: ldc}
	g.backward(ws, from, to)
}

// A stripsProduct holds the arguments of a product with strips.
type stripsProduct struct {
	m, n, k     int
	alpha, beta float32
	a           []float32
	ars, acs    int
	w           weights
	c           []float32
	ldc         int
}

// weights are strips in one of the formats.
type weights struct {
	f32    []float32
	half   []uint16
	is16   bool
	format HalfFormat
}

func halfWeights(f HalfFormat, w []uint16) weights {
	if f > BF16 {
		panic(fmt.Sprintf("asm: GemmStripsHalf: unknown format %v", f))
	}
	return weights{half: w, is16: true, format: f}
}

func (w *weights) len() int { return max(len(w.f32), len(w.half)) }

// at is the address of element i, for the kernels that know the format.
func (w *weights) at(i int) unsafe.Pointer {
	if w.is16 {
		return unsafe.Pointer(&w.half[i])
	}
	return unsafe.Pointer(&w.f32[i])
}

// bytes is the size of an element.
func (w *weights) bytes() int {
	if w.is16 {
		return 2
	}
	return 4
}

// widen stores the float32 of len(dst) elements from i on.
func (w *weights) widen(dst []float32, i int) {
	if w.format == F16 {
		f16ToF32(dst, w.half[i:i+len(dst)])
	} else {
		bf16ToF32(dst, w.half[i:i+len(dst)])
	}
}

// element is element i as float32.
func (w *weights) element(i int) float32 {
	if !w.is16 {
		return w.f32[i]
	}
	var x [1]float32
	if w.format == F16 {
		f16ToF32Generic(x[:], w.half[i:i+1])
	} else {
		bf16ToF32Generic(x[:], w.half[i:i+1])
	}
	return x[0]
}

func (g *stripsProduct) aAt(i, p int) *float32 { return &g.a[i*g.ars+p*g.acs] }

func (g *stripsProduct) betaAt(pc int) float32 {
	if pc > 0 {
		return 1
	}
	return g.beta
}

// check does what all products do first: it panics for sizes that do not fit, and
// reports whether anything is to be multiplied. C is [m, cols] and A [m, depth].
func (g *stripsProduct) check(op string, cols, depth, from, to int) bool {
	if g.m < 0 || g.n < 0 || g.k < 0 {
		panic(fmt.Sprintf("asm: %s: negative size: m %d, n %d, k %d", op, g.m, g.n, g.k))
	}
	if from < 0 || to < from || to > cols {
		panic(fmt.Sprintf("asm: %s: columns %d to %d of %d", op, from, to, cols))
	}
	if g.m == 0 || from == to {
		return false
	}
	checkMatrix("C", g.c, g.m, to, g.ldc, 1)
	if g.m > 1 && g.ldc < cols {
		panic(fmt.Sprintf("asm: %s: rows of C overlap: columns %d, ldc %d", op, cols, g.ldc))
	}
	if depth == 0 || g.alpha == 0 {
		scaleRows(g.m, to-from, g.beta, g.c[from:], g.ldc)
		return false
	}
	checkMatrix("A", g.a, g.m, depth, g.ars, g.acs)
	if need := StripsLen(g.n, g.k); g.w.len() < need {
		panic(fmt.Sprintf("asm: %s: strips of [%d, %d] need %d elements, have %d", op, g.n, g.k, need, g.w.len()))
	}
	if g.m == 1 {
		g.ars, g.ldc = 1, cols
	}
	if depth == 1 {
		g.acs = 1
	}
	if raceEnabled {
		g.race(depth, from, to)
	}
	return true
}

// race reports the operands to the race detector.
func (g *stripsProduct) race(depth, from, to int) {
	raceRead(g.w.half)
	raceRead(g.w.f32)
	for i := range g.m {
		for p := range depth {
			raceRead(g.a[i*g.ars+p*g.acs:][:1])
		}
		raceWrite(g.c[i*g.ldc:][from:to])
	}
}

func (g *stripsProduct) forward(ws *Workspace) {
	if !g.check("GemmStrips", g.n, g.k, 0, g.n) {
		return
	}
	if mr, _ := tileShape(); g.m <= mr {
		g.stream(ws)
		return
	}
	g.blocked(ws)
}

// stream computes a tile of few rows, reading each strip from end to end.
func (g *stripsProduct) stream(ws *Workspace) {
	x := g.a
	if g.m > 1 || g.acs != 1 {
		ws.a = grow(ws.a, g.m*g.k+packSlack)
		for pc := 0; pc < g.k; pc += gemmKC {
			packPanel(ws.a[pc*g.m:], g.m, g.m, min(gemmKC, g.k-pc), g.aAt(0, pc), g.ars, g.acs)
		}
		x = ws.a
	}
	s := streamTile{rows: g.m, alpha: g.alpha}
	for j := 0; j < g.n; j += StripRows {
		cols := min(StripRows, g.n-j)
		c, ldc := g.c[j:], g.ldc
		if cols < StripRows {
			ws.c = grow(ws.c, g.m*StripRows)
			c, ldc = ws.c, StripRows
			copyRows(c, ldc, g.c[j:], g.ldc, g.m, cols, g.beta != 0)
		}
		s.ldc = 4 * ldc
		for pc := 0; pc < g.k; pc += gemmKC {
			s.k, s.beta = min(gemmKC, g.k-pc), g.betaAt(pc)
			runStream(&s, &x[pc*g.m], &g.w, j*g.k+pc*StripRows, &c[0])
		}
		if cols < StripRows {
			copyRows(g.c[j:], g.ldc, c, ldc, g.m, cols, true)
		}
	}
}

// copyRows copies the first cols of each row if it shall.
func copyRows(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int, shall bool) {
	if !shall {
		return
	}
	for i := range rows {
		copy(dst[i*ldDst:][:cols], src[i*ldSrc:][:cols])
	}
}

// A streamTile holds what the blocks of one strip share; ldc is in bytes.
type streamTile struct {
	rows, k, ldc int
	alpha, beta  float32
}

// streamGeneric multiplies rows of a, element (i, p) at p*rows+i, by a strip's block
// from element i of w on.
func streamGeneric(s *streamTile, a *float32, w *weights, i int, c *float32) {
	for r := range s.rows {
		for j := range StripRows {
			var sum float32
			for p := range s.k {
				sum += float32(*at(a, p*s.rows+r) * w.element(i+p*StripRows+j))
			}
			update(byteAt(c, r*s.ldc+4*j), sum, s.alpha, s.beta)
		}
	}
}

// blocked computes C block by block. Strips are panels as they are; those of 16 bits
// are widened, a block of columns at a time.
func (g *stripsProduct) blocked(ws *Workspace) {
	mr, nr := tileShape()
	depth := min(g.k, gemmKC)
	mc := balanced(g.m, blockA/depth, mr)
	limit := blockB
	if g.m <= mc {
		limit = StripRows * depth // a strip is used once
		if !g.w.is16 {
			limit = g.n * depth
		}
	}
	nc := balanced(g.n, limit/depth, StripRows)
	for pc := 0; pc < g.k; pc += gemmKC {
		kb := min(gemmKC, g.k-pc)
		g.packRows(ws, pc, kb, mc, mr)
		for jc := 0; jc < g.n; jc += nc {
			nb := min(nc, g.n-jc)
			s := strips{cols: nb, bCols: StripRows, packed: true}
			s.k, s.brs, s.ldc = kb, 4*StripRows, 4*g.ldc
			s.alpha, s.beta = g.alpha, g.betaAt(pc)
			if g.w.is16 {
				ws.b = grow(ws.b, (nb+StripRows-1)/StripRows*StripRows*kb)
				for j := 0; j < nb; j += StripRows {
					g.w.widen(ws.b[j*kb:][:StripRows*kb], (jc+j)*g.k+pc*StripRows)
				}
				s.b, s.bStep = &ws.b[0], 4*StripRows*kb
			} else {
				s.b, s.bStep = &g.w.f32[jc*g.k+pc*StripRows], 4*StripRows*g.k
			}
			after := g.after(pc, jc+nc)
			for ic := 0; ic < g.m; ic += mc {
				var next coming
				if ic+mc >= g.m {
					next = after
				}
				s.packedRows(&ws.a[ic*kb])
				s.run(splitTiles(min(mc, g.m-ic), mr), nr, &g.c[ic*g.ldc+jc], next)
			}
		}
	}
}

// after is the weights that come next: those of column j, or the first of the next
// block, or of this one, up to the end of their strip. It is good for prefetching alone.
func (g *stripsProduct) after(pc, j int) coming {
	if j >= g.n {
		j, pc = 0, pc+gemmKC
	}
	if pc >= g.k {
		pc = 0
	}
	return coming{(*float32)(g.w.at(j*g.k + pc*StripRows)), g.k - pc, StripRows * g.w.bytes()}
}

// packRows packs all rows of A, kb deep, as the tiles of blocks of mc rows.
func (g *stripsProduct) packRows(ws *Workspace, pc, kb, mc, mr int) {
	ws.a = grow(ws.a, g.m*kb+packSlack)
	for i := 0; i < g.m; {
		end := min(i+mc, g.m)
		for _, part := range splitTiles(end-i, mr) {
			for range part.tiles {
				packPanel(ws.a[i*kb:], part.rows, part.rows, kb, g.aAt(i, pc), g.ars, g.acs)
				i += part.rows
			}
		}
	}
}
