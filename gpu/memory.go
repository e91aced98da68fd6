// Memory: a few large blocks of the device's, and what is cut from them.

package gpu

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"netllm/gpu/internal/vk"
)

const (
	blockSize  = 64 << 20
	allocAlign = 256 // the largest alignment that devices ask of a buffer's offset
)

// block is one memory of the device with a buffer over all of it.
type block struct {
	buffer vk.Buffer
	memory vk.Memory
	size   uint64
	mapped unsafe.Pointer // nil where the host does not see it
	free   []extents      // what is not in use, in order, neighbours joined
}

// extents are the bytes from to to-1 of a block.
type extents struct{ from, to uint64 }

// span is a range of a block's bytes.
type span struct {
	block        *block
	offset, size uint64
}

// overlaps reports whether two spans share bytes.
func (s span) overlaps(t span) bool {
	return s.block == t.block && s.offset < t.offset+t.size && t.offset < s.offset+s.size
}

// bytes returns the host's view of a span of mapped memory.
func (s span) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.block.mapped, s.offset)), s.size)
}

// pool is memory of one type.
type pool struct {
	dev        vk.Device
	memoryType int
	mapped     bool
	usage      vk.BufferUsage
	max        uint64 // bytes of one block
	limit      uint64 // bytes of all blocks; 0: no limit but the device's
	blocks     []*block
}

// errTooLarge says that something does not fit one memory of the device.
var errTooLarge = errors.New("larger than one memory of the device may be")

// alloc returns size bytes, or a few more, at a multiple of 256.
func (p *pool) alloc(size uint64) (span, error) {
	size = max(size+allocAlign-1, allocAlign) / allocAlign * allocAlign
	var best *block
	at, least := 0, ^uint64(0)
	for _, b := range p.blocks {
		for i, e := range b.free { // the smallest gap that will do
			if n := e.to - e.from; n >= size && n < least {
				best, at, least = b, i, n
			}
		}
	}
	if best == nil {
		var err error
		if best, err = p.grow(size); err != nil {
			return span{}, err
		}
		at = 0
	}
	e := &best.free[at]
	s := span{best, e.from, size}
	if e.from += size; e.from == e.to {
		best.free = slices.Delete(best.free, at, at+1)
	}
	return s, nil
}

// grow adds a block that has room for size bytes.
func (p *pool) grow(size uint64) (*block, error) {
	if size > p.max {
		return nil, fmt.Errorf("%d bytes: %w (%d)", size, errTooLarge, p.max)
	}
	n := max(size, min(blockSize, p.max))
	if size > blockSize/2 { // large tensors have a block each, of just their size
		n = size
	}
	if p.limit > 0 && p.bytes()+n > p.limit {
		return nil, &vk.Error{Call: "allocating within the limit", Result: vk.OutOfDeviceMemory}
	}
	b := &block{size: n, free: []extents{{0, n}}}
	var need vk.Requirements
	var err error
	if b.buffer, need, err = p.dev.CreateBuffer(n, p.usage); err != nil {
		return nil, err
	}
	if b.memory, err = p.dev.AllocateMemory(need.Size, p.memoryType); err != nil {
		p.dev.DestroyBuffer(b.buffer)
		return nil, err
	}
	if err = p.dev.BindBufferMemory(b.buffer, b.memory, 0); err == nil && p.mapped {
		b.mapped, err = p.dev.MapMemory(b.memory)
	}
	if err != nil {
		p.destroy(b)
		return nil, err
	}
	p.blocks = append(p.blocks, b)
	return b, nil
}

// release takes a span back. Commands that were recorded before may still use it.
func (p *pool) release(s span) {
	b := s.block
	i, _ := slices.BinarySearchFunc(b.free, s.offset, func(e extents, at uint64) int {
		if e.from < at {
			return -1
		}
		return 1
	})
	b.free = slices.Insert(b.free, i, extents{s.offset, s.offset + s.size})
	if i+1 < len(b.free) && b.free[i].to == b.free[i+1].from {
		b.free[i].to = b.free[i+1].to
		b.free = slices.Delete(b.free, i+1, i+2)
	}
	if i > 0 && b.free[i-1].to == b.free[i].from {
		b.free[i-1].to = b.free[i].to
		b.free = slices.Delete(b.free, i, i+1)
	}
}

// trim gives the device back what is not in use at all. Nothing recorded may refer
// to it, and the device must be idle.
func (p *pool) trim() {
	p.blocks = slices.DeleteFunc(p.blocks, func(b *block) bool {
		unused := len(b.free) == 1 && b.free[0] == extents{0, b.size}
		if unused {
			p.destroy(b)
		}
		return unused
	})
}

// bytes returns how much memory the pool has of the device.
func (p *pool) bytes() (n uint64) {
	for _, b := range p.blocks {
		n += b.size
	}
	return n
}

func (p *pool) close() {
	for _, b := range p.blocks {
		p.destroy(b)
	}
	p.blocks = nil
}

func (p *pool) destroy(b *block) {
	p.dev.DestroyBuffer(b.buffer)
	p.dev.FreeMemory(b.memory)
}

// memoryType returns the type whose flags are wanted, and of those the one with
// the most of the flags that would be nice. bits are those a buffer allows.
func memoryType(f vk.Facts, bits uint32, want, nice vk.MemoryFlags) (index int, ok bool) {
	best := -1
	for i, t := range f.Memory {
		if bits>>i&1 == 0 || t.Flags&want != want {
			continue
		}
		score := 0
		for flag := vk.MemoryFlags(1); flag <= vk.HostCached; flag <<= 1 {
			if nice&flag&t.Flags != 0 {
				score += 2
			}
		}
		if score > best {
			best, index, ok = score, i, true
		}
	}
	return index, ok
}
