// The hyperbolic tangent, and the cell of a long short-term memory.

package ops

import "netllm/ops/asm"

// tanhBlock is how many elements are computed at a time: their exponentials lie in the
// cache.
const tanhBlock = 1024

// tanhSmall is below which tanh is computed by its series: elsewhere 1-e and 1+e lose
// nothing that counts.
const tanhSmall = 0.3

// tanhOf sets dst to the hyperbolic tangents of x. e is as long; dst may be x.
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

// sigmoidOf sets dst to 1/(1+exp(-x)). dst may be x.
func sigmoidOf(dst, x []float32) {
	for i, v := range x {
		dst[i] = min(-v, largestExp)
	}
	asm.Exp(dst, dst)
	for i, v := range dst {
		dst[i] = 1 / (1 + v)
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

// lstmCell is what one row of a recurrent layer computes: the activated gates, one behind
// the other, and the tangent of the new cells.
type lstmCell struct {
	in, forget, cell, out, tanh []float32 // [width]
	gates, spare                []float32
}

func newLSTMCell(w *worker, width int) lstmCell {
	buf := w.scratch(6 * width)
	at := func(i int) []float32 { return buf[i*width : (i+1)*width] }
	return lstmCell{in: at(0), forget: at(1), cell: at(2), out: at(3), tanh: at(4), gates: buf[:4*width], spare: at(5)}
}

// activate computes the gates of a row and, from the cells before, the new ones, with their
// tangents. cells may be l.tanh.
func (l *lstmCell) activate(gates, before, cells []float32) {
	width := len(before)
	sigmoidOf(l.gates[:2*width], gates[:2*width])
	tanhOf(l.cell, gates[2*width:3*width], l.spare)
	sigmoidOf(l.out, gates[3*width:])
	for i, c := range before {
		cells[i] = l.forget[i]*c + l.in[i]*l.cell[i]
	}
	tanhOf(l.tanh, cells, l.spare)
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
			t, dh := l.tanh[i], dnext[i]
			dc := dnext[width+i] + dh*o*(1-t)*(1+t)
			if dbefore != nil {
				dbefore[width+i] += dc * l.forget[i]
			}
			if dgates == nil {
				continue
			}
			in, forget, cell := l.in[i], l.forget[i], l.cell[i]
			dgates[i] += dc * cell * in * (1 - in)
			dgates[width+i] += dc * before[i] * forget * (1 - forget)
			dgates[2*width+i] += dc * in * (1 - cell) * (1 + cell)
			dgates[3*width+i] += dh * t * o * (1 - o)
		}
	}
}
