// The hyperbolic tangent, and the cell of a long short-term memory.

package ops

import "netllm/ops/asm"

// tanhBlock is how many elements are computed at a time: their exponentials lie in the
// cache.
const tanhBlock = 1024

// tanhSmall is below which tanh is computed by its series: elsewhere 1-e and 1+e lose
// nothing that counts.
const tanhSmall = 0.3

// tanhOf sets dst to the hyperbolic tangents of x, and e, which is as long, to exp(-2|x|). dst
// may be x.
func tanhOf(dst, x, e []float32) {
	for i, v := range x {
		if v < 0 {
			v = -v
		}
		e[i] = -2 * v
	}
	asm.Exp(e, e)
	for i, v := range x {
		switch {
		case v > -tanhSmall && v < tanhSmall:
			s := v * v
			dst[i] = v * (1 + s*(-1./3+s*(2./15+s*(-17./315+s*(62./2835)))))
		case v < 0:
			dst[i] = -(1 - e[i]) / (1 + e[i])
		default: // NaN stays
			dst[i] = (1 - e[i]) / (1 + e[i])
		}
	}
}

// tanhSlope is the derivative of the tangent, 1 less its square, from exp(-2|x|): the
// tangent itself has lost it where it is nearly 1.
func tanhSlope(e float32) float32 { return 4 * e / ((1 + e) * (1 + e)) }

// sigmoidOf sets dst to 1/(1+exp(-x)) and rest to 1 less that.
func sigmoidOf(dst, rest, x []float32) {
	for i, v := range x {
		if v > 0 {
			v = -v
		}
		rest[i] = v
	}
	asm.Exp(rest, rest)
	for i, v := range x {
		larger := 1 / (1 + rest[i])
		smaller := rest[i] * larger
		if v < 0 {
			dst[i], rest[i] = smaller, larger
		} else {
			dst[i], rest[i] = larger, smaller
		}
	}
}

func cpuTanh(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	e := w.scratch(tanhBlock)
	for ; from < to; from += tanhBlock {
		end := min(from+tanhBlock, to)
		tanhOf(part(a.T[0], from, end), part(a.T[1], from, end), e[:end-from])
	}
}

func cpuTanhBackward(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	dst, dout, y := part(a.T[0], from, to), part(a.T[1], from, to), part(a.T[2], from, to)
	for i, g := range dout {
		dst[i] = g*(1-y[i])*(1+y[i]) + keep(a, dst[i])
	}
}

// lstmCell is what one row of a recurrent layer computes.
type lstmCell struct {
	in, forget, out             []float32 // activated gates, [width]
	inRest, forgetRest, outRest []float32 // 1 less each
	cell, tanh                  []float32 // tangents of the gate and of the new cells
	cellExp, tanhExp            []float32 // what tanhSlope wants of both
}

func newLSTMCell(w *worker, width int) (l lstmCell) {
	buf := w.scratch(10 * width)
	for i, part := range []*[]float32{&l.in, &l.forget, &l.out, &l.inRest, &l.forgetRest, &l.outRest, &l.cell, &l.tanh, &l.cellExp, &l.tanhExp} {
		*part = buf[i*width : (i+1)*width]
	}
	return l
}

// activate computes the gates of a row and, from the cells before, the new ones, with their
// tangents. cells may be l.tanh.
func (l *lstmCell) activate(gates, before, cells []float32) {
	width := len(before)
	sigmoidOf(l.in, l.inRest, gates[:width])
	sigmoidOf(l.forget, l.forgetRest, gates[width:2*width])
	tanhOf(l.cell, gates[2*width:3*width], l.cellExp)
	sigmoidOf(l.out, l.outRest, gates[3*width:])
	for i, c := range before {
		cells[i] = l.forget[i]*c + l.in[i]*l.cell[i]
	}
	tanhOf(l.tanh, cells, l.tanhExp)
}

func cpuLSTM(_ *CPU, a *Args, w *worker) {
	width := a.T[0].Dim(1) / 2
	l := newLSTMCell(w, width)
	from, to := w.span(a.T[0].Dim(0), 1)
	for r := from; r < to; r++ {
		next, before := part(a.T[0], r*2*width, (r+1)*2*width), part(a.T[2], r*2*width+width, (r+1)*2*width)
		l.activate(part(a.T[1], r*4*width, (r+1)*4*width), before, next[width:])
		for i, o := range l.out {
			next[i] = o * l.tanh[i]
		}
	}
}

func cpuLSTMBackward(_ *CPU, a *Args, w *worker) {
	width := a.T[2].Dim(1) / 2
	l := newLSTMCell(w, width)
	from, to := w.span(a.T[2].Dim(0), 1)
	for r := from; r < to; r++ {
		row := func(i, n int) []float32 {
			if a.T[i].IsZero() {
				return nil
			}
			return part(a.T[i], r*n*width, (r+1)*n*width)
		}
		dgates, dbefore, dnext, before := row(0, 4), row(1, 2), row(2, 2), row(4, 2)[width:]
		for i, d := range [][]float32{dgates, dbefore} {
			if !a.Accumulates(i) {
				clear(d)
			}
		}
		l.activate(row(3, 4), before, l.tanh)
		for i, o := range l.out {
			dh := dnext[i]
			dc := dnext[width+i] + dh*o*tanhSlope(l.tanhExp[i])
			if dbefore != nil {
				dbefore[width+i] += dc * l.forget[i]
			}
			if dgates == nil {
				continue
			}
			dgates[i] += dc * l.cell[i] * l.in[i] * l.inRest[i]
			dgates[width+i] += dc * before[i] * l.forget[i] * l.forgetRest[i]
			dgates[2*width+i] += dc * l.in[i] * tanhSlope(l.cellExp[i])
			dgates[3*width+i] += dh * l.tanh[i] * o * l.outRest[i]
		}
	}
}
