// Structures in raw memory: what the bindings do not know of Vulkan goes in and
// out of it as chains of blocks, laid out as C does on 64-bit machines.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"unsafe"
)

// chain is one piece of pinned memory without Go pointers, which holds
// structures that refer to each other by address (pNext).
type chain struct {
	memory []uint64
	used   int // words
	last   block
	pin    runtime.Pinner
}

// block is the bytes of one structure.
type block []byte

// newChain makes a chain that has room for so many bytes; free unpins it.
func newChain(size int) *chain {
	c := &chain{memory: make([]uint64, (size+7)/8)}
	c.pin.Pin(&c.memory[0])
	return c
}

func (c *chain) free() { c.pin.Unpin() }

// head is the address of the first structure.
func (c *chain) head() unsafe.Pointer { return unsafe.Pointer(&c.memory[0]) }

// raw takes size zero bytes, aligned to 8.
func (c *chain) raw(size int) block {
	words := (size + 7) / 8
	b := unsafe.Slice((*byte)(unsafe.Pointer(&c.memory[c.used : c.used+words][0])), size)
	c.used += words
	return b
}

// add appends a structure of so many bytes to the chain.
func (c *chain) add(sType uint32, size int) block {
	b := c.raw(size)
	b.put32(0, sType)
	if c.last != nil {
		c.last.put64(8, b.address())
	}
	c.last = b
	return b
}

func (b block) address() uint64              { return uint64(uintptr(unsafe.Pointer(&b[0]))) }
func (b block) u32(offset int) uint32        { return binary.NativeEndian.Uint32(b[offset:]) }
func (b block) u64(offset int) uint64        { return binary.NativeEndian.Uint64(b[offset:]) }
func (b block) put32(offset int, v uint32)   { binary.NativeEndian.PutUint32(b[offset:], v) }
func (b block) put64(offset int, v uint64)   { binary.NativeEndian.PutUint64(b[offset:], v) }
func (b block) f32(offset int) float32       { return math.Float32frombits(b.u32(offset)) }
func (b block) int(offset int) int           { return int(b.u32(offset)) }
func (b block) flag(offset int) bool         { return b.u32(offset) != 0 }
func (b block) text(offset, size int) string { return text(b[offset : offset+size]) }

// text is what stands before the first NUL.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
