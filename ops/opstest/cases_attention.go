// Cases of rotations and attention.

package opstest

import (
	"math"

	"netllm/ops"
	"netllm/tensor"
)

var nan = math.NaN()

// ropeCases are rotations of both styles, whole and partial, to and fro.
func ropeCases() (cases []*opCase) {
	for _, style := range []ops.RoPEStyle{ops.RoPEInterleaved, ops.RoPEHalves} {
		for _, s := range []struct{ batch, seq, heads, d, r, pos int }{
			{1, 1, 1, 2, 2, 0}, {2, 3, 2, 8, 8, 0}, {1, 5, 3, 16, 8, 4}, {2, 3, 2, 7, 4, 1}, {1, 1, 4, 64, 64, 30}, {2, 33, 8, 66, 64, 2},
		} {
			for _, l := range [][2]layout{{whole, whole}, {whole, sliced}, {sliced, offset}, {heads, heads}} {
				for _, sign := range []float32{1, -1} {
					for _, acc := range flags {
						c := newCase(ops.OpRoPE, "style=%d/%v/%v from %v/sign=%v/%s", style, s, l[0], l[1], sign, accName(acc))
						shape := []int{s.batch, s.seq, s.heads, s.d}
						c.t = [9]*operand{c.outAcc(0, acc, l[0], shape...), c.in(l[1], shape...), ropeTable(s.pos+s.seq+1, s.r)}
						c.f[0] = sign
						c.i = [4]int64{int64(s.pos), int64(style)}
						cases = append(cases, c)
					}
				}
			}
		}
	}
	return cases
}

// ropeTable holds the cosines and sines of [positions, r/2].
func ropeTable(positions, r int) *operand {
	return newOperand(tensor.F32, whole, positions, r/2, 2).set(func(i int) float64 {
		pos, j := i/r, i%r/2
		angle := float64(pos) * math.Pow(10000, -2*float64(j)/float64(r))
		if i%2 == 0 {
			return math.Cos(angle)
		}
		return math.Sin(angle)
	})
}

// attentionShape is one size of attention: spare keys lie behind those that any
// query sees, as in a cache that is not full. window is 0 for none, -1 for attention without a
// mask.
type attentionShape struct{ batch, seq, heads, kvHeads, d, past, spare, window int }

func attentionCases() (cases []*opCase) {
	for _, s := range []attentionShape{
		{1, 1, 1, 1, 1, 0, 0, 0}, {1, 1, 4, 4, 8, 7, 0, 0}, {2, 5, 4, 2, 7, 3, 2, 0}, {1, 3, 6, 1, 32, 0, 5, 0}, {3, 8, 2, 2, 16, 0, 0, 0},
		{1, 70, 3, 1, 16, 0, 0, 0}, {1, 64, 2, 2, 33, 0, 1, 0}, {1, 65, 2, 1, 32, 2, 0, 0}, {1, 130, 8, 4, 16, 5, 3, 0},
		{1, 1, 8, 2, 64, 100, 9, 0}, {0, 2, 2, 1, 4, 1, 0, 0},
		{2, 5, 4, 2, 7, 3, 2, 1}, {1, 9, 2, 1, 16, 0, 0, 4}, {1, 6, 2, 2, 8, 10, 1, 3}, {1, 7, 2, 1, 8, 2, 0, 40}, {1, 7, 2, 1, 8, 2, 0, 9}, {1, 1, 4, 2, 64, 90, 3, 33},
		{1, 130, 4, 2, 16, 40, 2, 48}, {1, 40, 2, 1, 16, 700, 0, 600},
		{1, 1, 2, 2, 8, 0, 0, -1}, {2, 5, 4, 2, 7, 0, 2, -1}, {1, 17, 3, 3, 64, 0, 0, -1}, {1, 65, 2, 1, 32, 3, 0, -1}, {1, 197, 4, 4, 16, 0, 1, -1}, {1, 600, 1, 1, 16, 0, 0, -1},
	} {
		for _, l := range [][2]layout{{whole, whole}, {whole, sliced}, {offset, heads}, {sliced, heads}, {heads, whole}} {
			if s.seq > 65 && l[0] != whole {
				continue
			}
			for _, stats := range flags {
				if !stats && l[1] != whole {
					continue
				}
				cases = append(cases, attention(s, l[0], l[1], stats, 1))
			}
			cases = append(cases, attentionBackwardCases(s, l[0], l[1])...)
		}
	}
	steep := attentionShape{2, 9, 4, 2, 16, 2, 0, 0}
	cases = append(cases, attention(steep, whole, whole, true, 30))
	return cases
}

// attention is one forward case. The keys and values that no query sees are NaN.
func attention(s attentionShape, lo, li layout, stats bool, steep float64) *opCase {
	c := newCase(ops.OpAttention, "%v/%v from %v/stats=%v/steep=%v", s, lo, li, stats, steep)
	queries, keys := []int{s.batch, s.seq, s.heads, s.d}, []int{s.batch, s.past + s.seq + s.spare, s.kvHeads, s.d}
	c.t = [9]*operand{c.out(lo, queries...), c.in(li, queries...), c.in(li, keys...), c.in(li, keys...)}
	c.t[1].set(func(int) float64 { return steep * c.rng.NormFloat64() })
	for _, o := range c.t[2:4] {
		o.setRange(1, s.past+s.seq, s.past+s.seq+s.spare, nan)
		if s.window > 0 {
			o.setRange(1, 0, max(0, s.past-s.window+1), nan)
		}
	}
	if stats {
		c.t[4] = c.out(offset, s.batch, s.heads, s.seq)
	}
	c.f[0] = float32(1 / math.Sqrt(float64(s.d)))
	c.i[0], c.i[1] = int64(s.past), int64(s.window)
	return c
}

// attentionBackwardCases take the results of a forward case.
func attentionBackwardCases(s attentionShape, lo, li layout) (cases []*opCase) {
	forward := attention(s, whole, li, true, 1)
	result, stats := forward.computed(0), forward.computed(4)
	for _, v := range []struct{ wanted, acc int }{{7, 0}, {7, 7}, {1, 0}, {2, 2}, {4, 0}, {6, 4}, {3, 1}} {
		if v.wanted != 7 && (s.seq > 65 || li != whole) {
			continue
		}
		c := newCase(ops.OpAttentionBackward, "%v/%v from %v/wanted=%03b/add=%03b", s, lo, li, v.wanted, v.acc)
		for i := range 3 {
			if flag(v.wanted, i) {
				c.t[i] = c.outAcc(i, flag(v.acc, i), lo, forward.t[1+i].tensor.Shape()...)
			}
		}
		c.t[3] = c.in(li, s.batch, s.seq, s.heads, s.d)
		copy(c.t[4:7], forward.t[1:4])
		c.t[7], c.t[8] = result, stats
		c.f, c.i = forward.f, forward.i
		cases = append(cases, c)
	}
	return cases
}
