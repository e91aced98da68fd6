// Bytes between the host and the device.

package gpu

import (
	"fmt"
	"math"
	"unsafe"

	"netllm/gpu/internal/vk"
	"netllm/tensor"
)

const (
	smallUpload  = 256 << 10 // bytes that go along with the commands of a batch
	batchUpload  = 1 << 20   // bytes of a batch at which it is submitted
	stagingBytes = 16 << 20
	downloadStep = 16 << 20
)

// Upload copies src into the contiguous tensor dst. Small tensors travel with the
// commands; large ones through staging memory.
func (b *Backend) Upload(dst tensor.Tensor, src []byte) {
	s := b.transferSpan(dst, len(src), "Upload")
	if b.err != nil || len(src) == 0 {
		return
	}
	b.transferred += int64(len(src))
	if len(src) > smallUpload {
		b.stage(s, func(to []byte, from int) { copy(to, src[from:]) })
		return
	}
	b.uploadSmall(s, src)
}

func (b *Backend) uploadSmall(s span, src []byte) {
	n := &b.batch
	if len(n.upload)+len(src) > batchUpload {
		b.flush()
	}
	at := uint64(len(n.upload))
	n.upload = append(n.upload, src...)
	for len(n.upload)%4 != 0 {
		n.upload = append(n.upload, 0)
	}
	b.transfer(command{kind: uploadCommand, from: at}, s, true)
}

// transferSpan checks a transfer and returns the tensor's bytes on the device.
func (b *Backend) transferSpan(t tensor.Tensor, size int, what string) span {
	s, ok := b.spanOf(t, what)
	if !t.IsContiguous() {
		panic(fmt.Sprintf("gpu: %s: %v is not contiguous", what, t))
	}
	if want := t.DType().Bytes(t.Len()); want != size {
		panic(fmt.Sprintf("gpu: %s: %v has %d bytes, not %d", what, t, want, size))
	}
	if !ok {
		return span{}
	}
	s.offset, s.size = s.offset+uint64(4*t.Offset()), uint64(size)
	return s
}

// Download copies the contiguous tensor src to dst, after everything asked for
// before has happened.
func (b *Backend) Download(dst []byte, src tensor.Tensor) error {
	if w := b.weightOf(src); w != nil {
		return b.downloadWeight(dst, src, w)
	}
	s := b.transferSpan(src, len(dst), "Download")
	if b.err != nil || len(dst) == 0 {
		return b.Sync()
	}
	b.transferred += int64(len(dst))
	return b.readBack(dst, s)
}

// readBack copies a span's bytes to dst.
func (b *Backend) readBack(dst []byte, s span) error {
	for len(dst) > 0 {
		n := min(len(dst), downloadStep)
		if err := b.readBackStep(dst[:n], span{s.block, s.offset, uint64(n)}); err != nil {
			return err
		}
		dst, s.offset = dst[n:], s.offset+uint64(n)
	}
	return nil
}

func (b *Backend) readBackStep(dst []byte, s span) error {
	if b.readback.size < s.size || b.readback.block == nil {
		if err := b.growReadback(s.size); err != nil {
			b.fail(err)
			return b.err
		}
	}
	b.transfer(command{kind: downloadCommand, host: b.readback.block.buffer, from: b.readback.offset}, s, false)
	if err := b.finish(); err != nil {
		return err
	}
	copy(dst, b.readback.bytes())
	return nil
}

// growReadback makes the readback memory larger. What was recorded with the old one
// is not asked for again, and its memory stays the pool's.
func (b *Backend) growReadback(size uint64) error {
	if err := b.finish(); err != nil {
		return err
	}
	if b.readback.block != nil {
		b.readbackMemory.release(b.readback)
		b.readback = span{}
	}
	var err error
	b.readback, err = b.readbackMemory.alloc(roomFor(size))
	return err
}

// staging is memory for large uploads, and the command that empties it.
type staging struct {
	memory  span
	buffer  vk.CommandBuffer
	fence   vk.Fence
	pending bool
}

// stage fills a span by pieces: fill writes to the bytes that begin at a number of
// them. While the device copies one piece, the host writes the next.
func (b *Backend) stage(s span, fill func(to []byte, from int)) {
	b.flush() // what was asked for before comes before
	for done := uint64(0); done < s.size && b.err == nil; {
		g := &b.staging[b.stagingNext]
		b.stagingNext = 1 - b.stagingNext
		n := min(s.size-done, stagingBytes)
		if err := b.stageStep(g, span{s.block, s.offset + done, n}, func(to []byte) { fill(to, int(done)) }); err != nil {
			b.fail(err)
		}
		done += n
	}
}

func (b *Backend) stageStep(g *staging, s span, fill func(to []byte)) (err error) {
	if g.buffer == 0 {
		if g.buffer, err = b.dev.AllocateCommandBuffer(b.commandPool); err != nil {
			return err
		}
		if g.fence, err = b.dev.CreateFence(); err != nil {
			return err
		}
	}
	if g.memory.block == nil || g.memory.size < s.size {
		if err := b.waitStaging(g); err != nil {
			return err
		}
		if g.memory.block != nil {
			b.hostMemory.release(g.memory)
			g.memory = span{}
		}
		if g.memory, err = b.hostMemory.alloc(min(roomFor(s.size), stagingBytes)); err != nil {
			return err
		}
	}
	if err := b.waitStaging(g); err != nil {
		return err
	}
	fill(g.memory.bytes()[:s.size])
	if err := b.dev.BeginCommandBuffer(g.buffer); err != nil {
		return err
	}
	b.dev.CmdBarrier(g.buffer, deviceStages, vk.StageTransfer, deviceWrites, vk.TransferWrite)
	b.dev.CmdCopyBuffer(g.buffer, g.memory.block.buffer, s.block.buffer, g.memory.offset, s.offset, s.size)
	if err := b.dev.EndCommandBuffer(g.buffer); err != nil {
		return err
	}
	if err := b.dev.ResetFence(g.fence); err != nil {
		return err
	}
	if err := b.dev.Submit(g.buffer, g.fence); err != nil {
		return err
	}
	g.pending = true
	return nil
}

func (b *Backend) waitStaging(g *staging) error {
	for g.pending {
		ok, err := b.dev.WaitFence(g.fence, math.MaxUint64)
		if err != nil {
			return err
		}
		g.pending = !ok
	}
	return nil
}

// waitUploads waits for both.
func (b *Backend) waitUploads() error {
	for i := range b.staging {
		if err := b.waitStaging(&b.staging[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *staging) close(b *Backend) {
	if g.fence != 0 {
		b.dev.DestroyFence(g.fence)
	}
	if g.buffer != 0 {
		b.dev.FreeCommandBuffer(b.commandPool, g.buffer)
	}
}

// bytesOf returns words as bytes, which are little-endian wherever Vulkan is.
func bytesOf(words []uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 4*len(words))
}
