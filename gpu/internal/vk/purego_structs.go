// Structures of Vulkan, laid out as C does on 64-bit machines, for the driver
// that has no C compiler. Pointers are typed, so that what they refer to lives
// as long as the structure.

//go:build !cgo && !nogpu && linux && (amd64 || arm64)

package vk

import "unsafe"

// header starts most structures.
type header struct {
	sType uint32
	next  unsafe.Pointer
}

type applicationInfo struct {
	header
	application *byte
	_           uint32 // its version
	engine      *byte
	_           uint32 // its version
	apiVersion  uint32
}

type instanceCreateInfo struct {
	header
	_              uint32 // flags
	application    *applicationInfo
	layerCount     uint32
	layers         **byte
	extensionCount uint32
	extensions     **byte
}

type debugReportCreateInfo struct {
	header
	flags    uint32
	callback uintptr
	userData unsafe.Pointer
}

type queueCreateInfo struct {
	header
	_, family, count uint32 // first: flags
	priorities       *float32
}

type deviceCreateInfo struct {
	header
	flags, queueCount uint32
	queues            *queueCreateInfo
	layerCount        uint32
	layers            **byte
	extensionCount    uint32
	extensions        **byte
	features          unsafe.Pointer
}

type bufferCreateInfo struct {
	header
	flags          uint32
	size           uint64
	usage, sharing uint32
	familyCount    uint32
	families       *uint32
}

type memoryRequirements struct {
	size, alignment uint64
	types           uint32
}

type memoryAllocateInfo struct {
	header
	size       uint64
	memoryType uint32
}

type mappedMemoryRange struct {
	header
	memory       Memory
	offset, size uint64
}

type shaderModuleCreateInfo struct {
	header
	flags uint32
	size  uintptr
	code  *uint32
}

type setLayoutBinding struct {
	binding uint32
	kind    DescriptorType
	count   uint32
	stages  uint32
	_       unsafe.Pointer // immutable samplers
}

type setLayoutCreateInfo struct {
	header
	flags, count uint32
	bindings     *setLayoutBinding
}

type pipelineLayoutCreateInfo struct {
	header
	flags, setCount uint32
	sets            *SetLayout
	pushCount       uint32
	push            unsafe.Pointer
}

type pipelineCacheCreateInfo struct {
	header
	flags uint32
	size  uintptr
	data  *byte
}

type specializationEntry struct {
	id, offset uint32
	size       uintptr
}

type specializationInfo struct {
	count   uint32
	entries *specializationEntry
	size    uintptr
	data    *uint32
}

type requiredSubgroupSize struct {
	header
	size uint32
}

type stageCreateInfo struct {
	header
	flags, stage   uint32
	module         ShaderModule
	name           *byte
	specialization *specializationInfo
}

type computePipelineCreateInfo struct {
	header
	flags     uint32
	stage     stageCreateInfo
	layout    PipelineLayout
	base      Pipeline
	baseIndex int32
}

type descriptorPoolCreateInfo struct {
	header
	flags, sets, count uint32
	sizes              *poolSize
}

type setAllocateInfo struct {
	header
	pool    DescriptorPool
	count   uint32
	layouts *SetLayout
}

type writeDescriptorSet struct {
	header
	set            DescriptorSet
	binding, first uint32
	count          uint32
	kind           DescriptorType
	images         unsafe.Pointer
	buffers        *BufferRange // laid out as VkDescriptorBufferInfo
	views          unsafe.Pointer
}

type commandPoolCreateInfo struct {
	header
	flags, family uint32
}

type commandBufferAllocateInfo struct {
	header
	pool         CommandPool
	level, count uint32
}

type commandBufferBeginInfo struct {
	header
	flags       uint32
	inheritance unsafe.Pointer
}

type memoryBarrier struct {
	header
	source, destination Access
}

type bufferCopy struct {
	source, destination, size uint64
}

type queryPoolCreateInfo struct {
	header
	flags, kind, count, statistics uint32
}

type fenceCreateInfo struct {
	header
	flags uint32
}

type submitInfo struct {
	header
	waitCount    uint32
	waits        unsafe.Pointer
	waitStages   unsafe.Pointer
	commandCount uint32
	commands     *CommandBuffer
	signalCount  uint32
	signals      unsafe.Pointer
}
