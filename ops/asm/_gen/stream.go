// Products of a few rows with strips: the weights are read once, from end to end.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const stripRows = 32 // rows of W in a strip

// A streamKernel is one assembly function; it holds a body for every height up to rows.
type streamKernel struct {
	isa
	vecs int    // vectors across a tile
	rows int    // highest tile
	elem string // type of the weights: F32, F16 or BF16
}

// From two rows on weights are prefetched, so many bytes ahead: to L2 two pages, as
// hardware begins each page anew and no load runs that far ahead; from there to L1. One
// prefetch for both would occupy L1's few fill buffers for as long as memory takes.
const (
	streamAheadL2 = 8192
	streamAheadL1 = 2048
)

func streamFile(g *gen) {
	for _, elem := range []string{"F32", "F16", "BF16"} {
		for _, s := range []streamKernel{
			{avx512, 2, 12, elem},
			{avx2, 4, 3, elem},
			{avx2, 2, 6, elem},
		} {
			s.emit(g)
		}
	}
}

func (s streamKernel) elemBytes() int {
	if s.elem == "F32" {
		return 4
	}
	return 2
}

func (s streamKernel) name() string {
	return fmt.Sprintf("gemmStream%d%s%s", s.vecs*s.lanes, s.elem, s.isa.name)
}

func (s streamKernel) emit(g *gen) {
	typ, load := "float32", "w[p*32+j]"
	switch s.elem {
	case "F16":
		typ, load = "uint16", "float32(f16(w[p*32+j]))"
	case "BF16":
		typ, load = "uint16", "float32(bf16(w[p*32+j]))"
	}
	g.text(s.name(), fmt.Sprintf("func(rows, k int, a *float32, w *%s, c *float32, ldc int, alpha, beta float32)", typ),
		fmt.Sprintf("%s multiplies rows by %d columns of a strip:", s.name(), s.vecs*s.lanes),
		"",
		"\tfor i := range rows {",
		fmt.Sprintf("\t\tfor j := range %d {", s.vecs*s.lanes),
		"\t\t\tvar s float32",
		"\t\t\tfor p := range k {",
		fmt.Sprintf("\t\t\t\ts = fma(a[p*rows+i], %s, s)", load),
		"\t\t\t}",
		"\t\t\tc[i*ldc+j] = beta*c[i*ldc+j] + alpha*s // fma; beta == 0: C is not read",
		"\t\t}",
		"\t}",
		"",
		fmt.Sprintf("ldc is in bytes. 1 <= rows <= %d, k >= 1.", s.rows))
	for r := s.rows; r > 1; r-- {
		g.CMPQ(g.arg("rows"), operand.I8(r))
		g.JE(label(fmt.Sprintf("rows%d", r)))
	}
	for r := 1; r <= s.rows; r++ {
		s.body(g, r)
	}
}

func (s streamKernel) acc(row, vec int) reg.VecPhysical {
	first := 4
	if s.wide() {
		first = 8
	}
	return s.v(first + row*s.vecs + vec)
}

// body emits the product of the given number of rows.
func (s streamKernel) body(g *gen, rows int) {
	l := func(part string) string { return fmt.Sprintf("rows%d%s", rows, part) }
	a, w, c, ldc, k, t := reg.RSI, reg.RBX, reg.RDI, reg.R11, reg.RCX, reg.RDX
	g.Label(l(""))
	g.MOVQ(g.arg("a"), a)
	g.MOVQ(g.arg("w"), w)
	g.MOVQ(g.arg("c"), c)
	g.MOVQ(g.arg("ldc"), ldc)
	for r := range rows {
		for v := range s.vecs {
			g.zero(s.isa, s.acc(r, v))
		}
	}
	unroll := 4
	if rows > 6 {
		unroll = 2
	}
	wStep, aStep := stripRows*s.elemBytes(), 4*rows
	steps := func(n int) {
		for u := range n {
			if rows > 1 || s.elem != "F32" {
				for at := 0; at < wStep; at += 64 {
					g.PREFETCHT1(mem(w, u*wStep+at+streamAheadL2))
					g.PREFETCHT0(mem(w, u*wStep+at+streamAheadL1))
				}
			}
			s.step(g, rows, a, w, u*aStep, u*wStep)
		}
		g.ADDQ(imm(n*aStep), a)
		g.ADDQ(imm(n*wStep), w)
	}
	g.MOVQ(g.arg("k"), k)
	g.SUBQ(imm(unroll), k)
	g.JLT(label(l("tail")))
	g.Label(l("loop"))
	steps(unroll)
	g.SUBQ(imm(unroll), k)
	g.JGE(label(l("loop")))
	g.Label(l("tail"))
	g.ADDQ(imm(unroll), k)
	g.JZ(label(l("update")))
	g.Label(l("single"))
	steps(1)
	g.DECQ(k)
	g.JNZ(label(l("single")))

	g.Label(l("update"))
	g.VBROADCASTSS(g.arg("alpha"), s.v(0))
	for r := range rows {
		for v := range s.vecs {
			g.VMULPS(s.v(0), s.acc(r, v), s.acc(r, v))
		}
	}
	g.Comment("Shift the sign of beta out: -0 is zero too.")
	g.MOVL(g.arg("beta"), t.As32())
	g.ADDL(t.As32(), t.As32())
	g.JZ(label(l("store")))
	g.VBROADCASTSS(g.arg("beta"), s.v(0))
	g.MOVQ(c, t)
	for r := range rows {
		for v := range s.vecs {
			g.VFMADD231PS(mem(t, v*s.bytes()), s.v(0), s.acc(r, v))
		}
		if r < rows-1 {
			g.ADDQ(ldc, t)
		}
	}
	g.Label(l("store"))
	for r := range rows {
		for v := range s.vecs {
			g.VMOVUPS(s.acc(r, v), mem(c, v*s.bytes()))
		}
		if r < rows-1 {
			g.ADDQ(ldc, c)
		}
	}
	g.ret()
}

// step emits one p of the inner product. With few rows of many vectors the broadcasts
// stay in registers, else the vectors of the strip do.
func (s streamKernel) step(g *gen, rows int, a, w reg.GPPhysical, aDisp, wDisp int) {
	if s.vecs == 4 || rows == 1 {
		for r := range rows {
			g.VBROADCASTSS(mem(a, aDisp+4*r), s.v(r))
		}
		for v := range s.vecs {
			at := mem(w, wDisp+v*s.lanes*s.elemBytes())
			var from operand.Op = at
			if s.elem != "F32" || rows > 1 {
				s.load(g, at, s.v(3))
				from = s.v(3)
			}
			for r := range rows {
				g.VFMADD231PS(from, s.v(r), s.acc(r, v))
			}
		}
		return
	}
	for v := range s.vecs {
		s.load(g, mem(w, wDisp+v*s.lanes*s.elemBytes()), s.v(v))
	}
	for r := range rows {
		b := s.v(2 + r%2)
		g.VBROADCASTSS(mem(a, aDisp+4*r), b)
		for v := range s.vecs {
			g.VFMADD231PS(s.v(v), b, s.acc(r, v))
		}
	}
}

// load brings a vector of weights as float32.
func (s streamKernel) load(g *gen, at operand.Mem, to reg.VecPhysical) {
	switch s.elem {
	case "F16":
		g.VCVTPH2PS(at, to)
	case "BF16":
		g.VPMOVZXWD(at, to)
		g.VPSLLD(operand.U8(16), to, to)
	default:
		g.VMOVUPS(at, to)
	}
}
