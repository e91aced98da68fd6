//go:build !noasm

// The blocked product on amd64: the loops of BLIS round the strip kernels.

package asm

import "unsafe"

// gemmKC is the depth of a block. It alone fixes the order of summation of an element:
// it depends neither on the caches nor on the operands.
const gemmKC = 512

// A product holds the arguments of [Gemm].
type product struct {
	m, n, k     int
	alpha, beta float32
	a, b, c     []float32
	ars, acs    int
	brs, bcs    int
	ldc         int
}

func (g *product) aAt(i, p int) *float32 { return &g.a[i*g.ars+p*g.acs] }
func (g *product) bAt(p, j int) *float32 { return &g.b[p*g.brs+j*g.bcs] }

// betaAt is what C is multiplied by before the block of depth pc is added.
func (g *product) betaAt(pc int) float32 {
	if pc > 0 {
		return 1
	}
	return g.beta
}

// tileShape returns the rows and columns of the micro-kernel.
func tileShape() (mr, nr int) {
	if useAVX512 {
		return 12, 32
	}
	return 6, 16
}

func gemm(ws *Workspace, m, n, k int, alpha float32, a []float32, ars, acs int, b []float32, brs, bcs int, beta float32, c []float32, ldc int) {
	if !useAVX2 {
		gemmGeneric(m, n, k, alpha, a, ars, acs, b, brs, bcs, beta, c, ldc)
		return
	}
	// Where there is one row or column its stride is free to choose.
	if m == 1 {
		ars, ldc = 1, n
	}
	if n == 1 {
		bcs = 1
	}
	if k == 1 {
		acs, brs = 1, n
	}
	g := product{m, n, k, alpha, beta, a, b, c, ars, acs, brs, bcs, ldc}
	switch {
	case m == 1 && brs == 1 && n >= 8:
		g.gemvRows(ws)
	case n == 1 && acs == 1 && m >= 8 && ldc == 1:
		// C' = B'*A'
		t := product{1, m, k, alpha, beta, b, a, c, bcs, brs, acs, ars, m}
		t.gemvRows(ws)
	case m == 1 && bcs == 1:
		g.gemvColumns()
	default:
		g.blocked(ws)
	}
}

// gemvRows computes a single row of C from a B whose columns are contiguous.
func (g *product) gemvRows(ws *Workspace) {
	x, xs := g.a, g.acs
	if xs != 1 && g.k > 1 {
		ws.a = grow(ws.a, g.k)
		for p := range g.k {
			ws.a[p] = x[p*xs]
		}
		x = ws.a
	}
	for j := 0; j < g.n; j += 32 {
		// The last rows overlap those before, but are stored once.
		cols := min(32, g.n-j)
		groups := cols / 8
		for pc := 0; pc < g.k; pc += gemmKC {
			kb := min(gemmKC, g.k-pc)
			if groups > 0 {
				runGemv(groups, g.bAt(pc, j), 4*g.bcs, &x[pc], kb, &g.c[j], g.alpha, g.betaAt(pc), 8*groups)
			}
			if rest := cols % 8; rest > 0 {
				at := g.n - 8
				runGemv(1, g.bAt(pc, at), 4*g.bcs, &x[pc], kb, &g.c[at], g.alpha, g.betaAt(pc), rest)
			}
		}
	}
}

// gemvColumns computes a single row of C from a B whose rows are contiguous.
func (g *product) gemvColumns() {
	_, nr := tileShape()
	for j, cols := 0, 0; j < g.n; j += cols {
		switch rest := g.n - j; {
		case rest >= 128 && useAVX512:
			cols = 128
		case rest >= 64:
			cols = 64
		default:
			cols = min(nr, rest)
		}
		for pc := 0; pc < g.k; pc += gemmKC {
			t := strip{k: min(gemmKC, g.k-pc), acs: 4 * g.acs, brs: 4 * g.brs, alpha: g.alpha, beta: g.betaAt(pc)}
			runStrip(&t, 1, 1, cols, g.aAt(0, pc), g.bAt(pc, j), &g.c[j])
		}
	}
}

// blocked computes C block by block.
func (g *product) blocked(ws *Workspace) {
	mr, nr := tileShape()
	depth := min(g.k, gemmKC)
	mc := balanced(g.m, max(mr, mcElems/depth/mr*mr), mr)
	packB := g.bcs != 1 || g.m >= 64 && g.brs >= 256
	packA := g.n > 4*nr && g.k > 32 && (g.acs != 1 || g.k > 128)
	nc := g.n
	if packB {
		elems := ncElems
		if g.m <= mc {
			elems = ncSmall // packed B is used once: let it stay in L2
		}
		nc = balanced(g.n, max(nr, elems/depth/nr*nr), nr)
	}
	for pc := 0; pc < g.k; pc += gemmKC {
		kb := min(gemmKC, g.k-pc)
		for jc := 0; jc < g.n; jc += nc {
			nb := min(nc, g.n-jc)
			s := strips{nr: nr, cols: nb, b: g.bAt(pc, jc), bStep: 4 * nr}
			s.k, s.brs, s.ldc = kb, 4*g.brs, 4*g.ldc
			s.alpha, s.beta = g.alpha, g.betaAt(pc)
			if packB {
				s.b = ws.packB(g, pc, jc, kb, nb, nr)
				s.brs, s.bStep = 4*nr, 4*nr*kb
			}
			for ic := 0; ic < g.m; ic += mc {
				mb := min(mc, g.m-ic)
				// Tiles of nearly equal height: high of low+1 rows, the others of low.
				tiles := (mb + mr - 1) / mr
				low, high := mb/tiles, mb%tiles
				if packA && (jc == 0 || mc < g.m) {
					ws.packA(g, ic, pc, kb, low, high, tiles)
				}
				done := 0
				for _, part := range [2]struct{ rows, tiles int }{{low + 1, high}, {low, tiles - high}} {
					if part.tiles == 0 {
						continue
					}
					if packA {
						s.a, s.ars, s.acs, s.astep = &ws.a[done*kb], 4, 4*part.rows, 4*part.rows*kb
					} else {
						s.a, s.ars, s.acs, s.astep = g.aAt(ic+done, pc), 4*g.ars, 4*g.acs, 4*part.rows*g.ars
					}
					s.run(part.rows, part.tiles, &g.c[(ic+done)*g.ldc+jc])
					done += part.rows * part.tiles
				}
			}
		}
	}
}

var (
	mcElems = 192 * 512
	ncElems = 2048 * 512
	ncSmall = 128 * 512
)

// balanced returns the block length for n: at most limit, a multiple of unit, the blocks nearly equal.
func balanced(n, limit, unit int) int {
	blocks := (n + limit - 1) / limit
	per := (n + blocks - 1) / blocks
	return (per + unit - 1) / unit * unit
}

// strip holds what strip kernels of one block share; strides in bytes.
type strip struct {
	k                         int
	ars, acs, astep, brs, ldc int
	alpha, beta               float32
}

// strips walks a block of C from left to right.
type strips struct {
	strip
	nr, cols int
	a, b     *float32
	bStep    int // bytes from the B of one strip to the next
}

func (s *strips) run(rows, tiles int, c *float32) {
	b, bc := unsafe.Pointer(s.b), unsafe.Pointer(c)
	for j := 0; j < s.cols; j += s.nr {
		runStrip(&s.strip, rows, tiles, min(s.nr, s.cols-j),
			s.a, (*float32)(unsafe.Add(b, j/s.nr*s.bStep)), (*float32)(unsafe.Add(bc, 4*j)))
	}
}

// runStrip is not inlined: its prologue is the safe point that lets the garbage
// collector stop a long product.
//
//go:noinline
func runStrip(t *strip, rows, panels, cols int, a, b, c *float32) {
	switch {
	case useAVX512 && cols == 128:
		gemmStrip128AVX512(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, 16)
	case useAVX512 && cols == 64:
		gemmStrip64AVX512(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, 16)
	case useAVX512 && cols > 16:
		gemmStrip32AVX512(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, cols-16)
	case useAVX512:
		gemmStrip16AVX512(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, cols)
	case cols == 64:
		gemmStrip64AVX2(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, 8)
	case cols == 16:
		gemmStrip16AVX2(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, 8)
	case cols > 8:
		gemmStrip16MaskedAVX2(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, cols-8)
	case cols == 8:
		gemmStrip8AVX2(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, 8)
	default:
		gemmStrip8MaskedAVX2(rows, panels, t.k, a, t.ars, t.acs, t.astep, b, t.brs, c, t.ldc, t.alpha, t.beta, cols)
	}
}

//go:noinline
func runGemv(groups int, w *float32, stride int, x *float32, k int, y *float32, alpha, beta float32, last int) {
	gemvRowsAVX2(groups, w, stride, x, k, y, alpha, beta, last)
}

// packSlack is what packing may write past the end of a panel.
const packSlack = 16

func grow(buf []float32, n int) []float32 {
	if cap(buf) < n {
		return make([]float32, n)
	}
	return buf[:n]
}

// packB packs block (pc, jc) of B, kb x nb: panels of nr columns, one after the other.
func (ws *Workspace) packB(g *product, pc, jc, kb, nb, nr int) *float32 {
	ws.b = grow(ws.b, (nb+nr-1)/nr*nr*kb+packSlack)
	for j := 0; j < nb; j += nr {
		packPanel(ws.b[j*kb:], nr, min(nr, nb-j), kb, g.bAt(pc, jc+j), g.bcs, g.brs)
	}
	return &ws.b[0]
}

// packA packs rows of A from ic on at depth pc: a panel for each tile.
func (ws *Workspace) packA(g *product, ic, pc, kb, low, high, tiles int) {
	ws.a = grow(ws.a, (low*tiles+high)*kb+packSlack)
	for i, t := 0, 0; t < tiles; t++ {
		rows := low
		if t < high {
			rows++
		}
		packPanel(ws.a[i*kb:], rows, rows, kb, g.aAt(ic+i, pc), g.ars, g.acs)
		i += rows
	}
}

// packPanel stores k columns of width elements as rows of dst, stride apart. Element
// (r, p) of src is r*rs + p*ks elements from the first.
//
//go:noinline
func packPanel(dst []float32, stride, width, k int, src *float32, rs, ks int) {
	switch {
	case ks == 1 && useAVX512:
		for r := 0; r < width; r += 16 {
			packTransposeAVX512(&dst[r], 4*stride, at(src, r*rs), 4*rs, min(16, width-r), k)
		}
	case ks == 1:
		for r := 0; r < width; r += 8 {
			packTransposeAVX2(&dst[r], 4*stride, at(src, r*rs), 4*rs, min(8, width-r), k)
		}
	case rs == 1 && useAVX512:
		packCopyAVX512(&dst[0], 4*stride, src, 4*ks, width, k)
	case rs == 1:
		packCopyAVX2(&dst[0], 4*stride, src, 4*ks, width, k)
	default:
		for p := range k {
			for r := range width {
				dst[p*stride+r] = *at(src, p*ks+r*rs)
			}
		}
	}
}

func at(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n)) }
