package ops

import (
	"math"

	"netllm/ops/asm"
	"netllm/tensor"
)

func cpuRoPE(_ *CPU, a *Args, w *worker) {
	dst, src := stridedOf(a.T[0]), stridedOf(a.T[1])
	table, half := a.T[2].Float32s(), a.T[2].Dim(1)
	seq, heads, d := dst.shape[1], dst.shape[2], dst.shape[3]
	sign, acc := a.F[0], a.Accumulates(0)
	rotate, at := asm.RotatePairs, func(j int) (int, int) { return 2 * j, 2*j + 1 }
	if RoPEStyle(a.I[1]) == RoPEHalves {
		rotate, at = asm.RotateHalves, func(j int) (int, int) { return j, j + half }
	}
	sy, sx := dst.steps[3], src.steps[3]
	from, to := w.span(dst.rows(), 1)
	for r := from; r < to; r++ {
		y, x := dst.data[dst.row(r):], src.data[src.row(r):]
		pos := int(a.I[0]) + r/heads%seq
		angles := table[pos*2*half : (pos+1)*2*half]
		if sy == 1 && sx == 1 {
			rotate(y[:2*half], x[:2*half], angles, sign, acc)
		} else {
			for j := range half {
				i0, i1 := at(j)
				cos, sin := angles[2*j], angles[2*j+1]*sign
				x0, x1 := x[i0*sx], x[i1*sx]
				y[i0*sy] = float32(x0*cos) - float32(x1*sin) + keep(a, y[i0*sy])
				y[i1*sy] = float32(x0*sin) + float32(x1*cos) + keep(a, y[i1*sy])
			}
		}
		for i := 2 * half; i < d; i++ {
			y[i*sy] = x[i*sx] + keep(a, y[i*sy])
		}
	}
}

// Attention is computed in tiles of attentionTile queries by attentionKeys keys,
// with the softmax put together from those of the tiles (Milakov & Gimelshein 2018,
// Dao et al. 2022): no memory grows with the square of the sequence.
const (
	attentionTile = 64
	attentionKeys = 512
)

func attentionCost(q, k tensor.Tensor, window int64) int {
	keys := k.Dim(1)
	if window > 0 {
		keys = min(keys, q.Dim(1)+int(window))
	}
	return q.Len() * keys / 4
}

// unseen is the number of keys before the first that a query at position past or later
// sees.
func unseen(past, window int) int {
	if window <= 0 {
		return 0
	}
	return max(0, past-window+1)
}

// seen is the number of keys before the first that no query of seq from past on sees, for the
// last of rows of them from number t on.
func seen(past, seq, t, rows, window int) int {
	if window == allKeys {
		return past + seq
	}
	return past + t + rows
}

// cpuAttention gives each thread some (sequence, head) pairs.
func cpuAttention(_ *CPU, a *Args, w *worker) {
	out, q, k, v := stridedOf(a.T[0]), stridedOf(a.T[1]), stridedOf(a.T[2]), stridedOf(a.T[3])
	seq, heads, d := q.shape[1], q.shape[2], q.shape[3]
	past, group := int(a.I[0]), heads/k.shape[2]
	window := int(a.I[1])
	skip := unseen(past, window)
	h := attentionHead{seq: seq, d: d, past: past - skip, window: window, scale: a.F[0], qStep: q.steps[1], outStep: out.steps[1]}
	from, to := w.span(q.shape[0]*heads, 1)
	for u := from; u < to; u++ {
		b, head := u/heads, u%heads
		h.q, h.out, h.lse = q.head(b, head), out.head(b, head), nil
		if !a.T[4].IsZero() {
			h.lse = a.T[4].Float32s()[u*seq:][:seq]
		}
		h.k, h.kStep, h.v, h.vStep = k.head(b, head/group), k.steps[1], v.head(b, head/group), v.steps[1]
		h.k, h.v = h.k[skip*h.kStep:], h.v[skip*h.vStep:]
		h.forward(w)
	}
}

// attentionHead is the attention of one head of one sequence. Rows of its matrices
// stand Step elements apart.
type attentionHead struct {
	seq, d, past   int
	window         int // 0: none
	scale          float32
	q, k, v, out   []float32
	qStep, kStep   int
	vStep, outStep int
	lse            []float32 // [seq], or nil
	strips         []float32 // keys as asm.GemmStrips reads them, or nil
}

// packedQueries is from how many queries on it pays to copy a head's keys and values
// together: every tile of queries reads them.
const packedQueries = 16

func (h *attentionHead) forward(w *worker) {
	keys := h.past + h.seq
	tile := min(attentionTile, h.seq) * min(attentionKeys, keys)
	n := tile + attentionTile
	if h.seq >= packedQueries {
		n += keys*h.d + asm.StripsLen(keys, h.d)
	}
	buf := w.scratch(n)
	p, sums := buf[:tile], buf[tile:tile+attentionTile]
	h.strips = nil
	if h.seq >= packedQueries {
		compact := buf[tile+attentionTile:][:keys*h.d]
		h.strips = buf[tile+attentionTile+keys*h.d:][:asm.StripsLen(keys, h.d)]
		gatherRows(compact, h.k, h.kStep, h.d)
		asm.PackStrips(h.strips, compact, keys, h.d)
		gatherRows(compact, h.v, h.vStep, h.d)
		h.v, h.vStep = compact, h.d
	}
	for t := 0; t < h.seq; t += attentionTile {
		h.tile(w, t, min(attentionTile, h.seq-t), p, sums)
	}
}

// gatherRows copies rows of d elements, step apart, together.
func gatherRows(dst, src []float32, step, d int) {
	for r := 0; r*d < len(dst); r++ {
		copy(dst[r*d:(r+1)*d], src[r*step:r*step+d])
	}
}

// tile computes rows queries from t on. sums are the logarithms of their softmax
// denominators over the keys so far.
func (h *attentionHead) tile(w *worker, t, rows int, p, sums []float32) {
	out := h.out[t*h.outStep:]
	// Strips begin at multiples of their rows. Every query sees keys of the first tile.
	start := unseen(h.past+t, h.window) / asm.StripRows * asm.StripRows
	end := seen(h.past, h.seq, t, rows, h.window)
	for from := start; from < end; from += attentionKeys {
		n := min(attentionKeys, end-from)
		h.scores(w, t, rows, from, n, p)
		beta := float32(0)
		if from > start {
			beta = 1
		}
		for i := range rows {
			row := p[i*n : (i+1)*n]
			last := min(n, seen(h.past, h.seq, t, i+1, h.window)-from)
			clear(row[max(last, 0):])
			if last <= 0 {
				continue // all later keys: nothing changes
			}
			first := max(0, unseen(h.past+t+i, h.window)-from)
			clear(row[:first])
			sum := asm.SoftmaxRow(row[first:last], row[first:last])
			if from == start || math.IsInf(float64(sum), -1) { // the first, or nothing but masked keys
				if from == start {
					sums[i] = sum
				}
				continue
			}
			total := logSumExp(sums[i], sum)
			asm.Scale(expOf(sum-total), row[first:last])
			asm.Scale(expOf(sums[i]-total), out[i*h.outStep:][:h.d])
			sums[i] = total
		}
		asm.Gemm(&w.gemm, rows, h.d, n, 1, p, n, 1, h.v[from*h.vStep:], h.vStep, 1, beta, out, h.outStep)
	}
	if h.lse != nil {
		copy(h.lse[t:t+rows], sums)
	}
}

// scores sets p [rows, n] to scale * Q·Kᵀ for the queries from t and the keys from
// from on.
func (h *attentionHead) scores(w *worker, t, rows, from, n int, p []float32) {
	q := h.q[t*h.qStep:]
	if h.strips != nil {
		asm.GemmStrips(&w.gemm, rows, n, h.d, h.scale, q, h.qStep, 1, h.strips[from*h.d:], 0, p, n)
		return
	}
	asm.Gemm(&w.gemm, rows, n, h.d, h.scale, q, h.qStep, 1, h.k[from*h.kStep:], 1, h.kStep, 0, p, n)
}

// logSumExp returns log(exp(a)+exp(b)).
func logSumExp(a, b float32) float32 {
	high, low := max(a, b), min(a, b)
	return high + float32(math.Log1p(math.Exp(float64(low)-float64(high))))
}

func expOf(x float32) float32 { return float32(math.Exp(float64(x))) }

// head returns the memory of head h of sequence b; rows are steps[1] apart.
func (s *strided) head(b, h int) []float32 { return s.data[b*s.steps[0]+h*s.steps[2]:] }

// cpuAttentionBackward gives each thread some (sequence, key head) pairs, whose
// key and value gradients it sums over the heads that share them. The
// probabilities are computed again from the scores and the saved denominators
// (Dao et al. 2022, appendix B).
func cpuAttentionBackward(_ *CPU, a *Args, w *worker) {
	q, k := stridedOf(a.T[4]), stridedOf(a.T[5])
	var dq, dk, dv strided
	for i, s := range []*strided{&dq, &dk, &dv} {
		if !a.T[i].IsZero() {
			*s = stridedOf(a.T[i])
		}
	}
	kvHeads := k.shape[2]
	group := q.shape[2] / kvHeads
	from, to := w.span(q.shape[0]*kvHeads, 1)
	for u := from; u < to; u++ {
		b, kv := u/kvHeads, u%kvHeads
		zeroHead(a, 1, &dk, b, kv)
		zeroHead(a, 2, &dv, b, kv)
		for h := kv * group; h < (kv+1)*group; h++ {
			zeroHead(a, 0, &dq, b, h)
			attentionHeadBackward(a, w, b, h, kv, &dq, &dk, &dv)
		}
	}
}

// zeroHead clears the part of output i that one head's pass adds to, unless
// the output accumulates.
func zeroHead(a *Args, i int, s *strided, b, h int) {
	if s.data == nil || a.Accumulates(i) {
		return
	}
	rows := s.head(b, h)
	for t := range s.shape[1] {
		clear(rows[t*s.steps[1] : t*s.steps[1]+s.shape[3]])
	}
}

func attentionHeadBackward(a *Args, w *worker, b, h, kv int, dq, dk, dv *strided) {
	dout, out := stridedOf(a.T[3]), stridedOf(a.T[7])
	q, k, v := stridedOf(a.T[4]), stridedOf(a.T[5]), stridedOf(a.T[6])
	seq, heads, d := q.shape[1], q.shape[2], q.shape[3]
	lse := a.T[8].Float32s()[(b*heads+h)*seq:]
	window, scale := int(a.I[1]), a.F[0]
	skip := unseen(int(a.I[0]), window)
	past := int(a.I[0]) - skip
	qh, kh, vh := q.head(b, h), k.head(b, kv)[skip*k.steps[1]:], v.head(b, kv)[skip*v.steps[1]:]
	doh, oh := dout.head(b, h), out.head(b, h)
	buf := w.scratch(2 * min(attentionTile, seq) * min(attentionKeys, past+seq))
	for t := 0; t < seq; t += attentionTile {
		rows := min(attentionTile, seq-t)
		qt, dot, ot := qh[t*q.steps[1]:], doh[t*dout.steps[1]:], oh[t*out.steps[1]:]
		var delta [attentionTile]float32 // rowsum(dO*O)
		for i := range rows {
			delta[i] = asm.Dot(dot[i*dout.steps[1]:][:d], ot[i*out.steps[1]:][:d])
		}
		end := seen(past, seq, t, rows, window)
		for from := unseen(past+t, window); from < end; from += attentionKeys {
			n := min(attentionKeys, end-from)
			p, ds := buf[:rows*n], buf[rows*n:2*rows*n]
			kt, vt := kh[from*k.steps[1]:], vh[from*v.steps[1]:]
			asm.Gemm(&w.gemm, rows, n, d, scale, qt, q.steps[1], 1, kt, 1, k.steps[1], 0, p, n)
			for i := range rows {
				row, last := p[i*n:(i+1)*n], max(0, min(n, seen(past, seq, t, i+1, window)-from))
				first := min(last, max(0, unseen(past+t+i, window)-from))
				clear(row[:first])
				asm.Subtract(row[first:last], lse[t+i])
				asm.Exp(row[first:last], row[first:last])
				clear(row[last:])
			}
			if dv.data != nil { // dV += Pᵀ dO
				asm.Gemm(&w.gemm, n, d, rows, 1, p, 1, n, dot, dout.steps[1], 1, 1, dv.head(b, kv)[(skip+from)*dv.steps[1]:], dv.steps[1])
			}
			if dq.data == nil && dk.data == nil {
				continue
			}
			// dS = scale * P * (dO Vᵀ - delta)
			asm.Gemm(&w.gemm, rows, n, d, 1, dot, dout.steps[1], 1, vt, 1, v.steps[1], 0, ds, n)
			for i := range rows {
				asm.SoftmaxGrad(ds[i*n:(i+1)*n], p[i*n:(i+1)*n], scale, delta[i])
			}
			if dq.data != nil { // dQ += dS K
				asm.Gemm(&w.gemm, rows, d, n, 1, ds, n, 1, kt, k.steps[1], 1, 1, dq.head(b, h)[t*dq.steps[1]:], dq.steps[1])
			}
			if dk.data != nil { // dK += dSᵀ Q
				asm.Gemm(&w.gemm, n, d, rows, 1, ds, 1, n, qt, q.steps[1], 1, 1, dk.head(b, kv)[(skip+from)*dk.steps[1]:], dk.steps[1])
			}
		}
	}
}
