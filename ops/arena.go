package ops

import (
	"slices"

	"netllm/tensor"
)

// Arena hands out tensors from a few large pieces of a backend's memory and
// takes them all back at once. After the first round of a repeated computation
// it allocates nothing.
type Arena struct {
	backend Backend
	blocks  []*tensor.Storage
	parts   []*tensor.Storage // one object per tensor handed out, reused
	at      Mark
}

// Mark is a point in an Arena's sequence of allocations.
type Mark struct{ block, offset, parts int }

const (
	arenaAlign    = 256 // the largest offset alignment that devices ask for
	arenaMinBlock = 1 << 20
	arenaMaxBlock = 64 << 20
)

// NewArena returns an arena in b's memory.
func NewArena(b Backend) *Arena { return &Arena{backend: b} }

// New returns a tensor whose content is not defined.
func (a *Arena) New(dtype tensor.DType, shape ...int) tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return tensor.Of(a.alloc(dtype.Bytes(n)), dtype, shape...)
}

func (a *Arena) alloc(size int) *tensor.Storage {
	if a.at.parts == len(a.parts) {
		a.parts = append(a.parts, new(tensor.Storage))
	}
	part := a.parts[a.at.parts]
	a.at.parts++
	for a.at.block < len(a.blocks) {
		block := a.blocks[a.at.block]
		if a.at.offset+size <= block.Size() {
			block.Carve(part, a.at.offset, size)
			a.at.offset = (a.at.offset + size + arenaAlign - 1) / arenaAlign * arenaAlign
			return part
		}
		a.at.block, a.at.offset = a.at.block+1, 0
	}
	next := arenaMinBlock << min(len(a.blocks), 6)
	block := a.backend.Alloc(max(size, min(next, arenaMaxBlock)))
	a.blocks = append(a.blocks, block)
	block.Carve(part, 0, size)
	a.at.offset = (size + arenaAlign - 1) / arenaAlign * arenaAlign
	return part
}

// Mark returns the present point. Release takes back everything handed out
// since then, in the backend's order: operations asked for before still see
// their operands. Results that a [Tape] has recorded must not be released.
func (a *Arena) Mark() Mark { return a.at }

// Release returns to an earlier point.
func (a *Arena) Release(m Mark) { a.at = m }

// since reports whether s was handed out after m.
func (a *Arena) since(m Mark, s *tensor.Storage) bool {
	return slices.Contains(a.parts[m.parts:a.at.parts], s)
}

// Reset takes back everything.
func (a *Arena) Reset() { a.at = Mark{} }

// Bytes is the memory that the arena holds.
func (a *Arena) Bytes() int {
	n := 0
	for _, b := range a.blocks {
		n += b.Size()
	}
	return n
}

// Free gives the memory back to the backend. The arena is empty but usable.
func (a *Arena) Free() {
	for _, b := range a.blocks {
		a.backend.Free(b)
	}
	a.blocks, a.parts, a.at = nil, nil, Mark{} // parts of blocks would keep them
}
