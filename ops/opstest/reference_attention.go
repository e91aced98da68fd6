// Definitions of rotations and attention.

package opstest

import (
	"math"

	"netllm/ops"
)

func refRoPE(c *call) {
	out, x, table := &c.t[0], &c.t[1], &c.t[2]
	half := c.T[2].Dim(1)
	for b := range x.dim[0] {
		for t := range x.dim[1] {
			for h := range x.dim[2] {
				at := func(v *view, i int) *float64 { return v.el(b, t, h, i) }
				for j := range half {
					i0, i1 := 2*j, 2*j+1
					if ops.RoPEStyle(c.I[1]) == ops.RoPEHalves {
						i0, i1 = j, j+half
					}
					pos := int(c.I[0]) + t
					cos, sin := *table.el(0, pos, j, 0), c.f(0)**table.el(0, pos, j, 1)
					x0, x1 := *at(x, i0), *at(x, i1)
					c.put(0, at(out, i0), x0*cos-x1*sin)
					c.put(0, at(out, i1), x0*sin+x1*cos)
				}
				for i := 2 * half; i < x.dim[3]; i++ {
					c.put(0, at(out, i), *at(x, i))
				}
			}
		}
	}
}

// softmaxRow returns the probabilities of query t over the keys from first on that it
// sees, and the logarithm of their denominator.
func (c *call) softmaxRow(q, k *view, b, t, h, kv int) (first int, p []float64, lse float64) {
	last := int(c.I[0]) + t
	switch window := int(c.I[1]); {
	case window > 0:
		first = max(0, last-window+1)
	case window < 0: // no mask
		last = int(c.I[0]) + q.dim[1] - 1
	}
	p = make([]float64, last+1-first)
	for j := range p {
		var dot float64
		for i := range q.dim[3] {
			dot += *q.el(b, t, h, i) * *k.el(b, first+j, kv, i)
		}
		p[j] = c.f(0) * dot
	}
	lse = logSumExp(p)
	for j := range p {
		p[j] = math.Exp(p[j] - lse)
	}
	return first, p, lse
}

func refAttention(c *call) {
	out, q, k, v := &c.t[0], &c.t[1], &c.t[2], &c.t[3]
	for b := range q.dim[0] {
		for h := range q.dim[2] {
			kv := h * k.dim[2] / q.dim[2]
			for t := range q.dim[1] {
				first, p, lse := c.softmaxRow(q, k, b, t, h, kv)
				for i := range q.dim[3] {
					var sum float64
					for j, pj := range p {
						c.term(0, *v.el(b, first+j, kv, i)*pj)
						sum += pj * *v.el(b, first+j, kv, i)
					}
					*out.el(b, t, h, i) = sum
				}
				if c.has(4) {
					*c.t[4].el(0, b, h, t) = lse
				}
			}
		}
	}
}

// With P the probabilities: dV = Pᵀ dO, dP = dO Vᵀ, dS = P*(dP - rowsum(P*dP)),
// dQ = scale dS K, dK = scale dSᵀ Q. The gradients are summed up before they
// are written, since an output may be one that is overwritten.
func refAttentionBackward(c *call) {
	dout, q, k, v := &c.t[3], &c.t[4], &c.t[5], &c.t[6]
	scale := c.f(0)
	var sums [3]view
	for i, like := range []*view{q, k, v} {
		sums[i] = view{words: make([]float64, like.len()), dim: like.dim}
		for d, n := 3, 1; d >= 0; d-- {
			sums[i].step[d] = n
			n *= like.dim[d]
		}
	}
	for b := range q.dim[0] {
		for h := range q.dim[2] {
			kv := h * k.dim[2] / q.dim[2]
			for t := range q.dim[1] {
				first, p, _ := c.softmaxRow(q, k, b, t, h, kv)
				dp := make([]float64, len(p))
				var mean float64
				for j := range p {
					for i := range q.dim[3] {
						dp[j] += *dout.el(b, t, h, i) * *v.el(b, first+j, kv, i)
					}
					mean += p[j] * dp[j]
				}
				for j := range p {
					ds := scale * p[j] * (dp[j] - mean)
					size := scale * p[j] * (math.Abs(dp[j]) + math.Abs(mean))
					for i := range q.dim[3] {
						c.term(0, size**k.el(b, first+j, kv, i))
						c.term(1, size**q.el(b, t, h, i))
						*sums[0].el(b, t, h, i) += ds * *k.el(b, first+j, kv, i)
						*sums[1].el(b, first+j, kv, i) += ds * *q.el(b, t, h, i)
						*sums[2].el(b, first+j, kv, i) += p[j] * *dout.el(b, t, h, i)
					}
				}
			}
		}
	}
	for i := range sums {
		if !c.has(i) {
			continue
		}
		for j := range sums[i].len() {
			c.put(i, c.t[i].at(j), *sums[i].at(j))
		}
	}
}
