// Facts from raw memory.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import "unsafe"

// prober asks a physical device. The names are those of functions
// of the instance; out is memory laid out as C's.
type prober interface {
	// get calls void name(device, out).
	get(name string, device uint64, out unsafe.Pointer)
	// list calls name(device, count, out), whose result, if it has one, is
	// returned.
	list(name string, device uint64, count *uint32, out unsafe.Pointer) Result
	// extensions calls vkEnumerateDeviceExtensionProperties of no layer.
	extensions(device uint64, count *uint32, out unsafe.Pointer) Result
}

// Structures and their sizes.
const (
	propertiesSize    = 824
	queueFamilySize   = 24
	extensionSize     = 260
	extensionNameSize = 256
	cooperativeSize   = 56

	properties2          = 1000059001
	memory2              = 1000059006
	budgetProperties     = 1000237000
	maintenance3         = 1000168000
	subgroupProperties   = 1000094000
	subgroupSizes        = 1000225000
	integerDotProperties = 1000280001
	cooperative          = 1000506001
)

// computeStage is VK_SHADER_STAGE_COMPUTE_BIT.
const computeStage = 0x20

// limitsOffset is that of VkPhysicalDeviceLimits in VkPhysicalDeviceProperties.
const limitsOffset = 296

// probe returns the facts about a device and the version of Vulkan that it and
// the instance have in common. Of a device before Vulkan 1.1 only name, type
// and version are known.
func probe(p prober, device uint64, instance uint32) (Facts, uint32, error) {
	c := newChain(propertiesSize)
	defer c.free()
	properties := c.raw(propertiesSize)
	p.get("vkGetPhysicalDeviceProperties", device, c.head())
	facts := identity(properties)
	version := min(facts.API, instance)
	if version < Version(1, 1, 0) {
		return facts, version, nil
	}
	extensions, err := extensionsOf(p, device)
	if err != nil {
		return facts, version, err
	}
	has := map[uint32]bool{} // structures of features
	for _, f := range features {
		if f.known(version, extensions) {
			has[f.sType] = true
			if f.sType == 0 {
				*f.field(&facts.Features) = true
			}
		}
	}
	query, blocks := featureChain(func(f feature) bool { return has[f.sType] })
	defer query.free()
	p.get("vkGetPhysicalDeviceFeatures2", device, query.head())
	for i, f := range features {
		if blocks[i] != nil {
			*f.field(&facts.Features) = blocks[i].flag(16 + 4*f.index)
		}
	}
	facts.Limits = limits(properties[limitsOffset:])
	facts.properties(p, device)
	facts.memory(p, device)
	facts.families(p, device)
	if facts.Features.CooperativeMatrix {
		err = facts.cooperative(p, device)
	}
	return facts, version, err
}

// identity reads the start of VkPhysicalDeviceProperties.
func identity(b block) Facts {
	f := Facts{
		API: b.u32(0), DriverVersion: b.u32(4), Vendor: b.u32(8), Device: b.u32(12), Type: DeviceType(b.u32(16)),
		Name: b.text(20, 256),
	}
	copy(f.CacheUUID[:], b[276:])
	return f
}

// limits reads VkPhysicalDeviceLimits.
func limits(b block) Limits {
	return Limits{
		StorageBufferRange: uint64(b.u32(28)), MemoryAllocations: b.int(36), StageStorageBuffers: b.int(76),
		SharedMemory: b.int(216), WorkgroupCount: [3]int{b.int(220), b.int(224), b.int(228)},
		WorkgroupInvocations: b.int(232), WorkgroupSize: [3]int{b.int(236), b.int(240), b.int(244)},
		UniformAlignment: b.u64(320), StorageAlignment: b.u64(328), NonCoherentAtom: b.u64(496),
		TimestampPeriod: float64(b.f32(424)),
	}
}

// properties asks for what came after Vulkan 1.0.
func (f *Facts) properties(p prober, device uint64) {
	c := newChain(2048)
	defer c.free()
	c.add(properties2, 16+propertiesSize)
	allocation, subgroup := c.add(maintenance3, 32), c.add(subgroupProperties, 32)
	var sizes, dot block
	if f.Features.SubgroupSizeControl {
		sizes = c.add(subgroupSizes, 32)
	}
	if f.Features.IntegerDot {
		dot = c.add(integerDotProperties, 136)
	}
	p.get("vkGetPhysicalDeviceProperties2", device, c.head())

	f.Limits.AllocationSize = allocation.u64(24)
	f.Subgroup.Size = subgroup.int(16)
	if operations := subgroup.u32(24); subgroup.u32(20)&computeStage != 0 {
		s := &f.Subgroup
		s.Basic, s.Vote, s.Arithmetic = operations&1 != 0, operations&2 != 0, operations&4 != 0
		s.Ballot, s.Shuffle = operations&8 != 0, operations&0x10 != 0
	}
	if sizes != nil && sizes.u32(28)&computeStage != 0 {
		f.Subgroup.Min, f.Subgroup.Max = sizes.int(16), sizes.int(20)
	}
	f.FastIntegerDot = dot != nil && dot.flag(32) // integerDotProduct4x8BitPackedSignedAccelerated
}

// memory asks for the types and heaps of memory.
func (f *Facts) memory(p prober, device uint64) {
	c := newChain(1024)
	defer c.free()
	b := c.add(memory2, 536)
	var budget block
	if f.Features.MemoryBudget {
		budget = c.add(budgetProperties, 272)
	}
	p.get("vkGetPhysicalDeviceMemoryProperties2", device, c.head())
	b = b[16:]
	for i := range b.int(0) {
		f.Memory = append(f.Memory, MemoryType{Flags: MemoryFlags(b.u32(4 + 8*i)), Heap: b.int(8 + 8*i)})
	}
	for i := range b.int(260) {
		h := Heap{Size: b.u64(264 + 16*i), DeviceLocal: b.u32(272+16*i)&1 != 0}
		if budget != nil {
			h.Budget = budget.u64(16 + 8*i)
		}
		f.Heaps = append(f.Heaps, h)
	}
}

// families asks for the queue families.
func (f *Facts) families(p prober, device uint64) {
	const name = "vkGetPhysicalDeviceQueueFamilyProperties"
	var n uint32
	p.list(name, device, &n, nil)
	if n == 0 {
		return
	}
	c := newChain(int(n) * queueFamilySize)
	defer c.free()
	b := c.raw(int(n) * queueFamilySize)
	p.list(name, device, &n, c.head())
	for ; n > 0; n, b = n-1, b[queueFamilySize:] {
		flags := b.u32(0)
		f.Families = append(f.Families, QueueFamily{
			Graphics: flags&1 != 0, Compute: flags&2 != 0, Transfer: flags&7 != 0, // the first two imply the third
			Queues: b.int(4), TimestampBits: b.int(8),
		})
	}
}

// cooperative asks for the shapes of cooperative matrices.
func (f *Facts) cooperative(p prober, device uint64) error {
	const name = "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"
	var n uint32
	if err := Check(name, p.list(name, device, &n, nil)); err != nil || n == 0 {
		return err
	}
	c := newChain(int(n) * cooperativeSize)
	defer c.free()
	b := c.raw(int(n) * cooperativeSize)
	for i := range int(n) {
		b.put32(i*cooperativeSize, cooperative)
	}
	if err := Check(name, p.list(name, device, &n, c.head())); err != nil {
		return err
	}
	for ; n > 0; n, b = n-1, b[cooperativeSize:] {
		f.CooperativeMatrices = append(f.CooperativeMatrices, CooperativeMatrix{
			M: b.int(16), N: b.int(20), K: b.int(24),
			A: Component(b.u32(28)), B: Component(b.u32(32)), C: Component(b.u32(36)), Result: Component(b.u32(40)),
			Saturating: b.flag(44), Scope: b.u32(48),
		})
	}
	return nil
}

// extensionsOf lists the extensions that a device has.
func extensionsOf(p prober, device uint64) (map[string]bool, error) {
	const name = "vkEnumerateDeviceExtensionProperties"
	var n uint32
	if err := Check(name, p.extensions(device, &n, nil)); err != nil {
		return nil, err
	}
	has := make(map[string]bool, n)
	if n == 0 {
		return has, nil
	}
	c := newChain(int(n) * extensionSize)
	defer c.free()
	b := c.raw(int(n) * extensionSize)
	if err := Check(name, p.extensions(device, &n, c.head())); err != nil {
		return nil, err
	}
	for ; n > 0; n, b = n-1, b[extensionSize:] {
		has[b.text(0, extensionNameSize)] = true
	}
	return has, nil
}
