// The two instruction sets and the instructions that differ between them.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An isa is a vector width with its registers.
type isa struct {
	name  string // suffix of function names
	lanes int    // float32 per vector
}

var (
	avx512 = isa{"AVX512", 16}
	avx2   = isa{"AVX2", 8}
	isas   = []isa{avx512, avx2}
)

func (i isa) wide() bool { return i.lanes == 16 }
func (i isa) bytes() int { return 4 * i.lanes }

// v is vector register n at this set's width.
func (i isa) v(n int) reg.VecPhysical {
	if i.wide() {
		return zmm[n]
	}
	return ymm[n]
}

var (
	zmm = []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
		reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}
	ymm = []reg.VecPhysical{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
		reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
	}
	xmm = []reg.VecPhysical{
		reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7,
		reg.X8, reg.X9, reg.X10, reg.X11, reg.X12, reg.X13, reg.X14, reg.X15,
		reg.X16, reg.X17, reg.X18, reg.X19, reg.X20, reg.X21, reg.X22, reg.X23,
		reg.X24, reg.X25, reg.X26, reg.X27, reg.X28, reg.X29, reg.X30, reg.X31,
	}
)

// text opens a function; doc is its Go comment, which shows the reference loop.
func (g *gen) text(name, signature string, doc ...string) {
	g.Function(name)
	g.Attributes(attr.NOSPLIT)
	g.Pragma("noescape")
	g.SignatureExpr(signature)
	g.Doc(doc...)
}

// arg is the stack slot of a parameter.
func (g *gen) arg(name string) operand.Op {
	b, err := g.Param(name).Resolve()
	if err != nil {
		panic(fmt.Sprintf("parameter %s: %v", name, err))
	}
	return b.Addr
}

// ret closes a function that used vectors.
func (g *gen) ret() {
	g.VZEROUPPER()
	g.RET()
}

func (g *gen) zero(i isa, r reg.VecPhysical) {
	if i.wide() {
		g.VPXORD(r, r, r)
		return
	}
	g.VXORPS(r, r, r)
}

func mem(base reg.GPPhysical, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

func memx(base, index reg.GPPhysical, scale uint8, disp int) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale, Disp: disp}
}

// imm is an immediate of the smaller size that holds it.
func imm(n int) operand.Op {
	if n < 128 {
		return operand.I8(n)
	}
	return operand.U32(n)
}

// result is the stack slot of the only result.
func (g *gen) result() operand.Op {
	b, err := g.ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

func label(s string) operand.LabelRef { return operand.LabelRef(s) }

// maskTable is 8 lanes of zeros, 8 of ones, 8 of zeros. A load at lowMask-4n has ones
// in the low n lanes, one at 4n in the high n.
func (g *gen) maskTable() operand.Mem {
	if !g.haveMasks {
		g.haveMasks = true
		g.masks = g.StaticGlobal("laneMasks")
		g.DataAttributes(attr.RODATA | attr.NOPTR)
		for i := range 12 {
			g.AddDatum(8*i, operand.U64(map[bool]uint64{true: 1<<64 - 1}[4 <= i && i < 8]))
		}
	}
	return g.masks
}

const lowMask = 64
