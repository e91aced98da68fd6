// The driver with cgo: what vulkan-go does for a device.

//go:build cgo && !nogpu && linux && (amd64 || arm64)

package vk

import (
	"runtime"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// device is a VkDevice and its queue.
type device struct {
	handle vulkan.Device
	queue  vulkan.Queue
	family uint32
	procs  procs
}

func (d *device) Close() { vulkan.DestroyDevice(d.handle, nil) }

func (d *device) CreateBuffer(size uint64, usage BufferUsage) (Buffer, Requirements, error) {
	info := &vulkan.BufferCreateInfo{SType: vulkan.StructureTypeBufferCreateInfo, Size: vulkan.DeviceSize(size), Usage: vulkan.BufferUsageFlags(usage)}
	var b vulkan.Buffer
	r := vulkan.CreateBuffer(d.handle, info, nil, &b)
	runtime.KeepAlive(info)
	info.Free()
	if err := Check("vkCreateBuffer", Result(r)); err != nil {
		return 0, Requirements{}, err
	}
	m := new(vulkan.MemoryRequirements)
	vulkan.GetBufferMemoryRequirements(d.handle, b, m)
	m.Deref()
	q := Requirements{Size: uint64(m.Size), Alignment: uint64(m.Alignment), MemoryTypes: m.MemoryTypeBits}
	m.Free()
	return number[Buffer](b), q, nil
}

func (d *device) DestroyBuffer(b Buffer) {
	vulkan.DestroyBuffer(d.handle, handleOf[vulkan.Buffer](b), nil)
}

func (d *device) AllocateMemory(size uint64, memoryType int) (Memory, error) {
	info := &vulkan.MemoryAllocateInfo{
		SType: vulkan.StructureTypeMemoryAllocateInfo, AllocationSize: vulkan.DeviceSize(size), MemoryTypeIndex: uint32(memoryType),
	}
	var m vulkan.DeviceMemory
	r := vulkan.AllocateMemory(d.handle, info, nil, &m)
	runtime.KeepAlive(info)
	info.Free()
	return number[Memory](m), Check("vkAllocateMemory", Result(r))
}

func (d *device) FreeMemory(m Memory) {
	vulkan.FreeMemory(d.handle, handleOf[vulkan.DeviceMemory](m), nil)
}

func (d *device) BindBufferMemory(b Buffer, m Memory, offset uint64) error {
	r := vulkan.BindBufferMemory(d.handle, handleOf[vulkan.Buffer](b), handleOf[vulkan.DeviceMemory](m), vulkan.DeviceSize(offset))
	return Check("vkBindBufferMemory", Result(r))
}

func (d *device) MapMemory(m Memory) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	r := vulkan.MapMemory(d.handle, handleOf[vulkan.DeviceMemory](m), 0, vulkan.DeviceSize(vulkan.WholeSize), 0, &p)
	return p, Check("vkMapMemory", Result(r))
}

func (d *device) CreateShaderModule(code []byte) (ShaderModule, error) {
	info := &vulkan.ShaderModuleCreateInfo{SType: vulkan.StructureTypeShaderModuleCreateInfo, CodeSize: uint(len(code)), PCode: shaderWords(code)}
	var m vulkan.ShaderModule
	r := vulkan.CreateShaderModule(d.handle, info, nil, &m)
	runtime.KeepAlive(info)
	info.Free()
	return number[ShaderModule](m), Check("vkCreateShaderModule", Result(r))
}

func (d *device) DestroyShaderModule(m ShaderModule) {
	vulkan.DestroyShaderModule(d.handle, handleOf[vulkan.ShaderModule](m), nil)
}

func (d *device) DestroySetLayout(l SetLayout) {
	vulkan.DestroyDescriptorSetLayout(d.handle, handleOf[vulkan.DescriptorSetLayout](l), nil)
}

func (d *device) CreatePipelineLayout(sets ...SetLayout) (PipelineLayout, error) {
	layouts := make([]vulkan.DescriptorSetLayout, len(sets))
	for i, s := range sets {
		layouts[i] = handleOf[vulkan.DescriptorSetLayout](s)
	}
	info := &vulkan.PipelineLayoutCreateInfo{SType: vulkan.StructureTypePipelineLayoutCreateInfo, SetLayoutCount: uint32(len(sets)), PSetLayouts: layouts}
	var l vulkan.PipelineLayout
	r := vulkan.CreatePipelineLayout(d.handle, info, nil, &l)
	runtime.KeepAlive(info)
	info.Free()
	return number[PipelineLayout](l), Check("vkCreatePipelineLayout", Result(r))
}

func (d *device) DestroyPipelineLayout(l PipelineLayout) {
	vulkan.DestroyPipelineLayout(d.handle, handleOf[vulkan.PipelineLayout](l), nil)
}

func (d *device) CreatePipelineCache(data []byte) (PipelineCache, error) {
	info := &vulkan.PipelineCacheCreateInfo{
		SType: vulkan.StructureTypePipelineCacheCreateInfo, InitialDataSize: uint(len(data)), PInitialData: unsafe.Pointer(unsafe.SliceData(data)),
	}
	var c vulkan.PipelineCache
	r := vulkan.CreatePipelineCache(d.handle, info, nil, &c)
	runtime.KeepAlive(info)
	info.Free()
	return number[PipelineCache](c), Check("vkCreatePipelineCache", Result(r))
}

func (d *device) PipelineCacheData(c PipelineCache) ([]byte, error) {
	const name = "vkGetPipelineCacheData"
	h := handleOf[vulkan.PipelineCache](c)
	var n uint
	if err := Check(name, Result(vulkan.GetPipelineCacheData(d.handle, h, &n, nil))); err != nil || n == 0 {
		return nil, err
	}
	data := make([]byte, n)
	r := vulkan.GetPipelineCacheData(d.handle, h, &n, unsafe.Pointer(&data[0]))
	return data[:n], Check(name, Result(r))
}

func (d *device) DestroyPipelineCache(c PipelineCache) {
	vulkan.DestroyPipelineCache(d.handle, handleOf[vulkan.PipelineCache](c), nil)
}

func (d *device) DestroyPipeline(p Pipeline) {
	vulkan.DestroyPipeline(d.handle, handleOf[vulkan.Pipeline](p), nil)
}

func (d *device) ResetDescriptorPool(p DescriptorPool) error {
	return Check("vkResetDescriptorPool", Result(vulkan.ResetDescriptorPool(d.handle, handleOf[vulkan.DescriptorPool](p), 0)))
}

func (d *device) DestroyDescriptorPool(p DescriptorPool) {
	vulkan.DestroyDescriptorPool(d.handle, handleOf[vulkan.DescriptorPool](p), nil)
}

func (d *device) AllocateDescriptorSet(p DescriptorPool, l SetLayout) (DescriptorSet, error) {
	info := &vulkan.DescriptorSetAllocateInfo{
		SType: vulkan.StructureTypeDescriptorSetAllocateInfo, DescriptorPool: handleOf[vulkan.DescriptorPool](p),
		DescriptorSetCount: 1, PSetLayouts: []vulkan.DescriptorSetLayout{handleOf[vulkan.DescriptorSetLayout](l)},
	}
	var s vulkan.DescriptorSet
	r := vulkan.AllocateDescriptorSets(d.handle, info, &s)
	runtime.KeepAlive(info)
	info.Free()
	return number[DescriptorSet](s), Check("vkAllocateDescriptorSets", Result(r))
}
