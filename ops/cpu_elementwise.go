package ops

import (
	"math"

	"netllm/ops/asm"
	"netllm/tensor"
)

// strided is a tensor's memory with all MaxRank dimensions spelled out.
type strided struct {
	data         []float32
	shape, steps [tensor.MaxRank]int
}

func stridedOf(t tensor.Tensor) strided {
	s := strided{data: t.Float32s()}
	pad := tensor.MaxRank - t.Rank()
	for i := range tensor.MaxRank {
		s.shape[i] = 1
		if i >= pad {
			s.shape[i], s.steps[i] = t.Dim(i-pad), t.Stride(i-pad)
		}
	}
	return s
}

// row returns the offset of row r, counting rows in order.
func (s *strided) row(r int) int {
	off := r % s.shape[2] * s.steps[2]
	r /= s.shape[2]
	off += r % s.shape[1] * s.steps[1]
	return off + r/s.shape[1]*s.steps[0]
}

func (s *strided) rows() int { return s.shape[0] * s.shape[1] * s.shape[2] }

// flat reports whether all tensors are contiguous, so that elements can be
// walked without regard to rows.
func flat(ts ...tensor.Tensor) bool {
	for _, t := range ts {
		if !t.IsContiguous() {
			return false
		}
	}
	return true
}

func cpuFill(_ *CPU, a *Args, w *worker) {
	if a.T[0].IsContiguous() {
		from, to := w.span(a.T[0].Len(), 16)
		fillRow(a.T[0].Float32s()[from:to], 1, to-from, a.F[0])
		return
	}
	dst := stridedOf(a.T[0])
	from, to := w.span(dst.rows(), 1)
	for r := from; r < to; r++ {
		fillRow(dst.data[dst.row(r):], dst.steps[3], dst.shape[3], a.F[0])
	}
}

func fillRow(dst []float32, step, n int, value float32) {
	if step == 1 {
		dst = dst[:n]
		for i := range dst {
			dst[i] = value
		}
		return
	}
	for i := range n {
		dst[i*step] = value
	}
}

func cpuCopy(_ *CPU, a *Args, w *worker) {
	acc, scale := a.Accumulates(0), a.F[0]
	if flat(a.T[0], a.T[1]) {
		from, to := w.span(a.T[0].Len(), 16)
		copyRow(a.T[0].Float32s()[from:to], 1, a.T[1].Float32s()[from:to], 1, to-from, scale, acc)
		return
	}
	dst, src := stridedOf(a.T[0]), stridedOf(a.T[1])
	from, to := w.span(dst.rows(), 1)
	for r := from; r < to; r++ {
		copyRow(dst.data[dst.row(r):], dst.steps[3], src.data[src.row(r):], src.steps[3], dst.shape[3], scale, acc)
	}
}

func copyRow(dst []float32, dstStep int, src []float32, srcStep, n int, scale float32, acc bool) {
	switch {
	case dstStep == 1 && srcStep == 1 && acc:
		asm.Axpy(scale, src[:n], dst[:n])
	case dstStep == 1 && srcStep == 1 && scale == 1:
		copy(dst[:n], src[:n])
	case acc:
		for i := range n {
			dst[i*dstStep] += float32(scale * src[i*srcStep])
		}
	default:
		for i := range n {
			dst[i*dstStep] = scale * src[i*srcStep]
		}
	}
}

func cpuAdd(_ *CPU, a *Args, w *worker) {
	if flat(a.T[0], a.T[1], a.T[2]) {
		from, to := w.span(a.T[0].Len(), 16)
		asm.Add(a.T[0].Float32s()[from:to], a.T[1].Float32s()[from:to], a.T[2].Float32s()[from:to])
		return
	}
	dst, x, y := stridedOf(a.T[0]), stridedOf(a.T[1]), stridedOf(a.T[2])
	from, to := w.span(dst.rows(), 1)
	for r := from; r < to; r++ {
		d, x0, y0 := dst.data[dst.row(r):], x.data[x.row(r):], y.data[y.row(r):]
		for i := range dst.shape[3] {
			d[i*dst.steps[3]] = x0[i*x.steps[3]] + y0[i*y.steps[3]]
		}
	}
}

// part returns the elements from to to of contiguous tensor t.
func part(t tensor.Tensor, from, to int) []float32 { return t.Float32s()[from:to] }

func cpuMul(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	dst, x, y := part(a.T[0], from, to), part(a.T[1], from, to), part(a.T[2], from, to)
	if a.Accumulates(0) {
		asm.MulAdd(dst, x, y)
	} else {
		asm.Mul(dst, x, y)
	}
}

// keep returns what is to stay of an element of output 0.
func keep(a *Args, old float32) float32 {
	if a.Accumulates(0) {
		return old
	}
	return 0
}

func cpuAddRow(_ *CPU, a *Args, w *worker) {
	row := a.T[2].Float32s()
	n := len(row)
	from, to := w.span(a.T[0].Rows(), 1)
	for r := from; r < to; r++ {
		asm.Add(part(a.T[0], r*n, r*n+n), part(a.T[1], r*n, r*n+n), row)
	}
}

func cpuSumRows(_ *CPU, a *Args, w *worker) {
	n := a.T[0].Len()
	from, to := w.span(n, 16)
	dst := part(a.T[0], from, to)
	if !a.Accumulates(0) {
		clear(dst)
	}
	src := a.T[1].Float32s()
	for r := range a.T[1].Rows() {
		asm.Axpy(1, src[r*n+from:r*n+to], dst)
	}
}

func cpuLeakyReLU(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	dst, x, slope := part(a.T[0], from, to), part(a.T[1], from, to), a.F[0]
	for i, v := range x {
		if v <= 0 {
			v *= slope
		}
		dst[i] = v
	}
}

func cpuLeakyReLUBackward(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	dst, dout, x, slope := part(a.T[0], from, to), part(a.T[1], from, to), part(a.T[2], from, to), a.F[0]
	for i, g := range dout {
		if x[i] <= 0 {
			g *= slope
		}
		dst[i] = g + keep(a, dst[i])
	}
}

func cpuSwiGLU(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	asm.SiLUMul(part(a.T[0], from, to), part(a.T[1], from, to), part(a.T[2], from, to))
}

func cpuSwiGLUBackward(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[2].Len(), 16)
	const block = 4096 // what is cleared is still in the cache when it is added to
	spare := w.scratch(2 * block)
	for ; from < to; from += block {
		n := min(block, to-from)
		var grads [2][]float32
		for i := range grads {
			grads[i] = spare[i*block : i*block+n]
			if !a.T[i].IsZero() {
				grads[i] = part(a.T[i], from, from+n)
			}
			if a.T[i].IsZero() || !a.Accumulates(i) {
				clear(grads[i])
			}
		}
		asm.SiLUMulBackward(grads[0], grads[1], part(a.T[2], from, from+n), part(a.T[3], from, from+n), part(a.T[4], from, from+n))
	}
}

func cpuDropout(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	dst, x := part(a.T[0], from, to), part(a.T[1], from, to)
	threshold, scale := dropoutThreshold(a.F[0]), 1/(1-a.F[0])
	seed, step, call := uint64(a.I[0]), uint64(a.I[1]), uint32(a.I[2])
	for i := 0; i < len(x); i += 4 { // from is a multiple of 4
		words := philox(uint32((from+i)/4), call, uint32(step), uint32(step>>32), uint32(seed), uint32(seed>>32))
		for j := 0; j < 4 && i+j < len(x); j++ {
			v := float32(0)
			if words[j] >= threshold {
				v = x[i+j] * scale
			}
			dst[i+j] = v + keep(a, dst[i+j])
		}
	}
}

func cpuScale(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	asm.Scale(a.T[1].Float32s()[0], part(a.T[0], from, to))
}

func cpuAdamW(_ *CPU, a *Args, w *worker) {
	from, to := w.span(a.T[0].Len(), 16)
	p, m, v, g := part(a.T[0], from, to), part(a.T[1], from, to), part(a.T[2], from, to), part(a.T[3], from, to)
	asm.AdamW(&asm.AdamWStep{
		Beta1: a.F[1], Rest1: 1 - a.F[1], Beta2: a.F[2], Rest2: 1 - a.F[2],
		Decay: 1 - a.F[0]*a.F[4], Rate: a.F[0] / a.F[5],
		Unbias: float32(1 / math.Sqrt(float64(a.F[6]))), Eps: a.F[3],
	}, p, m, v, g)
}
