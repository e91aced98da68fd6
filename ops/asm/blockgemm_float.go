// Products with quantised weights where there are no integer products of bytes: both
// sides converted to float32.

package asm

// floats computes C with the kernels of [Gemm], from activations and strips converted to
// float32 depth by depth.
func (g *blockProduct) floats(ws *Workspace) {
	mr, nr := tileShape()
	rows := g.toRow - g.fromRow
	mc := balanced(rows, blockA/gemmKC, mr)
	for p := 0; p < g.k; p += gemmKC {
		depth := min(gemmKC, g.k-p)
		ws.a = grow(ws.a, rows*depth)
		g.dequantizeTiles(ws.a, mc, mr, p, depth)
		ws.b = grow(ws.b, depth*StripRows)
		b := strip{k: depth, brs: 4 * StripRows, ldc: 4 * g.ldc, alpha: g.alpha, beta: g.beta}
		if p > 0 {
			b.beta = 1
		}
		for s := range Strips(g.n) {
			DequantizeStrip(g.f, ws.b, g.strip(s), g.k, p, p+depth)
			cols := min(StripRows, g.n-s*StripRows)
			i := 0
			for ic := 0; ic < rows; ic += mc {
				for _, part := range splitTiles(min(mc, rows-ic), mr) {
					if part.tiles == 0 {
						continue
					}
					b.ars, b.acs, b.aStep = 4, 4*part.rows, 4*part.rows*depth
					for j := 0; j < cols; j += nr {
						runStrip(&b, part.rows, part.tiles, min(nr, cols-j), &ws.a[i*depth], &ws.b[j],
							&g.c[(g.fromRow+i)*g.ldc+s*StripRows+j], &ws.b[j], 0)
					}
					i += part.rows * part.tiles
				}
			}
		}
	}
}

// dequantizeTiles stores the activations p to p+depth-1 of the rows of C as the tiles
// read them, mc rows at a time: for each tile [depth][rows].
func (g *blockProduct) dequantizeTiles(dst []float32, mc, mr, p, depth int) {
	i := g.fromRow
	for ic := g.fromRow; ic < g.toRow; ic += mc {
		for _, part := range splitTiles(min(mc, g.toRow-ic), mr) {
			for range part.tiles {
				for r := range part.rows {
					g.q.dequantizeRow(dst[r:], part.rows, i, p, depth)
					i++
				}
				dst = dst[depth*part.rows:]
			}
		}
	}
}

// dequantizeRow stores elements p to p+depth-1 of row i in dst, stride apart.
func (q *BlockActivations) dequantizeRow(dst []float32, stride, i, p, depth int) {
	first, rows := q.tile(i)
	r := i - first
	codes := q.codes[first*q.k+p*rows+4*r:]
	scales := q.scales[(first*q.k+p*rows)/32+r:]
	for b := range depth / 32 {
		s := scales[b*rows]
		for e := range 32 {
			dst[(32*b+e)*stride] = s * float32(codes[(8*b+e/4)*4*rows+e%4])
		}
	}
}
