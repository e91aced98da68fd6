// Packing: panels of A and B laid out as the micro-kernels read them.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func packFile(g *gen) {
	for _, i := range isas {
		packTranspose(g, i)
		packCopy(g, i)
	}
}

// packCopy emits the copy of rows of up to two vectors.
func packCopy(g *gen, i isa) {
	name := "packCopy" + i.name
	g.text(name, "func(dst *float32, dstStride int, src *float32, srcStride, width, k int)",
		name+" copies rows, zeros behind them up to a whole vector:",
		"",
		"\tfor p := range k {",
		fmt.Sprintf("\t\tfor r := range roundUp(width, %d) {", i.lanes),
		"\t\t\tdst[p*dstStride+r] = 0",
		"\t\t\tif r < width {",
		"\t\t\t\tdst[p*dstStride+r] = src[p*srcStride+r]",
		"\t\t\t}",
		"\t\t}",
		"\t}",
		"",
		fmt.Sprintf("Strides are in bytes, 1 <= width <= %d, k >= 1. Rows are stored in rising order, so with", 2*i.lanes),
		"a small dstStride the next row overwrites what is too much.")
	dst, dstStride := reg.RDI, reg.R8
	src, stride, width, k, ahead := reg.RSI, reg.R9, reg.RCX, reg.RDX, reg.RAX
	g.MOVQ(g.arg("dst"), dst)
	g.MOVQ(g.arg("dstStride"), dstStride)
	g.MOVQ(g.arg("src"), src)
	g.MOVQ(g.arg("srcStride"), stride)
	g.MOVQ(g.arg("width"), width)
	g.MOVQ(g.arg("k"), k)
	g.CMPQ(width, operand.I8(i.lanes))
	g.JGT(label("wide"))
	for _, vecs := range []int{1, 2} {
		loop := map[int]string{1: "narrow", 2: "wide"}[vecs]
		if vecs == 2 {
			g.Label(loop)
			g.SUBQ(imm(i.lanes), width)
		}
		g.setMask(i, width, ahead)
		g.MOVQ(stride, ahead)
		g.Comment("Prefetch 16 rows ahead.")
		g.SHLQ(imm(4), ahead)
		g.ADDQ(src, ahead)
		g.Label(loop + "Row")
		g.PREFETCHT0(mem(ahead, 0))
		g.PREFETCHT0(mem(ahead, (vecs-1)*i.bytes()+i.bytes()-4))
		if vecs == 2 {
			g.VMOVUPS(mem(src, 0), i.v(0))
			g.VMOVUPS(i.v(0), mem(dst, 0))
		}
		off := (vecs - 1) * i.bytes()
		if i.wide() {
			g.VMOVUPS_Z(mem(src, off), reg.K1, i.v(1))
		} else {
			g.VMASKMOVPS(mem(src, off), reg.Y15, i.v(1))
		}
		g.VMOVUPS(i.v(1), mem(dst, off))
		g.ADDQ(stride, src)
		g.ADDQ(stride, ahead)
		g.ADDQ(dstStride, dst)
		g.DECQ(k)
		g.JNZ(label(loop + "Row"))
		g.ret()
	}
}

// packTranspose emits the transposition of up to lanes rows into columns.
//
// Blocks of lanes x lanes go through registers. 128-bit quarters are gathered by
// inserting loads, so that 4x4 transpositions inside the lanes finish the job: half of
// the shuffles of the usual network.
func packTranspose(g *gen, i isa) {
	name := "packTranspose" + i.name
	g.text(name, "func(dst *float32, dstStride int, src *float32, srcStride, rows, k int)",
		name+" stores column p of src as row p of dst:",
		"",
		"\tfor p := range k {",
		fmt.Sprintf("\t\tfor r := range %d {", i.lanes),
		"\t\t\tdst[p*dstStride+r] = src[min(r, rows-1)*srcStride+p]",
		"\t\t}",
		"\t}",
		"",
		fmt.Sprintf("Strides are in bytes, 1 <= rows <= %d. A row of dst is always stored whole and rows", i.lanes),
		"in rising order, so with a small dstStride the next row overwrites what is too much.")
	dst, dstStride := reg.RDI, reg.R8
	src, stride, rows, k := reg.RSI, reg.R9, reg.RDX, reg.RCX
	g.MOVQ(g.arg("dst"), dst)
	g.MOVQ(g.arg("dstStride"), dstStride)
	g.MOVQ(g.arg("src"), src)
	g.MOVQ(g.arg("srcStride"), stride)
	g.MOVQ(g.arg("rows"), rows)
	g.MOVQ(g.arg("k"), k)
	p := transposer{gen: g, isa: i, src: src, stride: stride, rows: rows, row: reg.RAX, tmp: reg.RBX, below: reg.R12}
	g.Comment("The rows below these come next: prefetch them.")
	g.MOVQ(stride, p.below)
	g.IMULQ(rows, p.below)

	g.SUBQ(imm(i.lanes), k)
	g.JLT(label("tail"))
	g.Label("block")
	p.load()
	p.transpose()
	for q := range i.lanes {
		g.VMOVUPS(p.column(q), mem(dst, 0))
		g.ADDQ(dstStride, dst)
	}
	g.ADDQ(imm(i.bytes()), src)
	g.SUBQ(imm(i.lanes), k)
	g.JGE(label("block"))

	g.Label("tail")
	g.ADDQ(imm(i.lanes), k)
	g.JZ(label("done"))
	g.Comment("The last columns one at a time.")
	g.Label("single")
	g.MOVQ(src, reg.RAX)
	g.MOVQ(dst, reg.RBX)
	g.MOVQ(rows, reg.R10)
	g.Label("element")
	g.MOVL(mem(reg.RAX, 0), reg.R11L)
	g.MOVL(reg.R11L, mem(reg.RBX, 0))
	g.ADDQ(stride, reg.RAX)
	g.ADDQ(imm(4), reg.RBX)
	g.DECQ(reg.R10)
	g.JNZ(label("element"))
	g.ADDQ(imm(4), src)
	g.ADDQ(dstStride, dst)
	g.DECQ(k)
	g.JNZ(label("single"))
	g.Label("done")
	g.ret()
}

type transposer struct {
	*gen
	isa
	src, stride, rows, row, tmp, below reg.GPPhysical
}

// part is register number of quarter (4 columns) q of rows s, s+4, s+8, ... in its lanes.
func (p transposer) part(q, s int) int { return q*4 + s }

// load brings lanes rows of lanes elements. Row r sits in 128-bit lane r/4.
func (p transposer) load() {
	quarters := p.lanes / 4
	p.MOVQ(p.src, p.row)
	for r := range p.lanes {
		lane, s := r/4, r%4
		p.PREFETCHT0(memx(p.row, p.below, 1, 0))
		for q := range quarters {
			n := p.part(q, s)
			at := mem(p.row, 16*q)
			switch {
			case lane == 0:
				p.VMOVUPS(at, xmm[n])
			case p.wide():
				p.VINSERTF32X4(operand.U8(lane), at, zmm[n], zmm[n])
			default:
				p.VINSERTF128(operand.U8(lane), at, ymm[n], ymm[n])
			}
		}
		if r < p.lanes-1 {
			p.Comment(fmt.Sprintf("Row %d, or the last again.", r+1))
			p.LEAQ(memx(p.row, p.stride, 1, 0), p.tmp)
			p.CMPQ(p.rows, operand.I8(r+1))
			p.CMOVQGT(p.tmp, p.row)
		}
	}
}

// transpose turns each 4x4 of the lanes; registers from lanes on are scratch.
func (p transposer) transpose() {
	for q := range p.lanes / 4 {
		var r, t [4]reg.VecPhysical
		for s := range r {
			r[s] = p.v(p.part(q, s))
			t[s] = p.v(p.lanes + p.part(q, s))
		}
		p.transpose4x4(r, t)
	}
}

// column is the register of column q once transposed.
func (p transposer) column(q int) reg.VecPhysical { return p.v(p.part(q/4, q%4)) }
