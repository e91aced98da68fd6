// The driver without cgo: command buffers, queries, fences and the queue.

//go:build !cgo && !nogpu && linux && (amd64 || arm64)

package vk

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

func (d *device) CreateCommandPool() (CommandPool, error) {
	info := &commandPoolCreateInfo{header: header{sType: 39}, flags: resettable, family: d.family}
	var p CommandPool
	r, _, _ := purego.SyscallN(d.vk.CreateCommandPool, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&p)))
	return p, Check("vkCreateCommandPool", Result(r))
}

func (d *device) DestroyCommandPool(p CommandPool) {
	purego.SyscallN(d.vk.DestroyCommandPool, d.handle, uintptr(p), 0)
}

func (d *device) AllocateCommandBuffer(p CommandPool) (CommandBuffer, error) {
	info := &commandBufferAllocateInfo{header: header{sType: 40}, pool: p, count: 1}
	var c CommandBuffer
	r, _, _ := purego.SyscallN(d.vk.AllocateCommandBuffers, d.handle, uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&c)))
	return c, Check("vkAllocateCommandBuffers", Result(r))
}

func (d *device) FreeCommandBuffer(p CommandPool, c CommandBuffer) {
	purego.SyscallN(d.vk.FreeCommandBuffers, d.handle, uintptr(p), 1, uintptr(unsafe.Pointer(&c)))
}

func (d *device) BeginCommandBuffer(c CommandBuffer) error {
	r, _, _ := purego.SyscallN(d.vk.BeginCommandBuffer, uintptr(c), uintptr(unsafe.Pointer(&commandBufferBeginInfo{header: header{sType: 42}, flags: simultaneous})))
	return Check("vkBeginCommandBuffer", Result(r))
}

func (d *device) EndCommandBuffer(c CommandBuffer) error {
	r, _, _ := purego.SyscallN(d.vk.EndCommandBuffer, uintptr(c))
	return Check("vkEndCommandBuffer", Result(r))
}

func (d *device) CmdBindPipeline(c CommandBuffer, p Pipeline) {
	purego.SyscallN(d.vk.CmdBindPipeline, uintptr(c), computeBind, uintptr(p))
}

func (d *device) CmdBindSets(c CommandBuffer, l PipelineLayout, sets []DescriptorSet, dynamicOffsets []uint32) {
	purego.SyscallN(d.vk.CmdBindDescriptorSets, uintptr(c), computeBind, uintptr(l), 0,
		uintptr(len(sets)), uintptr(unsafe.Pointer(unsafe.SliceData(sets))),
		uintptr(len(dynamicOffsets)), uintptr(unsafe.Pointer(unsafe.SliceData(dynamicOffsets))))
}

func (d *device) CmdDispatch(c CommandBuffer, x, y, z uint32) {
	purego.SyscallN(d.vk.CmdDispatch, uintptr(c), uintptr(x), uintptr(y), uintptr(z))
}

func (d *device) CmdBarrier(c CommandBuffer, srcStages, dstStages Stages, src, dst Access) {
	barrier := &memoryBarrier{header{sType: 46}, src, dst}
	purego.SyscallN(d.vk.CmdPipelineBarrier, uintptr(c), uintptr(srcStages), uintptr(dstStages), 0,
		1, uintptr(unsafe.Pointer(barrier)), 0, 0, 0, 0)
}

func (d *device) CmdCopyBuffer(c CommandBuffer, src, dst Buffer, srcOffset, dstOffset, size uint64) {
	region := &bufferCopy{srcOffset, dstOffset, size}
	purego.SyscallN(d.vk.CmdCopyBuffer, uintptr(c), uintptr(src), uintptr(dst), 1, uintptr(unsafe.Pointer(region)))
}

func (d *device) CmdFillBuffer(c CommandBuffer, b Buffer, offset, size uint64, word uint32) {
	purego.SyscallN(d.vk.CmdFillBuffer, uintptr(c), uintptr(b), uintptr(offset), uintptr(size), uintptr(word))
}

func (d *device) CmdResetQueries(c CommandBuffer, p QueryPool, first, n uint32) {
	purego.SyscallN(d.vk.CmdResetQueryPool, uintptr(c), uintptr(p), uintptr(first), uintptr(n))
}

func (d *device) CmdWriteTimestamp(c CommandBuffer, stage Stages, p QueryPool, query uint32) {
	purego.SyscallN(d.vk.CmdWriteTimestamp, uintptr(c), uintptr(stage), uintptr(p), uintptr(query))
}

func (d *device) CreateQueryPool(timestamps int) (QueryPool, error) {
	info := &queryPoolCreateInfo{header: header{sType: 11}, kind: timestampQuery, count: uint32(timestamps)}
	var p QueryPool
	r, _, _ := purego.SyscallN(d.vk.CreateQueryPool, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&p)))
	return p, Check("vkCreateQueryPool", Result(r))
}

func (d *device) DestroyQueryPool(p QueryPool) {
	purego.SyscallN(d.vk.DestroyQueryPool, d.handle, uintptr(p), 0)
}

func (d *device) QueryResults(dst []uint64, p QueryPool, first uint32) error {
	if len(dst) == 0 {
		return nil
	}
	r, _, _ := purego.SyscallN(d.vk.GetQueryPoolResults, d.handle, uintptr(p), uintptr(first), uintptr(len(dst)),
		uintptr(8*len(dst)), uintptr(unsafe.Pointer(&dst[0])), 8, waitFor64Bits)
	return Check("vkGetQueryPoolResults", Result(r))
}

func (d *device) CreateFence() (Fence, error) {
	var f Fence
	r, _, _ := purego.SyscallN(d.vk.CreateFence, d.handle, uintptr(unsafe.Pointer(&fenceCreateInfo{header: header{sType: 8}})), 0, uintptr(unsafe.Pointer(&f)))
	return f, Check("vkCreateFence", Result(r))
}

func (d *device) DestroyFence(f Fence) { purego.SyscallN(d.vk.DestroyFence, d.handle, uintptr(f), 0) }

func (d *device) ResetFence(f Fence) error {
	r, _, _ := purego.SyscallN(d.vk.ResetFences, d.handle, 1, uintptr(unsafe.Pointer(&f)))
	return Check("vkResetFences", Result(r))
}

func (d *device) WaitFence(f Fence, timeout uint64) (bool, error) {
	r, _, _ := purego.SyscallN(d.vk.WaitForFences, d.handle, 1, uintptr(unsafe.Pointer(&f)), 1, uintptr(timeout))
	return waited(Result(r))
}

func (d *device) Submit(c CommandBuffer, f Fence) error {
	info := &submitInfo{header: header{sType: 4}, commandCount: 1, commands: &c}
	r, _, _ := purego.SyscallN(d.vk.QueueSubmit, d.queue, 1, uintptr(unsafe.Pointer(info)), uintptr(f))
	return Check("vkQueueSubmit", Result(r))
}

func (d *device) WaitIdle() error {
	r, _, _ := purego.SyscallN(d.vk.DeviceWaitIdle, d.handle)
	return Check("vkDeviceWaitIdle", Result(r))
}
