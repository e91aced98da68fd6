// Matrix products in float32: the contract.

package asm

import "fmt"

// A Workspace owns the buffers that [Gemm] packs operands into. They grow to what
// the products need and are kept, so a steady state allocates nothing. The zero
// value is ready; a Workspace serves one goroutine at a time.
type Workspace struct {
	a, b []float32
}

// Gemm computes C = alpha*A*B + beta*C on one thread.
//
// A is [m, k], element (i, p) at a[i*ars+p*acs]; B is [k, n], element (p, j) at
// b[p*brs+j*bcs]; C is [m, n], element (i, j) at c[i*ldc+j]. Strides may be any
// number >= 0, so a transposed operand is one whose strides are exchanged. C must
// not overlap A or B.
//
// If beta is 0, C is not read: it may hold NaN. If k or alpha is 0, A and B are not
// read and C is beta*C. Gemm panics if a size or stride is negative or an operand
// does not fit its slice.
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
	gemm(ws, m, n, k, alpha, a, ars, acs, b, brs, bcs, beta, c, ldc)
}

func gemmGeneric(m, n, k int, alpha float32, a []float32, ars, acs int, b []float32, brs, bcs int, beta float32, c []float32, ldc int) {
	scaleRows(m, n, beta, c, ldc)
	for i := range m {
		row := c[i*ldc:][:n]
		if bcs == 1 {
			for p := range k {
				axpyGeneric(alpha*a[i*ars+p*acs], b[p*brs:][:n], row)
			}
			continue
		}
		for j := range row {
			var s float32
			for p := range k {
				s += a[i*ars+p*acs] * b[p*brs+j*bcs]
			}
			row[j] += alpha * s
		}
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
