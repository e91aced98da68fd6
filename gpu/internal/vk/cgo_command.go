// The driver with cgo: what vulkan-go does for command buffers, queries and
// fences.

//go:build cgo && !nogpu && linux && (amd64 || arm64)

package vk

import (
	"runtime"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

func (d *device) CreateCommandPool() (CommandPool, error) {
	info := &vulkan.CommandPoolCreateInfo{SType: vulkan.StructureTypeCommandPoolCreateInfo, Flags: resettable, QueueFamilyIndex: d.family}
	var p vulkan.CommandPool
	r := vulkan.CreateCommandPool(d.handle, info, nil, &p)
	runtime.KeepAlive(info)
	info.Free()
	return number[CommandPool](p), Check("vkCreateCommandPool", Result(r))
}

func (d *device) DestroyCommandPool(p CommandPool) {
	vulkan.DestroyCommandPool(d.handle, handleOf[vulkan.CommandPool](p), nil)
}

func (d *device) AllocateCommandBuffer(p CommandPool) (CommandBuffer, error) {
	info := &vulkan.CommandBufferAllocateInfo{
		SType: vulkan.StructureTypeCommandBufferAllocateInfo, CommandPool: handleOf[vulkan.CommandPool](p), CommandBufferCount: 1,
	}
	c := make([]vulkan.CommandBuffer, 1)
	r := vulkan.AllocateCommandBuffers(d.handle, info, c)
	runtime.KeepAlive(info)
	info.Free()
	return number[CommandBuffer](c[0]), Check("vkAllocateCommandBuffers", Result(r))
}

func (d *device) FreeCommandBuffer(p CommandPool, c CommandBuffer) {
	vulkan.FreeCommandBuffers(d.handle, handleOf[vulkan.CommandPool](p), 1, []vulkan.CommandBuffer{commands(c)})
}

func commands(c CommandBuffer) vulkan.CommandBuffer { return handleOf[vulkan.CommandBuffer](c) }

func (d *device) BeginCommandBuffer(c CommandBuffer) error {
	info := &vulkan.CommandBufferBeginInfo{SType: vulkan.StructureTypeCommandBufferBeginInfo, Flags: simultaneous}
	r := vulkan.BeginCommandBuffer(commands(c), info)
	runtime.KeepAlive(info)
	info.Free()
	return Check("vkBeginCommandBuffer", Result(r))
}

func (d *device) EndCommandBuffer(c CommandBuffer) error {
	return Check("vkEndCommandBuffer", Result(vulkan.EndCommandBuffer(commands(c))))
}

func (d *device) CmdBindPipeline(c CommandBuffer, p Pipeline) {
	vulkan.CmdBindPipeline(commands(c), computeBind, handleOf[vulkan.Pipeline](p))
}

func (d *device) CmdBindSets(c CommandBuffer, l PipelineLayout, sets []DescriptorSet, dynamicOffsets []uint32) {
	// A handle is as long as a number.
	handles := unsafe.Slice((*vulkan.DescriptorSet)(unsafe.Pointer(unsafe.SliceData(sets))), len(sets))
	vulkan.CmdBindDescriptorSets(commands(c), computeBind, handleOf[vulkan.PipelineLayout](l), 0,
		uint32(len(sets)), handles, uint32(len(dynamicOffsets)), dynamicOffsets)
}

func (d *device) CmdDispatch(c CommandBuffer, x, y, z uint32) {
	vulkan.CmdDispatch(commands(c), x, y, z)
}

func (d *device) CmdFillBuffer(c CommandBuffer, b Buffer, offset, size uint64, word uint32) {
	vulkan.CmdFillBuffer(commands(c), handleOf[vulkan.Buffer](b), vulkan.DeviceSize(offset), vulkan.DeviceSize(size), word)
}

func (d *device) CmdResetQueries(c CommandBuffer, p QueryPool, first, n uint32) {
	vulkan.CmdResetQueryPool(commands(c), handleOf[vulkan.QueryPool](p), first, n)
}

func (d *device) CmdWriteTimestamp(c CommandBuffer, stage Stages, p QueryPool, query uint32) {
	vulkan.CmdWriteTimestamp(commands(c), vulkan.PipelineStageFlagBits(stage), handleOf[vulkan.QueryPool](p), query)
}

func (d *device) CreateQueryPool(timestamps int) (QueryPool, error) {
	info := &vulkan.QueryPoolCreateInfo{SType: vulkan.StructureTypeQueryPoolCreateInfo, QueryType: timestampQuery, QueryCount: uint32(timestamps)}
	var p vulkan.QueryPool
	r := vulkan.CreateQueryPool(d.handle, info, nil, &p)
	runtime.KeepAlive(info)
	info.Free()
	return number[QueryPool](p), Check("vkCreateQueryPool", Result(r))
}

func (d *device) DestroyQueryPool(p QueryPool) {
	vulkan.DestroyQueryPool(d.handle, handleOf[vulkan.QueryPool](p), nil)
}

func (d *device) QueryResults(dst []uint64, p QueryPool, first uint32) error {
	if len(dst) == 0 {
		return nil
	}
	r := vulkan.GetQueryPoolResults(d.handle, handleOf[vulkan.QueryPool](p), first, uint32(len(dst)),
		uint(8*len(dst)), unsafe.Pointer(&dst[0]), 8, waitFor64Bits)
	return Check("vkGetQueryPoolResults", Result(r))
}

func (d *device) CreateFence() (Fence, error) {
	info := &vulkan.FenceCreateInfo{SType: vulkan.StructureTypeFenceCreateInfo}
	var f vulkan.Fence
	r := vulkan.CreateFence(d.handle, info, nil, &f)
	runtime.KeepAlive(info)
	info.Free()
	return number[Fence](f), Check("vkCreateFence", Result(r))
}

func (d *device) DestroyFence(f Fence) {
	vulkan.DestroyFence(d.handle, handleOf[vulkan.Fence](f), nil)
}

func (d *device) ResetFence(f Fence) error {
	return Check("vkResetFences", Result(vulkan.ResetFences(d.handle, 1, []vulkan.Fence{handleOf[vulkan.Fence](f)})))
}

func (d *device) WaitFence(f Fence, timeout uint64) (bool, error) {
	return waited(Result(vulkan.WaitForFences(d.handle, 1, []vulkan.Fence{handleOf[vulkan.Fence](f)}, vulkan.True, timeout)))
}

func (d *device) WaitIdle() error {
	return Check("vkDeviceWaitIdle", Result(vulkan.DeviceWaitIdle(d.handle)))
}
