// Memory for results between two dispatches of one primitive.

package gpu

import "netllm/tensor"

// Slots of scratch memory, one per family of kernels: what is in use at the same
// time must not share one.
const (
	scratchMatMul = iota
	scratchWeights
	scratchFast
	scratchAttention
	scratchAttention2
	scratchRows
	scratchElementwise
	scratchSegments
	scratchSlots
)

// scratch returns a tensor of at least n floats, undefined, that stays that slot's
// until it is asked for with more.
func (b *Backend) scratch(slot, n int) tensor.Tensor {
	t := b.scratches[slot]
	if t.IsZero() || t.Len() < n {
		if !t.IsZero() {
			b.Free(t.Storage())
		}
		size := int(roomFor(uint64(4 * n)))
		t = tensor.Of(b.Alloc(size), tensor.F32, size/4)
		b.scratches[slot] = t
	}
	return t
}
