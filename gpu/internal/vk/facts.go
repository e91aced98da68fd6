// What a device is and can do.

package vk

// Facts are what a physical device says of itself.
type Facts struct {
	Name          string
	Type          DeviceType
	Vendor        uint32
	Device        uint32
	API           uint32 // VK_MAKE_API_VERSION; see Version
	DriverVersion uint32
	CacheUUID     [16]byte // of the pipeline cache

	Limits   Limits
	Memory   []MemoryType
	Heaps    []Heap
	Families []QueueFamily
	Subgroup Subgroup

	// Features are those that the device has and this package can switch on.
	Features Features
	// FastIntegerDot: four 8-bit lanes packed in 32 bits, signed, are
	// multiplied in hardware.
	FastIntegerDot bool
	// CooperativeMatrices are the shapes of VK_KHR_cooperative_matrix.
	CooperativeMatrices []CooperativeMatrix
}

// Version is a Vulkan version number.
func Version(major, minor, patch uint32) uint32 { return major<<22 | minor<<12 | patch }

// Limits are those of VkPhysicalDeviceLimits that matter here, in bytes and
// counts.
type Limits struct {
	StorageBufferRange   uint64
	MemoryAllocations    int
	AllocationSize       uint64 // of one memory
	SharedMemory         int    // of one workgroup
	WorkgroupInvocations int
	WorkgroupSize        [3]int
	WorkgroupCount       [3]int
	StorageAlignment     uint64 // of a storage buffer's offset
	UniformAlignment     uint64
	NonCoherentAtom      uint64
	StageStorageBuffers  int     // in one pipeline
	TimestampPeriod      float64 // nanoseconds per tick
}

// Features are optional abilities, off in the zero value.
type Features struct {
	Storage16, Storage8 bool // 16- and 8-bit storage buffers
	Float16, Int8       bool // arithmetic
	IntegerDot          bool // packed 8-bit dot products
	SubgroupSizeControl bool
	FullSubgroups       bool
	MemoryModel         bool // the Vulkan memory model
	Maintenance4        bool
	CooperativeMatrix   bool // VK_KHR_cooperative_matrix
	MemoryBudget        bool // VK_EXT_memory_budget
	BufferDeviceAddress bool
}

// DeviceType is a VkPhysicalDeviceType.
type DeviceType uint32

const (
	OtherDevice DeviceType = iota
	IntegratedGPU
	DiscreteGPU
	VirtualGPU
	SoftwareDevice // computes on the CPU
)

// MemoryType is a VkMemoryType.
type MemoryType struct {
	Flags MemoryFlags
	Heap  int
}

// MemoryFlags is a set of VkMemoryPropertyFlagBits.
type MemoryFlags uint32

const (
	DeviceLocal  MemoryFlags = 0x1
	HostVisible  MemoryFlags = 0x2
	HostCoherent MemoryFlags = 0x4
	HostCached   MemoryFlags = 0x8
)

// Heap is a VkMemoryHeap. Budget is what of it this process may use now, or 0
// where the device does not tell.
type Heap struct {
	Size, Budget uint64
	DeviceLocal  bool
}

// QueueFamily is a VkQueueFamilyProperties.
type QueueFamily struct {
	Graphics, Compute, Transfer bool
	Queues                      int
	TimestampBits               int
}

// Subgroup is how invocations work together.
type Subgroup struct {
	Size     int // what a pipeline gets unless it asks
	Min, Max int // what it may ask for; 0 without SubgroupSizeControl
	// In compute shaders:
	Basic, Vote, Arithmetic, Ballot, Shuffle bool
}

// CooperativeMatrix is a shape of D = A[M,K] · B[K,N] + C[M,N] that the device
// multiplies in hardware.
type CooperativeMatrix struct {
	M, N, K         int
	A, B, C, Result Component
	Saturating      bool
	Scope           uint32 // 3: subgroup
}

// Component is a VkComponentTypeKHR.
type Component uint32

const (
	F16  Component = 0
	F32  Component = 1
	S8   Component = 3
	S32  Component = 5
	U8   Component = 7
	U32  Component = 9
	BF16 Component = 1000141000
)
