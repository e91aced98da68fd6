package ops

import (
	"math"

	"netllm/ops/asm"
)

func cpuCrossEntropyRows(_ *CPU, a *Args, w *worker) {
	n, lse := a.T[1].Dim(1), a.T[3].Float32s()
	spare := w.scratch(n)
	from, to := w.span(a.T[1].Dim(0), 1)
	for r := from; r < to; r++ {
		lse[r] = asm.SoftmaxRow(spare, part(a.T[1], r*n, r*n+n))
	}
}

func cpuCrossEntropyMean(a *Args) {
	logits, targets, lse := a.T[1].Float32s(), a.T[2].Int32s(), a.T[3].Float32s()
	n := a.T[1].Dim(1)
	var sum float64
	for r, target := range targets {
		if target >= 0 {
			sum += float64(lse[r]) - float64(logits[r*n+int(target)])
		}
	}
	a.T[0].Float32s()[0] = float32(sum / float64(counted(targets)))
}

// counted is the number of targets that are classes.
func counted(targets []int32) int {
	n := 0
	for _, t := range targets {
		if t >= 0 {
			n++
		}
	}
	return n
}

func cpuCrossEntropyBackward(_ *CPU, a *Args, w *worker) {
	targets, lse := a.T[3].Int32s(), a.T[4].Float32s()
	n := a.T[2].Dim(1)
	scale := a.T[1].Float32s()[0] / float32(counted(targets))
	p := w.scratch(n)
	from, to := w.span(len(targets), 1)
	for r := from; r < to; r++ {
		dst := part(a.T[0], r*n, r*n+n)
		if !a.Accumulates(0) {
			clear(dst)
		}
		if targets[r] < 0 {
			continue
		}
		copy(p, part(a.T[2], r*n, r*n+n))
		asm.Subtract(p, lse[r])
		asm.Exp(p, p)
		asm.Axpy(scale, p, dst)
		dst[targets[r]] -= scale
	}
}

func cpuMSE(a *Args) {
	x, y := a.T[1].Float32s(), a.T[2].Float32s()
	var sum float64
	for i, v := range x {
		d := float64(v - y[i])
		sum += float64(d * d)
	}
	a.T[0].Float32s()[0] = float32(sum / float64(len(x)))
}

func cpuMSEBackward(_ *CPU, a *Args, w *worker) {
	n := a.T[0].Len()
	scale := a.F[0] * a.T[1].Float32s()[0] * 2 / float32(n)
	from, to := w.span(n, 16)
	dst, x, y := part(a.T[0], from, to), part(a.T[2], from, to), part(a.T[3], from, to)
	for i := range dst {
		dst[i] = scale*(x[i]-y[i]) + keep(a, dst[i])
	}
}

// nearest returns d, or period more or less than that if this is smaller in magnitude.
func nearest(d, period float32) float32 {
	switch {
	case period <= 0:
		return d
	case d > period/2:
		return d - period
	case d < -period/2:
		return d + period
	}
	return d
}

func cpuMAE(a *Args) {
	x, y := a.T[1].Float32s(), a.T[2].Float32s()
	var sum float64
	for i, v := range x {
		sum += math.Abs(float64(nearest(v-y[i], a.F[0])))
	}
	a.T[0].Float32s()[0] = float32(sum / float64(len(x)))
}

func cpuMAEBackward(_ *CPU, a *Args, w *worker) {
	n := a.T[0].Len()
	scale := a.F[0] * a.T[1].Float32s()[0] / float32(n)
	from, to := w.span(n, 16)
	dst, x, y := part(a.T[0], from, to), part(a.T[2], from, to), part(a.T[3], from, to)
	for i := range dst {
		var g float32
		switch d := nearest(x[i]-y[i], a.F[1]); {
		case d > 0:
			g = scale
		case d < 0:
			g = -scale
		case d != d:
			g = d
		}
		dst[i] = g + keep(a, dst[i])
	}
}

func cpuSumSquares(a *Args) {
	dst := a.T[0].Float32s()
	dst[0] = keep(a, dst[0]) + float32(asm.SumSquares(a.T[1].Float32s()))
}

func cpuClipFactor(a *Args) {
	norm := math.Sqrt(float64(a.T[1].Float32s()[0]))
	a.T[0].Float32s()[0] = float32(min(1, float64(a.F[0])/(norm+1e-6)))
}
