// The GEMM micro-kernels: a strip of C, rows of tiles one below the other.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Registers of all strip kernels. A tile's rows r are reached from four pointers,
// rowPtr[r/3] + (r%3)*ars.
var (
	regARS, regACS, regBRS, regLDC = reg.R8, reg.R9, reg.R10, reg.R11
	regA, regB, regC               = reg.RSI, reg.RBX, reg.RDI
	regK, regNext                  = reg.RCX, reg.R13
	rowPtr                         = []reg.GPPhysical{reg.RAX, reg.RDX, reg.R12, reg.R15}
)

// A stripKernel is one assembly function; it holds a body for every tile height up to rows.
type stripKernel struct {
	isa
	vecs   int  // vectors across a tile
	rows   int  // highest tile
	masked bool // the last vector of a tile is partial
}

func (s stripKernel) name() string {
	suffix := ""
	if s.masked && !s.wide() {
		suffix = "Masked"
	}
	return fmt.Sprintf("gemmStrip%d%s%s", s.vecs*s.lanes, suffix, s.isa.name)
}

func gemmFile(g *gen) {
	for _, s := range []stripKernel{
		{avx512, 2, 12, true},
		{avx512, 1, 12, true},
		{avx512, 8, 1, true},
		{avx512, 4, 1, true},
		{avx2, 2, 6, false},
		{avx2, 2, 6, true},
		{avx2, 1, 6, false},
		{avx2, 1, 6, true},
		{avx2, 8, 1, false},
	} {
		s.emit(g)
	}
}

func (s stripKernel) emit(g *gen) {
	signature := "func(rows, tiles, k int, a *float32, ars, acs, aStep int, b *float32, brs int, c *float32, ldc int, alpha, beta float32, last int"
	var doc []string
	if s.prefetches() {
		signature += ", next *float32, nextStep int"
		doc = []string{"", "Beside every second p two cache lines are fetched to L2, nextStep bytes behind the", "last two, from next on, k*brs bytes in all."}
	}
	g.text(s.name(), signature+")", append([]string{
		fmt.Sprintf("%s computes tiles of rows x %d elements, one below the other:", s.name(), s.vecs*s.lanes),
		"",
		"\tfor t := range tiles {",
		"\t\tfor i := range rows {",
		"\t\t\tfor j := range width {",
		"\t\t\t\tvar s float32",
		"\t\t\t\tfor p := range k {",
		"\t\t\t\t\ts = fma(a[t*aStep+i*ars+p*acs], b[p*brs+j], s)",
		"\t\t\t\t}",
		"\t\t\t\tc[(t*rows+i)*ldc+j] = beta*c[(t*rows+i)*ldc+j] + alpha*s // fma; beta == 0: C is not read",
		"\t\t\t}",
		"\t\t}",
		"\t}",
		"",
		fmt.Sprintf("All strides are in bytes. 1 <= rows <= %d, tiles >= 1, k >= 1. The last vector of a", s.rows),
		"tile has last elements, the others are full: width = " + s.widthDoc() + "."}, doc...)...)
	for r := s.rows; r > 1; r-- {
		g.CMPQ(g.arg("rows"), operand.I8(r))
		g.JE(label(fmt.Sprintf("rows%d", r)))
	}
	for r := 1; r <= s.rows; r++ {
		s.body(g, r)
	}
}

// prefetches reports whether the kernel brings the panel near that comes next: those of
// full width, which products of many panels use.
func (s stripKernel) prefetches() bool { return s.vecs == 2 }

func (s stripKernel) widthDoc() string {
	if s.masked {
		return fmt.Sprintf("%d+last, 1 <= last <= %d", (s.vecs-1)*s.lanes, s.lanes)
	}
	return fmt.Sprintf("%d, last is not used", s.vecs*s.lanes)
}

// body emits the loop over tiles for tiles of the given height.
func (s stripKernel) body(g *gen, rows int) {
	l := func(part string) string { return fmt.Sprintf("rows%d%s", rows, part) }
	g.Label(l(""))
	g.MOVQ(g.arg("a"), regA)
	g.MOVQ(g.arg("ars"), regARS)
	g.MOVQ(g.arg("acs"), regACS)
	g.MOVQ(g.arg("brs"), regBRS)
	g.MOVQ(g.arg("c"), regC)
	g.MOVQ(g.arg("ldc"), regLDC)
	s.loadMask(g)
	if s.prefetches() {
		g.MOVQ(g.arg("next"), regNext)
	}

	g.Label(l("panel"))
	g.Comment("Bring the tile of C near; zero the accumulators; set the row pointers.")
	g.MOVQ(regC, regK)
	for r := range rows {
		for v := 0; v*s.bytes() < s.vecs*s.bytes(); v += 64 / s.bytes() {
			g.PREFETCHT0(mem(regK, v*s.bytes()))
		}
		if r < rows-1 {
			g.ADDQ(regLDC, regK)
		}
	}
	for r := range rows {
		for v := range s.vecs {
			g.zero(s.isa, s.acc(r, v))
		}
	}
	g.MOVQ(g.arg("b"), regB)
	g.MOVQ(regA, rowPtr[0])
	for q := 1; 3*q < rows; q++ {
		g.LEAQ(memx(rowPtr[q-1], regARS, 2, 0), rowPtr[q])
		g.ADDQ(regARS, rowPtr[q])
	}

	unroll := 4
	if rows < s.rows {
		unroll = 2
	}
	g.MOVQ(g.arg("k"), regK)
	g.SHRQ(imm(map[int]int{2: 1, 4: 2}[unroll]), regK)
	g.JZ(label(l("tail")))
	g.Label(l("loop"))
	for u := range unroll {
		if s.prefetches() {
			g.PREFETCHT1(mem(regNext, u%2*64))
			if u%2 == 1 {
				g.ADDQ(g.arg("nextStep"), regNext)
			}
		}
		s.step(g, rows)
	}
	g.DECQ(regK)
	g.JNZ(label(l("loop")))
	g.Label(l("tail"))
	g.MOVQ(g.arg("k"), regK)
	g.ANDQ(imm(unroll-1), regK)
	g.JZ(label(l("update")))
	g.Label(l("single"))
	s.step(g, rows)
	g.DECQ(regK)
	g.JNZ(label(l("single")))

	g.Label(l("update"))
	s.update(g, rows, l)
	g.ADDQ(g.arg("aStep"), regA)
	g.DECQ(g.arg("tiles"))
	if s.prefetches() {
		g.JZ(label(l("done")))
		g.Comment("If all of the next panel is near, stay with this one.")
		g.MOVQ(g.arg("k"), regK)
		g.IMULQ(regBRS, regK)
		g.ADDQ(g.arg("next"), regK)
		g.CMPQ(regNext, regK)
		g.JLT(label(l("panel")))
		g.MOVQ(g.arg("b"), regNext)
		g.JMP(label(l("panel")))
		g.Label(l("done"))
	} else {
		g.JNZ(label(l("panel")))
	}
	g.ret()
}

// Vector registers: 0..vecs-1 a row of B, then broadcasts of A, the AVX2 mask in 3, then accumulators.
func (s stripKernel) acc(row, vec int) reg.VecPhysical {
	first := 4
	if s.wide() || s.vecs == 8 {
		first = 8
	}
	return s.v(first + row*s.vecs + vec)
}

func (s stripKernel) bcast(row int) reg.VecPhysical {
	if s.wide() {
		return s.v(2 + row%4)
	}
	if s.masked {
		return s.v(2)
	}
	return s.v(2 + row%2)
}

const ymmMask = 3

func (s stripKernel) loadMask(g *gen) {
	if !s.masked {
		return
	}
	g.MOVQ(g.arg("last"), regK)
	if s.wide() {
		g.Comment("K1 = the low last bits.")
		g.MOVL(operand.U32(1), reg.EAX)
		g.SHLL(reg.CL, reg.EAX)
		g.DECL(reg.EAX)
		g.KMOVW(reg.EAX, reg.K1)
		return
	}
	g.Comment("Y3 = last lanes of ones.")
	g.LEAQ(g.maskTable(), reg.RAX)
	g.NEGQ(regK)
	g.VMOVUPS(memx(reg.RAX, regK, 4, lowMask), s.v(ymmMask))
}

// step emits one p of the inner product.
func (s stripKernel) step(g *gen, rows int) {
	direct := rows == 1 && s.vecs > 2 // B as the memory operand
	for v := range s.vecs {
		if direct {
			break
		}
		src := mem(regB, v*s.bytes())
		switch {
		case !s.masked || v < s.vecs-1:
			g.VMOVUPS(src, s.v(v))
		case s.wide():
			g.VMOVUPS_Z(src, reg.K1, s.v(v))
		default:
			g.VMASKMOVPS(src, s.v(ymmMask), s.v(v))
		}
	}
	for r := range rows {
		src := mem(rowPtr[r/3], 0)
		if r%3 > 0 {
			src = memx(rowPtr[r/3], regARS, uint8(r%3), 0)
		}
		b := s.bcast(r)
		g.VBROADCASTSS(src, b)
		for v := range s.vecs {
			switch {
			case !direct:
				g.VFMADD231PS(s.v(v), b, s.acc(r, v))
			case s.masked && v == s.vecs-1:
				g.VFMADD231PS(mem(regB, v*s.bytes()), b, reg.K1, s.acc(r, v))
			default:
				g.VFMADD231PS(mem(regB, v*s.bytes()), b, s.acc(r, v))
			}
		}
	}
	g.ADDQ(regBRS, regB)
	for q := 0; 3*q < rows; q++ {
		g.ADDQ(regACS, rowPtr[q])
	}
}

// update emits C = beta*C + alpha*acc for a tile and moves regC past it.
func (s stripKernel) update(g *gen, rows int, l func(string) string) {
	g.CMPL(g.arg("alpha"), operand.U32(0x3f800000))
	g.JE(label(l("unscaled")))
	g.VBROADCASTSS(g.arg("alpha"), s.v(0))
	for r := range rows {
		for v := range s.vecs {
			g.VMULPS(s.v(0), s.acc(r, v), s.acc(r, v))
		}
	}
	g.Label(l("unscaled"))
	g.Comment("Shift the sign of beta out: -0 is zero too.")
	g.MOVL(g.arg("beta"), reg.EAX)
	g.ADDL(reg.EAX, reg.EAX)
	g.JZ(label(l("store")))
	g.VBROADCASTSS(g.arg("beta"), s.v(0))
	for r := range rows {
		for v := range s.vecs {
			dst := mem(regC, v*s.bytes())
			switch {
			case !s.masked || v < s.vecs-1:
				g.VFMADD231PS(dst, s.v(0), s.acc(r, v))
				g.VMOVUPS(s.acc(r, v), dst)
			case s.wide():
				g.VFMADD231PS(dst, s.v(0), reg.K1, s.acc(r, v))
				g.VMOVUPS(s.acc(r, v), reg.K1, dst)
			default:
				g.VMASKMOVPS(dst, s.v(ymmMask), s.v(1))
				g.VFMADD231PS(s.v(1), s.v(0), s.acc(r, v))
				g.VMASKMOVPS(s.acc(r, v), s.v(ymmMask), dst)
			}
		}
		g.ADDQ(regLDC, regC)
	}
	g.JMP(label(l("next")))
	g.Label(l("store"))
	for r := range rows {
		for v := range s.vecs {
			dst := mem(regC, v*s.bytes())
			switch {
			case !s.masked || v < s.vecs-1:
				g.VMOVUPS(s.acc(r, v), dst)
			case s.wide():
				g.VMOVUPS(s.acc(r, v), reg.K1, dst)
			default:
				g.VMASKMOVPS(s.acc(r, v), s.v(ymmMask), dst)
			}
		}
		g.ADDQ(regLDC, regC)
	}
	g.Label(l("next"))
}
