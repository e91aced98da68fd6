// The micro-kernels of products with quantised weights: a tile of C from activations
// in int8 and the panel of a strip of weights, by VPDPBUSD.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A blockKernel is one assembly function, with a body for every tile height up to blockRows.
type blockKernel struct {
	name   string
	groups int  // groups that share a weight's scale in a block of 32 elements
	minima bool // the weights have minima instead of a zero point
}

const (
	blockRows = 6
	// blockMagic is the bits of 1.5*2^23. An integer v, |v| < 2^22, added to them gives the
	// bits of the float 1.5*2^23 + v, so that one FMA converts v and multiplies it with a scale.
	blockMagic = 0x4b400000
)

func blockGemmFile(g *gen) {
	for _, b := range []blockKernel{
		{"blockTile32AVX512", 1, false},
		{"blockTile16AVX512", 2, false},
		{"blockTileMinAVX512", 1, true},
		{"blockTileMin16AVX512", 2, true},
	} {
		b.emit(g)
	}
	for _, i := range isas {
		quantizeRow(g, i)
	}
}

func (b blockKernel) emit(g *gen) {
	const signature = "func(rows, blocks int, a *int8, aScale *float32, aSum *float32, w *byte, wStep int, wScale *float32, part *float32, load, save int, c *float32, ldc int, alpha, beta float32, cols int)"
	doc := []string{
		fmt.Sprintf("%s computes a tile of rows x 32 elements:", b.name),
		"",
		"\tfor b := range blocks { // of 32 elements of the depth",
	}
	indent := "\t\t"
	if b.groups > 1 {
		doc = append(doc, fmt.Sprintf("\t\tfor g := range %d {", b.groups))
		indent += "\t"
	}
	add := func(line string) { doc = append(doc, indent+line) }
	quads := 8 / b.groups
	switch {
	case b.groups > 1 && b.minima:
		add("v := int32(0x4b400000)")
		add(fmt.Sprintf("for q := %[1]d*g; q < %[1]d*g+%[1]d; q++ {", quads))
	case b.groups > 1:
		add("v := aSum[b][g][i] as int32")
		add(fmt.Sprintf("for q := %[1]d*g; q < %[1]d*g+%[1]d; q++ {", quads))
	case b.minima:
		add("v := int32(0x4b400000)")
		add("for q := range 8 {")
	default:
		add("v := aSum[b][i] as int32")
		add("for q := range 8 {")
	}
	add("\tv += sum(a[b][q][i][0:4] * w[b][q][j][0:4])")
	add("}")
	scale := "wScale[b]"
	if b.groups > 1 {
		scale = "wScale[b][g]"
	}
	add(fmt.Sprintf("u := fma(v as float32, %s[0][j], %s[1][j])", scale, scale))
	switch {
	case b.minima && b.groups > 1:
		add("u = fma(wScale[b][g][2][j], aSum[b][g][i], u)")
	case b.minima:
		add("u = fma(wScale[b][2][j], aSum[b][i], u)")
	}
	add("s[i][j] = fma(u, aScale[b][i], s[i][j])")
	if b.groups > 1 {
		doc = append(doc, "\t\t}")
	}
	doc = append(doc,
		"\t}",
		"\tc[i*ldc+j] = beta*c[i*ldc+j] + alpha*s[i][j] // for j < cols; fma; beta == 0: C is not read",
		"",
		fmt.Sprintf("1 <= rows <= %d, blocks >= 1, 1 <= cols <= 32; ldc and wStep, from a block of w to the next,", blockRows),
		"are in bytes. The sums s start at zero or, if load is not 0, at part [rows][32]; if save is",
		"not 0 they go there and not to C.")
	g.text(b.name, signature, doc...)
	for r := blockRows; r > 1; r-- {
		g.CMPQ(g.arg("rows"), operand.I8(r))
		g.JE(label(fmt.Sprintf("rows%d", r)))
	}
	for r := 1; r <= blockRows; r++ {
		b.body(g, r)
	}
}

// Registers: vector of weights 0-3, activations 4 and 5, scales 0-5, the magic number
// 7, sums 8-19, integers 20-31.
func blockAcc(row, vec int) reg.VecPhysical { return zmm[8+2*row+vec] }
func blockInt(row, vec int) reg.VecPhysical { return zmm[20+2*row+vec] }

var (
	blockA, blockAScale, blockASum = reg.RSI, reg.R8, reg.R9
	blockW, blockWStep, blockWS    = reg.RBX, reg.R10, reg.RDX
	blockC, blockLDC, blockPart    = reg.RDI, reg.R11, reg.R12
	blockCount                     = reg.RCX
)

func (b blockKernel) body(g *gen, rows int) {
	l := func(part string) string { return fmt.Sprintf("rows%d%s", rows, part) }
	scales := 2 // vectors pairs of scales of a group
	if b.minima {
		scales = 3
	}
	g.Label(l(""))
	g.MOVQ(g.arg("a"), blockA)
	g.MOVQ(g.arg("aScale"), blockAScale)
	g.MOVQ(g.arg("aSum"), blockASum)
	g.MOVQ(g.arg("w"), blockW)
	g.MOVQ(g.arg("wStep"), blockWStep)
	g.MOVQ(g.arg("wScale"), blockWS)
	g.MOVQ(g.arg("c"), blockC)
	g.MOVQ(g.arg("ldc"), blockLDC)
	g.MOVQ(g.arg("part"), blockPart)
	if b.minima {
		g.MOVL(operand.U32(blockMagic), reg.EAX)
		g.VPBROADCASTD(reg.EAX, zmm[7])
	}

	g.CMPQ(g.arg("load"), operand.I8(0))
	g.JE(label(l("zero")))
	for r := range rows {
		for v := range 2 {
			g.VMOVUPS(mem(blockPart, 128*r+64*v), blockAcc(r, v))
		}
	}
	g.JMP(label(l("start")))
	g.Label(l("zero"))
	for r := range rows {
		for v := range 2 {
			g.zero(avx512, blockAcc(r, v))
		}
	}
	g.Label(l("start"))
	g.MOVQ(g.arg("blocks"), blockCount)
	g.Label(l("block"))
	quads := 8 / b.groups
	for group := range b.groups {
		for r := range rows {
			for v := range 2 {
				if b.minima {
					g.VMOVDQA32(zmm[7], blockInt(r, v))
				} else {
					g.VPBROADCASTD(mem(blockASum, 4*(group*rows+r)), blockInt(r, v))
				}
			}
		}
		for q := group * quads; q < (group+1)*quads; q++ {
			w := [2]reg.VecPhysical{zmm[2*(q%2)], zmm[2*(q%2)+1]}
			for v := range w {
				g.VMOVDQU32(mem(blockW, 128*q+64*v), w[v])
			}
			for r := range rows {
				a := zmm[4+r%2]
				g.VPBROADCASTD(mem(blockA, 4*(rows*q+r)), a)
				for v := range w {
					g.VPDPBUSD(a, w[v], blockInt(r, v))
				}
			}
		}
		for n := range scales {
			for v := range 2 {
				g.VMOVUPS(mem(blockWS, 128*(scales*group+n)+64*v), zmm[2*n+v])
			}
		}
		for r := range rows {
			for v := range 2 {
				u := blockInt(r, v)
				g.VFMADD213PS(zmm[2+v], zmm[v], u)
				if b.minima {
					g.VFMADD231PS_BCST(mem(blockASum, 4*(group*rows+r)), zmm[4+v], u)
				}
				g.VFMADD231PS_BCST(mem(blockAScale, 4*r), u, blockAcc(r, v))
			}
		}
	}
	g.ADDQ(imm(32*rows), blockA)
	g.ADDQ(imm(4*rows), blockAScale)
	g.ADDQ(imm(4*rows*b.groups), blockASum)
	g.ADDQ(blockWStep, blockW)
	g.ADDQ(imm(128*scales*b.groups), blockWS)
	g.DECQ(blockCount)
	g.JNZ(label(l("block")))

	g.CMPQ(g.arg("save"), operand.I8(0))
	g.JE(label(l("update")))
	for r := range rows {
		for v := range 2 {
			g.VMOVUPS(blockAcc(r, v), mem(blockPart, 128*r+64*v))
		}
	}
	g.ret()
	g.Label(l("update"))
	b.update(g, rows, l)
	g.ret()
}

// update emits C = beta*C + alpha*sums.
func (b blockKernel) update(g *gen, rows int, l func(string) string) {
	g.Comment("K1 and K2 = the low cols bits.")
	g.MOVQ(g.arg("cols"), reg.RCX)
	g.MOVQ(operand.I32(1), reg.RAX)
	g.SHLQ(reg.CL, reg.RAX)
	g.DECQ(reg.RAX)
	g.KMOVW(reg.EAX, reg.K1)
	g.SHRL(operand.I8(16), reg.EAX)
	g.KMOVW(reg.EAX, reg.K2)
	mask := [2]reg.Register{reg.K1, reg.K2}
	g.VBROADCASTSS(g.arg("alpha"), zmm[0])
	for r := range rows {
		for v := range 2 {
			g.VMULPS(zmm[0], blockAcc(r, v), blockAcc(r, v))
		}
	}
	g.Comment("Shift the sign of beta out: -0 is zero too.")
	g.MOVL(g.arg("beta"), reg.EAX)
	g.ADDL(reg.EAX, reg.EAX)
	g.JZ(label(l("store")))
	g.VBROADCASTSS(g.arg("beta"), zmm[0])
	g.MOVQ(blockC, reg.RDX)
	for r := range rows {
		for v := range 2 {
			g.VFMADD231PS(mem(reg.RDX, 64*v), zmm[0], mask[v], blockAcc(r, v))
		}
		if r < rows-1 {
			g.ADDQ(blockLDC, reg.RDX)
		}
	}
	g.Label(l("store"))
	for r := range rows {
		for v := range 2 {
			g.VMOVUPS(blockAcc(r, v), mask[v], mem(blockC, 64*v))
		}
		if r < rows-1 {
			g.ADDQ(blockLDC, blockC)
		}
	}
}
