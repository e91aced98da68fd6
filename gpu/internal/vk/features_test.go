// How facts are read and features are switched on, without a device.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	"slices"
	"testing"
	"unsafe"
)

func TestSwitches(t *testing.T) {
	all := Facts{Name: "it"}
	for _, f := range features {
		*f.field(&all.Features) = true
	}
	tests := []struct {
		name    string
		version uint32
		want    Features
		names   []string
	}{
		{"nothing", Version(1, 1, 0), Features{}, nil},
		{"core", Version(1, 3, 0), Features{Storage16: true, Int8: true, Maintenance4: true}, nil},
		{"one extension for two", Version(1, 1, 0), Features{Storage16: true, Float16: true, Int8: true}, []string{"VK_KHR_shader_float16_int8\x00"}},
		{"never core", Version(1, 3, 0), Features{CooperativeMatrix: true, MemoryBudget: true}, []string{"VK_KHR_cooperative_matrix\x00", "VK_EXT_memory_budget\x00"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			chain, names, err := switches(all, c.version, c.want)
			check(t, err)
			defer chain.free()
			if !slices.Equal(names, c.names) {
				t.Errorf("extensions: got %q, want %q", names, c.names)
			}
			on := map[[2]uint32]bool{} // structure, field
			for p := chain.head(); p != nil; p = *(*unsafe.Pointer)(unsafe.Add(p, 8)) {
				for i := range uint32(2) {
					on[[2]uint32{*(*uint32)(p), i}] = *(*uint32)(unsafe.Add(p, 16+4*i)) != 0
				}
			}
			for _, f := range features {
				if want := f.sType != 0 && *f.field(&c.want); on[[2]uint32{f.sType, uint32(f.index)}] != want {
					t.Errorf("%s: got %v, want %v", f.name, !want, want)
				}
			}
		})
	}
}

// TestFacts checks what every device that this package can use must say.
func TestFacts(t *testing.T) {
	i, _ := openTest(t, true)
	facts, _, _ := pick(t, i)
	t.Logf("%+v", facts)
	l := facts.Limits
	if facts.Name == "" || facts.API < Version(1, 1, 0) || facts.CacheUUID == [16]byte{} {
		t.Errorf("identity: %q, %#x, %x", facts.Name, facts.API, facts.CacheUUID)
	}
	// The least that the specification allows.
	if l.StorageBufferRange < 1<<27 || l.SharedMemory < 16<<10 || l.WorkgroupInvocations < 128 || l.WorkgroupSize[0] < 128 ||
		l.WorkgroupCount[2] < 65535 || l.AllocationSize < 1<<30 || l.MemoryAllocations < 4096 || l.StageStorageBuffers < 4 || l.TimestampPeriod <= 0 {
		t.Errorf("limits: %+v", l)
	}
	for _, a := range []uint64{l.StorageAlignment, l.UniformAlignment} {
		if a == 0 || a > 256 || a&(a-1) != 0 {
			t.Errorf("alignment: got %d", a)
		}
	}
	if len(facts.Memory) == 0 || len(facts.Heaps) == 0 {
		t.Fatalf("memory: got %v of %v", facts.Memory, facts.Heaps)
	}
	for _, m := range facts.Memory {
		if m.Heap >= len(facts.Heaps) {
			t.Errorf("memory of heap %d of %d", m.Heap, len(facts.Heaps))
		}
	}
	if s := facts.Subgroup; s.Size < 1 || s.Size > 128 || !s.Basic || s.Max > 0 && (s.Min > s.Size || s.Max < s.Size) {
		t.Errorf("subgroup: %+v", s)
	}
	if facts.Features.CooperativeMatrix != (len(facts.CooperativeMatrices) > 0) {
		t.Errorf("cooperative matrices: got %v", facts.CooperativeMatrices)
	}
}
