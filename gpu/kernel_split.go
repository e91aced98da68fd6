// Operands that are larger than what the device binds, in parts.

package gpu

import "netllm/tensor"

// box is a part of tensors of one shape: the elements low to high-1 along each
// dimension.
type box struct{ low, high [tensor.MaxRank]int }

// of returns the view of a tensor that is the part.
func (p *box) of(t tensor.Tensor) tensor.Tensor {
	for i := range t.Rank() {
		t = t.Slice(i, p.low[i], p.high[i])
	}
	return t
}

// split calls do for parts of tensors of one shape which together are all of
// them, so that each part of each tensor can be bound: for one part if the device
// allows it. Only the first dims dimensions are cut, into pieces that begin at
// multiples of 4 where they are long. What cannot be cut goes to do as it is.
func (b *Backend) split(dims int, ts []tensor.Tensor, do func(part box)) {
	var all box
	for i := range ts[0].Rank() {
		all.high[i] = ts[0].Dim(i)
	}
	if ts[0].Len() > 0 {
		b.splitBox(all, dims, ts, do)
	}
}

func (b *Backend) splitBox(part box, dims int, ts []tensor.Tensor, do func(part box)) {
	at := -1
	for _, t := range ts {
		if t = part.of(t); !b.binds(t) {
			at = widest(t, dims)
			break
		}
	}
	if at < 0 {
		do(part)
		return
	}
	half := (part.high[at] - part.low[at] + 1) / 2
	if half >= 64 {
		half = half / 64 * 64
	}
	first, rest := part, part
	first.high[at] = part.low[at] + half
	rest.low[at] = first.high[at]
	b.splitBox(first, dims, ts, do)
	b.splitBox(rest, dims, ts, do)
}

// binds reports whether a view's elements can be bound together, wherever they
// begin. Shaders count elements in 31 bits.
func (b *Backend) binds(t tensor.Tensor) bool {
	return uint64(4*extent(t))+b.limits.StorageAlignment <= b.limits.StorageBufferRange && t.Len() < 1<<31
}

// widest returns the one of the first dims dimensions along which a view extends
// furthest, or -1 if none of them has two elements.
func widest(t tensor.Tensor, dims int) int {
	at, most := -1, 0
	for i := range min(dims, t.Rank()) {
		if n := t.Dim(i); n > 1 && (n-1)*t.Stride(i)+1 > most {
			at, most = i, (n-1)*t.Stride(i)+1
		}
	}
	return at
}
