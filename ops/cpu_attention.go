package ops

import (
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

// attentionTile is how many queries are worked on at a time: scores take
// attentionTile * keys floats, whatever the sequence's length.
const attentionTile = 64

func attentionCost(q, k tensor.Tensor) int { return q.Len() * k.Dim(1) / 4 }

// cpuAttention gives each thread some (sequence, head) pairs.
func cpuAttention(_ *CPU, a *Args, w *worker) {
	out, q, k, v := stridedOf(a.T[0]), stridedOf(a.T[1]), stridedOf(a.T[2]), stridedOf(a.T[3])
	var lse []float32
	if !a.T[4].IsZero() {
		lse = a.T[4].Float32s()
	}
	seq, heads, d := q.shape[1], q.shape[2], q.shape[3]
	past, group := int(a.I[0]), heads/k.shape[2]
	from, to := w.span(q.shape[0]*heads, 1)
	for u := from; u < to; u++ {
		b, h := u/heads, u%heads
		qh, oh := q.head(b, h), out.head(b, h)
		kh, vh := k.head(b, h/group), v.head(b, h/group)
		for t := 0; t < seq; t += attentionTile {
			rows := min(attentionTile, seq-t)
			keys := past + t + rows
			p := w.scratch(rows * keys)
			asm.Gemm(&w.gemm, rows, keys, d, a.F[0], qh[t*q.steps[1]:], q.steps[1], 1, kh, 1, k.steps[1], 0, p, keys)
			for i := range rows {
				row, seen := p[i*keys:(i+1)*keys], past+t+i+1
				sum := asm.SoftmaxRow(row[:seen], row[:seen])
				clear(row[seen:])
				if lse != nil {
					lse[u*seq+t+i] = sum
				}
			}
			asm.Gemm(&w.gemm, rows, d, keys, 1, p, keys, 1, vh, v.steps[1], 1, 0, oh[t*out.steps[1]:], out.steps[1])
		}
	}
}

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
	past, scale := int(a.I[0]), a.F[0]
	qh, kh, vh := q.head(b, h), k.head(b, kv), v.head(b, kv)
	doh, oh := dout.head(b, h), out.head(b, h)
	for t := 0; t < seq; t += attentionTile {
		rows := min(attentionTile, seq-t)
		keys := past + t + rows
		buf := w.scratch(2 * rows * keys)
		p, ds := buf[:rows*keys], buf[rows*keys:]
		qt, dot, ot := qh[t*q.steps[1]:], doh[t*dout.steps[1]:], oh[t*out.steps[1]:]
		asm.Gemm(&w.gemm, rows, keys, d, scale, qt, q.steps[1], 1, kh, 1, k.steps[1], 0, p, keys)
		for i := range rows {
			row, seen := p[i*keys:(i+1)*keys], past+t+i+1
			for j := range seen {
				row[j] -= lse[t+i]
			}
			asm.Exp(row[:seen], row[:seen])
			clear(row[seen:])
		}
		if dv.data != nil { // dV += Pᵀ dO
			asm.Gemm(&w.gemm, keys, d, rows, 1, p, 1, keys, dot, dout.steps[1], 1, 1, dv.head(b, kv), dv.steps[1])
		}
		if dq.data == nil && dk.data == nil {
			continue
		}
		// dS = scale * P * (dO Vᵀ - rowsum(dO*O))
		asm.Gemm(&w.gemm, rows, keys, d, 1, dot, dout.steps[1], 1, vh, 1, v.steps[1], 0, ds, keys)
		for i := range rows {
			delta := asm.Dot(dot[i*dout.steps[1]:][:d], ot[i*out.steps[1]:][:d])
			row := ds[i*keys : (i+1)*keys]
			for j, pj := range p[i*keys : (i+1)*keys] {
				row[j] = scale * pj * (row[j] - delta)
			}
		}
		if dq.data != nil { // dQ += dS K
			asm.Gemm(&w.gemm, rows, d, keys, 1, ds, keys, 1, kh, k.steps[1], 1, 1, dq.head(b, h)[t*dq.steps[1]:], dq.steps[1])
		}
		if dk.data != nil { // dK += dSᵀ Q
			asm.Gemm(&w.gemm, keys, d, rows, 1, ds, 1, keys, qt, q.steps[1], 1, 1, dk.head(b, kv), dk.steps[1])
		}
	}
}
