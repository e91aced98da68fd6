// Package measure counts what tests set bounds to.
package measure

import "runtime"

// Allocated returns the bytes that f, and whatever runs beside it, takes from the heap.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
