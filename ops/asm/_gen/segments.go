// Products whose left operand is a matrix in strips, read across its depth: segments
// of 32 in one strip after the other.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A segmentKernel is one assembly function; it holds a body for every tile height up to rows.
type segmentKernel struct {
	isa
	vecs int // vectors across a tile
	rows int // highest tile
}

func segmentsFile(g *gen) {
	for _, s := range []segmentKernel{{avx512, 2, 12}, {avx512, 1, 12}, {avx2, 2, 6}, {avx2, 1, 6}} {
		s.emit(g)
	}
}

func (s segmentKernel) name() string {
	return fmt.Sprintf("gemmSegments%d%s", s.vecs*s.lanes, s.isa.name)
}

func (s segmentKernel) emit(g *gen) {
	width := s.vecs * s.lanes
	g.text(s.name(), "func(rows, tiles, k int, w *float32, step int, b *float32, brs int, c *float32, ldc int, alpha, beta float32)",
		fmt.Sprintf("%s computes tiles of rows x %d elements, one below the other, from strips of weights:", s.name(), width),
		"",
		"\tfor i := range tiles * rows {",
		fmt.Sprintf("\t\tfor j := range %d {", width),
		"\t\t\tvar s float32",
		"\t\t\tfor p := range k {",
		"\t\t\t\ts = fma(w[p/32*step+i*32+p%32], b[p*brs+j], s)",
		"\t\t\t}",
		"\t\t\tc[i*ldc+j] = beta*c[i*ldc+j] + alpha*s // fma; beta == 0: C is not read",
		"\t\t}",
		"\t}",
		"",
		fmt.Sprintf("step, brs and ldc are in bytes. 1 <= rows <= %d, tiles >= 1, k >= 1.", s.rows))
	for r := s.rows; r > 1; r-- {
		g.CMPQ(g.arg("rows"), operand.I8(r))
		g.JE(label(fmt.Sprintf("rows%d", r)))
	}
	for r := 1; r <= s.rows; r++ {
		s.body(g, r)
	}
}

func (s segmentKernel) acc(row, vec int) reg.VecPhysical {
	first := 4
	if s.wide() {
		first = 8
	}
	return s.v(first + row*s.vecs + vec)
}

// body emits the loop over tiles of the given height.
func (s segmentKernel) body(g *gen, rows int) {
	const rowBytes, unroll = 4 * stripRows, 4
	l := func(part string) string { return fmt.Sprintf("rows%d%s", rows, part) }
	tiles, tile, w, step, next := reg.R13, reg.RSI, reg.RAX, reg.R9, reg.R12
	b, brs, c, ldc, segments, count, t := reg.RBX, reg.R10, reg.RDI, reg.R11, reg.R8, reg.RCX, reg.RDX
	g.Label(l(""))
	g.MOVQ(g.arg("tiles"), tiles)
	g.MOVQ(g.arg("w"), tile)
	g.MOVQ(g.arg("step"), step)
	g.MOVQ(g.arg("brs"), brs)
	g.MOVQ(g.arg("c"), c)
	g.MOVQ(g.arg("ldc"), ldc)

	g.Label(l("panel"))
	g.Comment("Bring the tile of C near; zero the accumulators.")
	g.MOVQ(c, t)
	for r := range rows {
		g.PREFETCHT0(mem(t, 0))
		if s.vecs*s.bytes() > 64 {
			g.PREFETCHT0(mem(t, 64))
		}
		if r < rows-1 {
			g.ADDQ(ldc, t)
		}
	}
	for r := range rows {
		for v := range s.vecs {
			g.zero(s.isa, s.acc(r, v))
		}
	}
	g.MOVQ(g.arg("b"), b)
	g.MOVQ(tile, w)
	g.MOVQ(g.arg("k"), segments)
	g.SHRQ(imm(5), segments)
	g.JZ(label(l("tail")))

	g.Label(l("segment"))
	g.Comment("Behind the tile lies the one below it: prefetch that.")
	g.LEAQ(mem(w, rows*rowBytes), next)
	g.MOVQ(operand.U32(stripRows/unroll), count)
	g.Label(l("loop"))
	for u := range unroll {
		if 64*u < rows*rowBytes/(stripRows/unroll) {
			g.PREFETCHT0(mem(next, 64*u))
		}
		s.step(g, rows, w, b, 4*u)
		g.ADDQ(brs, b)
	}
	g.ADDQ(imm(4*unroll), w)
	g.ADDQ(imm(rows*rowBytes/(stripRows/unroll)), next)
	g.DECQ(count)
	g.JNZ(label(l("loop")))
	g.LEAQ(memx(w, step, 1, -rowBytes), w)
	g.DECQ(segments)
	g.JNZ(label(l("segment")))

	g.Label(l("tail"))
	g.MOVQ(g.arg("k"), count)
	g.ANDQ(imm(stripRows-1), count)
	g.JZ(label(l("update")))
	g.Label(l("single"))
	s.step(g, rows, w, b, 0)
	g.ADDQ(imm(4), w)
	g.ADDQ(brs, b)
	g.DECQ(count)
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
		g.ADDQ(ldc, c)
	}
	g.ADDQ(imm(rows*rowBytes), tile)
	g.DECQ(tiles)
	g.JNZ(label(l("panel")))
	g.ret()
}

// step emits one p of the inner product, at byte disp of the rows of the segment.
func (s segmentKernel) step(g *gen, rows int, w, b reg.GPPhysical, disp int) {
	for v := range s.vecs {
		g.VMOVUPS(mem(b, v*s.bytes()), s.v(v))
	}
	for r := range rows {
		x := s.v(2 + r%2)
		g.VBROADCASTSS(mem(w, disp+4*stripRows*r), x)
		for v := range s.vecs {
			g.VFMADD231PS(s.v(v), x, s.acc(r, v))
		}
	}
}
