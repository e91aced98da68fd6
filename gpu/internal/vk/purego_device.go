// The driver without cgo: a device's memory, buffers, pipelines and descriptors.

//go:build !cgo && !nogpu && linux && (amd64 || arm64)

package vk

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// device is a VkDevice and its queue.
type device struct {
	handle, queue uintptr
	family        uint32
	vk            procs
}

// procs are the functions of a device by their names without "vk".
type procs struct {
	DestroyDevice, GetDeviceQueue, DeviceWaitIdle                                                  uintptr
	CreateBuffer, DestroyBuffer, GetBufferMemoryRequirements, BindBufferMemory                     uintptr
	AllocateMemory, FreeMemory, MapMemory, FlushMappedMemoryRanges, InvalidateMappedMemoryRanges   uintptr
	CreateShaderModule, DestroyShaderModule, CreateDescriptorSetLayout, DestroyDescriptorSetLayout uintptr
	CreatePipelineLayout, DestroyPipelineLayout                                                    uintptr
	CreatePipelineCache, GetPipelineCacheData, DestroyPipelineCache                                uintptr
	CreateComputePipelines, DestroyPipeline                                                        uintptr
	CreateDescriptorPool, ResetDescriptorPool, DestroyDescriptorPool                               uintptr
	AllocateDescriptorSets, UpdateDescriptorSets                                                   uintptr
	CreateCommandPool, DestroyCommandPool, AllocateCommandBuffers, FreeCommandBuffers              uintptr
	BeginCommandBuffer, EndCommandBuffer                                                           uintptr
	CmdBindPipeline, CmdBindDescriptorSets, CmdDispatch, CmdPipelineBarrier                        uintptr
	CmdCopyBuffer, CmdFillBuffer, CmdResetQueryPool, CmdWriteTimestamp                             uintptr
	CreateQueryPool, DestroyQueryPool, GetQueryPoolResults                                         uintptr
	CreateFence, DestroyFence, ResetFences, WaitForFences, QueueSubmit                             uintptr
}

func (d *device) Close() { purego.SyscallN(d.vk.DestroyDevice, d.handle, 0) }

func (d *device) CreateBuffer(size uint64, usage BufferUsage) (Buffer, Requirements, error) {
	info := &bufferCreateInfo{header: header{sType: 12}, size: size, usage: uint32(usage)}
	var b Buffer
	r, _, _ := purego.SyscallN(d.vk.CreateBuffer, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&b)))
	if err := Check("vkCreateBuffer", Result(r)); err != nil {
		return 0, Requirements{}, err
	}
	var m memoryRequirements
	purego.SyscallN(d.vk.GetBufferMemoryRequirements, d.handle, uintptr(b), uintptr(unsafe.Pointer(&m)))
	return b, Requirements{Size: m.size, Alignment: m.alignment, MemoryTypes: m.types}, nil
}

func (d *device) DestroyBuffer(b Buffer) {
	purego.SyscallN(d.vk.DestroyBuffer, d.handle, uintptr(b), 0)
}

func (d *device) AllocateMemory(size uint64, memoryType int) (Memory, error) {
	info := &memoryAllocateInfo{header: header{sType: 5}, size: size, memoryType: uint32(memoryType)}
	var m Memory
	r, _, _ := purego.SyscallN(d.vk.AllocateMemory, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&m)))
	return m, Check("vkAllocateMemory", Result(r))
}

func (d *device) FreeMemory(m Memory) { purego.SyscallN(d.vk.FreeMemory, d.handle, uintptr(m), 0) }

func (d *device) BindBufferMemory(b Buffer, m Memory, offset uint64) error {
	r, _, _ := purego.SyscallN(d.vk.BindBufferMemory, d.handle, uintptr(b), uintptr(m), uintptr(offset))
	return Check("vkBindBufferMemory", Result(r))
}

func (d *device) MapMemory(m Memory) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	r, _, _ := purego.SyscallN(d.vk.MapMemory, d.handle, uintptr(m), 0, ^uintptr(0), 0, uintptr(unsafe.Pointer(&p)))
	return p, Check("vkMapMemory", Result(r))
}

func (d *device) FlushMemory(m Memory, offset, size uint64) error {
	ranges := &mappedMemoryRange{header{sType: 6}, m, offset, size}
	r, _, _ := purego.SyscallN(d.vk.FlushMappedMemoryRanges, d.handle, 1, uintptr(unsafe.Pointer(ranges)))
	return Check("vkFlushMappedMemoryRanges", Result(r))
}

func (d *device) InvalidateMemory(m Memory, offset, size uint64) error {
	ranges := &mappedMemoryRange{header{sType: 6}, m, offset, size}
	r, _, _ := purego.SyscallN(d.vk.InvalidateMappedMemoryRanges, d.handle, 1, uintptr(unsafe.Pointer(ranges)))
	return Check("vkInvalidateMappedMemoryRanges", Result(r))
}

func (d *device) CreateShaderModule(code []byte) (ShaderModule, error) {
	words := shaderWords(code)
	info := &shaderModuleCreateInfo{header: header{sType: 16}, size: uintptr(len(code)), code: &words[0]}
	var m ShaderModule
	r, _, _ := purego.SyscallN(d.vk.CreateShaderModule, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&m)))
	return m, Check("vkCreateShaderModule", Result(r))
}

func (d *device) DestroyShaderModule(m ShaderModule) {
	purego.SyscallN(d.vk.DestroyShaderModule, d.handle, uintptr(m), 0)
}

func (d *device) CreateSetLayout(t DescriptorType, n int) (SetLayout, error) {
	bindings := make([]setLayoutBinding, n)
	for i := range bindings {
		bindings[i] = setLayoutBinding{binding: uint32(i), kind: t, count: 1, stages: computeStage}
	}
	info := &setLayoutCreateInfo{header: header{sType: 32}, count: uint32(n), bindings: unsafe.SliceData(bindings)}
	var l SetLayout
	r, _, _ := purego.SyscallN(d.vk.CreateDescriptorSetLayout, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&l)))
	return l, Check("vkCreateDescriptorSetLayout", Result(r))
}

func (d *device) DestroySetLayout(l SetLayout) {
	purego.SyscallN(d.vk.DestroyDescriptorSetLayout, d.handle, uintptr(l), 0)
}

func (d *device) CreatePipelineLayout(sets ...SetLayout) (PipelineLayout, error) {
	info := &pipelineLayoutCreateInfo{header: header{sType: 30}, setCount: uint32(len(sets)), sets: unsafe.SliceData(sets)}
	var l PipelineLayout
	r, _, _ := purego.SyscallN(d.vk.CreatePipelineLayout, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&l)))
	return l, Check("vkCreatePipelineLayout", Result(r))
}

func (d *device) DestroyPipelineLayout(l PipelineLayout) {
	purego.SyscallN(d.vk.DestroyPipelineLayout, d.handle, uintptr(l), 0)
}

func (d *device) CreatePipelineCache(data []byte) (PipelineCache, error) {
	info := &pipelineCacheCreateInfo{header: header{sType: 17}, size: uintptr(len(data)), data: unsafe.SliceData(data)}
	var c PipelineCache
	r, _, _ := purego.SyscallN(d.vk.CreatePipelineCache, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&c)))
	return c, Check("vkCreatePipelineCache", Result(r))
}

func (d *device) PipelineCacheData(c PipelineCache) ([]byte, error) {
	const name = "vkGetPipelineCacheData"
	var n uintptr
	r, _, _ := purego.SyscallN(d.vk.GetPipelineCacheData, d.handle, uintptr(c), uintptr(unsafe.Pointer(&n)), 0)
	if err := Check(name, Result(r)); err != nil || n == 0 {
		return nil, err
	}
	data := make([]byte, n)
	r, _, _ = purego.SyscallN(d.vk.GetPipelineCacheData, d.handle, uintptr(c), uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&data[0])))
	return data[:n], Check(name, Result(r))
}

func (d *device) DestroyPipelineCache(c PipelineCache) {
	purego.SyscallN(d.vk.DestroyPipelineCache, d.handle, uintptr(c), 0)
}

func (d *device) CreateComputePipeline(p PipelineInfo) (Pipeline, error) {
	info := &computePipelineCreateInfo{
		header: header{sType: 29},
		stage:  stageCreateInfo{header: header{sType: 18}, flags: p.stageFlags(), stage: computeStage, module: p.Module, name: cText(entryPoint)},
		layout: p.Layout,
	}
	if p.SubgroupSize != 0 {
		info.stage.next = unsafe.Pointer(&requiredSubgroupSize{header{sType: 1000225001}, p.SubgroupSize})
	}
	if n := len(p.Constants); n > 0 {
		entries := make([]specializationEntry, n)
		for i := range entries {
			entries[i] = specializationEntry{uint32(i), uint32(4 * i), 4}
		}
		info.stage.specialization = &specializationInfo{uint32(n), &entries[0], uintptr(4 * n), &p.Constants[0]}
	}
	var pipeline Pipeline
	r, _, _ := purego.SyscallN(d.vk.CreateComputePipelines, d.handle, uintptr(p.Cache), 1, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&pipeline)))
	return pipeline, Check("vkCreateComputePipelines", Result(r))
}

func (d *device) DestroyPipeline(p Pipeline) {
	purego.SyscallN(d.vk.DestroyPipeline, d.handle, uintptr(p), 0)
}

func (d *device) CreateDescriptorPool(sets, storage, uniformDynamic int) (DescriptorPool, error) {
	sizes := poolSizes(storage, uniformDynamic)
	info := &descriptorPoolCreateInfo{header: header{sType: 33}, sets: uint32(sets), count: uint32(len(sizes)), sizes: unsafe.SliceData(sizes)}
	var p DescriptorPool
	r, _, _ := purego.SyscallN(d.vk.CreateDescriptorPool, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&p)))
	return p, Check("vkCreateDescriptorPool", Result(r))
}

func (d *device) ResetDescriptorPool(p DescriptorPool) error {
	r, _, _ := purego.SyscallN(d.vk.ResetDescriptorPool, d.handle, uintptr(p), 0)
	return Check("vkResetDescriptorPool", Result(r))
}

func (d *device) DestroyDescriptorPool(p DescriptorPool) {
	purego.SyscallN(d.vk.DestroyDescriptorPool, d.handle, uintptr(p), 0)
}

func (d *device) AllocateDescriptorSet(p DescriptorPool, l SetLayout) (DescriptorSet, error) {
	info := &setAllocateInfo{header: header{sType: 34}, pool: p, count: 1, layouts: &l}
	var s DescriptorSet
	r, _, _ := purego.SyscallN(d.vk.AllocateDescriptorSets, d.handle, uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&s)))
	return s, Check("vkAllocateDescriptorSets", Result(r))
}

// UpdateDescriptorSet counts on consecutive descriptors: a write that has more
// of them than its binding goes on with the next binding.
func (d *device) UpdateDescriptorSet(s DescriptorSet, t DescriptorType, ranges []BufferRange) {
	if len(ranges) == 0 {
		return
	}
	write := &writeDescriptorSet{header: header{sType: 35}, set: s, count: uint32(len(ranges)), kind: t, buffers: &ranges[0]}
	purego.SyscallN(d.vk.UpdateDescriptorSets, d.handle, 1, uintptr(unsafe.Pointer(write)), 0, 0)
}
