// Packing: blocks of A and B as the panels that tiles read from end to end.

package asm

import "unsafe"

// packSlack is what packing may write past the end of a panel.
const packSlack = 16

func grow(buf []float32, n int) []float32 {
	if cap(buf) < n {
		return make([]float32, n)
	}
	return buf[:n]
}

// packA packs the rows of A of a block of C, from row ic on, kb deep: a panel for
// each tile, holding its rows' elements of one p after the other.
func (ws *Workspace) packA(g *product, ic, pc, kb int, h tileHeights) {
	ws.a = grow(ws.a, (h[0].rows*h[0].tiles+h[1].rows*h[1].tiles)*kb+packSlack)
	i := 0
	for _, part := range h {
		for range part.tiles {
			packPanel(ws.a[i*kb:], part.rows, part.rows, kb, g.aAt(ic+i, pc), g.ars, g.acs)
			i += part.rows
		}
	}
}

// packWide panels of packDeep rows are packed together.
const packWide, packDeep = 8, 32

// packB packs a block of B, kb deep and nb wide: a panel for each nr columns.
func (ws *Workspace) packB(g *product, pc, jc, kb, nb, nr int) *float32 {
	ws.b = grow(ws.b, (nb+nr-1)/nr*nr*kb+packSlack)
	// Rows of B are read along several panels, a few at a time: whole pages, not pieces of many.
	wide, deep := nr, kb
	if g.bcs == 1 {
		wide, deep = packWide*nr, packDeep
	}
	for j := 0; j < nb; j += wide {
		for p := 0; p < kb; p += deep {
			for q := j; q < min(j+wide, nb); q += nr {
				packPanel(ws.b[q*kb+p*nr:], nr, min(nr, nb-q), min(deep, kb-p), g.bAt(pc+p, jc+q), g.bcs, g.brs)
			}
		}
	}
	return &ws.b[0]
}

// packPanelGeneric stores element (r, p) of src, at r*rs + p*ks from the first, in
// dst[p*stride+r] for r < width and p < k.
func packPanelGeneric(dst []float32, stride, width, k int, src *float32, rs, ks int) {
	for p := range k {
		for r := range width {
			dst[p*stride+r] = *at(src, p*ks+r*rs)
		}
	}
}

// at is the address of the float32 n behind p.
func at(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n)) }
