package pretrain

import "math"

// Order2BitsPerByte returns the bits per byte that held-out text costs under a
// byte model with two bytes of context, counted on the training text: the
// counts of orders 2, 1 and 0 interpolated as Witten and Bell do (1991, method
// C), down to equal chances. It is what a language model has to beat to know
// more than which letters follow each other.
func Order2BitsPerByte(c *Corpus) float64 {
	m := newOrder2(c.Train)
	var bits float64
	for i, next := range c.HeldOut {
		var context [2]byte // zero before the text begins
		copy(context[:], c.HeldOut[max(0, i-2):i])
		if i == 1 {
			context = [2]byte{0, c.HeldOut[0]}
		}
		bits -= math.Log2(m.probability(context, next))
	}
	return bits / float64(len(c.HeldOut))
}

// order2 holds how often each byte followed each context, and per context the
// sum and the number of different followers.
type order2 struct {
	counts [3]map[uint32]uint32 // context and byte, by order
	totals [3]map[uint32]uint32
	kinds  [3]map[uint32]uint32
}

func newOrder2(text []byte) *order2 {
	m := &order2{}
	for k := range m.counts {
		m.counts[k], m.totals[k], m.kinds[k] = map[uint32]uint32{}, map[uint32]uint32{}, map[uint32]uint32{}
	}
	var context uint32
	for _, b := range text {
		for k := range m.counts {
			state := context & (1<<(8*k) - 1)
			key := state<<8 | uint32(b)
			if m.counts[k][key]++; m.counts[k][key] == 1 {
				m.kinds[k][state]++
			}
			m.totals[k][state]++
		}
		context = (context<<8 | uint32(b)) & 0xffff
	}
	return m
}

func (m *order2) probability(context [2]byte, next byte) float64 {
	p := 1.0 / 256
	full := uint32(context[0])<<8 | uint32(context[1])
	for k := range m.counts {
		state := full & (1<<(8*k) - 1)
		n, t := float64(m.totals[k][state]), float64(m.kinds[k][state])
		if n > 0 {
			p = (float64(m.counts[k][state<<8|uint32(next)]) + t*p) / (n + t)
		}
	}
	return p
}
