// Strips of frozen weights: the file of their kernels, and the packing of 16-bit ones.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func stripsFile(g *gen) {
	streamFile(g)
	segmentsFile(g)
	for _, i := range isas {
		transpose16(g, i)
	}
}

// transpose16 emits the transposition of rows of 16-bit elements into a strip: eight
// rows in each 128-bit lane, eight columns at a time.
func transpose16(g *gen, i isa) {
	name, rows := "packTranspose16"+i.name, 2*i.lanes
	g.text(name, "func(dst *uint16, dstStride int, src *uint16, srcStride, k int)",
		fmt.Sprintf("%s stores column p of %d rows as row p of dst:", name, rows),
		"",
		"\tfor p := range k {",
		fmt.Sprintf("\t\tfor r := range %d {", rows),
		"\t\t\tdst[p*dstStride+r] = src[r*srcStride+p]",
		"\t\t}",
		"\t}",
		"",
		"Strides are in bytes; k is a positive multiple of 8.")
	dst, dstStride, src, stride, k, row, stride3, lane := reg.RDI, reg.R8, reg.RSI, reg.R9, reg.RCX, reg.RAX, reg.R10, reg.RDX
	g.MOVQ(g.arg("dst"), dst)
	g.MOVQ(g.arg("dstStride"), dstStride)
	g.MOVQ(g.arg("src"), src)
	g.MOVQ(g.arg("srcStride"), stride)
	g.MOVQ(g.arg("k"), k)
	g.LEAQ(memx(stride, stride, 2, 0), stride3)
	g.Label("block")
	g.MOVQ(src, lane)
	for q := range i.lanes / 4 {
		for h := range 2 {
			g.LEAQ(memx(lane, stride, 4, 0), row)
			base := lane
			if h == 1 {
				base = row
			}
			for s := range 4 {
				var at operand.Mem
				switch s {
				case 0:
					at = mem(base, 0)
				case 3:
					at = memx(base, stride3, 1, 0)
				default:
					at = memx(base, stride, uint8(s), 0)
				}
				n := 4*h + s
				switch {
				case q == 0:
					g.VMOVUPS(at, xmm[n])
				case i.wide():
					g.VINSERTF32X4(operand.U8(q), at, zmm[n], zmm[n])
				default:
					g.VINSERTF128(operand.U8(q), at, ymm[n], ymm[n])
				}
			}
		}
		g.LEAQ(memx(lane, stride, 8, 0), lane)
	}
	// Pairs of rows, then of pairs, then of quads: registers 0-7, 8-15, 0-7, 8-15.
	v := i.v
	for s := range 4 {
		g.VPUNPCKLWD(v(2*s+1), v(2*s), v(8+2*s))
		g.VPUNPCKHWD(v(2*s+1), v(2*s), v(9+2*s))
	}
	for s := range 2 {
		for h := range 2 { // columns 0-3, 4-7
			g.VPUNPCKLDQ(v(8+4*s+2+h), v(8+4*s+h), v(4*s+2*h))
			g.VPUNPCKHDQ(v(8+4*s+2+h), v(8+4*s+h), v(4*s+2*h+1))
		}
	}
	for h := range 4 {
		g.VPUNPCKLQDQ(v(4+h), v(h), v(8+2*h))
		g.VPUNPCKHQDQ(v(4+h), v(h), v(9+2*h))
	}
	for c := range 8 {
		g.VMOVUPS(v(8+c), mem(dst, 0))
		g.ADDQ(dstStride, dst)
	}
	g.ADDQ(imm(16), src)
	g.SUBQ(imm(8), k)
	g.JNZ(label("block"))
	g.ret()
}
