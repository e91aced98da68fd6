// What is known of the processor: its name and its caches.

package asm

import (
	"github.com/klauspost/cpuid/v2"
)

// CPUName returns the processor's marketing name, or the empty string if it has none to tell.
func CPUName() string { return cpuid.CPU.BrandName }

// Caches holds cache sizes in bytes, per core for L1Data and L2. L3 is what one
// core may be expected to get of a cache that several share.
type Caches struct {
	L1Data, L2, L3 int
}

// CacheSizes returns the caches of this processor. Where a size is not known it
// is that of a common core: 32 KiB, 512 KiB, 4 MiB.
func CacheSizes() Caches {
	known := func(bytes, otherwise int) int {
		if bytes > 0 {
			return bytes
		}
		return otherwise
	}
	c := cpuid.CPU.Cache
	return Caches{
		L1Data: known(c.L1D, 32<<10),
		L2:     known(c.L2, 512<<10),
		L3:     known(c.L3, 4<<20),
	}
}
