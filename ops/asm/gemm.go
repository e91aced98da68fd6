// Matrix products in float32: the contract, and which route a product takes.

package asm

import "fmt"

// A Workspace owns the buffers that [Gemm] packs operands into. They grow to what
// the products need and are kept, so a steady state allocates nothing. The zero
// value is ready; a Workspace serves one goroutine at a time.
type Workspace struct {
	a, b, c []float32
}

// Gemm computes C = alpha*A*B + beta*C on one thread.
//
// A is [m, k], element (i, p) at a[i*ars+p*acs]; B is [k, n], element (p, j) at
// b[p*brs+j*bcs]; C is [m, n], element (i, j) at c[i*ldc+j]. Strides may be any
// number >= 0, so a transposed operand is one whose strides are exchanged; it is
// fast if one stride of each operand is 1. C must not overlap A or B.
//
// If beta is 0, C is not read: it may hold NaN. If k or alpha is 0, A and B are not
// read and C becomes beta*C. Gemm panics if a size or stride is negative, if rows of C
// overlap, or if an operand does not fit its slice.
//
// An element of C is the sum of A[i,p]*B[p,j] in rising order of p, one rounding per
// term (a fused multiply-add; at the generic level two), begun anew every 512 terms;
// each such sum is multiplied by alpha and added to C. Nothing else enters: neither
// m, n, the strides, the position of the element, nor the caches. So a product may
// be split by rows or columns of C, down to one, among workers without a change in any bit, and
// "avx2" and "avx512" give the same bits.
func Gemm(ws *Workspace, m, n, k int, alpha float32, a []float32, ars, acs int, b []float32, brs, bcs int, beta float32, c []float32, ldc int) {
	if m < 0 || n < 0 || k < 0 {
		panic(fmt.Sprintf("asm: Gemm: negative size: m %d, n %d, k %d", m, n, k))
	}
	if m == 0 || n == 0 {
		return
	}
	checkMatrix("C", c, m, n, ldc, 1)
	if m > 1 && ldc < n {
		panic(fmt.Sprintf("asm: Gemm: rows of C overlap: n %d, ldc %d", n, ldc))
	}
	if k == 0 || alpha == 0 {
		scaleRows(m, n, beta, c, ldc)
		return
	}
	checkMatrix("A", a, m, k, ars, acs)
	checkMatrix("B", b, k, n, brs, bcs)
	// Where there is one row or column, its stride is free to choose.
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
	raceProduct(&g)
	switch {
	case m == 1 && brs == 1 && n >= gemvRows:
		g.rowTimesColumns(ws)
	case n == 1 && acs == 1 && m >= gemvRows && ldc == 1:
		t := g.transposed()
		t.rowTimesColumns(ws)
	case m == 1 && bcs == 1:
		g.rowTimesRows()
	default:
		g.blocked(ws)
	}
}

func scaleRows(m, n int, beta float32, c []float32, ldc int) {
	for i := range m {
		row := c[i*ldc:][:n]
		switch beta {
		case 0:
			clear(row)
		case 1:
		default:
			scale(row, beta)
		}
	}
}

func checkMatrix(name string, x []float32, rows, cols, rs, cs int) {
	if rs < 0 || cs < 0 {
		panic(fmt.Sprintf("asm: Gemm: negative stride of %s: %d, %d", name, rs, cs))
	}
	if last := (rows-1)*rs + (cols-1)*cs; last >= len(x) {
		panic(fmt.Sprintf("asm: Gemm: %s [%d, %d] with strides %d, %d needs %d elements, has %d",
			name, rows, cols, rs, cs, last+1, len(x)))
	}
}

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

// transposed is the product C' = B'*A', of a C with one contiguous column.
func (g *product) transposed() product {
	return product{g.n, g.m, g.k, g.alpha, g.beta, g.b, g.a, g.c, g.bcs, g.brs, g.acs, g.ars, g.m}
}
