// The calls.

package vk

import "unsafe"

// Handles of Vulkan objects. Zero is none.
type (
	Buffer         uint64
	Memory         uint64
	ShaderModule   uint64
	SetLayout      uint64
	PipelineLayout uint64
	PipelineCache  uint64
	Pipeline       uint64
	DescriptorPool uint64
	DescriptorSet  uint64
	CommandPool    uint64
	CommandBuffer  uint64
	Fence          uint64
	QueryPool      uint64
)

// Config is how the library is to be opened.
type Config struct {
	// Library is the file to load; empty tries libvulkan.so.1, then
	// libvulkan.so.
	Library string

	// Validation switches VK_LAYER_KHRONOS_validation on, with
	// synchronisation validation; that the layer is missing is then an error.
	// Message gets each warning and error of it, from any thread; it must not
	// call Vulkan.
	Validation bool
	Message    func(text string)
}

// Instance is the loaded library. A process has one at a time.
type Instance interface {
	// Driver says through what the calls go: "vulkan-go" or "purego".
	Driver() string

	// Devices returns the facts about all physical devices, in Vulkan's order.
	Devices() ([]Facts, error)

	// Open returns the logical device of Devices()[i], with one queue of the
	// family, and with the features of the list, which the device must have.
	Open(i int, family int, features Features) (Device, error)

	// Close destroys the instance; all devices must have been closed.
	Close()
}

// Device is a logical device and its queue. Calls that can fail return an
// [Error].
type Device interface {
	// Close destroys the device; all its objects must have been destroyed.
	Close()

	CreateBuffer(size uint64, usage BufferUsage) (Buffer, Requirements, error)
	DestroyBuffer(Buffer)
	AllocateMemory(size uint64, memoryType int) (Memory, error)
	FreeMemory(Memory)
	BindBufferMemory(b Buffer, m Memory, offset uint64) error
	// MapMemory maps the whole memory, which stays mapped until FreeMemory.
	MapMemory(m Memory) (unsafe.Pointer, error)
	// FlushMemory and InvalidateMemory are needed for memory that is not
	// coherent; offset and size are multiples of Limits.NonCoherentAtom.
	FlushMemory(m Memory, offset, size uint64) error
	InvalidateMemory(m Memory, offset, size uint64) error

	CreateShaderModule(code []byte) (ShaderModule, error)
	DestroyShaderModule(ShaderModule)
	// CreateSetLayout makes the layout of n bindings 0 to n-1 of one type, for
	// compute shaders.
	CreateSetLayout(t DescriptorType, n int) (SetLayout, error)
	DestroySetLayout(SetLayout)
	CreatePipelineLayout(sets ...SetLayout) (PipelineLayout, error)
	DestroyPipelineLayout(PipelineLayout)
	CreatePipelineCache(data []byte) (PipelineCache, error)
	PipelineCacheData(PipelineCache) ([]byte, error)
	DestroyPipelineCache(PipelineCache)
	CreateComputePipeline(info PipelineInfo) (Pipeline, error)
	DestroyPipeline(Pipeline)

	// CreateDescriptorPool makes a pool for so many sets and, over all of them,
	// so many descriptors of each type.
	CreateDescriptorPool(sets, storage, uniformDynamic int) (DescriptorPool, error)
	ResetDescriptorPool(DescriptorPool) error
	DestroyDescriptorPool(DescriptorPool)
	AllocateDescriptorSet(DescriptorPool, SetLayout) (DescriptorSet, error)
	// UpdateDescriptorSet writes bindings 0 to len(ranges)-1.
	UpdateDescriptorSet(s DescriptorSet, t DescriptorType, ranges []BufferRange)

	// CreateCommandPool makes a pool whose command buffers can be reset.
	CreateCommandPool() (CommandPool, error)
	DestroyCommandPool(CommandPool)
	AllocateCommandBuffer(CommandPool) (CommandBuffer, error)
	FreeCommandBuffer(CommandPool, CommandBuffer)
	BeginCommandBuffer(CommandBuffer) error // resets it; it may be submitted many times, also while pending
	EndCommandBuffer(CommandBuffer) error

	CmdBindPipeline(CommandBuffer, Pipeline)
	// CmdBindSets binds sets 0 to len(sets)-1.
	CmdBindSets(c CommandBuffer, l PipelineLayout, sets []DescriptorSet, dynamicOffsets []uint32)
	CmdDispatch(c CommandBuffer, x, y, z uint32)
	// CmdBarrier is one global memory barrier.
	CmdBarrier(c CommandBuffer, srcStages, dstStages Stages, src, dst Access)
	CmdCopyBuffer(c CommandBuffer, src, dst Buffer, srcOffset, dstOffset, size uint64)
	CmdFillBuffer(c CommandBuffer, b Buffer, offset, size uint64, word uint32)
	CmdResetQueries(c CommandBuffer, p QueryPool, first, n uint32)
	CmdWriteTimestamp(c CommandBuffer, stage Stages, p QueryPool, query uint32)

	CreateQueryPool(timestamps int) (QueryPool, error)
	DestroyQueryPool(QueryPool)
	// QueryResults waits for the timestamps first to first+len(dst)-1.
	QueryResults(dst []uint64, p QueryPool, first uint32) error

	CreateFence() (Fence, error)
	DestroyFence(Fence)
	ResetFence(Fence) error
	// WaitFence waits until the fence is signaled; ok is false after so many
	// nanoseconds.
	WaitFence(f Fence, timeout uint64) (ok bool, err error)
	Submit(c CommandBuffer, f Fence) error
	WaitIdle() error
}

// Requirements are those of a buffer for its memory.
type Requirements struct {
	Size, Alignment uint64
	MemoryTypes     uint32 // bit i: memory type i will do
}

// PipelineInfo describes a compute pipeline.
type PipelineInfo struct {
	Module ShaderModule // entry point "main"
	Layout PipelineLayout
	Cache  PipelineCache
	// Constants are the specialization constants 0 to len-1.
	Constants []uint32
	// SubgroupSize, if not 0, is required of the pipeline, whose workgroups
	// then consist of full subgroups (VK_EXT_subgroup_size_control).
	SubgroupSize uint32
	// FullSubgroups asks for full subgroups of whatever size.
	FullSubgroups bool
}

// BufferRange is what a descriptor refers to.
type BufferRange struct {
	Buffer       Buffer
	Offset, Size uint64
}

// DescriptorType is a VkDescriptorType.
type DescriptorType uint32

const (
	StorageBuffer        DescriptorType = 7
	UniformBufferDynamic DescriptorType = 8
)

// BufferUsage is a set of VkBufferUsageFlagBits.
type BufferUsage uint32

const (
	TransferSrc  BufferUsage = 0x1
	TransferDst  BufferUsage = 0x2
	UniformUsage BufferUsage = 0x10
	StorageUsage BufferUsage = 0x20
)

// Stages is a set of VkPipelineStageFlagBits.
type Stages uint32

const (
	StageTop      Stages = 0x1
	StageCompute  Stages = 0x800
	StageTransfer Stages = 0x1000
	StageBottom   Stages = 0x2000
	StageHost     Stages = 0x4000
)

// Access is a set of VkAccessFlagBits.
type Access uint32

const (
	UniformRead   Access = 0x8
	ShaderRead    Access = 0x20
	ShaderWrite   Access = 0x40
	TransferRead  Access = 0x800
	TransferWrite Access = 0x1000
	HostRead      Access = 0x2000
	HostWrite     Access = 0x4000
)
