// Features: what a device has, and how it is switched on.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import "fmt"

// feature is one optional ability: a VkBool32 of a structure of an extension,
// which a later version of Vulkan may have taken in.
type feature struct {
	name      string
	field     func(*Features) *bool
	extension string
	core      uint32 // the version that has it without the extension; 0: none
	sType     uint32 // of the structure, 0: the extension has none
	index     int    // of the VkBool32 in it
	size      int    // of the structure in bytes
}

// features lists them; those of one structure follow each other.
var features = []feature{
	{"16-bit storage", func(f *Features) *bool { return &f.Storage16 }, "VK_KHR_16bit_storage", Version(1, 1, 0), 1000083000, 0, 32},
	{"8-bit storage", func(f *Features) *bool { return &f.Storage8 }, "VK_KHR_8bit_storage", Version(1, 2, 0), 1000177000, 0, 32},
	{"16-bit floats", func(f *Features) *bool { return &f.Float16 }, "VK_KHR_shader_float16_int8", Version(1, 2, 0), 1000082000, 0, 24},
	{"8-bit integers", func(f *Features) *bool { return &f.Int8 }, "VK_KHR_shader_float16_int8", Version(1, 2, 0), 1000082000, 1, 24},
	{"integer dot products", func(f *Features) *bool { return &f.IntegerDot }, "VK_KHR_shader_integer_dot_product", Version(1, 3, 0), 1000280000, 0, 24},
	{"subgroup size control", func(f *Features) *bool { return &f.SubgroupSizeControl }, "VK_EXT_subgroup_size_control", Version(1, 3, 0), 1000225002, 0, 24},
	{"full subgroups", func(f *Features) *bool { return &f.FullSubgroups }, "VK_EXT_subgroup_size_control", Version(1, 3, 0), 1000225002, 1, 24},
	{"the Vulkan memory model", func(f *Features) *bool { return &f.MemoryModel }, "VK_KHR_vulkan_memory_model", Version(1, 2, 0), 1000211000, 0, 32},
	{"maintenance 4", func(f *Features) *bool { return &f.Maintenance4 }, "VK_KHR_maintenance4", Version(1, 3, 0), 1000413000, 0, 24},
	{"cooperative matrices", func(f *Features) *bool { return &f.CooperativeMatrix }, "VK_KHR_cooperative_matrix", 0, 1000506000, 0, 24},
	{"memory budget", func(f *Features) *bool { return &f.MemoryBudget }, "VK_EXT_memory_budget", 0, 0, 0, 0},
	{"buffer device address", func(f *Features) *bool { return &f.BufferDeviceAddress }, "VK_KHR_buffer_device_address", Version(1, 2, 0), 1000257000, 0, 32},
}

const (
	features2     = 1000059000 // sType of VkPhysicalDeviceFeatures2
	features2Size = 240
)

// known reports whether a device of the version, with the extensions, knows the
// feature's structure.
func (f feature) known(version uint32, extensions map[string]bool) bool {
	return f.core != 0 && version >= f.core || extensions[f.extension]
}

// featureChain chains the structures of the features that want says, and
// returns for each feature its block (nil: none). The caller frees the chain.
func featureChain(want func(feature) bool) (*chain, []block) {
	c := newChain(1024)
	c.add(features2, features2Size)
	blocks := make([]block, len(features))
	last := uint32(0)
	for i, f := range features {
		if f.sType == 0 || !want(f) {
			continue
		}
		if f.sType == last {
			blocks[i] = c.last
			continue
		}
		blocks[i], last = c.add(f.sType, f.size), f.sType
	}
	return c, blocks
}

// switches is how the wanted features of a device are switched on: the chain for
// VkDeviceCreateInfo.pNext, which the caller frees, and the names of
// extensions, NUL-terminated. The error names a feature that the device lacks.
func switches(facts Facts, version uint32, want Features) (*chain, []string, error) {
	wanted := func(f feature) bool { return *f.field(&want) }
	var names []string
	for _, f := range features {
		if !wanted(f) {
			continue
		}
		if !*f.field(&facts.Features) {
			return nil, nil, fmt.Errorf("%s: the device has no %s", facts.Name, f.name)
		}
		if name := f.extension + "\x00"; (f.core == 0 || version < f.core) && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	c, blocks := featureChain(wanted)
	for i, f := range features {
		if blocks[i] != nil && wanted(f) {
			blocks[i].put32(16+4*f.index, 1)
		}
	}
	return c, names, nil
}
