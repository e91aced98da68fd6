// Matrix times vector, the matrix stored by rows and summed along them.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func gemvFile(g *gen) { gemvRows(g) }

// gemvRows emits the product of 8 or 16 rows. It uses 256-bit vectors at
// every level: what bounds it are shuffles, and those run on two ports at that width.
func gemvRows(g *gen) {
	const name, maxGroups = "gemvRowsAVX2", 2
	g.text(name, "func(groups int, w *float32, stride int, x *float32, k int, y *float32, alpha, beta float32, last int)",
		name+" multiplies 8*groups rows of w, 1 <= groups <= 2, by the vector x:",
		"",
		"\tfor r := range 8 * groups {",
		"\t\tvar s float32",
		"\t\tfor p := range k {",
		"\t\t\ts = fma(x[p], w[r*stride+p], s)",
		"\t\t}",
		"\t\tif r >= 8*groups-last {",
		"\t\t\ty[r] = beta*y[r] + alpha*s // fma; beta == 0: y is not read",
		"\t\t}",
		"\t}",
		"",
		"stride is in bytes; last is 8*groups, or less if groups is 1. Four columns of eight rows at a time are transposed in registers, so",
		"that a lane holds a row: the sums are those that the strip kernels form, bit for bit.")
	for n := maxGroups; n > 1; n-- {
		g.CMPQ(g.arg("groups"), operand.I8(n))
		g.JE(label(fmt.Sprintf("groups%d", n)))
	}
	for n := 1; n <= maxGroups; n++ {
		gemvGroups(g, n)
	}
}

// gemvGroups emits the product of 8*groups rows. Y0-Y3 are the sums, Y4-Y11 the
// transposition, Y12-Y15 the broadcasts of x; quads[i] points to row 4i.
func gemvGroups(g *gen, groups int) {
	l := func(part string) string { return fmt.Sprintf("groups%d%s", groups, part) }
	quads := []reg.GPPhysical{reg.RAX, reg.RBX, reg.RDX, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12}[:2*groups]
	stride, stride3, x, k := reg.RSI, reg.R13, reg.RDI, reg.RCX

	// at is the address of row r of a quad, disp bytes on.
	at := func(quad, r, disp int) operand.Mem {
		switch r {
		case 0:
			return mem(quads[quad], disp)
		case 3:
			return memx(quads[quad], stride3, 1, disp)
		}
		return memx(quads[quad], stride, uint8(r), disp)
	}
	// columns multiplies n <= 4 columns at byte offset disp.
	broadcast := func(n, disp int) {
		for c := range n {
			g.VBROADCASTSS(mem(x, disp+4*c), ymm[12+c])
		}
	}
	group := func(q, n, disp int) {
		for r := range 4 {
			if n == 4 {
				g.VMOVUPS(at(2*q, r, disp), xmm[4+r])
				g.VINSERTF128(operand.U8(1), at(2*q+1, r, disp), ymm[4+r], ymm[4+r])
				continue
			}
			g.VMASKMOVPS(at(2*q, r, disp), xmm[15], xmm[4+r])
			g.VMASKMOVPS(at(2*q+1, r, disp), xmm[15], xmm[8])
			g.VINSERTF128(operand.U8(1), xmm[8], ymm[4+r], ymm[4+r])
		}
		g.transpose4x4([4]reg.VecPhysical{ymm[4], ymm[5], ymm[6], ymm[7]}, [4]reg.VecPhysical{ymm[8], ymm[9], ymm[10], ymm[11]})
		for c := range n {
			g.VFMADD231PS(ymm[4+c], ymm[12+c], ymm[q])
		}
	}
	columns := func(n, disp int) {
		broadcast(n, disp)
		for q := range groups {
			group(q, n, disp)
		}
	}
	advance := func(columns int) {
		for _, q := range quads {
			g.ADDQ(imm(4*columns), q)
		}
		g.ADDQ(imm(4*columns), x)
	}

	g.Label(l(""))
	g.MOVQ(g.arg("stride"), stride)
	g.LEAQ(memx(stride, stride, 2, 0), stride3)
	g.MOVQ(g.arg("w"), quads[0])
	for i := 1; i < len(quads); i++ {
		g.LEAQ(memx(quads[i-1], stride, 4, 0), quads[i])
	}
	g.MOVQ(g.arg("x"), x)
	g.MOVQ(g.arg("k"), k)
	for q := range groups {
		g.VXORPS(ymm[q], ymm[q], ymm[q])
	}
	g.SUBQ(imm(16), k)
	g.JLT(label(l("four")))
	g.Label(l("sixteen"))
	g.Comment("Whole cache lines of eight rows at a time: those of more might fall into one set.")
	for q := range groups {
		for c := range 4 {
			broadcast(4, 16*c)
			group(q, 4, 16*c)
		}
	}
	advance(16)
	g.SUBQ(imm(16), k)
	g.JGE(label(l("sixteen")))
	g.Label(l("four"))
	g.ADDQ(imm(16-4), k)
	g.JLT(label(l("rest")))
	g.Label(l("fours"))
	columns(4, 0)
	advance(4)
	g.SUBQ(imm(4), k)
	g.JGE(label(l("fours")))
	g.Label(l("rest"))
	g.Comment("Up to three columns more, behind a mask in X15.")
	g.ADDQ(imm(4), k)
	g.JZ(label(l("store")))
	g.LEAQ(g.maskTable(), x)
	g.NEGQ(k)
	g.VMOVUPS(memx(x, k, 4, lowMask), xmm[15])
	g.NEGQ(k)
	g.MOVQ(g.arg("x"), x)
	g.MOVQ(g.arg("k"), stride3)
	g.SUBQ(k, stride3)
	g.LEAQ(memx(x, stride3, 4, 0), x)
	g.LEAQ(memx(stride, stride, 2, 0), stride3)
	g.CMPQ(k, operand.I8(2))
	g.JEQ(label(l("two")))
	g.JGT(label(l("three")))
	columns(1, 0)
	g.JMP(label(l("store")))
	g.Label(l("two"))
	columns(2, 0)
	g.JMP(label(l("store")))
	g.Label(l("three"))
	columns(3, 0)
	g.Label(l("store"))
	y := x
	g.MOVQ(g.arg("y"), y)
	g.CMPL(g.arg("alpha"), operand.U32(0x3f800000))
	g.JE(label(l("unscaled")))
	g.VBROADCASTSS(g.arg("alpha"), ymm[4])
	for q := range groups {
		g.VMULPS(ymm[4], ymm[q], ymm[q])
	}
	g.Label(l("unscaled"))
	if groups == 1 {
		g.MOVQ(g.arg("last"), k)
		g.LEAQ(g.maskTable(), stride)
		g.VMOVUPS(memx(stride, k, 4, 0), ymm[15])
	}
	g.MOVL(g.arg("beta"), reg.EAX)
	g.ADDL(reg.EAX, reg.EAX)
	g.JZ(label(l("write")))
	g.VBROADCASTSS(g.arg("beta"), ymm[4])
	for q := range groups {
		if groups == 1 {
			g.VMASKMOVPS(mem(y, 0), ymm[15], ymm[5])
			g.VFMADD231PS(ymm[5], ymm[4], ymm[0])
			break
		}
		g.VFMADD231PS(mem(y, 32*q), ymm[4], ymm[q])
	}
	g.Label(l("write"))
	for q := range groups {
		if groups == 1 {
			g.VMASKMOVPS(ymm[0], ymm[15], mem(y, 0))
			break
		}
		g.VMOVUPS(ymm[q], mem(y, 32*q))
	}
	g.ret()
}

// transpose4x4 transposes the 4x4 blocks in the 128-bit lanes of r; t is scratch.
func (g *gen) transpose4x4(r, t [4]reg.VecPhysical) {
	g.VUNPCKLPS(r[1], r[0], t[0]) // a0 b0 a1 b1
	g.VUNPCKHPS(r[1], r[0], t[1]) // a2 b2 a3 b3
	g.VUNPCKLPS(r[3], r[2], t[2])
	g.VUNPCKHPS(r[3], r[2], t[3])
	g.VUNPCKLPD(t[2], t[0], r[0])
	g.VUNPCKHPD(t[2], t[0], r[1])
	g.VUNPCKLPD(t[3], t[1], r[2])
	g.VUNPCKHPD(t[3], t[1], r[3])
}
