// The loop that elementwise operations and reductions share.

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A loop walks slices of float32 in step: whole vectors, then the rest behind a mask.
// The count is in CX; AX and, on AVX2, Y15 and on AVX-512 K1 belong to the loop.
type loop struct {
	*gen
	isa
	ptrs   []reg.GPPhysical
	unroll int
	masked bool
	at     int // byte offset of the vector at hand
}

var loopPtrs = []reg.GPPhysical{reg.RDI, reg.RSI, reg.RDX, reg.RBX, reg.R8}

// newLoop loads the pointers from the parameters named and the count from n.
func (g *gen) newLoop(i isa, unroll int, params ...string) *loop {
	l := &loop{gen: g, isa: i, unroll: unroll, ptrs: loopPtrs[:len(params)]}
	for k, p := range params {
		g.MOVQ(g.arg(p), l.ptrs[k])
	}
	g.MOVQ(g.arg("n"), reg.RCX)
	return l
}

// each emits body for unroll vectors at a time, for one, and for what remains, then the label "done".
func (l *loop) each(body func(vec int)) {
	for _, vecs := range []int{l.unroll, 1} {
		if vecs == 1 && l.unroll == 1 {
			break
		}
		l.vectors(vecs, body)
	}
	if l.unroll == 1 {
		l.vectors(1, body)
	}
	l.JZ(label("done"))
	l.setMask(l.isa, reg.RCX, reg.RAX)
	l.masked, l.at = true, 0
	body(0)
	l.Label("done")
}

// vectors emits the loop over vecs vectors at a time; the flags tell then whether CX is zero.
func (l *loop) vectors(vecs int, body func(vec int)) {
	name := fmt.Sprintf("vectors%d", vecs)
	l.SUBQ(imm(vecs*l.lanes), reg.RCX)
	l.JLT(label(name + "end"))
	l.Label(name)
	for v := range vecs {
		l.at = v * l.bytes()
		body(v)
	}
	for _, p := range l.ptrs {
		l.ADDQ(imm(vecs*l.bytes()), p)
	}
	l.SUBQ(imm(vecs*l.lanes), reg.RCX)
	l.JGE(label(name))
	l.Label(name + "end")
	l.ADDQ(imm(vecs*l.lanes), reg.RCX)
}

// load brings the vector at hand of slice k; lanes beyond the end are zero.
func (l *loop) load(k int, to reg.VecPhysical) {
	at := mem(l.ptrs[k], l.at)
	switch {
	case !l.masked:
		l.VMOVUPS(at, to)
	case l.wide():
		l.VMOVUPS_Z(at, reg.K1, to)
	default:
		l.VMASKMOVPS(at, reg.Y15, to)
	}
}

func (l *loop) store(from reg.VecPhysical, k int) {
	at := mem(l.ptrs[k], l.at)
	switch {
	case !l.masked:
		l.VMOVUPS(from, at)
	case l.wide():
		l.VMOVUPS(from, reg.K1, at)
	default:
		l.VMASKMOVPS(from, reg.Y15, at)
	}
}

// setMask makes a mask of the low n lanes, 0 < n < lanes: K1, or Y15. It destroys tmp and n, which is CX.
func (g *gen) setMask(i isa, n, tmp reg.GPPhysical) {
	if n != reg.RCX {
		panic("setMask: the count must be in CX")
	}
	if i.wide() {
		g.MOVL(operand.U32(1), tmp.As32())
		g.SHLL(reg.CL, tmp.As32())
		g.DECL(tmp.As32())
		g.KMOVW(tmp.As32(), reg.K1)
		return
	}
	g.LEAQ(g.maskTable(), tmp)
	g.NEGQ(n)
	g.VMOVUPS(memx(tmp, n, 4, lowMask), reg.Y15)
}
